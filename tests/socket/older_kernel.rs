//! The same on a kernel that lets descriptors through, where each connection is looked at before it is read, and has another
//! descriptor: the tests of the other modules once more, in a process to which the kernel is an older one.

use std::io::IoSlice;
use std::os::fd::AsRawFd as _;
use std::process::Command;

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

use super::*;

/// Set for the process that plays them.
const ROLE: &str = "ENTITLED_TEST_OLDER_KERNEL";

#[test]
fn an_older_kernel_makes_no_difference() {
    let home = tempfile::tempdir().unwrap();
    let what = "the socket on a kernel before 6.16";
    let Some(library) = preloaded::build("older_kernel", home.path(), what) else { return };
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--skip", "an_older_kernel_makes_no_difference", "--test-threads", "4"]);
    // Turns are measured by what is answered meanwhile, which nothing else may disturb.
    again.args(["--skip", "fairness::"]);
    let output = again.env("LD_PRELOAD", library).env(ROLE, "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

/// In that process one can be sent, and ends its connection.
#[tokio::test]
async fn whoever_sends_a_descriptor_there_is_let_go() {
    if std::env::var_os(ROLE).is_none() {
        return;
    }
    let house = House::open(limits());
    let mut client = house.connect().await;
    client.ask(call(1, "hot")).await;
    let socket = client.0.get_ref().as_raw_fd();
    let (bytes, descriptors) = (call(2, "hot"), [socket]);
    let with = [ControlMessage::ScmRights(&descriptors)];
    let bytes = [IoSlice::new(bytes.as_bytes())];
    sendmsg::<()>(socket, &bytes, &with, MsgFlags::empty(), None).unwrap();
    assert_eq!(client.rest().await, "");
    assert_eq!(house.connect().await.ask(call(3, "hot")).await["id"], 3);
}
