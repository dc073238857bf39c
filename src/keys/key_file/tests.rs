use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

fn file_with(dir: &Path, bytes: &[u8], mode: u32) -> PathBuf {
    let path = dir.join("kek");
    fs::write(&path, bytes).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    path
}

#[test]
fn the_file_is_made_once_and_only_for_us() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("kek");
    let first = read_or_make(&path, 0).unwrap();
    let found = fs::metadata(&path).unwrap();
    assert_eq!((found.len(), found.mode() & 0o7777), (32, 0o600));
    assert_eq!(read_or_make(&path, 0).unwrap().id(), first.id());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left behind");
}

#[test]
fn no_key_is_made_in_the_place_of_one_that_is_missed() {
    let dir = tempfile::tempdir().unwrap();
    let error = read_or_make(&dir.path().join("kek"), 2).unwrap_err();
    assert!(matches!(error, KeyFileError::Missing { wallets: 2, .. }), "{error}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn many_who_start_at_once_end_with_one_key() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("kek");
    let ids: Vec<_> = std::thread::scope(|scope| {
        let starts: Vec<_> =
            (0..8).map(|_| scope.spawn(|| read_or_make(&path, 0).unwrap().id())).collect();
        starts.into_iter().map(|it| it.join().unwrap()).collect()
    });
    assert!(ids.iter().all(|it| it == &ids[0]));
}

#[test]
fn a_file_others_may_touch_is_refused_and_the_remedy_named() {
    for mode in [0o640, 0o604, 0o620, 0o602, 0o610, 0o777] {
        let dir = tempfile::tempdir().unwrap();
        let path = file_with(dir.path(), &[7; 32], mode);
        let error = read_or_make(&path, 0).unwrap_err();
        assert!(matches!(error, KeyFileError::Mode { .. }), "{mode:o}: {error}");
        assert!(error.to_string().contains("chmod 0600"), "{error}");
    }
}

#[test]
fn a_short_or_long_file_is_refused_and_not_overwritten() {
    for length in [0, 1, 31, 33, 4096] {
        let dir = tempfile::tempdir().unwrap();
        let path = file_with(dir.path(), &vec![7; length], 0o600);
        let error = read_or_make(&path, 0).unwrap_err();
        assert!(matches!(error, KeyFileError::Length { .. }), "{length}: {error}");
        assert_eq!(fs::read(&path).unwrap(), vec![7; length]);
    }
}

#[test]
fn a_link_a_directory_and_a_pipe_are_refused_without_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let real = file_with(dir.path(), &[7; 32], 0o600);
    let path = dir.path().join("other");
    symlink(&real, &path).unwrap();
    assert!(matches!(read_or_make(&path, 0), Err(KeyFileError::NotRegular { .. })));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(read_or_make(&path, 0), Err(KeyFileError::NotRegular { .. })));
    fs::remove_dir(&path).unwrap();
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    assert!(matches!(read_or_make(&path, 0), Err(KeyFileError::NotRegular { .. })));
}

#[test]
fn no_directory_is_made_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let error = read_or_make(&dir.path().join("none/kek"), 0).unwrap_err();
    assert!(matches!(error, KeyFileError::Make { .. }), "{error}");
}

#[test]
fn a_credential_is_read_from_its_directory_whatever_its_mode() {
    let dir = tempfile::tempdir().unwrap();
    file_with(dir.path(), &[7; 32], 0o440);
    let key = read_credential(Some(dir.path()), "kek").unwrap();
    assert_eq!(key.id(), KeyEncryptionKey::from_bytes(&[7; 32]).unwrap().id());
}

#[test]
fn a_credential_is_never_made_nor_looked_for_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let missing = read_credential(Some(dir.path()), "kek").unwrap_err();
    assert!(matches!(missing, KeyFileError::Read { .. }), "{missing}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    for name in ["", ".", "..", "../kek", "/etc/passwd", "a\0b"] {
        let error = read_credential(Some(dir.path()), name).unwrap_err();
        assert!(matches!(error, KeyFileError::CredentialName { .. }), "{name}: {error}");
    }
    assert!(matches!(read_credential(None, "kek"), Err(KeyFileError::NoCredentials)));
}
