use std::net::{SocketAddr, TcpListener, TcpStream};

use nix::unistd::geteuid;

use super::{sock_diag, uid_in, uid_in_table};

/// What each of the two ways says.
fn uids(from: SocketAddr, to: SocketAddr) -> [Option<u32>; 2] {
    [sock_diag::uid(from, to).unwrap(), uid_in_table(from, to)]
}

#[test]
fn the_kernel_names_the_user_of_a_connection() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        // Without IPv6 there is nothing to be asked about it.
        if let Ok(listener) = TcpListener::bind(address) {
            names_the_user(&listener);
        }
    }
}

fn names_the_user(listener: &TcpListener) {
    let there = listener.local_addr().unwrap();
    let client = TcpStream::connect(there).unwrap();
    let (_server, from) = listener.accept().unwrap();
    assert_eq!(uids(from, there), [Some(geteuid().as_raw()); 2]);
    drop(client);
    let mut nobody = from;
    nobody.set_port(1);
    assert_eq!(uids(nobody, there), [None; 2]);
    // Who listens is not who connected.
    assert_eq!(uids(there, from), [Some(geteuid().as_raw()); 2]);
    assert_eq!(uids(there, nobody), [None; 2]);
}

#[test]
fn a_row_counts_for_its_own_direction_only() {
    let row = "   3: 0100007F:D431 0100007F:0FA0 01 00000000:00000000 00:00000000 00000000  1000        0 77 1 0 20 4 30 10 -1";
    assert_eq!(uid_in(row, "0100007F:D431", "0100007F:0FA0"), Some(1000));
    assert_eq!(uid_in(row, "0100007F:0FA0", "0100007F:D431"), None);
    let closed = row.replace(" 1000        0 77 ", " 0        0 0 ");
    assert_eq!(uid_in(&closed, "0100007F:D431", "0100007F:0FA0"), None);
    for short in ["", "3:", "   3: 0100007F:D431 0100007F:0FA0 01"] {
        assert_eq!(uid_in(short, "0100007F:D431", "0100007F:0FA0"), None, "{short}");
    }
}

/// The kernel shows what nobody has any more as root's.
#[test]
fn a_connection_that_was_closed_is_nobodys() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let there = listener.local_addr().unwrap();
    let client = TcpStream::connect(there).unwrap();
    let (_server, from) = listener.accept().unwrap();
    drop(client);
    assert_eq!(uids(from, there), [None; 2]);
}

/// As programs in Java connect to an address of IPv4.
#[test]
fn a_socket_of_ipv6_is_known_where_it_is_connected_by_ipv4() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let there = listener.local_addr().unwrap();
    // Without IPv6 there is no such socket.
    let Ok(_client) = TcpStream::connect(format!("[::ffff:127.0.0.1]:{}", there.port())) else {
        return;
    };
    let (_server, from) = listener.accept().unwrap();
    assert_eq!(sock_diag::uid(from, there).unwrap(), Some(geteuid().as_raw()));
}
