//! Streams of events (the HTML standard, "Server-sent events"): verdicts as they change, and seats that last as long as
//! their stream. A stream lasts no longer than what let its client in.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{HeaderMap, StatusCode, header};
use serde_json::{Map, Value, json};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::answer::{Answer, Body};
use super::authorization::Authorization;
use super::daemon::Daemon;
use super::places::Place;
use super::problem::Problem;
use crate::rpc::socket::progress::Progress;
use entitled_client::{AsyncClient, AsyncSubscription, ClientError};

/// After so long without an event the client hears that the stream is there, and the gateway that the client is.
const SIGN: Duration = Duration::from_secs(15);
/// How often a seat is looked at: it may be taken away.
const LOOK: Duration = Duration::from_secs(2);
/// Events that may wait for a client.
const WAITING: usize = 4;
const SIGN_OF_LIFE: &[u8] = b": here\n\n";
/// The longest that a seat may be waited for.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);
const PATIENCE: Duration = Duration::from_secs(80);

/// The sending end of a stream; who does not read in time is dropped.
struct Teller {
    to: mpsc::Sender<Bytes>,
    within: Duration,
}

impl Teller {
    async fn tell(&self, bytes: Bytes) -> bool {
        self.to.send_timeout(bytes, self.within).await.is_ok()
    }
}

fn event(name: &str, data: &str) -> Bytes {
    Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
}

/// An answer whose events come from `tell`, in a task that ends with the client.
fn stream(progress: &Arc<Progress>, within: Duration) -> (Answer, Teller) {
    let (to, from) = mpsc::channel(WAITING);
    // A stream is being served for as long as there is one: its connection is not idle.
    let serving = progress.serve();
    let events = futures_util::stream::unfold((from, serving), |(mut from, serving)| async move {
        from.recv().await.map(|bytes| (bytes, (from, serving)))
    });
    let mut answer = Answer::new(StatusCode::OK, Body::Events(events.boxed()));
    answer.set(header::CONTENT_TYPE, "text/event-stream");
    answer.set(header::CACHE_CONTROL, "no-store");
    (answer, Teller { to, within })
}

/// What lasts as long as a stream: a place of the client's own, and one of all.
type Streaming = (OwnedSemaphorePermit, Place);

fn streaming(daemon: &Daemon, authorization: &Authorization) -> Result<Streaming, Problem> {
    Ok((authorization.client.stream()?, daemon.place(&authorization.client)?))
}

/// Follows the verdict about a product.
pub(super) async fn verdicts(
    daemon: &Daemon,
    authorization: Authorization,
    params: &Map<String, Value>,
    (progress, within): (&Arc<Progress>, Duration),
) -> Result<Answer, Problem> {
    let places = streaming(daemon, &authorization)?;
    let followed = daemon.follow(params).await?;
    let (answer, teller) = stream(progress, within);
    tokio::spawn(tell_verdicts(followed, teller, authorization, places));
    Ok(answer)
}

async fn tell_verdicts(
    mut followed: AsyncSubscription,
    teller: Teller,
    authorization: Authorization,
    _places: Streaming,
) {
    followed.set_wait(Some(SIGN));
    let telling = async {
        loop {
            let bytes = match followed.next_raw().await {
                Ok(Some(verdict)) => event("entitlement_changed", verdict.get()),
                Err(ClientError::Timeout { .. }) => Bytes::from_static(SIGN_OF_LIFE),
                // The client connects again, and hears what is so then.
                Ok(None) | Err(_) => return,
            };
            if !teller.tell(bytes).await {
                return;
            }
        }
    };
    tokio::select! {
        () = teller.to.closed() => {}
        () = authorization.ended() => {}
        () = telling => {}
    }
}

