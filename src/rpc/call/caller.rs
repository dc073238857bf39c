//! From one request, however it was framed, to its reply.
//!
//! Asked by the framings; asks [`Answers`]. What can be answered without waiting is written at once; the rest becomes
//! a [`Later`] that the framing runs beside others. A panic in a method costs that request and nothing else.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};

use futures_util::future::BoxFuture;
use jsonrpsee::{ConnectionId, Extensions, MethodCallback, MethodSink, Methods};
use serde_json::value::RawValue;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::answers::{Answers, Batch, Warm};
use super::enclosure::{Companions, Enclosure, Line};
use super::envelope::{self, Envelope, Fault};
use super::refusal;
use super::work::{Work, known_id};
use crate::rpc::figures::SocketFigures;
use crate::rpc::socket::attendance::Attendance;
use crate::rpc::socket::canonical::{self, Check};
use crate::rpc::socket::census::Share;
use crate::rpc::socket::limits::{Limits, Rates};
use crate::rpc::socket::reply::Reply;
use crate::rpc::socket::turn::Turn;
use entitled_core::domain::peer::{Door, Peer};

/// What all connections share.
pub(in crate::rpc) struct Service {
    pub(in crate::rpc) answers: Arc<dyn Answers>,
    pub(in crate::rpc) methods: Methods,
    pub(in crate::rpc) limits: Limits,
    pub(in crate::rpc) rates: Rates,
    pub(in crate::rpc) figures: Arc<SocketFigures>,
    /// The group whose members may use the admin door.
    pub(in crate::rpc) admin_group: Option<u32>,
}

/// The one at the other end of a connection, and what it has under way.
pub(in crate::rpc) struct Caller {
    pub(in crate::rpc) service: Arc<Service>,
    limits: Limits,
    peer: Peer,
    /// Whether it may use the door it came by. Otherwise it is told so, request by request.
    welcome: bool,
    connection: ConnectionId,
    pub(super) in_flight: Arc<Semaphore>,
    /// What it may take of what belongs to its user.
    pub(in crate::rpc) share: Share,
    pub(in crate::rpc) turn: Turn,
    subscriptions: Arc<Semaphore>,
    /// Of connections that ever asked for a seat.
    attendance: OnceLock<Attendance>,
    /// Of connections that ever asked for an answer page.
    companions: OnceLock<Arc<Companions>>,
}

/// How the names of methods begin that are about seats.
const SEAT_METHODS: &str = "seat_";
/// The methods whose replies have a descriptor with them.
const PAGE_METHODS: [&str; 2] = ["entitlement_page", "entitlement_revisions"];

/// A method panicked. It is counted, and in the log.
struct Panicked;

/// A reply that must be waited for.
pub(in crate::rpc) type Later = BoxFuture<'static, Reply>;

impl Caller {
    pub(in crate::rpc) fn new(
        service: Arc<Service>,
        (peer, share): (Peer, Share),
        welcome: bool,
        connection: usize,
    ) -> Self {
        let mut limits = service.limits.clone();
        if welcome && peer.door == Door::Admin {
            limits.request_bytes = limits.request_bytes.max(limits.admin_request_bytes);
        }
        let in_flight = Arc::new(Semaphore::new(service.limits.in_flight));
        let subscriptions = Arc::new(Semaphore::new(service.limits.subscriptions));
        let turn = Turn::new(share.clone());
        Self {
            service,
            limits,
            peer,
            welcome,
            connection: ConnectionId(connection),
            in_flight,
            share,
            turn,
            subscriptions,
            attendance: OnceLock::new(),
            companions: OnceLock::new(),
        }
    }

    /// What methods find out about the caller. Made for each: most connections end without calling one.
    pub(in crate::rpc) fn extensions(&self) -> Extensions {
        let mut extensions = Extensions::new();
        extensions.insert(self.peer.clone());
        extensions.insert(self.connection);
        if let Some(attendance) = self.attendance.get() {
            extensions.insert(attendance.presence());
        }
        extensions
    }

    pub(in crate::rpc) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(in crate::rpc) fn figures(&self) -> &SocketFigures {
        &self.service.figures
    }

    pub(in crate::rpc) fn is_welcome(&self) -> bool {
        self.welcome
    }

