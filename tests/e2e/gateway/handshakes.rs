//! Handshakes of TLS cost a signature each, before anybody has said who asks.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use nix::sys::signal::Signal;
use rustix::io::ioctl_fionread;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::tls::Authority;
use crate::support::PATIENCE;
use crate::support::gateway::{GatewayStage, connect_from, everything};

const FLOODERS: usize = 60;

/// What a client says first. Whoever stops there has had the server sign.
fn hello() -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut hello = Vec::new();
    connection.write_tls(&mut hello).unwrap();
    hello
}

#[test]
fn handshakes_of_one_address_keep_nobody_waiting_for_all_of_them() {
    let Some(authority) = Authority::new() else { return };
    authority.issue_costly("gateway", "IP:127.0.0.1");
    let stage = GatewayStage::start(&format!("{}{}", everything(), authority.section()));
    let hello = hello();
    let say = |mut stream: TcpStream| {
        stream.write_all(&hello).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    };
    let once = |_| {
        stage.gateway.signal(Signal::SIGSTOP);
        let flood = |_| say(connect_from(2, stage.gateway.port));
        let flooders: Vec<TcpStream> = (0..FLOODERS).map(flood).collect();
        let mut other = say(connect_from(1, stage.gateway.port));
        stage.gateway.signal(Signal::SIGCONT);
        assert_eq!(other.read(&mut [0]).unwrap(), 1, "an answer");
        // What comes after the answer counts as well, until we are scheduled.
        let is_answered = |it: &&TcpStream| ioctl_fionread(it).unwrap() > 0;
        flooders.iter().filter(is_answered).count()
    };
    let answered = (0..8).map(once).min().unwrap();
    assert!(answered < FLOODERS / 3, "{answered} handshakes before another's");
}
