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

#[test]
fn a_path_that_may_be_a_link_is_read_behind_it_and_is_still_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    // As the kubelet lays a secret out.
    fs::create_dir(at("..1")).unwrap();
    fs::write(at("..1/token"), "first").unwrap();
    symlink("..1", at("..data")).unwrap();
    symlink("..data/token", at("token")).unwrap();
    assert_eq!(read_linked_text(&at("token"), 9).unwrap(), "first");
    assert_eq!(read_linked_text(&at("token"), 2).unwrap(), "fir", "one more than asked for");
    fs::create_dir(at("..2")).unwrap();
    fs::write(at("..2/token"), "second").unwrap();
    symlink("..2", at("..new")).unwrap();
    fs::rename(at("..new"), at("..data")).unwrap();
    assert_eq!(read_linked_text(&at("token"), 9).unwrap(), "second");

    nix::unistd::mkfifo(&at("pipe"), Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
    symlink("pipe", at("to-pipe")).unwrap();
    symlink("..1", at("to-directory")).unwrap();
    for name in ["pipe", "to-pipe", "to-directory"] {
        let read = read_linked_text(&at(name), 9);
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::InvalidInput, "{name}");
    }
    symlink("nothing", at("dangling")).unwrap();
    assert_eq!(read_linked_text(&at("dangling"), 9).unwrap_err().kind(), io::ErrorKind::NotFound);
}

#[test]
fn a_way_leads_where_the_kernel_would_go() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::create_dir_all(at("a/b")).unwrap();
    fs::write(at("a/b/it"), "text").unwrap();
    symlink("a", at("relative")).unwrap();
    symlink(at("relative/b"), at("absolute")).unwrap();
    symlink("../absolute/./..", at("a/back")).unwrap();
    symlink("round", at("round")).unwrap();
    symlink("b/it", at("a/link")).unwrap();
    for name in ["a/b/it", "relative/b/it", "absolute/it", "a/back/b/../b/it", "./a//b/it"] {
        let mut text = String::new();
        let reached = Reached::to(&at(name)).unwrap();
        reached.open().unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "text", "{name}");
        assert_eq!(fs::read_to_string(reached.path()).unwrap(), "text", "{name}");
    }
    for (name, kind) in [
        ("round/it", None),
        ("a/b/it/it", Some(io::ErrorKind::NotADirectory)),
        ("a/c/it", Some(io::ErrorKind::NotFound)),
        ("a/b/none", Some(io::ErrorKind::NotFound)),
        ("a/b", Some(io::ErrorKind::InvalidInput)),
        ("a/link", Some(io::ErrorKind::InvalidInput)),
    ] {
        let error = Reached::to(&at(name)).and_then(|it| it.open()).unwrap_err();
        assert!(kind.is_none_or(|it| error.kind() == it), "{name}: {error}");
    }
}

#[test]
fn a_file_system_is_anothers_by_what_the_kernel_says_of_its_mount() {
    for (mount, own, wanted) in [
        ("27 0:39 / /mnt rw,relatime - ext4 /dev/vda rw,user_id=7", 0, false),
        ("27 0:39 / /mnt rw shared:1 - fuse.sshfs x rw,user_id=7,group_id=7,allow_other", 0, true),
        ("27 0:39 / /mnt rw shared:1 master:2 - fuse x rw,user_id=7,group_id=7", 7, false),
        ("27 0:39 / /mnt rw - fuse x rw,user_id=0,group_id=0,allow_other", 7, false),
        ("27 0:39 / /mnt rw - fuseblk /dev/sdb1 rw,user_id=7,group_id=7", 8, true),
        ("27 0:39 / /mnt rw - fuse x rw", 0, true),
    ] {
        assert_eq!(reached::is_answered_by_another(mount, own), wanted, "{mount}, to {own}");
    }
}