    /// Finds out what there is to be known of the life of whoever is at its other end, at the first request
    /// that is about a seat.
    fn attend(&self, line: Line<'_>) {
        let begin = |stream| Attendance::begin(stream, &self.peer, self.connection.0);
        if let Some(stream) = line.stream {
            self.attendance.get_or_init(|| begin(stream));
        }
    }

    fn enclosure(&self, envelope: &Envelope<'_>, line: Line<'_>) -> Option<Enclosure> {
        (line.hands_over && PAGE_METHODS.contains(&&*envelope.method)).then(|| {
            let who = (self.peer.clone(), self.limits.is_exempt(&self.peer));
            Enclosure::new(who, &self.subscriptions, self.companions.get_or_init(Arc::default))
        })
    }

    /// So many bytes have come.
    pub(in crate::rpc) fn heard(&self, bytes: usize) {
        self.figures().bytes_in.add(bytes);
        self.turn.asks();
    }

    /// The other side has said its last.
    pub(in crate::rpc) fn hang_up(&self) {
        if let Some(attendance) = self.attendance.get() {
            attendance.end();
        }
    }

    /// Whether it may say nothing for as long as it likes: it listens, or a seat may hang on it.
    pub(in crate::rpc) fn may_be_silent(&self) -> bool {
        let subscriptions = self.limits().subscriptions;
        self.attendance.get().is_some() || self.subscriptions.available_permits() < subscriptions
    }

    /// Takes one complete JSON value. Appends the reply to `out` if there is one now, with nothing after it.
    pub(in crate::rpc) fn take(
        self: &Arc<Self>,
        frame: &[u8],
        line: Line<'_>,
        out: &mut Vec<u8>,
    ) -> Option<Later> {
        let Ok(text) = std::str::from_utf8(frame) else {
            self.refuse(None, &Fault::parse("not UTF-8"), out);
            return None;
        };
        if frame.starts_with(b"[") {
            if text.contains(SEAT_METHODS) {
                self.attend(line);
            }
            return self.take_batch(text, out);
        }
        self.figures().requests.one_more();
        let (id, envelope) = self.at_once(text, out)?;
        if envelope.method.starts_with(SEAT_METHODS) {
            self.attend(line);
        }
        let flown = self
            .fly(frame.len())
            .and_then(|flight| Ok((self.work(id, &envelope, line.sink)?, flight)));
        match flown {
            Ok((mut work, flight)) => {
                let (caller, id) = (Arc::clone(self), id.to_owned());
                let enclosure = self.enclosure(&envelope, line);
                if let Some(enclosure) = &enclosure {
                    work.extensions.insert(enclosure.clone());
                }
                Some(Box::pin(async move {
                    let reserved = work.reserved.take();
                    let reply = work.run(&flight).await;
                    let room = caller.room(reply.len(), reserved.as_ref());
                    let descriptor = enclosure.and_then(|it| it.take());
                    Reply { descriptor, ..caller.told(reply, room, Some(flight), Some(&id)) }
                }))
            }
            Err(fault) => {
                self.refuse(Some(id), &fault, out);
                None
            }
        }
    }

    /// Appends an error reply, and counts it.
    pub(in crate::rpc) fn refuse(&self, id: Option<&RawValue>, fault: &Fault, out: &mut Vec<u8>) {
        refusal::refuse(self.figures(), id, fault, out);
    }

