//! What is answered, before it is a response; and how long it may be kept.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use jiff::SignedDuration;
use ring::digest::{Context, SHA256};
use serde_json::value::RawValue;

use entitled_core::domain::ids::Timestamp;

/// The body of an answer.
pub(super) enum Body {
    Whole(Bytes),
    /// Events, for as long as the client listens.
    Events(BoxStream<'static, Bytes>),
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
}

impl Answer {
    pub(super) fn new(status: StatusCode, body: Body) -> Self {
        Self { status, headers: HeaderMap::new(), body }
    }

    /// JSON that nobody may keep.
    pub(super) fn json(status: StatusCode, json: impl Into<Bytes>) -> Self {
        let mut answer = Self::new(status, Body::Whole(json.into()));
        answer.set(header::CONTENT_TYPE, "application/json");
        answer.set(header::CACHE_CONTROL, "no-store");
        answer
    }

    pub(super) fn set(&mut self, name: http::HeaderName, value: &'static str) {
        self.headers.insert(name, HeaderValue::from_static(value));
    }
}

/// The result of a question that changes nothing: it may be asked for again by its tag, and kept for as long as it holds.
pub(super) struct Kept {
    json: Bytes,
    etag: HeaderValue,
    holds: Holds,
    /// Where in the text the seconds until it changes stand, and how many they were.
    countdown: Option<(Range<usize>, u64)>,
    made: Timestamp,
}

/// How long a result is the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holds {
    /// It is no verdict: until it is asked for again.
    Unknown,
    /// Nothing is known.
    Never,
    /// A verdict, until it may be another one by itself.
    Until(Timestamp),
}

impl Kept {
    /// `made`: before it was asked for.
    pub(super) fn new(json: Bytes, made: Timestamp) -> Self {
        let members: Option<Members<'_>> = serde_json::from_slice(&json).ok();
        let etag = HeaderValue::from_str(&etag(&json, members.as_ref()));
        let holds = members.as_ref().map_or(Holds::Unknown, |it| holds(it, made));
        let countdown = members.as_ref().and_then(|it| {
            let text = it.get(COUNTDOWN)?.get();
            // It is a piece of the text.
            let at = text.as_ptr().addr().checked_sub(json.as_ptr().addr())?;
            Some((at..at + text.len(), text.parse().ok()?))
        });
        drop(members);
        let etag = etag.unwrap_or_else(|_| HeaderValue::from_static("W/\"\""));
        Self { json, etag, holds, countdown, made }
    }

    /// For how long it may be handed out again, where nothing tells that it has become another.
    pub(super) fn holds_at(&self, now: Timestamp) -> bool {
        matches!(self.holds, Holds::Until(end) if self.made <= now && now < end)
    }

    pub(super) fn len(&self) -> usize {
        self.json.len()
    }

    /// The answer at a moment. `most`: for how long the client may keep it; `known`: the tags it has.
    pub(super) fn answer(
        &self,
        known: Option<&HeaderValue>,
        most: Duration,
        now: Timestamp,
    ) -> Answer {
        let etag = self.etag.to_str().unwrap_or_default();
        let known = known.and_then(|it| it.to_str().ok()).is_some_and(|it| is_known(etag, it));
        let mut answer = match known {
            true => Answer::new(StatusCode::NOT_MODIFIED, Body::Whole(Bytes::new())),
            false => Answer::json(StatusCode::OK, self.text(now)),
        };
        answer.headers.insert(header::ETAG, self.etag.clone());
        let cache = match self.holds {
            Holds::Unknown => HeaderValue::from_static("private, no-cache"),
            Holds::Never => HeaderValue::from_static("no-store"),
            Holds::Until(end) => {
                let left = u64::try_from(end.duration_since(now).as_secs()).unwrap_or(0);
                let text = format!("private, max-age={}", left.min(most.as_secs()));
                HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("no-store"))
            }
        };
        answer.headers.insert(header::CACHE_CONTROL, cache);
        answer
    }

    /// What was answered, with what is left of the countdown. A part of a second counts as one: nobody waits too long.
    fn text(&self, now: Timestamp) -> Bytes {
        let passed = now.duration_since(self.made);
        let Some((at, seconds)) = self.countdown.as_ref().filter(|_| passed.is_positive()) else {
            return self.json.clone();
        };
        let passed = u64::try_from(passed.as_secs()).unwrap_or(0) + 1;
        let mut text = Vec::with_capacity(self.json.len());
        text.extend_from_slice(self.json.get(..at.start).unwrap_or_default());
        text.extend_from_slice(seconds.saturating_sub(passed).to_string().as_bytes());
        text.extend_from_slice(self.json.get(at.end..).unwrap_or_default());
        text.into()
    }
}

/// A verdict holds until it may be another one.
fn holds(members: &Members<'_>, made: Timestamp) -> Holds {
    let text = |key: &str| read::<String>(members, key);
    match text("code").as_deref() {
        None => return Holds::Unknown,
        Some("UNDETERMINED") => return Holds::Never,
        Some(_) => {}
    }
    let until = |key: &str| -> Option<Timestamp> { text(key)?.parse().ok() };
    let change = read::<i64>(members, COUNTDOWN);
    let change = change.and_then(|it| made.checked_add(SignedDuration::from_secs(it)).ok());
    let ends = [until("stale_after"), until("grace_until"), until("expires_at"), change];
    Holds::Until(ends.into_iter().flatten().min().unwrap_or(made))
}

/// The members of an answer, of which few are looked at: the rest is only told apart from another.
type Members<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

const COUNTDOWN: &str = "seconds_until_change";

/// A member of that type, where there is one.
fn read<'a, T: serde::Deserialize<'a>>(members: &Members<'a>, key: &str) -> Option<T> {
    members.get(key).and_then(|it| serde_json::from_str(it.get()).ok())
}

/// A tag of what was answered and of the evidence it rests on. What only counts down is no part of it, so it is a weak
/// one (RFC 9110, 8.8.1).
fn etag(json: &[u8], members: Option<&Members<'_>>) -> String {
    let mut digest = Context::new(&SHA256);
    match members {
        None => digest.update(json),
        Some(members) => {
            for (key, value) in members.iter().filter(|(key, _)| key.as_ref() != COUNTDOWN) {
                digest.update(key.as_bytes());
                digest.update(b"\0");
                digest.update(value.get().as_bytes());
                digest.update(b"\0");
            }
        }
    }
    let digest = digest.finish();
    let short = digest.as_ref().get(..16).unwrap_or_default();
    format!("W/\"{}\"", alloy_primitives::hex::encode(short))
}

fn is_known(etag: &str, if_none_match: &str) -> bool {
    let bare = |it: &'_ str| it.trim().trim_start_matches("W/").to_owned();
    if_none_match.split(',').any(|it| it.trim() == "*" || bare(it) == bare(etag))
}

#[cfg(test)]
mod tests;
