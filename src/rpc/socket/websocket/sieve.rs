//! Takes messages that are too long out of a stream of WebSocket frames (RFC 6455, 5), so that each costs itself only.
//!
//! tungstenite ends a connection at such a message. So a message over the limit goes on to it as an empty one, and the
//! [`Kind`] kept beside says what it was. Every other byte passes as it came, also of what is against the protocol:
//! judging that is tungstenite's part. Bounded: nothing of a message over the limit is kept.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How many times the longest message may be thrown away, to reach the end of a longer one.
const SKIP: u64 = 16;
/// Frames of one message, and one more for each so many of its bytes: each is read by itself, however little is in it.
const FRAMES: u64 = 256;
const FRAME: u64 = 64;
/// One read asks for so much.
const READ: usize = 8 * 1024;

const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;
const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;

/// What a message was before it came out of the sieve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rpc) enum Kind {
    Text,
    Binary,
    TooLong,
}

/// The kinds of the messages that have come out, in their order.
#[derive(Debug, Clone, Default)]
pub(in crate::rpc) struct Kinds(Arc<Mutex<VecDeque<Kind>>>);

impl Kinds {
    pub(in crate::rpc) fn next(&self) -> Option<Kind> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    fn push(&self, kind: Kind) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(kind);
    }
}

/// A message that has begun.
#[derive(Debug, Clone, Copy)]
struct Message {
    kind: Kind,
    bytes: u64,
    frames: u64,
    /// Whether a frame of it went on.
    has_gone_on: bool,
}

#[derive(Debug)]
enum State {
    Head,
    Payload {
        left: u64,
        goes_on: bool,
    },
    /// Somebody else judges what comes now.
    AsItComes,
}

/// The sieve itself, without input and output.
#[derive(Debug)]
struct Sieve {
    most: u64,
    kinds: Kinds,
    state: State,
    head: Vec<u8>,
    message: Option<Message>,
}

/// More was sent of one message than anybody throws away, or in more parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Endless;

impl Sieve {
    fn new(most: usize, kinds: Kinds) -> Self {
        let most = u64::try_from(most).unwrap_or(u64::MAX);
        Self { most, kinds, state: State::Head, head: Vec::with_capacity(14), message: None }
    }

    /// Takes `input`; appends to `out` what goes on.
    fn push(&mut self, mut input: &[u8], out: &mut BytesMut) -> Result<(), Endless> {
        while let Some((&first, rest)) = input.split_first() {
            match &mut self.state {
                State::AsItComes => {
                    out.extend_from_slice(input);
                    return Ok(());
                }
                State::Payload { left, goes_on } => {
                    let count = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                    let (payload, rest) = input.split_at(count);
                    if *goes_on {
                        out.extend_from_slice(payload);
                    }
                    *left -= payload.len() as u64;
                    if *left == 0 {
                        self.state = State::Head;
                    }
                    input = rest;
                }
                State::Head => {
                    self.head.push(first);
                    input = rest;
                    if let Some(length) = payload_length(&self.head) {
                        self.begin(length, out)?;
                        self.head.clear();
                    }
                }
            }
        }
        Ok(())
    }

    /// A frame whose head is complete begins.
    fn begin(&mut self, length: u64, out: &mut BytesMut) -> Result<(), Endless> {
        let first = self.head.first().copied().unwrap_or_default();
        let is_masked = self.head.get(1).is_some_and(|it| it & MASKED != 0);
        let (opcode, ends) = (first & 0x0f, first & FIN != 0);
        let is_control = opcode >= 8;
        let fits = match opcode {
            CONTINUATION => self.message.is_some(),
            TEXT | BINARY => self.message.is_none(),
            _ => is_control,
        };
        if !is_masked || first & 0x70 != 0 || !fits {
            self.state = State::AsItComes;
            out.extend_from_slice(&self.head);
            return Ok(());
        }
        if is_control {
            out.extend_from_slice(&self.head);
            self.enter(length, true);
            return Ok(());
        }
        let kind = if opcode == TEXT { Kind::Text } else { Kind::Binary };
        let begun = Message { kind, bytes: 0, frames: 0, has_gone_on: false };
        let mut message = self.message.take().unwrap_or(begun);
        message.bytes = message.bytes.saturating_add(length);
        message.frames = message.frames.saturating_add(1);
        if message.bytes > self.most {
            message.kind = Kind::TooLong;
        }
        let goes_on = message.kind != Kind::TooLong;
        let are_too_many = message.frames > FRAMES.saturating_add(message.bytes / FRAME);
        if are_too_many || message.bytes > self.most.saturating_mul(SKIP) {
            return Err(Endless);
        }
        // As binary, whatever it was: whether a text is one is asked when all of it is there.
        let opcode = if message.has_gone_on { CONTINUATION } else { BINARY };
        if goes_on {
            out.extend_from_slice(&[first & 0xf0 | opcode]);
            out.extend_from_slice(self.head.get(1..).unwrap_or_default());
            message.has_gone_on = true;
        } else if ends {
            out.extend_from_slice(&[FIN | opcode, MASKED, 0, 0, 0, 0]);
        }
        if ends {
            self.kinds.push(message.kind);
        } else {
            self.message = Some(message);
        }
        self.enter(length, goes_on);
        Ok(())
    }

    fn enter(&mut self, length: u64, goes_on: bool) {
        self.state =
            if length == 0 { State::Head } else { State::Payload { left: length, goes_on } };
    }
}

/// The length of a frame's payload, once its head is complete.
fn payload_length(head: &[u8]) -> Option<u64> {
    let second = *head.get(1)?;
    let (size, short) = match second & 0x7f {
        126 => (2, 0),
        127 => (8, 0),
        short => (0, short),
    };
    let mask = if second & MASKED != 0 { 4 } else { 0 };
    if head.len() < 2 + size + mask {
        return None;
    }
    let long = head.get(2..2 + size)?.iter().fold(0_u64, |sum, it| sum << 8 | u64::from(*it));
    Some(if size == 0 { u64::from(short) } else { long })
}

/// A stream with the sieve in front of what is read.
pub(in crate::rpc) struct Sieved<S> {
    io: S,
    sieve: Sieve,
    ready: BytesMut,
}

impl<S> Sieved<S> {
    pub(in crate::rpc) fn new(io: S, most: usize, kinds: Kinds) -> Self {
        Self { io, sieve: Sieve::new(most, kinds), ready: BytesMut::new() }
    }
}

/// The error that says that a message does not end.
pub(in crate::rpc) const ENDLESS: io::ErrorKind = io::ErrorKind::FileTooLarge;

impl<S: AsyncRead + Unpin> AsyncRead for Sieved<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while this.ready.is_empty() {
            let mut room = [0_u8; READ];
            let mut read = ReadBuf::new(&mut room);
            match Pin::new(&mut this.io).poll_read(context, &mut read) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Ready(Ok(())) if read.filled().is_empty() => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(())) => {
                    if this.sieve.push(read.filled(), &mut this.ready).is_err() {
                        return Poll::Ready(Err(ENDLESS.into()));
                    }
                }
            }
        }
        let count = this.ready.len().min(into.remaining());
        into.put_slice(this.ready.get(..count).unwrap_or_default());
        this.ready.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Sieved<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
