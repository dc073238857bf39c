//! JSON-RPC over HTTP: the methods of the table, for the client's customer.

use http::StatusCode;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::answer::{Answer, Body};
use super::clients::Client;
use super::daemon::Daemon;
use super::endpoints::{ENDPOINTS, Kind, Scope};
use super::problem::Problem;
use super::{parameters, waiting};
use entitled_client::ErrorCode;

/// Requests in one batch, as with the daemon.
const BATCH: usize = 32;
/// Bytes of the replies of one batch, as long as one reply of the daemon may be. What is asked for beyond is refused.
const LONGEST: usize = 1 << 20;
/// Methods that say nothing of any customer.
const FREE: [&str; 2] = ["system_version", "rpc_discover"];

/// Answers a request, or several in turn.
///
/// # Errors
/// When the body is neither, so that there is nobody to answer in JSON-RPC.
pub(super) async fn answer(
    daemon: &Daemon,
    client: &Client,
    body: &[u8],
) -> Result<Answer, Problem> {
    let unreadable = |_| Problem::bad("the body is not JSON");
    let requests = match serde_json::from_slice(body).map_err(unreadable)? {
        Value::Array(requests) => requests,
        request @ Value::Object(_) => {
            return Ok(one(daemon, client, request).await.map_or_else(nothing, reply));
        }
        _ => return Err(Problem::bad("the body is no request and no batch of them")),
    };
    if requests.is_empty() || requests.len() > BATCH {
        return Err(Problem::bad("a batch has 1 to 32 requests"));
    }
    let (mut said, mut length) = (Vec::new(), 0);
    for (at, request) in requests.into_iter().enumerate() {
        // Each counts as one that was asked by itself, also where nobody waits for its answer.
        let beyond = match at == 0 || client.may_ask_now() {
            true if length < LONGEST => None,
            true => Some("the replies of a batch have at most 1 MiB together"),
            false => Some("this client asks too often"),
        };
        let reply = match beyond {
            None => one(daemon, client, request).await,
            Some(_) if is_notification(&request) => None,
            Some(why) => {
                let id = request.get("id").cloned().unwrap_or_default();
                Some(error(&id, ErrorCode::LimitExceeded, why))
            }
        };
        length += reply.as_ref().map_or(0, String::len);
        said.extend(reply);
    }
    Ok(match said.is_empty() {
        true => nothing(),
        false => reply(format!("[{}]", said.join(","))),
    })
}

/// Whether nobody waits for an answer.
fn is_notification(request: &Value) -> bool {
    request.get("method").is_some() && request.get("id").is_none()
}

fn nothing() -> Answer {
    Answer::new(StatusCode::NO_CONTENT, Body::Whole(bytes::Bytes::new()))
}

fn reply(said: String) -> Answer {
    Answer::json(StatusCode::OK, said)
}

fn error(id: &Value, code: ErrorCode, detail: &str) -> String {
    failure(id, code.number(), code.name(), detail)
}

fn failure(id: &Value, number: i32, name: &str, detail: &str) -> String {
    let data = json!({ "code": name, "detail": detail });
    let error = json!({ "code": number, "message": detail, "data": data });
    json!({ "jsonrpc": "2.0", "id": id, "error": error }).to_string()
}

/// Answers one request; a notification has no answer.
async fn one(daemon: &Daemon, client: &Client, mut request: Value) -> Option<String> {
    let id = request.get_mut("id").map(Value::take);
    let is_id = id.as_ref().is_none_or(|it| it.is_null() || it.is_string() || it.is_number());
    let method = request["method"].as_str().map(str::to_owned);
    let (Some(method), true, true) = (method, is_id, request["jsonrpc"] == "2.0") else {
        let why = "not a JSON-RPC 2.0 request";
        return Some(error(&Value::Null, ErrorCode::InvalidRequest, why));
    };
    let asked = ask(daemon, client, &method, request["params"].take()).await;
    let id = id?;
    Some(match asked {
        // As the daemon wrote it: a tree of it would take several times as much.
        Ok(result) => format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}"),
        Err(problem) => {
            let code = ErrorCode::ALL.iter().find(|it| it.name() == problem.code());
            let code = code.copied().unwrap_or(ErrorCode::Busy);
            failure(&id, code.number(), problem.code(), problem.detail())
        }
    })
}

async fn ask(
    daemon: &Daemon,
    client: &Client,
    method: &str,
    params: Value,
) -> Result<Box<RawValue>, Problem> {
    let plain = [Kind::Question, Kind::Work, Kind::Change];
    let row = ENDPOINTS.iter().find(|it| it.method == method && plain.contains(&it.kind));
    let scope = match row {
        Some(row) => row.scope,
        None if FREE.contains(&method) => Scope::Entitlements,
        None => {
            let name = ErrorCode::MethodNotFound.name();
            return Err(Problem::new(StatusCode::NOT_FOUND, name, "no such method here"));
        }
    };
    if !client.has(scope) {
        return Err(Problem::forbidden(format!("this client lacks the scope `{}`", scope.word())));
    }
    let params: Map<String, Value> = match params {
        Value::Null => Map::new(),
        Value::Object(params) => params,
        _ => return Err(Problem::bad("give `params` by name")),
    };
    let narrowing = parameters::narrowing_of(method);
    let listed = parameters::narrows(client, narrowing);
    let params = parameters::admit(client, method, listed, params)?;
    let kind = row.map_or(Kind::Question, |it| it.kind);
    let result = waiting::ask(daemon, client, (kind, method), params).await?;
    if !listed {
        return Ok(result);
    }
    let mut result: Value = serde_json::from_str(result.get()).unwrap_or_default();
    parameters::narrow(client, narrowing, &mut result);
    let narrowed = serde_json::value::to_raw_value(&result);
    narrowed.map_err(|_| Problem::busy("the daemon's answer cannot be told"))
}