    /// Answers a request that can be answered now, and passes over a notification: nothing here is worth asking
    /// without wanting the answer. Gives back a request that has to wait.
    pub(in crate::rpc) fn at_once<'a>(
        &self,
        text: &'a str,
        out: &mut Vec<u8>,
    ) -> Option<(&'a RawValue, Envelope<'a>)> {
        let envelope = match envelope::read(text) {
            Ok(envelope) => envelope,
            Err((fault, id)) => {
                self.refuse(id, &fault, out);
                return None;
            }
        };
        let id = envelope.id?;
        if !self.welcome {
            self.refuse(Some(id), &Fault::refused(), out);
            return None;
        }
        let answers = &self.service.answers;
        let answered = self.reply_with(id.get().as_bytes(), &envelope.method, out, |out| {
            answers.answer_at_once(&self.peer, &envelope.method, envelope.params, out)
        });
        match answered {
            Ok(true) => None,
            Ok(false) => Some((id, envelope)),
            Err(Panicked) => {
                Fault::internal().write(Some(id), out);
                None
            }
        }
    }

    /// Appends the reply whose result `answer` appends, and says whether it did. If not, nothing is appended.
    fn reply_with(
        &self,
        id: &[u8],
        method: &str,
        out: &mut Vec<u8>,
        answer: impl FnOnce(&mut Vec<u8>) -> bool,
    ) -> Result<bool, Panicked> {
        let before = out.len();
        envelope::begin_reply(id, out);
        let answered = std::panic::catch_unwind(AssertUnwindSafe(|| answer(out)));
        if let Ok(true) = answered {
            out.push(b'}');
            self.figures().answered_at_once.one_more();
            return Ok(true);
        }
        out.truncate(before);
        answered.map_err(|_| {
            refusal::panicked(self.figures(), method);
            Panicked
        })
    }

    /// What answers this caller's warm checks. Each connection has one.
    pub(in crate::rpc) fn warm(&self) -> Box<dyn Warm> {
        self.service.answers.warm(&self.peer)
    }

    /// Whether `check` was answered on the shortest way: the reply is in `out`, with nothing after it. If not, it is to
    /// be [taken](Self::take) like any other request.
    pub(in crate::rpc) fn take_check(
        &self,
        check: Check<'_>,
        (warm, batch): (&mut dyn Warm, &mut Batch),
        out: &mut Vec<u8>,
    ) -> bool {
        let fits =
            check.length <= self.limits.request_bytes && self.limits.depth >= canonical::DEPTH;
        if !self.welcome || !fits {
            return false;
        }
        let answer = |out: &mut Vec<u8>| warm.check(check.product, batch, out);
        let is_answered =
            matches!(self.reply_with(check.id, canonical::METHOD, out, answer), Ok(true));
        if is_answered {
            self.figures().requests.one_more();
        }
        is_answered
    }

    /// Whether the caller's user may ask once more now, for what is not at hand.
    pub(in crate::rpc) fn check_rate(&self) -> Result<(), Fault> {
        let service = &self.service;
        if service.rates.allow(&service.limits, &self.peer) {
            return Ok(());
        }
        let most = service.limits.rate_per_second;
        let detail = format!("a user may ask {most} requests a second that are not cached");
        Err(Fault::limit(detail, "ask more slowly, or subscribe"))
    }

    /// Prepares a call of a method, within the caller's rate and number of subscriptions.
    pub(in crate::rpc) fn work(
        &self,
        id: &RawValue,
        envelope: &Envelope<'_>,
        sink: Option<&MethodSink>,
    ) -> Result<Work, Fault> {
        let service = &self.service;
        let Some((method, callback)) = service.methods.method_with_name(&envelope.method) else {
            return Err(Fault::unknown_method());
        };
        let reserved = self.reserve(method)?;
        self.check_rate()?;
        let subscriber = match callback {
            MethodCallback::Subscription(_) => Some(self.subscriber(id, sink)?),
            _ => None,
        };
        Ok(Work {
            method,
            callback: callback.clone(),
            id: id.to_owned(),
            params: envelope.params.map(RawValue::to_owned),
            subscriber,
            connection: self.connection,
            extensions: self.extensions(),
            response_bytes: if reserved.is_some() {
                usize::MAX
            } else {
                self.limits().response_bytes
            },
            reserved,
            figures: Arc::clone(&service.figures),
        })
    }

    fn subscriber(
        &self,
        id: &RawValue,
        sink: Option<&MethodSink>,
    ) -> Result<(MethodSink, OwnedSemaphorePermit), Fault> {
        let Some(sink) = sink else {
            return Err(Fault::invalid(
                "subscribe by itself on a raw connection or a WebSocket, not by HTTP or in a batch",
            ));
        };
        if known_id(id).is_none() {
            return Err(Fault::invalid("the `id` of a subscription is a string or a whole number"));
        }
        let permit = Arc::clone(&self.subscriptions).try_acquire_owned().map_err(|_| {
            let most = self.limits().subscriptions;
            let detail = format!("a connection has at most {most} subscriptions");
            Fault::limit(detail, "end a subscription first")
        })?;
        Ok((sink.clone(), permit))
    }

    pub(in crate::rpc) fn room_for(&self, length: usize) -> Result<(), Fault> {
        let most = self.limits().response_bytes;
        if length <= most { Ok(()) } else { Err(Fault::too_long_a_reply(most)) }
    }
}

#[cfg(test)]
mod tests;
