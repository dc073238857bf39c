//! Who is at the other end of a loopback connection: the kernel's word, as the daemon has it of its socket.
//!
//! A port is open to every user of the machine, and an address that is handed to a browser can be read in the list of
//! processes. So the uid of the socket that connected is compared, which no token can be passed on around.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, SocketAddr};

use nix::unistd::geteuid;

mod sock_diag;

/// Every TCP socket of our own network namespace, with the uid that made it (proc_net_tcp(5)).
const TABLE: &str = "/proc/net/tcp";
const TABLE_OF_IPV6: &str = "/proc/net/tcp6";
/// Where the uid stands among the words of a row, and the inode.
const UID: usize = 7;
const INODE: usize = 9;
/// The inode of what no process has any more. The kernel shows such a socket as root's, whoever had it.
const NOBODYS: &str = "0";

/// Whose browser may open a page of ours: our own user's; and where root was made of another by sudo(8), that one's, who has
/// the screen.
pub(super) fn ours() -> Vec<u32> {
    let own = geteuid();
    let lent = std::env::var("SUDO_UID").ok().filter(|_| own.is_root());
    std::iter::once(own.as_raw()).chain(lent.and_then(|it| it.parse().ok())).collect()
}

/// The uid of the socket that is connected from `from` to `to`; `None` where the kernel does not say, and where it was closed
/// since.
pub(super) fn uid(from: SocketAddr, to: SocketAddr) -> Option<u32> {
    sock_diag::uid(from, to).unwrap_or_else(|_| uid_in_table(from, to))
}

/// The same where only the whole table is to be had: that takes the longer, the more sockets there are on the machine.
fn uid_in_table(from: SocketAddr, to: SocketAddr) -> Option<u32> {
    let table = if from.is_ipv4() { TABLE } else { TABLE_OF_IPV6 };
    let (from, to) = (place(from), place(to));
    let mut rows = BufReader::new(File::open(table).ok()?).lines().map_while(Result::ok);
    rows.find_map(|it| uid_in(&it, &from, &to))
}

/// An address as the table writes it: each four bytes as one number of this machine, and the port.
fn place(address: SocketAddr) -> String {
    let octets = match address.ip() {
        IpAddr::V4(it) => it.octets().to_vec(),
        IpAddr::V6(it) => it.octets().to_vec(),
    };
    let mut text = String::new();
    for word in octets.as_chunks().0 {
        let _ = write!(text, "{:08X}", u32::from_ne_bytes(*word));
    }
    let _ = write!(text, ":{:04X}", address.port());
    text
}

fn uid_in(row: &str, from: &str, to: &str) -> Option<u32> {
    let words: Vec<&str> = row.split_ascii_whitespace().collect();
    let is_held = words.get(INODE).is_some_and(|it| *it != NOBODYS);
    match words.get(1..=2)? == [from, to] && is_held {
        true => words.get(UID)?.parse().ok(),
        false => None,
    }
}

#[cfg(test)]
mod tests;
