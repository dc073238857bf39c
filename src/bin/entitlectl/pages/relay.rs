//! What a page may ask: JSON-RPC passed on to the daemon, by a list of what may be asked at which socket.
//!
//! No rule of the daemon's is here a second time. The list says which methods only read, and the two that link a wallet; for
//! whom a page asks was said on the command line, and not by the page.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;

use crate::exit::Failure;
use crate::session::{Behalf, Door, PROOF_WAIT, Question, Session};
use crate::told;

/// A method that may be asked, and the parameters that may be given.
struct Allowed {
    method: &'static str,
    params: &'static [&'static str],
    /// Whether it is asked for the customer of the command line.
    for_customer: bool,
}

const fn own(method: &'static str, params: &'static [&'static str]) -> Allowed {
    Allowed { method, params, for_customer: true }
}

const fn all(method: &'static str, params: &'static [&'static str]) -> Allowed {
    Allowed { method, params, for_customer: false }
}

const LINK: &str = "wallet_link";

const PUBLIC: &[Allowed] = &[
    own("entitlement_list", &["wait_ms", "limit", "cursor"]),
    own("entitlement_explain", &["product"]),
    own("wallet_list", &["limit", "cursor"]),
    own("wallet_challenge", &["address", "chain"]),
    own(LINK, &["message", "signature"]),
    own("ownership_list", &["active", "limit", "cursor"]),
    own("customer_get", &[]),
    all("product_list", &["limit", "cursor"]),
    all("seat_list", &["product", "limit", "cursor"]),
    all("system_health", &[]),
    all("system_version", &[]),
];

const ADMIN: &[Allowed] = &[
    all("customer_list", &["limit", "cursor"]),
    all("ownership_list", &["active", "limit", "cursor"]),
    all("seat_list", &["product", "limit", "cursor"]),
    all("chain_status", &[]),
    all("audit_list", &["since", "limit", "cursor"]),
    all("store_stats", &[]),
];

#[derive(Debug)]
pub(super) struct Relay {
    session: Session,
    behalf: Behalf,
    /// Whether the admin socket lets us in.
    is_admin: bool,
    /// Hears of each wallet that was linked.
    linked: UnboundedSender<Box<RawValue>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    #[serde(rename = "jsonrpc")]
    _version: String,
    id: u64,
    method: String,
    #[serde(default)]
    params: BTreeMap<String, Box<RawValue>>,
}

#[derive(Serialize)]
struct Reply<'a> {
    jsonrpc: &'static str,
    id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Value>,
}

impl Relay {
    pub(super) fn new(
        session: &Session,
        behalf: &Behalf,
        linked: UnboundedSender<Box<RawValue>>,
    ) -> Self {
        let is_admin = session.ask_as_is(&Question::admin("system_version")).is_ok();
        let session = session.patient(std::time::Duration::ZERO);
        Self { session, behalf: behalf.clone(), is_admin, linked }
    }

    pub(super) fn is_admin(&self) -> bool {
        self.is_admin
    }

    /// The reply to one request of a page.
    pub(super) fn answer(&self, door: Door, body: &[u8]) -> String {
        let Ok(asked) = serde_json::from_slice::<Asked>(body) else {
            return said(None, &Err(error("INVALID_REQUEST", "this is no JSON-RPC request")));
        };
        let id = Some(asked.id);
        match self.question(door, asked) {
            Ok(question) => said(id, &self.ask(&question).map_err(|it| error_of(&it))),
            Err(why) => said(id, &Err(why)),
        }
    }

    fn question(&self, door: Door, asked: Asked) -> Result<Question, Value> {
        let list = match door {
            Door::Public => PUBLIC,
            Door::Admin if self.is_admin => ADMIN,
            // No page asks at the widest door there is: it says which of the two.
            Door::Admin | Door::Widest => &[],
        };
        let Some(allowed) = list.iter().find(|it| it.method == asked.method) else {
            return Err(error("METHOD_NOT_FOUND", "a page may not ask this"));
        };
        let mut question = match door {
            Door::Admin => Question::admin(allowed.method),
            Door::Public | Door::Widest => Question::new(allowed.method),
        };
        for (name, value) in asked.params {
            let Some(name) = allowed.params.iter().find(|it| **it == name) else {
                return Err(error("INVALID_PARAMS", "a page may not say this"));
            };
            question = question.with(name, &value).map_err(|it| error_of(&it))?;
        }
        match allowed.for_customer {
            true => question.for_whom(&self.behalf).map_err(|it| error_of(&it)),
            false => Ok(question),
        }
    }

    fn ask(&self, question: &Question) -> Result<Box<RawValue>, Failure> {
        if question.method != LINK {
            return self.session.ask_as_is(question);
        }
        // A contract wallet's consent is proven on its chain first.
        let wallet = self.session.patient(PROOF_WAIT).ask_as_is(question)?;
        // Where nobody listens any more, the command has ended.
        let _ = self.linked.send(wallet.clone());
        Ok(wallet)
    }
}

fn said(id: Option<u64>, outcome: &Result<Box<RawValue>, Value>) -> String {
    let (result, error) = match outcome {
        Ok(result) => (Some(&**result), None),
        Err(error) => (None, Some(error.clone())),
    };
    serde_json::to_string(&Reply { jsonrpc: "2.0", id, result, error }).unwrap_or_default()
}

fn error(name: &str, message: &str) -> Value {
    json!({"code": -32600, "message": message, "data": {"code": name}})
}

/// What the daemon said, as it said it; or why it said nothing.
fn error_of(failure: &Failure) -> Value {
    told::as_json(failure)["error"].clone()
}

#[cfg(test)]
mod tests;
