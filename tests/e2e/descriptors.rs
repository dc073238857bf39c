//! Nobody sends the daemon descriptors. What closes when it reads them would be closed on a thread that serves everybody, and
//! may take as long as its sender likes.

use std::io::IoSlice;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use serde_json::json;

use crate::support::daemon::Daemon;
use crate::support::prerequisites;
use crate::support::settings::Settings;

/// Linux has `SO_PASSRIGHTS` since 6.16.
fn kernel_can_refuse() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split(['.', '-']).map_while(|it| it.parse::<u32>().ok());
    let known = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (6, 16);
    if !known {
        prerequisites::skipped("that descriptors are refused", "Linux 6.16");
    }
    known
}

/// Whoever connects can ask, and cannot send a descriptor beside the question.
pub fn refuses_descriptors(socket: &Path) {
    if !kernel_can_refuse() {
        return;
    }
    let stream = UnixStream::connect(socket).unwrap();
    let descriptors = [stream.as_raw_fd()];
    let (blank, sent) = ([IoSlice::new(b" ")], [ControlMessage::ScmRights(&descriptors)]);
    let end = sendmsg::<()>(stream.as_raw_fd(), &blank, &sent, MsgFlags::empty(), None);
    assert_eq!(end, Err(Errno::EPERM), "{}", socket.display());
    let end = sendmsg::<()>(stream.as_raw_fd(), &blank, &[], MsgFlags::empty(), None);
    assert_eq!(end, Ok(1), "{}", socket.display());
}

#[test]
fn who_connects_can_send_no_descriptor() {
    let daemon = Daemon::start(&Settings::new(["http://127.0.0.1:9".to_owned()]));
    refuses_descriptors(&daemon.socket());
    refuses_descriptors(&daemon.admin_socket());
    daemon.call("system_version", json!({}));
}
