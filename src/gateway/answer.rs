//! What is answered, before it is a response; and how long it may be kept.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use ring::digest::{Context, SHA256};
use serde_json::value::RawValue;

use super::clients::Owed;
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
    /// Kept until it is written.
    pub(super) owed: Option<Owed>,
}

impl Answer {
    pub(super) fn new(status: StatusCode, body: Body) -> Self {
        Self { status, headers: HeaderMap::new(), body, owed: None }
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

    /// The answer to a question that changes nothing, which may be asked for again by its tag.
    pub(super) fn kept(json: Bytes, known: Option<&HeaderValue>, terms: Keeping) -> Self {
        let members: Option<Members<'_>> = serde_json::from_slice(&json).ok();
        let etag = etag(&json, members.as_ref());
        let cache = terms.of(members.as_ref());
        let known = known.and_then(|it| it.to_str().ok()).is_some_and(|it| is_known(&etag, it));
        drop(members);
        let mut answer = match known {
            true => Self::new(StatusCode::NOT_MODIFIED, Body::Whole(Bytes::new())),
            false => Self::json(StatusCode::OK, json),
        };
        if let Ok(etag) = HeaderValue::from_str(&etag) {
            answer.headers.insert(header::ETAG, etag);
        }
        if let Ok(cache) = HeaderValue::from_str(&cache) {
            answer.headers.insert(header::CACHE_CONTROL, cache);
        }
        answer
    }
}

/// How long an answer may be kept, at most.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keeping {
    pub(super) most: Duration,
    pub(super) now: Timestamp,
}

impl Keeping {
    /// `Cache-Control`: a verdict until it may be another one, anything else until it is asked for again.
    fn of(self, members: Option<&Members<'_>>) -> String {
        let text = |key: &str| read::<String>(members?, key);
        let Some(code) = text("code") else { return "private, no-cache".to_owned() };
        if code == "UNDETERMINED" {
            return "no-store".to_owned();
        }
        let until = |key: &str| {
            let at: Timestamp = text(key)?.parse().ok()?;
            u64::try_from(at.duration_since(self.now).as_secs()).ok().or(Some(0))
        };
        let change = members.and_then(|it| read(it, COUNTDOWN));
        let ends = [until("stale_after"), until("grace_until"), until("expires_at"), change];
        let holds = ends.into_iter().flatten().min().unwrap_or(0).min(self.most.as_secs());
        format!("private, max-age={holds}")
    }
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
