//! JSON-RPC over WebSocket (RFC 6455): one message, one request; replies and notifications are text messages.
//!
//! Reached only through `http`, after its rules about who may ask.

mod sieve;

use std::os::fd::AsFd as _;
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, HeaderValue, header};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use super::linger::linger;
use super::message::take_message;
use super::outbox::{Outbox, TooSlow};
use super::reply::Reply;
use super::shared_stream::SharedStream;
use super::stop::Stop;
use crate::rpc::call::answers::Warm;
use crate::rpc::call::caller::Caller;
use crate::rpc::call::enclosure::Line;
use crate::rpc::call::envelope::Fault;
use sieve::{ENDLESS, Kind, Kinds, Sieved};

/// What any message takes of a turn, beside its bytes: its answer is written by itself.
const ANY_MESSAGE: usize = 1024;
/// tungstenite keeps one of these for each connection.
const READ_BUFFER: usize = 16 * 1024;

/// Whether the request asks for a WebSocket.
pub(in crate::rpc) fn is_upgrade(headers: &HeaderMap) -> bool {
    has_word(headers, &header::UPGRADE, "websocket")
}

fn has_word(headers: &HeaderMap, name: &header::HeaderName, word: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|it| it.to_str().ok());
    values.flat_map(|it| it.split(',')).any(|it| it.trim().eq_ignore_ascii_case(word))
}

/// The headers of the answer that accepts (RFC 6455, 4.2.2).
///
/// # Errors
/// What is missing, for people to read.
pub(in crate::rpc) fn accept(headers: &HeaderMap) -> Result<HeaderMap, &'static str> {
    if !has_word(headers, &header::CONNECTION, "upgrade") {
        return Err("a WebSocket needs the header Connection: Upgrade\n");
    }
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|it| it != "13") {
        return Err("only version 13 of WebSocket is spoken here\n");
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).ok_or("Sec-WebSocket-Key is missing\n")?;
    let answer = HeaderValue::from_str(&derive_accept_key(key.as_bytes()))
        .map_err(|_| "Sec-WebSocket-Key cannot be read\n")?;
    Ok(HeaderMap::from_iter([
        (header::CONNECTION, HeaderValue::from_static("Upgrade")),
        (header::UPGRADE, HeaderValue::from_static("websocket")),
        (header::SEC_WEBSOCKET_ACCEPT, answer),
    ]))
}

/// A connection that speaks WebSocket.
struct Talk {
    socket: WebSocketStream<Stream>,
    kinds: Kinds,
    stream: SharedStream,
    caller: Arc<Caller>,
    warm: Box<dyn Warm>,
    jobs: JoinSet<Reply>,
    outbox: Outbox,
    last_request: Instant,
    ended: bool,
    /// Why we end it, for the close frame.
    reason: Option<CloseCode>,
}

type Stream = Sieved<TokioIo<Upgraded>>;

/// Serves the connection until the other side closes it or the daemon stops.
pub(in crate::rpc) async fn converse(
    upgrade: OnUpgrade,
    stream: SharedStream,
    caller: Arc<Caller>,
    stop: Stop,
) {
    let limits = caller.limits();
    let Ok(Ok(upgraded)) = tokio::time::timeout(limits.first_byte, upgrade).await else {
        return;
    };
    let idle = tokio::time::sleep(limits.idle);
    let mut talk = Talk::new(upgraded, stream, caller).await;
    let stopped = stop.requested();
    tokio::pin!(idle, stopped);
    let mut stopping = false;
    while !(talk.ended && talk.jobs.is_empty()) {
        let ready = tokio::select! {
            biased;
            message = talk.socket.next(), if !talk.ended => talk.hear(message),
            Some(done) = talk.jobs.join_next(), if !talk.jobs.is_empty() => done.unwrap_or_default(),
            line = talk.outbox.next() => Reply { bytes: line.get().as_bytes().to_vec(), ..Reply::default() },
            () = &mut stopped, if !stopping => {
                stopping = true;
                talk.end(CloseCode::Away);
                continue;
            }
            () = &mut idle => match talk.idle_until() {
                Some(later) => {
                    idle.as_mut().reset(later);
                    continue;
                }
                None => {
                    talk.end(CloseCode::Away);
                    break;
                }
            }
        };
        if talk.say(ready).await.is_err() {
            return;
        }
        talk.caller.turn.begin().await;
    }
    talk.close().await;
}

impl Talk {
    async fn new(upgraded: Upgraded, stream: SharedStream, caller: Arc<Caller>) -> Self {
        let limits = caller.limits();
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .max_message_size(Some(limits.request_bytes))
            .max_frame_size(Some(limits.request_bytes));
        let kinds = Kinds::default();
        let io = Sieved::new(TokioIo::new(upgraded), limits.request_bytes, kinds.clone());
        let socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
        let outbox = Outbox::new(limits.send_queue);
        Self {
            socket,
            kinds,
            stream,
            warm: caller.warm(),
            caller,
            jobs: JoinSet::new(),
            outbox,
            last_request: Instant::now(),
            ended: false,
            reason: None,
        }
    }

