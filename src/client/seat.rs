//! A floating seat, apart from how bytes travel: what is asked for, what was said of it, and how it stands.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::connection::TIMEOUT_DEFAULT;
use crate::error::ClientError;
use crate::exchange::{read_result, require_product};
use crate::object::read_from_objects;

/// A read takes what has arrived, and needs a moment that is not over yet.
pub(super) const AT_ONCE: Duration = Duration::from_millis(1);
/// Of the changes that are told, so many are taken up at a time: whoever asks how it stands is answered, however many there are.
pub(super) const CHANGES_MAX: usize = 64;
/// Before a daemon that was away is asked again by who waits.
const AWAY_PAUSE: Duration = Duration::from_secs(1);
/// What a guard that is dropped spends on telling the daemon. A seat that it does not hear of ends with the process.
pub(super) const DROP_TIME: Duration = Duration::from_secs(1);

/// Which seat is asked for, and how long to wait for it.
#[derive(Debug, Clone, Serialize)]
pub struct SeatRequest {
    product: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tier: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    feature: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wait_ms: Option<u64>,
    #[serde(skip)]
    pub(super) timeout: Duration,
}

impl SeatRequest {
    /// The best seat of a product that there is, at once or not at all.
    pub fn new(product: impl Into<String>) -> Self {
        let product = product.into();
        Self { product, tier: None, feature: None, wait_ms: None, timeout: TIMEOUT_DEFAULT }
    }

    /// A seat of this tier.
    #[must_use]
    pub fn tier(self, tier: impl Into<String>) -> Self {
        Self { tier: Some(tier.into()), ..self }
    }

    /// A seat of a tier that includes this feature.
    #[must_use]
    pub fn feature(self, feature: impl Into<String>) -> Self {
        Self { feature: Some(feature.into()), ..self }
    }

    /// Waits in the queue for so long at most; the daemon allows an hour.
    #[must_use]
    pub fn wait(self, wait: Duration) -> Self {
        let wait = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        Self { wait_ms: (wait > 0).then_some(wait), ..self }
    }

    /// How long the daemon may take to answer, beside the wait; 5 s unless given.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    pub(super) fn limit(&self) -> Duration {
        self.timeout.saturating_add(Duration::from_millis(self.wait_ms.unwrap_or(0)))
    }

    /// The same without a wait: whoever holds a seat is given the same.
    fn at_once(&self) -> Self {
        Self { wait_ms: None, ..self.clone() }
    }
}

/// Why there is no seat, as the daemon says it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct SeatRefusal {
    /// `SEATS_FULL`, `NOT_ENTITLED`, `UNDETERMINED`, `EXCLUDED` or `DRAINING`.
    pub code: String,
    pub detail: String,
    /// How many requests wait.
    pub queue: u64,
}

impl SeatRefusal {
    /// Whether it is known that there is none; `false` of `UNDETERMINED`, which is neither a yes nor a no.
    pub fn is_known(&self) -> bool {
        self.code != "UNDETERMINED"
    }
}

/// There is no seat.
#[derive(Debug, thiserror::Error)]
pub enum SeatError {
    #[error(transparent)]
    Refused(#[from] SeatRefusal),
    /// The daemon could not be asked.
    #[error(transparent)]
    NotAnswered(#[from] ClientError),
}

/// Whether a seat is still held.
#[derive(Debug)]
pub enum SeatState {
    /// With `ends_at`, the pool has lost capacity, and the seat ends then: RFC 3339 in UTC.
    Held { ends_at: Option<String> },
    /// For good, and why: `capacity`, `revoked` and others; or the code with which it was not given again after the daemon was
    /// away.
    Ended { reason: String },
    /// The daemon is away, or does not know.
    NotKnown(SeatError),
}

/// The daemon's answer to a request for a seat.
#[derive(Debug, Clone, Deserialize)]
#[serde(remote = "Self")]
pub(super) struct Said {
    granted: bool,
    code: String,
    /// Of which product it is said.
    #[serde(default)]
    product: Option<String>,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    seat: Option<String>,
    #[serde(default)]
    tier: Option<String>,
    #[serde(default)]
    queue: Option<u64>,
    #[serde(default)]
    ends_at: Option<String>,
}

#[derive(Deserialize)]
#[serde(remote = "Self")]
struct Change {
    event: String,
    #[serde(default)]
    reason: Option<String>,
    seat: ChangedSeat,
}

#[derive(Deserialize)]
#[serde(remote = "Self")]
struct ChangedSeat {
    #[serde(default)]
    ends_at: Option<String>,
}

read_from_objects!(Said, Change, ChangedSeat);

/// `seat_release`, and `seat_subscribe` for one seat.
#[derive(Serialize)]
pub(super) struct SeatParams<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) product: Option<&'a str>,
    pub(super) seat: &'a str,
}

