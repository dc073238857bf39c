//! Questions and answers, and the notices between them, apart from how bytes travel.

use std::collections::VecDeque;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::asked::Asked;
use crate::error::ClientError;
use crate::message::{self, Message};
use crate::object::read_from_objects;
use crate::verdict::Verdict;

/// Notices that may arrive before the answer to the subscription they belong to.
const NOTICES_MAX: usize = 64;

/// What a question came to: its result, or the daemon's refusal.
pub(super) type Outcome = Result<Box<RawValue>, ClientError>;

#[derive(Serialize)]
pub(super) struct ProductParams<'a> {
    pub(super) product: &'a str,
}

/// One question at a time, and its answer.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    last_id: u64,
    notices: VecDeque<Notice>,
}

impl Exchange {
    /// The next request, as a line.
    pub(super) fn ask<P>(&mut self, method: &str, params: &P) -> Result<Vec<u8>, ClientError>
    where
        P: Serialize + ?Sized,
    {
        self.last_id += 1;
        message::request(self.last_id, method, params)
    }

    /// What a line says to the question asked last; `None` when it is no answer.
    ///
    /// # Errors
    /// When it is nothing that could come now.
    pub(super) fn hear(&mut self, line: &[u8]) -> Result<Option<Outcome>, ClientError> {
        match message::read(line)? {
            Message::Notification { method, params } => {
                if self.notices.len() == NOTICES_MAX {
                    return Err(ClientError::protocol("too many notices before an answer"));
                }
                self.notices.extend(Notice::read(&method, params)?);
                Ok(None)
            }
            Message::Reply { id, outcome } if id == self.last_id => Ok(Some(outcome)),
            // A request that could not be read, or not be admitted, is answered without its id, and
            // the connection may be closed after it.
            Message::Reply { id: Value::Null, outcome: Err(refusal) } => Err(refusal),
            Message::Reply { .. } => {
                Err(ClientError::protocol("an answer to another question came"))
            }
        }
    }

    /// The next that was told of a subscription, of what was heard.
    pub(super) fn told(&mut self, id: &Value) -> Option<Box<RawValue>> {
        let at = self.notices.iter().position(|it| it.subscription == *id)?;
        self.notices.drain(..=at).next_back().map(|it| it.result)
    }

    /// Goes on as the inbox of the subscription that was just made.
    pub(super) fn into_inbox(self, id: Value) -> Inbox {
        Inbox { id, waiting: self.notices }
    }
}

/// The notices of one subscription.
#[derive(Debug)]
pub(super) struct Inbox {
    id: Value,
    waiting: VecDeque<Notice>,
}

impl Inbox {
    /// The next that arrived before the subscription's own answer.
    pub(super) fn early(&mut self) -> Option<Box<RawValue>> {
        let is_ours = |it: &Notice| it.subscription == self.id;
        let early = self.waiting.iter().position(is_ours);
        early.and_then(|at| self.waiting.remove(at)).map(|it| it.result)
    }

    /// What a line tells of this subscription; `None` when it tells of something else.
    ///
    /// # Errors
    /// When it is nothing that could come now.
    pub(super) fn hear(&self, line: &[u8]) -> Result<Option<Box<RawValue>>, ClientError> {
        let notice = match message::read(line)? {
            Message::Notification { method, params } => Notice::read(&method, params)?,
            Message::Reply { outcome: Err(refusal), .. } => return Err(refusal),
            Message::Reply { .. } => {
                return Err(ClientError::protocol("an answer to no question came"));
            }
        };
        Ok(notice.filter(|it| it.subscription == self.id).map(|it| it.result))
    }
}

/// One notification of a change.
#[derive(Debug, Deserialize)]
#[serde(remote = "Self")]
struct Notice {
    subscription: Value,
    result: Box<RawValue>,
}

read_from_objects!(Notice);

impl Notice {
    /// `None` for notifications of other kinds, which later daemons may send.
    fn read(method: &str, params: Option<Box<RawValue>>) -> Result<Option<Self>, ClientError> {
        if !["entitlement_changed", "seat_changed"].contains(&method) {
            return Ok(None);
        }
        let params = params.ok_or_else(|| ClientError::protocol("a notice says nothing"))?;
        let notice = serde_json::from_str(params.get());
        notice.map(Some).map_err(|it| ClientError::Protocol {
            reason: "a notice has another shape than expected",
            source: Some(it),
        })
    }
}

/// Why a fresh connection was closed before it took a request, where its last line says so: the daemon may have no
/// place for us.
pub(super) fn last_words(line: &[u8]) -> Option<ClientError> {
    match message::read(line).ok()? {
        Message::Reply { id: Value::Null, outcome: Err(refusal) } => Some(refusal),
        _ => None,
    }
}

/// Reads a result as `R`.
pub(super) fn read_result<R: DeserializeOwned>(result: &RawValue) -> Result<R, ClientError> {
    serde_json::from_str(result.get()).map_err(|it| ClientError::Protocol {
        reason: "the answer has another shape than expected",
        source: Some(it),
    })
}

/// Reads what a notice carries, where verdicts about what was `asked` are told.
pub(super) fn read_verdict(result: &RawValue, asked: &Asked) -> Result<Verdict, ClientError> {
    let read: Result<Verdict, _> = serde_json::from_str(result.get());
    let verdict = read.map_err(|it| ClientError::Protocol {
        reason: "a verdict has another shape than expected",
        source: Some(it),
    })?;
    asked.require(&verdict)?;
    Ok(verdict)
}

/// An answer about another product than the one that was asked about is none: neither a yes nor a no.
pub(super) fn require_product(named: &str, asked: Option<&str>) -> Result<(), ClientError> {
    match asked.is_none_or(|it| it == named) {
        true => Ok(()),
        false => Err(ClientError::protocol("the answer is about another product")),
    }
}
