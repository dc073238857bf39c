//! The JSON-RPC 2.0 envelope: reading a request without copying it, writing replies and errors byte by byte. Pure.
//!
//! Says what can go wrong before a method is reached, with the codes of `error`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::rpc::error::Code;
use entitled_core::domain::ids::clip;

/// One request, borrowed from the bytes it came in. Members that JSON-RPC does not know are refused: a misspelt
/// `params` would be a request without any.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Envelope<'a> {
    #[serde(borrow)]
    jsonrpc: Cow<'a, str>,
    /// `None` makes it a notification; `null` is an id like any other.
    #[serde(borrow, default, deserialize_with = "present")]
    pub(crate) id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) method: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(crate) params: Option<&'a RawValue>,
}

fn present<'de: 'a, 'a, D: Deserializer<'de>>(source: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(source).map(Some)
}

#[derive(Deserialize)]
struct OnlyId<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
}

/// Something is wrong with a request before its method could run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(in crate::rpc) code: Code,
    detail: Cow<'static, str>,
    help: &'static str,
}

impl Fault {
    fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, detail: detail.into(), help: code.help() }
    }

    pub(in crate::rpc) fn parse(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::ParseError, detail)
    }

    pub(in crate::rpc) fn invalid(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::InvalidRequest, detail)
    }

    pub(in crate::rpc) fn unknown_method() -> Self {
        Self::new(Code::MethodNotFound, "no method has this name")
    }

    pub(in crate::rpc) fn internal() -> Self {
        let help = "try again; the daemon's log says more";
        Self { help, ..Self::new(Code::Internal, "the request could not be finished") }
    }

    pub(in crate::rpc) fn refused() -> Self {
        let detail = "the admin socket answers root, the daemon's own user and the admin group";
        let help = "use the public socket, or ask an administrator to be added to the admin group";
        Self { help, ..Self::new(Code::PermissionDenied, detail) }
    }

    pub(in crate::rpc) fn foreign_page() -> Self {
        let detail = "requests on behalf of a web page or for another host are not answered";
        let help = "leave out Origin and Referer, and use the host `localhost` or `entitled`";
        Self { help, ..Self::new(Code::PermissionDenied, detail) }
    }

    pub(in crate::rpc) fn limit(detail: impl Into<Cow<'static, str>>, help: &'static str) -> Self {
        Self { help, ..Self::new(Code::LimitExceeded, detail) }
    }

    pub(in crate::rpc) fn too_long_a_reply(most: usize) -> Self {
        Self::limit(format!("a reply has at most {most} bytes"), "ask for less, with `limit`")
    }

    pub(in crate::rpc) fn too_long(allowed: usize) -> Self {
        Self::limit(format!("a request has at most {allowed} bytes"), "send a shorter request")
    }

    pub(in crate::rpc) fn too_deep(allowed: usize) -> Self {
        Self::limit(format!("a request nests at most {allowed} levels"), "send a flatter request")
    }

    pub(in crate::rpc) fn is_limit(&self) -> bool {
        self.code == Code::LimitExceeded
    }

    /// Appends the error reply. Without an id, `null` stands for it.
    pub(crate) fn write(&self, id: Option<&RawValue>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
        out.extend_from_slice(id.map_or("null", RawValue::get).as_bytes());
        out.extend_from_slice(b",\"error\":{\"code\":");
        out.extend_from_slice(self.code.number().to_string().as_bytes());
        let texts = [
            (",\"message\":", self.code.message()),
            (",\"data\":{\"code\":", self.code.name()),
            (",\"detail\":", &self.detail),
            (",\"help\":", self.help),
        ];
        for (key, text) in texts {
            out.extend_from_slice(key.as_bytes());
            out.extend_from_slice(serde_json::Value::from(text).to_string().as_bytes());
        }
        out.extend_from_slice(b"}}}");
    }

    /// The error reply as one line, for a connection that has none of its requests to answer.
    pub(in crate::rpc) fn line(&self) -> Vec<u8> {
        let mut line = Vec::with_capacity(256);
        self.write(None, &mut line);
        line.push(b'\n');
        line
    }
}

