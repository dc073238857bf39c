//! What a node's own socket may not do to whoever asks there.

use std::io::{BufRead as _, BufReader, IoSlice, Write as _};
use std::net::{TcpListener as StdTcpListener, TcpStream as StdTcpStream};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg, setsockopt, sockopt};

use alloy_json_rpc::ResponsePacket;

use super::*;
use crate::chain::endpoint::transport::Wire;
use crate::endpoint::EndpointSettings;

const RESULT: &str = r#"{"jsonrpc":"2.0","id":1,"result":"0x1"}"#;

/// Long enough that only what never comes takes longer.
const NEVER: Duration = Duration::from_secs(60);

/// Asks a node once, on a thread of its own: `None` if that is held.
fn asked(path: &Path) -> Option<Result<ResponsePacket, WireError>> {
    let settings = EndpointSettings::new(path.to_str().unwrap().parse().unwrap());
    let (give, given) = channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let wire = Wire::new(&settings, Arc::default()).unwrap();
        let answer = runtime.block_on(wire.exchange(b"{}".to_vec(), 1));
        drop((wire, runtime));
        give.send(answer).unwrap();
    });
    given.recv_timeout(NEVER).ok()
}

/// Listens in a folder, and plays the node to whoever comes first once it has asked.
fn node(folder: &Path, play: impl FnOnce(UnixStream) + Send + 'static) -> PathBuf {
    let path = folder.join("node.ipc");
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let _ = BufReader::new(&stream).read_line(&mut String::new()).unwrap();
        play(stream);
    });
    path
}

/// A connection whose closing lasts an hour for whoever closes it last, and its other side, which has to stay.
fn lingering() -> (StdTcpStream, StdTcpStream) {
    let listener = StdTcpListener::bind("127.0.0.1:0").unwrap();
    let mut sent = StdTcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (other, _) = listener.accept().unwrap();
    let hour = nix::libc::linger { l_onoff: 1, l_linger: 3_600 };
    setsockopt(&sent, sockopt::Linger, &hour).unwrap();
    sent.set_nonblocking(true).unwrap();
    while sent.write(&[0; 65_536]).is_ok() {}
    (sent, other)
}

/// Sends a descriptor beside the answer, which nobody else has then.
fn send_with_descriptor(stream: &UnixStream) -> (nix::Result<usize>, StdTcpStream) {
    let (sent, other) = lingering();
    let descriptors = [sent.as_raw_fd()];
    let with = [ControlMessage::ScmRights(&descriptors)];
    let answer = [IoSlice::new(RESULT.as_bytes())];
    let end = sendmsg::<()>(stream.as_raw_fd(), &answer, &with, MsgFlags::MSG_NOSIGNAL, None);
    // Or it is closed for the last time here.
    std::thread::spawn(move || drop(sent));
    (end, other)
}

#[test]
fn descriptors_that_a_node_sends_do_not_hold_who_asks_it() {
    let folder = tempfile::tempdir().unwrap();
    let (give, given) = channel();
    let path = node(folder.path(), move |mut stream| {
        let (end, other) = send_with_descriptor(&stream);
        if end == Err(Errno::EPERM) {
            stream.write_all(RESULT.as_bytes()).unwrap();
        }
        give.send((end, stream, other)).unwrap();
    });
    let answer = asked(&path);
    let (end, _stream, _other) = given.recv().unwrap();
    match end {
        Err(Errno::EPERM) => assert!(answer.unwrap().unwrap().is_success()),
        end => assert!(matches!(answer, Some(Err(_))), "{end:?}: {answer:?}"),
    }
}

#[test]
fn an_answer_without_an_end_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = node(folder.path(), |mut stream| while stream.write_all(&[b'['; 65_536]).is_ok() {});
    assert_eq!(asked(&path).unwrap().unwrap_err(), WireError::TooLarge);
}

/// Where everybody may put a socket, it is not said by the path who listens.
#[test]
fn another_user_is_not_asked_where_everybody_may_listen() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    for (mode, is_asked) in [(0o1777, false), (0o777, false), (0o775, true)] {
        let folder = tempfile::tempdir().unwrap();
        let chmod = |mode| {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
            std::fs::set_permissions(folder.path(), mode).unwrap();
        };
        chmod(0o777);
        let path = folder.path().to_owned();
        let another = std::thread::spawn(move || {
            let nobody = rustix::fs::Uid::from_raw(65_534);
            rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
            node(&path, |mut stream| stream.write_all(RESULT.as_bytes()).unwrap())
        });
        let path = another.join().unwrap();
        chmod(mode);
        let answer = asked(&path).unwrap();
        assert_eq!(answer.is_ok(), is_asked, "{mode:o}: {answer:?}");
    }
}

/// Whoever comes first makes a directory of its own there, in which nobody else may write.
#[test]
fn nor_is_one_in_a_directory_that_it_made_where_everybody_may() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    const NOBODY: u32 = 65_534;
    for (mode, maker, is_node) in
        [(0o1777, NOBODY, false), (0o1777, 0, true), (0o755, NOBODY, true)]
    {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("below/ethereum");
        std::fs::create_dir_all(&below).unwrap();
        for made in [below.clone(), folder.path().join("below")] {
            std::os::unix::fs::chown(made, Some(maker), None).unwrap();
        }
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(folder.path(), mode).unwrap();
        let path = below.join("geth.ipc");
        assert_eq!(is_trusted(NOBODY, &path), is_node, "{maker}");
        assert!(is_trusted(0, &path), "root is asked anywhere");
    }
}

/// Where the kernel does not refuse them. What is left to be closed holds a thread that closes, and nobody who asks.
#[test]
fn descriptors_that_are_let_through_hold_nobody_either() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let (_, other) = send_with_descriptor(&theirs);
    let (give, given) = channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let ipc = Ipc::at("/nonexistent/node.ipc".into());
        let answer = runtime.block_on(async {
            ours.set_nonblocking(true).unwrap();
            let io = tokio::net::UnixStream::from_std(ours).unwrap();
            let connection = Connection { io: Some(io), closing: Arc::clone(&ipc.closing) };
            ask_on(connection, b"{}").await.map(|_| ())
        });
        // And no more is connected to whoever did that, as long as it lasts.
        let next = runtime.block_on(ipc.ask(b"{}"));
        drop((ipc, runtime));
        give.send((answer, next)).unwrap();
    });
    let (answer, next) = given.recv_timeout(NEVER).expect("whoever asks is held");
    assert_eq!(answer.unwrap_err(), WireError::Descriptors);
    assert_eq!(next.unwrap_err(), WireError::Descriptors);
    drop(other);
}
