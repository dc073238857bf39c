//! Hears of new blocks over WebSocket, so that they are asked for at once.
//!
//! Asked by: `follow`. Never: believes what it hears, not even that there is a block: each notice is a reason to
//! poll, at most as often as the follower allows. Without it everything is the same, a little later.

use std::borrow::Cow;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use url::Url;

use super::backoff::Backoff;
use super::transport::connect_websocket;

/// A connection that brings nothing for this long is made anew; it may have died unnoticed.
const SILENCE: Duration = Duration::from_secs(300);
/// Between two messages that are read: more often nobody polls, and what floods us waits at the sender, who must not
/// keep the chains of others waiting.
const PACE: Duration = Duration::from_millis(50);
/// No longer than this for the answer to the subscription.
const ANSWER: Duration = Duration::from_secs(8);
/// Between attempts.
const AGAIN: Backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(120) };

/// What arrives on the connection, as far as it matters.
#[derive(Debug, Deserialize)]
struct Arrival<'a> {
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
}

impl Arrival<'_> {
    fn is_notice(&self) -> bool {
        self.method.as_deref() == Some("eth_subscription")
    }

    fn is_consent(&self) -> bool {
        self.id.is_some_and(|it| it.get() == "1")
            && self.result.is_some_and(|it| it.get().starts_with('"'))
    }
}

/// Wakes `heard` at each notice. Never ends; what fails is tried again, ever more rarely.
pub(in crate::chain) async fn listen(url: &Url, shown: &str, heard: &Notify) {
    let mut failures = 0_u32;
    loop {
        let begun = Instant::now();
        let notices = subscription(url, heard).await;
        if notices > 0 || begun.elapsed() >= SILENCE {
            failures = 0;
        }
        tracing::debug!(endpoint = shown, notices, "the subscription to new heads ended");
        tokio::time::sleep(AGAIN.jittered(failures)).await;
        failures = failures.saturating_add(1);
    }
}

/// One connection, until it ends. How many notices it brought.
async fn subscription(url: &Url, heard: &Notify) -> usize {
    let Ok(mut socket) = connect_websocket(url).await else { return 0 };
    let question =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"] });
    if socket.send(Message::text(question.to_string())).await.is_err() {
        return 0;
    }
    let (mut notices, mut patience) = (0, ANSWER);
    while let Ok(Some(Ok(message))) = tokio::time::timeout(patience, socket.next()).await {
        tokio::time::sleep(PACE).await;
        let Message::Text(text) = message else { continue };
        let Ok(arrival) = serde_json::from_str::<Arrival<'_>>(&text) else { return notices };
        if arrival.is_notice() {
            notices += 1;
            heard.notify_one();
        } else if !arrival.is_consent() {
            return notices;
        }
        patience = SILENCE;
    }
    notices
}

#[cfg(test)]
mod tests;