/// Appends the beginning of a reply, up to where `result` goes. The end is one `}`.
pub(in crate::rpc) fn begin_reply(id: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
    out.extend_from_slice(id);
    out.extend_from_slice(b",\"result\":");
}

/// Reads a request.
///
/// # Errors
/// What is wrong with it, and its id where that can be read.
pub(crate) fn read(text: &str) -> Result<Envelope<'_>, (Fault, Option<&RawValue>)> {
    let envelope = match serde_json::from_str::<Envelope<'_>>(text) {
        Ok(envelope) => envelope,
        Err(error) => return Err(unreadable(text, &error)),
    };
    if !envelope.id.is_none_or(is_id) {
        return Err((Fault::invalid("`id` is a string, a number or null"), None));
    }
    if envelope.jsonrpc != "2.0" {
        return Err((Fault::invalid("`jsonrpc` is \"2.0\""), envelope.id));
    }
    match envelope.params.map(|it| it.get().as_bytes()) {
        None | Some([b'{' | b'[', ..] | b"null") => {}
        Some(_) => return Err((Fault::invalid("`params` is an object or an array"), envelope.id)),
    }
    let params = envelope.params.filter(|it| it.get() != "null");
    Ok(Envelope { params, ..envelope })
}

/// JSON that is no request, or no JSON.
fn unreadable<'a>(text: &'a str, error: &serde_json::Error) -> (Fault, Option<&'a RawValue>) {
    if serde_json::from_str::<IgnoredAny>(text).is_err() {
        return (Fault::parse(format!("not JSON at column {}", error.column())), None);
    }
    let id = serde_json::from_str::<OnlyId<'_>>(text).ok().and_then(|it| it.id);
    let id = id.filter(|it| is_id(it));
    if let Some(name) = unknown_member(text) {
        let detail = format!("`{}` is no member of a request", clip(&name));
        return (Fault::invalid(detail), id);
    }
    (Fault::invalid("`jsonrpc` and `method` are needed, once each, and are strings"), id)
}

/// The first member of an object that no request has.
fn unknown_member(text: &str) -> Option<String> {
    let members = serde_json::from_str::<BTreeMap<String, IgnoredAny>>(text).ok()?;
    let known = ["jsonrpc", "id", "method", "params"];
    members.into_keys().find(|it| !known.contains(&it.as_str()))
}

fn is_id(id: &RawValue) -> bool {
    matches!(id.get().as_bytes(), [b'"' | b'-' | b'0'..=b'9', ..] | b"null")
}

/// The entries of a batch.
///
/// # Errors
/// When it is no JSON, or empty, or longer than `allowed`.
pub(crate) fn read_batch(text: &str, allowed: usize) -> Result<Vec<&RawValue>, Fault> {
    let entries = serde_json::from_str::<Vec<&RawValue>>(text)
        .map_err(|error| Fault::parse(format!("not JSON at column {}", error.column())))?;
    if entries.is_empty() {
        return Err(Fault::invalid("a batch has at least one request"));
    }
    if entries.len() > allowed {
        let detail = format!("a batch has at most {allowed} requests");
        return Err(Fault::limit(detail, "split the batch"));
    }
    Ok(entries)
}

/// The same reply with another id: for ids jsonrpsee has no type for.
pub(in crate::rpc) fn with_id(reply: &str, id: &RawValue) -> Option<Vec<u8>> {
    #[derive(Deserialize)]
    struct Outcome<'a> {
        #[serde(borrow, default, deserialize_with = "present")]
        result: Option<&'a RawValue>,
        #[serde(borrow, default, deserialize_with = "present")]
        error: Option<&'a RawValue>,
    }
    let outcome: Outcome<'_> = serde_json::from_str(reply).ok()?;
    let (key, value) = match (outcome.result, outcome.error) {
        (Some(result), None) => ("result", result),
        (None, Some(error)) => ("error", error),
        _ => return None,
    };
    let (id, value) = (id.get(), value.get());
    Some(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"{key}\":{value}}}").into_bytes())
}

#[cfg(test)]
mod tests;
