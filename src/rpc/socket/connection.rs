//! One connection from its first byte to the framing it speaks.
//!
//! `{` or `[` is raw JSON, a letter is HTTP; anything else gets one line that says so.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::census::Seat;
use super::limits::Limits;
use super::stop::Stop;
use super::stream::Stream;
use super::{framing, http, peer, turn};
use crate::rpc::call::caller::{Caller, Service};
use crate::rpc::call::envelope::Fault;
use entitled_core::domain::peer::Peer;

/// One read before the framing is known asks for so much.
const FIRST_READ: usize = 4 * 1024;

/// Somebody who connected less than so long before the daemon stops may still ask: connecting and asking are two
/// steps, and a restart should fall between them for nobody.
const LAST_CALL: Duration = Duration::from_millis(500);

/// How often a silent connection is looked at again, whether its place is needed.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A connection that has been let in.
pub(in crate::rpc) struct Arrival {
    pub(in crate::rpc) io: Stream,
    pub(in crate::rpc) peer: Peer,
    pub(in crate::rpc) seat: Arc<Seat>,
    pub(in crate::rpc) number: usize,
}

/// Serves a connection to its end.
pub(in crate::rpc) async fn serve(arrival: Arrival, service: Arc<Service>, stop: Stop) {
    let Arrival { mut io, peer, seat, number } = arrival;
    let welcome = peer::may_enter(&peer, service.admin_group).await;
    let who = (peer, seat.share().clone());
    let caller = Arc::new(Caller::new(service, who, welcome, number));
    let silence = silent_too_long(&seat, caller.limits());
    let too_late = async {
        tokio::join!(stop.clone().requested(), tokio::time::sleep(LAST_CALL));
    };
    let input = tokio::select! {
        biased;
        read = first_bytes(&mut io) => read,
        () = silence => None,
        () = too_late => None,
    };
    if let Some(input) = input {
        caller.heard(input.len());
        match input.first() {
            Some(b'{' | b'[') => framing::converse(io, input, caller, stop).await,
            Some(letter) if letter.is_ascii_alphabetic() => {
                // A program that speaks raw JSON need not carry what HTTP takes.
                Box::pin(http::converse(io, input, caller, stop)).await;
            }
            _ => {
                let line = Fault::parse("neither JSON nor HTTP").line();
                let allowed = caller.limits().write;
                // Whatever comes of it, the connection ends here.
                let _ = tokio::time::timeout(allowed, io.write_all(&line)).await;
            }
        }
    }
    drop(seat);
}

/// Ends when a connection has said nothing for as long as it may: the idle limit, or the shorter one while more than
/// half of all places are taken. Some programs connect at their start and ask later.
async fn silent_too_long(seat: &Seat, limits: &Limits) {
    let patient = async {
        tokio::time::sleep(limits.first_byte).await;
        while !seat.is_crowded(limits) {
            tokio::time::sleep(limits.first_byte.min(LOOK_AGAIN)).await;
        }
    };
    tokio::select! {
        () = patient => {}
        () = tokio::time::sleep(limits.idle) => {}
    }
}

/// What was read first, from the first byte that is not blank. `None` when nothing came.
pub(in crate::rpc) async fn first_bytes(io: &mut Stream) -> Option<Vec<u8>> {
    let (mut input, mut worked) = (Vec::with_capacity(FIRST_READ), 0);
    loop {
        let count = io.read_buf(&mut input).await.ok()?;
        if count == 0 {
            return None;
        }
        worked += count;
        let blank = input.iter().take_while(|it| it.is_ascii_whitespace() || **it == 0).count();
        input.drain(..blank);
        if !input.is_empty() {
            return Some(input);
        }
        if worked >= turn::LEAST {
            worked = 0;
            tokio::task::yield_now().await;
        }
    }
}
