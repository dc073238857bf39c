//! One TCP socket, as the kernel describes it to whoever asks for it by its two ends (sock_diag(7), `linux/inet_diag.h`): at
//! the same cost however many sockets there are.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd as _, OwnedFd};

use nix::libc;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recvfrom, send, socket,
};

/// `SOCK_DIAG_BY_FAMILY`: the type of the question, and of its answer.
const BY_FAMILY: u16 = 20;
/// `NLM_F_REQUEST`.
const REQUEST: u16 = 1;
/// `AF_INET`, `AF_INET6` and `IPPROTO_TCP`, each in one byte.
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const TCP: u8 = 6;
/// `struct nlmsghdr`, and in it where the type stands.
const HEADER: usize = 16;
const TYPE: usize = 4;
/// Within `struct inet_diag_msg`: the two ends, who made the socket, and the inode of what has it.
const ENDS: std::ops::Range<usize> = 4..40;
const UID: usize = 64;
const INODE: usize = 68;
const ANSWER: usize = 72;

/// The uid of the socket that is connected from `from` to `to`. `Ok(None)` where there is none, or nobody has it any more.
///
/// # Errors
/// Where the kernel is not to be asked so: without the module `tcp_diag`, or where a sandbox forbids it.
pub(super) fn uid(from: SocketAddr, to: SocketAddr) -> io::Result<Option<u32>> {
    let kind = (SockType::Datagram, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkSockDiag);
    let kernel = socket(AddressFamily::Netlink, kind.0, kind.1, kind.2)?;
    let ends = ends(from, to);
    send(kernel.as_raw_fd(), &question(from.is_ipv4(), &ends), MsgFlags::empty())?;
    let answer = answer(&kernel)?;
    let word = |at: usize| u32_at(&answer, HEADER + at);
    match u16_at(&answer, TYPE) {
        Some(BY_FAMILY) if answer.len() >= HEADER + ANSWER => {
            // Where there is no such connection, the kernel names who listens at the place.
            let described = &answer[HEADER..][ENDS];
            let is_it = described == ends || described == self::ends(mapped(from), mapped(to));
            Ok(word(UID).filter(|_| is_it && word(INODE).is_some_and(|it| it != 0)))
        }
        // An error, as a negative number.
        _ => match word(0).map(u32::cast_signed) {
            Some(code) if code == -libc::ENOENT => Ok(None),
            Some(code) if code < 0 => Err(io::Error::from_raw_os_error(-code)),
            _ => Err(io::ErrorKind::InvalidData.into()),
        },
    }
}

/// What the kernel says, and nobody else.
fn answer(kernel: &OwnedFd) -> io::Result<Vec<u8>> {
    let mut answer = vec![0; 1024];
    let (length, sender) = recvfrom::<NetlinkAddr>(kernel.as_raw_fd(), &mut answer)?;
    if sender.is_none_or(|it| it.pid() != 0) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    answer.truncate(length);
    Ok(answer)
}

/// As a socket of IPv6 has an end that is of IPv4.
fn mapped(end: SocketAddr) -> SocketAddr {
    match end.ip() {
        IpAddr::V4(it) => SocketAddr::new(it.to_ipv6_mapped().into(), end.port()),
        IpAddr::V6(_) => end,
    }
}

/// The ports and addresses of `struct inet_diag_sockid`.
fn ends(from: SocketAddr, to: SocketAddr) -> Vec<u8> {
    let address = |it: SocketAddr| match it.ip() {
        IpAddr::V4(it) => [it.octets().as_slice(), &[0; 12]].concat(),
        IpAddr::V6(it) => it.octets().to_vec(),
    };
    let ports = [from.port().to_be_bytes(), to.port().to_be_bytes()].concat();
    [ports, address(from), address(to)].concat()
}

/// A header and `struct inet_diag_req_v2`: TCP in whatever state, at any interface, of any cookie.
fn question(is_ipv4: bool, ends: &[u8]) -> Vec<u8> {
    let family = if is_ipv4 { AF_INET } else { AF_INET6 };
    let mut body = vec![family, TCP, 0, 0];
    body.extend(u32::MAX.to_ne_bytes());
    body.extend(ends);
    body.extend([0; 4]);
    body.extend([0xff; 8]);
    let length = u32::try_from(HEADER + body.len()).unwrap_or(u32::MAX);
    let mut question = length.to_ne_bytes().to_vec();
    question.extend(BY_FAMILY.to_ne_bytes());
    question.extend(REQUEST.to_ne_bytes());
    question.extend([0; 8]);
    question.extend(body);
    question
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}
