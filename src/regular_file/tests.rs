use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::net::UnixListener;

use super::*;

#[test]
fn a_file_is_opened_or_made_for_its_owner_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("it");
    assert_eq!(open(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
    assert_eq!(open_or_make(&path).unwrap().metadata().unwrap().mode() & 0o777, 0o600);
    fs::write(&path, "text").unwrap();
    assert_eq!(read_text(&path, 9).unwrap(), "text");
    assert_eq!(read_text(&path, 2).unwrap(), "tex", "one more than asked for");
    open_or_make(&path).unwrap();
    assert_eq!(read_text(&path, 9).unwrap(), "text", "what is there stays");
}

#[test]
fn whatever_else_has_the_name_is_refused_without_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("file"), "").unwrap();
    symlink(at("file"), at("link")).unwrap();
    symlink(at("made"), at("dangling")).unwrap();
    nix::unistd::mkfifo(&at("pipe"), Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
    fs::create_dir(at("directory")).unwrap();
    let _socket = UnixListener::bind(at("socket")).unwrap();
    for name in ["link", "dangling", "pipe", "directory", "socket"] {
        for opened in [open(&at(name)), open_or_make(&at(name))] {
            assert_eq!(opened.unwrap_err().kind(), io::ErrorKind::InvalidInput, "{name}");
        }
    }
    assert_eq!(open(Path::new("/dev/zero")).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    assert!(!at("made").exists(), "the target of a link was made");
}
