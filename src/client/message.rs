//! JSON-RPC 2.0, as far as a client needs it.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::ClientError;

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
struct ErrorObject {
    code: i64,
    message: String,
    #[serde(default)]
    data: Option<Value>,
}

fn present<'de, D: Deserializer<'de>>(source: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(source).map(Some)
}

pub(super) fn read(line: &[u8]) -> Result<Message, ClientError> {
    let incoming: Incoming = serde_json::from_slice(line).map_err(|it| ClientError::Protocol {
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
mod tests {
    use super::*;

    #[test]
    fn a_request_is_one_line_and_empty_params_are_left_out() {
        let line = request(7, "system_health", &()).unwrap();
        assert_eq!(line, b"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"system_health\"}\n");
        let line = request(8, "m", &serde_json::json!({"text": "a\nb"})).unwrap();
        assert_eq!(line.iter().filter(|it| **it == b'\n').count(), 1);
    }

    #[test]
    fn a_result_keeps_its_text_and_may_be_null() {
        for text in ["{ \"b\":1.50, \"a\":2 }", "null", "18446744073709551616"] {
            let line = format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{text}}}");
            let Message::Reply { outcome: Ok(result), .. } = read(line.as_bytes()).unwrap() else {
                panic!("no result in {line}");
            };
            assert_eq!(result.get(), text);
        }
    }

    #[test]
    fn a_refusal_names_itself() {
        let line = br#"{"jsonrpc":"2.0","id":1,"error":{"code":-32002,"message":"no such wallet",
            "data":{"code":"NOT_FOUND","detail":"d","help":"h","later":1}}}"#;
        let Message::Reply { outcome: Err(error), .. } = read(line).unwrap() else {
            panic!("no refusal");
        };
        assert_eq!(error.to_string(), "no such wallet");
        assert_eq!(
            (error.name(), error.detail(), error.help()),
            (Some("NOT_FOUND"), Some("d"), Some("h"))
        );
    }

    #[test]
    fn what_is_neither_answer_nor_notice_is_an_error() {
        for line in [
            "",
            "[]",
            "{}",
            "{\"id\":1}",
            "{\"id\":1,\"result\":1,\"error\":{\"code\":1,\"message\":\"\"}}",
        ] {
            assert!(matches!(read(line.as_bytes()), Err(ClientError::Protocol { .. })), "{line}");
        }
    }
}
