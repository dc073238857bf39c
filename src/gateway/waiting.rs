//! Questions that may wait for a chain. They are asked without waiting first, so that what is known is told whoever waits; only
//! who is told nothing fresh by that waits, in one of few places. Whoever finds none within its time is told what is known then:
//! the daemon's work goes on meanwhile.

use std::borrow::Cow;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::clients::Client;
use super::daemon::Daemon;
use super::endpoints::Kind;
use super::problem::Problem;
use crate::rpc::methods::wait_of;

/// Members of a verdict; of a list, of each in it.
#[derive(Deserialize)]
struct Known<'a> {
    #[serde(borrow)]
    code: Option<Cow<'a, str>>,
    #[serde(borrow)]
    freshness: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    items: Vec<Known<'a>>,
}

/// Asks a method of a row of this kind.
pub(super) async fn ask(
    daemon: &Daemon,
    client: &Client,
    (kind, method): (Kind, &str),
    params: Map<String, Value>,
) -> Result<Box<RawValue>, Problem> {
    let Some(wait) = wait(method, &params) else {
        // It cannot be asked without waiting.
        return match kind != Kind::Question || method == "entitlement_explain" {
            true => daemon.ask_slowly(client, method, &params).await,
            false => daemon.ask(method, &params).await,
        };
    };
    let asked = |wait_ms: u64| {
        let mut params = params.clone();
        params.insert("wait_ms".to_owned(), wait_ms.into());
        async move { daemon.ask(method, &params).await }
    };
    in_turn((daemon, client), wait, asked, |said| is_known(said)).await
}

/// Asks what may wait so long, by a function of how many milliseconds it waits.
pub(super) async fn in_turn<T, F: Future<Output = Result<T, Problem>>>(
    (daemon, client): (&Daemon, &Client),
    wait: Duration,
    ask: impl Fn(u64) -> F,
    is_known: impl Fn(&T) -> bool,
) -> Result<T, Problem> {
    let until = Instant::now() + wait;
    let said = ask(0).await?;
    if is_known(&said) {
        return Ok(said);
    }
    let Some(_place) = daemon.waiting_place(client, until).await else {
        return ask(0).await;
    };
    let left = until.saturating_duration_since(Instant::now());
    ask(u64::try_from(left.as_millis()).unwrap_or(u64::MAX)).await
}

/// How long a question may wait for a chain, if it may, and says so in a form that the daemon takes.
fn wait(method: &str, params: &Map<String, Value>) -> Option<Duration> {
    if !["entitlement_check", "entitlement_list"].contains(&method) {
        return None;
    }
    let given = match params.get("wait_ms") {
        None | Some(Value::Null) => None,
        Some(given) => Some(given.as_u64()?),
    };
    wait_of(given).filter(|it| !it.is_zero())
}

/// Whether waiting would not make it another answer. What is no verdict is not waited for.
fn is_known(said: &RawValue) -> bool {
    serde_json::from_str(said.get()).is_ok_and(|it: Known<'_>| it.is_known())
}

impl Known<'_> {
    fn is_known(&self) -> bool {
        self.code.as_deref() != Some("UNDETERMINED")
            && self.freshness.as_deref().is_none_or(|it| it == "fresh")
            && self.items.iter().all(Known::is_known)
    }
}

#[cfg(test)]
mod tests;
