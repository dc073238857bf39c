//! Opening the person's browser, where there is one.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use nix::unistd::geteuid;

/// What opens an address with the program that the person chose for it.
const OPENER: &str = "xdg-open";

/// Opens `address`; whether anything was started that may do so.
pub(super) fn open(address: &str) -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|it| !it.is_empty());
    let has_screen = ["DISPLAY", "WAYLAND_DISPLAY"].into_iter().any(is_set);
    // The browser of root is not that of the person who became root.
    let is_lent = geteuid().is_root() && is_set("SUDO_UID");
    if !has_screen || is_lent {
        return false;
    }
    let mut command = Command::new(OPENER);
    command.arg(address).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // Of a group of its own: Ctrl-C ends the page and not the browser.
    command.process_group(0).spawn().is_ok()
}
