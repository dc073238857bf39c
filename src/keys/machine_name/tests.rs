use std::fs;
use std::os::unix::fs::MetadataExt;

use super::*;

#[test]
fn the_name_stays_and_tells_nothing_of_the_id() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("machine-id");
    let name = MachineName::read_or_make(&path).unwrap();
    assert_eq!(MachineName::read_or_make(&path).unwrap(), name);
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o644);
    let digits =
        name.as_str().strip_prefix("entitled-").unwrap().strip_suffix(".localhost").unwrap();
    assert!(digits.len() == 12 && digits.bytes().all(|it| it.is_ascii_hexdigit()));
    assert!(
        entitled_core::domain::wallet_proof::is_machine_name(name.as_str()),
        "it may be read in receipts"
    );
    assert!(!fs::read_to_string(&path).unwrap().contains(digits));
}

#[test]
fn the_name_of_an_id_never_changes_between_releases() {
    assert_eq!(MachineName::of(&[0; 16]).as_str(), "entitled-f45d08fb2e79.localhost");
}

#[test]
fn two_machines_have_two_names() {
    let dir = tempfile::tempdir().unwrap();
    let one = MachineName::read_or_make(&dir.path().join("one")).unwrap();
    let two = MachineName::read_or_make(&dir.path().join("two")).unwrap();
    assert_ne!(one, two);
}

#[test]
fn a_damaged_id_is_refused_and_kept() {
    let long = "a".repeat(33);
    for text in ["", "abc", "zz", long.as_str(), &format!("0x{}", "a".repeat(32))] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("machine-id");
        fs::write(&path, text).unwrap();
        let error = MachineName::read_or_make(&path).unwrap_err();
        assert!(matches!(error, MachineNameError::Malformed { .. }), "{text}: {error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
}