/// Takes a seat that lasts as long as the stream.
pub(super) async fn seat(
    daemon: &Daemon,
    authorization: Authorization,
    (mut params, headers): (Map<String, Value>, &HeaderMap),
    (progress, within): (&Arc<Progress>, Duration),
) -> Result<Answer, Problem> {
    let accepted = headers.get_all(header::ACCEPT).iter();
    if !accepted.filter_map(|it| it.to_str().ok()).any(|it| it.contains("text/event-stream")) {
        let why = "a seat lasts as long as its stream: accept text/event-stream";
        return Err(Problem::new(StatusCode::NOT_ACCEPTABLE, "INVALID_PARAMS", why));
    }
    let places = streaming(daemon, &authorization)?;
    let mut line = daemon.connect().await?;
    params.insert("bind".to_owned(), "connection".into());
    let wait = Duration::from_millis(params.get("wait_ms").and_then(Value::as_u64).unwrap_or(0));
    line.set_timeout(wait.min(LONGEST_WAIT) + PATIENCE);
    let seat = tokio::select! {
        seat = line.call_raw("seat_acquire", &params) => seat.map_err(|it| Problem::of(&it))?,
        // Who may not have it any more does not stand in line either.
        () = authorization.ended() => return Err(Problem::unauthenticated()),
    };
    let told: Value = serde_json::from_str(seat.get()).unwrap_or_default();
    let Some(seat) = told["seat"].as_str().filter(|_| told["granted"] == true) else {
        return Ok(Answer::json(StatusCode::OK, told.to_string()));
    };
    // It may have stood in line for long. Where it may not have the seat any more, that is free again.
    authorization.check().await?;
    // It is told of the seats of whom it is asked for.
    let own = json!({ "product": told["product"], "customer": authorization.client.customer.to_string(), "limit": 1_000 });
    let seat = seat.to_owned();
    line.set_timeout(PATIENCE);
    let (answer, teller) = stream(progress, within);
    let first = event("seat", &told.to_string());
    tokio::spawn(hold_seat(line, teller, (seat, own, first), authorization, places));
    Ok(answer)
}

/// Holds a seat until the client hangs up, may not have it any more, or the seat is gone. The connection to the daemon is what it is
/// bound to. Whatever the daemon does meanwhile, and however the client reads, it ends when its time is over.
async fn hold_seat(
    mut line: AsyncClient,
    teller: Teller,
    (seat, own, first): (String, Value, Bytes),
    authorization: Authorization,
    _places: Streaming,
) {
    let is_heard = tokio::select! {
        () = teller.to.closed() => false,
        () = authorization.ended() => true,
        is_heard = watch_seat(&mut line, &teller, (&seat, &own), first) => is_heard,
    };
    // It is free before that is told: whoever does not read keeps nothing by it.
    drop(line);
    if is_heard {
        teller.tell(event("ended", &json!({ "seat": seat }).to_string())).await;
    }
}

/// Tells of a seat and, now and then, that it is held. Comes back when it is not, or when nobody hears it, which is `false`.
async fn watch_seat(
    line: &mut AsyncClient,
    teller: &Teller,
    (seat, own): (&str, &Value),
    first: Bytes,
) -> bool {
    let (mut sign, mut silent) = (Some(first), Duration::ZERO);
    loop {
        if let Some(sign) = sign.take()
            && !teller.tell(sign).await
        {
            return false;
        }
        tokio::time::sleep(LOOK).await;
        silent += LOOK;
        if !matches!(is_held(line, seat, own.clone()).await, Ok(true)) {
            return true;
        }
        if silent >= SIGN {
            (sign, silent) = (Some(Bytes::from_static(SIGN_OF_LIFE)), Duration::ZERO);
        }
    }
}

/// Whether the seat is among those that `question` lists.
async fn is_held(
    line: &mut AsyncClient,
    seat: &str,
    mut question: Value,
) -> Result<bool, ClientError> {
    loop {
        let mut page: Value = line.call("seat_list", &question).await?;
        let items = page["items"].as_array();
        if items.is_some_and(|it| it.iter().any(|it| it["seat"] == seat)) {
            return Ok(true);
        }
        question["cursor"] = page["next_cursor"].take();
        if question["cursor"].is_null() {
            return Ok(false);
        }
    }
}