/// What is known of a seat.
#[derive(Debug)]
pub(super) struct Holding {
    pub(super) request: SeatRequest,
    pub(super) seat: String,
    pub(super) tier: String,
    /// On which its changes are told.
    pub(super) subscription: Value,
    pub(super) is_away: bool,
    pub(super) ends_at: Option<String>,
    ended: Option<String>,
    pid: u32,
}

impl Holding {
    pub(super) fn new(request: SeatRequest) -> Self {
        Self {
            request,
            seat: String::new(),
            tier: String::new(),
            subscription: Value::Null,
            is_away: false,
            ends_at: None,
            ended: None,
            pid: std::process::id(),
        }
    }

    /// Takes up what was said; then its changes are to be subscribed to.
    pub(super) fn take_up(&mut self, said: Said) -> Result<(), SeatError> {
        let Said { granted, code, product, detail, seat, tier, queue, ends_at } = said;
        require_product(
            product.as_ref().unwrap_or(&self.request.product),
            Some(&self.request.product),
        )?;
        if !granted {
            return Err(SeatRefusal { code, detail, queue: queue.unwrap_or(0) }.into());
        }
        let (Some(seat), Some(tier)) = (seat, tier) else {
            return Err(ClientError::protocol("a seat that was granted has no name").into());
        };
        (self.seat, self.tier, self.ends_at) = (seat, tier, ends_at);
        (self.pid, self.is_away, self.ended) = (std::process::id(), false, None);
        self.request = self.request.at_once();
        Ok(())
    }

    pub(super) fn subscribe_params(&self) -> SeatParams<'_> {
        SeatParams { product: Some(&self.request.product), seat: &self.seat }
    }

    pub(super) fn release_params(&self) -> SeatParams<'_> {
        SeatParams { product: None, seat: &self.seat }
    }

    /// Takes up a change; `false` when the seat has ended.
    pub(super) fn hear(&mut self, told: &RawValue) -> Result<bool, ClientError> {
        let change: Change = read_result(told)?;
        self.ends_at = change.seat.ends_at;
        if change.event == "ended" {
            self.end(change.reason.unwrap_or_default());
        }
        Ok(!self.has_ended())
    }

    pub(super) fn end(&mut self, reason: String) {
        self.ended = Some(reason);
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// A child that was forked has no part in the seat of its parent.
    pub(super) fn is_ours(&self) -> bool {
        self.pid == std::process::id()
    }

    /// How it stands, unless the daemon is away.
    pub(super) fn state(&self) -> SeatState {
        match &self.ended {
            Some(reason) => SeatState::Ended { reason: reason.clone() },
            None => SeatState::Held { ends_at: self.ends_at.clone() },
        }
    }

    /// It could not be had again.
    pub(super) fn fail(&mut self, error: SeatError) -> SeatState {
        match error {
            SeatError::Refused(refusal) if refusal.is_known() => {
                self.end(refusal.code);
                self.state()
            }
            error => {
                self.is_away = true;
                SeatState::NotKnown(error)
            }
        }
    }

    pub(super) fn pause(&self, wait: Duration) -> Duration {
        if self.is_away { wait.min(AWAY_PAUSE) } else { Duration::ZERO }
    }
}
