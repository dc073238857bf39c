use std::os::unix::fs::MetadataExt;

use super::*;

#[test]
fn a_file_that_is_there_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("it");
    assert_eq!(make(&path, b"first", 0o600).unwrap(), Made::Here);
    assert_eq!(make(&path, b"second", 0o644).unwrap(), Made::Before);
    assert_eq!(fs::read(&path).unwrap(), b"first");
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_failure_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    assert!(make(&dir.path().join("none/it"), b"x", 0o600).is_err());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}