    fn end(&mut self, reason: CloseCode) {
        self.ended = true;
        self.reason.get_or_insert(reason);
    }

    /// Takes a message; gives what can be said to it now.
    fn hear(&mut self, message: Option<Result<Message, Error>>) -> Reply {
        self.caller.turn.spend(ANY_MESSAGE);
        match message {
            Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                return self.take(&message.into_data());
            }
            // Neither keeps the connection open.
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Ok(Message::Close(_))) | None => {
                self.ended = true;
                self.caller.hang_up();
            }
            Some(Err(error)) => {
                self.ended = true;
                self.caller.hang_up();
                self.reason = reason_of(&error);
            }
        }
        Reply::default()
    }

    fn take(&mut self, message: &[u8]) -> Reply {
        self.last_request = Instant::now();
        let mut out = Vec::new();
        match self.kinds.next() {
            Some(Kind::TooLong) => {
                let too_long = Fault::too_long(self.caller.limits().request_bytes);
                self.caller.refuse(None, &too_long, &mut out);
            }
            Some(Kind::Text) if std::str::from_utf8(message).is_err() => {
                self.end(CloseCode::Invalid);
            }
            _ => {
                let line = Line {
                    sink: Some(self.outbox.sink()),
                    stream: Some(self.stream.as_fd()),
                    hands_over: false,
                };
                if let Some(later) =
                    take_message(&self.caller, &mut *self.warm, message, line, &mut out)
                {
                    self.jobs.spawn(later);
                    out.clear();
                }
            }
        }
        Reply { bytes: out, ..Reply::default() }
    }

    async fn say(&mut self, first: Reply) -> Result<(), TooSlow> {
        let mut ready = vec![first];
        while ready.len() <= self.caller.limits().send_queue
            && let Some(done) = self.jobs.try_join_next()
        {
            ready.push(done.unwrap_or_default());
        }
        while ready.len() <= self.caller.limits().send_queue
            && let Some(line) = self.outbox.try_next()
        {
            ready.push(Reply { bytes: line.get().as_bytes().to_vec(), ..Reply::default() });
        }
        let socket = &mut self.socket;
        let writing = async {
            let mut held = Vec::new();
            for reply in ready.into_iter().filter(|it| !it.bytes.is_empty()) {
                let text = Utf8Bytes::try_from(reply.bytes).map_err(|_| TooSlow)?;
                socket.feed(Message::Text(text)).await.map_err(|_| TooSlow)?;
                held.extend(reply.held);
            }
            let flushed = socket.flush().await.map_err(|_| TooSlow);
            drop(held);
            flushed
        };
        let allowed = self.caller.limits().write;
        let written = self.outbox.while_writing(allowed, writing).await;
        if written.is_err() {
            self.caller.figures().slow_readers.one_more();
        }
        written?
    }

    /// Says goodbye, and why.
    async fn close(mut self) {
        let allowed = self.caller.limits().write;
        // Whatever comes of it, the connection ends here.
        let _ = tokio::time::timeout(allowed, async {
            match self.reason {
                None => self.socket.close(None).await.is_ok(),
                // Past tungstenite, which after an error says nothing more. Nothing of it waits to be written.
                Some(code) => {
                    let io = self.socket.get_mut();
                    let said = io.write_all(&close_frame(code)).await.is_ok();
                    said && io.flush().await.is_ok() && io.shutdown().await.is_ok()
                }
            }
        })
        .await;
        if self.reason.is_some() {
            linger(self.socket.get_mut()).await;
        }
    }

    /// Until when the connection may go on being idle; `None` when that is over.
    fn idle_until(&self) -> Option<Instant> {
        let limit = self.caller.limits().idle;
        if !self.jobs.is_empty() || self.caller.may_be_silent() {
            return Some(Instant::now() + limit);
        }
        let until = self.last_request + limit;
        (until > Instant::now()).then_some(until)
    }
}

/// What the other side did wrong (RFC 6455, 7.4.1); none if it is only gone.
fn reason_of(error: &Error) -> Option<CloseCode> {
    match error {
        Error::Io(error) if error.kind() == ENDLESS => Some(CloseCode::Size),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        Error::Protocol(_) | Error::AttackAttempt => Some(CloseCode::Protocol),
        Error::Utf8(_) => Some(CloseCode::Invalid),
        Error::Capacity(_) => Some(CloseCode::Size),
        _ => None,
    }
}

/// A close frame without words: a code says it.
fn close_frame(code: CloseCode) -> [u8; 4] {
    let [high, low] = u16::from(code).to_be_bytes();
    [0x88, 2, high, low]
}

#[cfg(test)]
mod tests;
