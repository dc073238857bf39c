//! JSON-RPC over HTTP: the methods of the table, for the client's customer.

use http::StatusCode;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::answer::{Answer, Body};
use super::clients::Client;
use super::daemon::Daemon;
use super::endpoints::{ENDPOINTS, Kind, Scope};
use super::problem::Problem;
use super::{object, parameters, waiting};
use crate::rpc::call::envelope::{self, Envelope, Fault};
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
    let unreadable = || Problem::bad("the body is not JSON");
    let body = std::str::from_utf8(body).map_err(|_| unreadable())?;
    match body.trim_ascii_start().as_bytes().first() {
        Some(b'{') => {
            serde_json::from_str::<IgnoredAny>(body).map_err(|_| unreadable())?;
            return Ok(one(daemon, client, body).await.map_or_else(nothing, reply));
        }
        Some(b'[') => {}
        _ if serde_json::from_str::<IgnoredAny>(body).is_err() => return Err(unreadable()),
        _ => return Err(Problem::bad("the body is no request and no batch of them")),
    }
    let requests: Vec<&RawValue> = serde_json::from_str(body).map_err(|_| unreadable())?;
    if requests.is_empty() || requests.len() > BATCH {
        return Err(Problem::bad("a batch has 1 to 32 requests"));
    }
    let (mut said, mut length) = (Vec::new(), 0);
    for (at, request) in requests.into_iter().map(RawValue::get).enumerate() {
        // Each counts as one that was asked by itself, also where nobody waits for its answer.
        let beyond = match at == 0 || client.may_ask_now() {
            true if length < LONGEST => None,
            true => Some("the replies of a batch have at most 1 MiB together"),
            false => Some("this client asks too often"),
        };
        let reply = match beyond {
            None => one(daemon, client, request).await,
            Some(why) => match envelope::read(request) {
                Ok(read) => read.id.map(|id| error(id, ErrorCode::LimitExceeded, why)),
                Err(fault) => Some(wrong(&fault)),
            },
        };
        length += reply.as_ref().map_or(0, String::len);
        said.extend(reply);
    }
    Ok(match said.is_empty() {
        true => nothing(),
        false => reply(format!("[{}]", said.join(","))),
    })
}

fn nothing() -> Answer {
    Answer::new(StatusCode::NO_CONTENT, Body::Whole(bytes::Bytes::new()))
}

fn reply(said: String) -> Answer {
    Answer::json(StatusCode::OK, said)
}

fn error(id: &RawValue, code: ErrorCode, detail: &str) -> String {
    failure(id, code.number(), code.name(), detail)
}

fn failure(id: &RawValue, number: i32, name: &str, detail: &str) -> String {
    let data = json!({ "code": name, "detail": detail });
    let error = json!({ "code": number, "message": detail, "data": data });
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{error}}}")
}

/// What the daemon would say of what is no request.
fn wrong((fault, id): &(Fault, Option<&RawValue>)) -> String {
    let mut reply = Vec::new();
    fault.write(*id, &mut reply);
    String::from_utf8_lossy(&reply).into_owned()
}

/// Answers one request; a notification has no answer.
async fn one(daemon: &Daemon, client: &Client, request: &str) -> Option<String> {
    let Envelope { id, method, params, .. } = match envelope::read(request) {
        Ok(envelope) => envelope,
        Err(fault) => return Some(wrong(&fault)),
    };
    let asked = ask(daemon, client, &method, params).await;
    let id = id?;
    Some(match asked {
        // As the daemon wrote it: a tree of it would take several times as much.
        Ok(result) => format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}"),
        Err(problem) => {
            let code = ErrorCode::ALL.iter().find(|it| it.name() == problem.code());
            let code = code.copied().unwrap_or(ErrorCode::Busy);
            failure(id, code.number(), problem.code(), problem.detail())
        }
    })
}

async fn ask(
    daemon: &Daemon,
    client: &Client,
    method: &str,
    params: Option<&RawValue>,
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
    let params = match params.map(|it| it.get().as_bytes()) {
        None => Map::new(),
        Some(params @ [b'{', ..]) => object::read(params, "`params`")?,
        Some(_) => return Err(Problem::bad("give `params` by name")),
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
