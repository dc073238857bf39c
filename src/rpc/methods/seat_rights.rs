//! Whether a seat that was given is told: somebody has to be there to hear of it, and has to be entitled to it still. Between
//! the question and the answer there may have been an hour in the queue.

use super::api::{ACTOR_TIME, Api};
use super::seats::VERDICT_TIME;
use crate::actors::seat_keeper::{Answer, Pending, Presence, Release, SeatView, Withdraw};
use crate::actors::tier_cache::Key;
use crate::rpc::error::{Code, RpcError};
use entitled_core::domain::entitlement::Verdict;
use entitled_core::domain::peer::Permit;

/// Waits for the answer to a request for a seat, for as long as somebody hears it.
pub(super) async fn answered(
    api: &Api,
    pending: Pending,
    presence: &Presence,
) -> Result<Answer, RpcError> {
    let given_up = || RpcError::new(Code::Busy, "the request was given up; ask again");
    let told = tokio::select! {
        biased;
        told = pending => told.map_err(|_| given_up()),
        () = presence.unheard() => Err(given_up()),
    };
    if !presence.is_heard() && told.is_err() {
        // If that does not reach it, it is noticed when a seat is to be told.
        let _ = api.seats.send(Withdraw).timeout(ACTOR_TIME).await;
    }
    told
}

/// The answer to the narrower question whether `feature` is included.
pub(super) fn narrow(verdict: Verdict, feature: Option<&str>) -> Verdict {
    match feature {
        Some(feature) => verdict.for_feature(feature),
        None => verdict,
    }
}

/// What the caller is entitled to as of now, who asked for `key` before.
///
/// # Errors
/// Also when it stands for another customer now that is entitled as well: by that it has to ask itself.
pub(super) async fn still_entitled(
    api: &Api,
    permit: &Permit,
    key: &Key,
) -> Result<Verdict, RpcError> {
    let customer = match permit.is_by_name() {
        true => key.customer,
        false => api.customer_of(permit.uid()).await?,
    };
    let now = Key { customer, product: key.product.clone() };
    let verdict = api.verdict(now, VERDICT_TIME).await?;
    if customer != key.customer && verdict.is_valid() {
        let detail = "the user stands for another customer than when it asked; ask again";
        return Err(RpcError::new(Code::Busy, detail));
    }
    Ok(verdict)
}

/// Gives a seat back that was just granted, unless it is known to be theirs, and somebody is there to hear of it. What the
/// unit had before is let be: it ends by itself where nobody is entitled to it.
pub(super) async fn keep_if_entitled(
    api: &Api,
    (answer, presence): (&Answer, &Presence),
    verdict: Result<Verdict, RpcError>,
) -> Result<Verdict, RpcError> {
    let is_theirs = verdict.as_ref().is_ok_and(Verdict::is_valid) && presence.is_heard();
    if let Answer::Granted(granted) = answer
        && !is_theirs
        && !granted.again
    {
        give_back(api, &granted.seat, presence).await;
    }
    verdict
}

pub(super) async fn give_back(api: &Api, seat: &SeatView, presence: &Presence) {
    let order = Release {
        seat: seat.id,
        owner: Some(presence.owner()),
        product: None,
        presence: Some(presence.clone()),
    };
    if !matches!(api.seats.send(order).timeout(ACTOR_TIME).await, Ok(Ok(_))) {
        tracing::warn!(seat = seat.id.0, "a seat that nobody is told of was not given back");
    }
}
