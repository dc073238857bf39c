//! Whether somebody is still there: the process at the other end, and the connection itself.
//!
//! Begun at the first request of a connection that is about a seat; connections that never ask for one pay nothing for it.

use std::os::fd::BorrowedFd;

use tokio::sync::watch;

use super::peer;
use crate::actors::seat_keeper::Presence;
use entitled_core::domain::peer::{Door, Peer};

/// Of one connection. Its end, or its being dropped, is the end of the connection.
pub(in crate::rpc) struct Attendance {
    presence: Presence,
    closed: watch::Sender<bool>,
}

impl Attendance {
    pub(in crate::rpc) fn begin(stream: BorrowedFd<'_>, peer: &Peer, number: usize) -> Self {
        let (closed, told) = watch::channel(false);
        // Of a delegate's process nothing follows for whom it asks for.
        let own = (peer.door != Door::Delegate).then_some(peer);
        let presence = Presence {
            uid: peer.uid,
            gids: peer.group().into_iter().collect(),
            account: peer.account,
            connection: u64::try_from(number).unwrap_or(u64::MAX),
            // The permit of each request says.
            on_behalf: None,
            standing: None,
            process: own.and_then(|it| peer::process(stream, it)),
            closed: told,
            heard: None,
        };
        Self { presence, closed }
    }

    pub(in crate::rpc) fn presence(&self) -> Presence {
        self.presence.clone()
    }

    pub(in crate::rpc) fn end(&self) {
        self.closed.send_replace(true);
    }
}
