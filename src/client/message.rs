//! JSON-RPC 2.0, as far as a client needs it.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::ClientError;
use crate::object::read_from_objects;
use crate::plain::Plain;

#[derive(Serialize)]
struct Request<'a> {
    jsonrpc: &'static str,
    id: u64,
    method: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    params: Option<&'a RawValue>,
}

/// One request as a line. Params that come to `null`, such as `()`, are left out.
pub(super) fn request<P: Serialize + ?Sized>(
    id: u64,
    method: &str,
    params: &P,
) -> Result<Vec<u8>, ClientError> {
    let unwritable = |it| ClientError::Protocol {
        reason: "the request cannot be written as JSON",
        source: Some(it),
    };
    let params = serde_json::value::to_raw_value(params).map_err(unwritable)?;
    let params = Some(&*params).filter(|it| it.get() != "null");
    let request = Request { jsonrpc: "2.0", id, method, params };
    let mut line = serde_json::to_vec(&request).map_err(unwritable)?;
    line.push(b'\n');
    Ok(line)
}

/// What arrived.
#[derive(Debug)]
pub(super) enum Message {
    Reply { id: Value, outcome: Result<Box<RawValue>, ClientError> },
    Notification { method: String, params: Option<Box<RawValue>> },
}

#[derive(Deserialize)]
#[serde(remote = "Self")]
struct Incoming {
    #[serde(default)]
    id: Value,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    params: Option<Box<RawValue>>,
    /// A result of `null` is a result.
    #[serde(default, deserialize_with = "present")]
    result: Option<Box<RawValue>>,
    #[serde(default)]
    error: Option<ErrorObject>,
}

#[derive(Deserialize)]
#[serde(remote = "Self")]
struct ErrorObject {
    code: i64,
    message: String,
    #[serde(default)]
    data: Option<Value>,
}

read_from_objects!(Incoming, ErrorObject);

fn present<'de, D: Deserializer<'de>>(source: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(source).map(Some)
}

pub(super) fn read(line: &[u8]) -> Result<Message, ClientError> {
    let incoming = serde_json::from_slice(line)
        .and_then(|Plain| serde_json::from_slice::<Incoming>(line))
        .map_err(|it| ClientError::Protocol {
            reason: "what the daemon said is not JSON-RPC",
            source: Some(it),
        })?;
    match incoming {
        Incoming { error: Some(error), result: None, id, .. } => {
            let ErrorObject { code, message, data } = error;
            Ok(Message::Reply { id, outcome: Err(ClientError::Refused { code, message, data }) })
        }
        Incoming { result: Some(result), error: None, id, .. } => {
            Ok(Message::Reply { id, outcome: Ok(result) })
        }
        Incoming { method: Some(method), params, result: None, .. } => {
            Ok(Message::Notification { method, params })
        }
        _ => Err(ClientError::protocol("what the daemon said is neither an answer nor a notice")),
    }
}

#[cfg(test)]
mod tests;
