use std::os::fd::AsFd as _;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};

use super::*;

fn leaving(account: u32) -> (Leaving, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    (Leaving { account, socket: ours.into(), seat: None }, theirs)
}

/// What a descriptor of a process is.
fn targets(pid: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    entries.filter_map(|it| std::fs::read_link(it.unwrap().path()).ok()).collect()
}

fn target(socket: &OwnedFd) -> PathBuf {
    let number = std::os::fd::AsRawFd::as_raw_fd(&socket.as_fd());
    std::fs::read_link(format!("/proc/self/fd/{number}")).unwrap()
}

/// A program that stays until its input ends, and needs no other.
fn staying(folder: &Path) -> PathBuf {
    let program = folder.join("stays");
    std::fs::write(&program, "#!/bin/sh\nread line\n").unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    program
}

/// Also where one could not be begun before: what it would have had is nothing of the next one's.
#[test]
fn a_process_has_what_it_is_to_hold_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let ((first, _one), (second, _other)) = (leaving(1), leaving(2));
    let mut missing = Holder::new(folder.path().join("missing"));
    assert!(missing.hold(std::slice::from_ref(&first)).is_err());

    let mut holder = Holder::new(staying(folder.path()));
    let (process, end) = holder.hold(std::slice::from_ref(&second)).unwrap();
    let held = targets(&process.to_string());
    assert!(held.contains(&target(&second.socket)), "{held:?}");
    assert!(!held.contains(&target(&first.socket)), "{held:?}");
    let sockets = held.iter().filter(|it| it.to_string_lossy().starts_with("socket:"));
    assert_eq!(sockets.count(), 1, "{held:?}");
    drop(end);
    waitpid(process, None).unwrap();
}

/// Whatever else this process starts meanwhile gets none of them.
#[test]
fn what_is_held_is_inherited_by_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let (only, _other) = leaving(1);
    let mut holder = Holder::new(staying(folder.path()));
    let (process, end) = holder.hold(std::slice::from_ref(&only)).unwrap();
    let flags = fcntl(&only.socket, FcntlArg::F_GETFD).unwrap();
    assert!(FdFlag::from_bits_retain(flags).contains(FdFlag::FD_CLOEXEC));
    drop(end);
    waitpid(process, None).unwrap();
}
