//! Floating seats.

use std::sync::Arc;
use std::time::Duration;

use jsonrpsee::core::SubscriptionResult;
use jsonrpsee::types::ErrorObjectOwned;
use jsonrpsee::{Extensions, PendingSubscriptionSink, RpcModule};
use tokio::sync::broadcast::error::RecvError;

use super::api::{ACTOR_TIME, Api};
use super::paging::page;
use super::parse::parse;
use super::seat_rights::{answered, give_back, keep_if_entitled, narrow, still_entitled};
use crate::actors::seat_keeper::{
    Acquire, Adopt, Answer, Borrow, Granted, ListSeats, PoolView, Presence, Refused, Release,
    Revoke, SeatNews, SeatState, SeatView, SubscribeSeats, Viewer,
};
use crate::actors::tier_cache::Key;
use crate::rpc::error::{Code, RpcError};
use crate::rpc::wire;
use entitled_core::domain::entitlement::{self, Verdict};
use entitled_core::domain::peer::{Access, Permit};
use entitled_core::seats::{AdoptToken, Owner, Refusal, SeatId, Standing};

/// How long a verdict that is not known yet may take.
pub(super) const VERDICT_TIME: Duration = Duration::from_secs(2);
const WAIT_AT_MOST_MS: u64 = 3_600_000;
const BORROW_MS: std::ops::RangeInclusive<u64> = 60_000..=30 * 86_400_000;
const MOST_PLACES: u32 = 1_000;
const LONGEST_REASON: usize = 256;

pub(super) async fn acquire(
    api: Arc<Api>,
    permit: Permit,
    ask: wire::SeatAcquire,
) -> Result<wire::Seat, RpcError> {
    let count = match ask.count.unwrap_or(1) {
        count @ 1..=MOST_PLACES => count,
        _ => return Err(RpcError::invalid_params("`count` must be between 1 and 1000")),
    };
    let wait = match ask.wait_ms.unwrap_or(0) {
        wait @ 0..=WAIT_AT_MOST_MS => Duration::from_millis(wait),
        _ => return Err(RpcError::invalid_params("`wait_ms` must be between 0 and 3600000")),
    };
    let presence = with_groups(&api, ask.presence, &permit).await?;
    let key = Key { customer: permit.customer(), product: ask.product };
    let narrowed = match ask.tier {
        None => ask.feature.clone(),
        Some(_) => None,
    };
    let verdict = api.verdict(key.clone(), VERDICT_TIME).await?;
    let verdict = narrow(verdict, narrowed.as_deref());
    if !verdict.is_valid() {
        return Ok(not_entitled(&api, &verdict));
    }
    let order = Acquire {
        key: key.clone(),
        presence: presence.clone(),
        tier: ask.tier,
        feature: ask.feature,
        count,
        bind: ask.bind.unwrap_or_default().into(),
        wait,
    };
    let pending = api.seats.send(order).timeout(ACTOR_TIME).await??;
    let answer = answered(&api, pending, &presence).await?;
    // It may have waited for long.
    let verdict = still_entitled(&api, &permit, &key).await;
    let narrow = |it: Verdict| narrow(it, narrowed.as_deref());
    let verdict = keep_if_entitled(&api, (&answer, &presence), verdict.map(narrow)).await?;
    if matches!(answer, Answer::Granted(_)) && !verdict.is_valid() {
        return Ok(not_entitled(&api, &verdict));
    }
    Ok(wire::Seat {
        verdict: Some(wire::Verdict::at(&verdict, api.clock.now())),
        ..seat(&answer, verdict.product.as_str())?
    })
}

pub(super) async fn borrow(
    api: Arc<Api>,
    permit: Permit,
    ask: wire::SeatBorrow,
) -> Result<wire::Seat, RpcError> {
    if !BORROW_MS.contains(&ask.for_ms) {
        return Err(RpcError::invalid_params("`for_ms` must be between 60000 and 2592000000"));
    }
    let presence = with_groups(&api, ask.presence, &permit).await?;
    let key = Key { customer: permit.customer(), product: ask.product };
    let verdict = api.verdict(key.clone(), VERDICT_TIME).await?;
    if !verdict.is_valid() {
        return Ok(not_entitled(&api, &verdict));
    }
    let (time, asked) = (Duration::from_millis(ask.for_ms), api.asked(&permit));
    let (tier, feature) = (ask.tier, ask.feature);
    let (by, presence) = (presence.clone(), presence);
    let order = Borrow { key: key.clone(), presence, tier, feature, time, asked };
    let answer = api.seats.send(order).timeout(ACTOR_TIME).await??;
    let verdict = still_entitled(&api, &permit, &key).await;
    let verdict = keep_if_entitled(&api, (&answer, &by), verdict).await?;
    if matches!(answer, Answer::Granted(_)) && !verdict.is_valid() {
        return Ok(not_entitled(&api, &verdict));
    }
    seat(&answer, verdict.product.as_str())
}

pub(super) async fn adopt(
    api: Arc<Api>,
    permit: Permit,
    ask: wire::SeatAdopt,
) -> Result<wire::Seat, RpcError> {
    let wrong = || RpcError::invalid_params("`token` is not one of ours");
    let token: alloy_primitives::FixedBytes<16> = ask.token.parse().map_err(|_| wrong())?;
    let presence = with_groups(&api, ask.presence, &permit).await?;
    let order = Adopt { token: AdoptToken(token.0), presence: presence.clone() };
    let pending = api.seats.send(order).timeout(ACTOR_TIME).await??;
    let answer = answered(&api, pending, &presence).await?;
    if let Answer::Granted(granted) = &answer
        && let Some(customer) = granted.customer
    {
        let key = Key { customer, product: granted.seat.product.clone() };
        let verdict = api.verdict(key, VERDICT_TIME).await?;
        // What is not known ends no session: it lasts as long as its proof.
        if undetermined_or_no(&verdict) == "NOT_ENTITLED" && !verdict.is_valid() {
            give_back(&api, &granted.seat, &presence).await;
            return Ok(not_entitled(&api, &verdict));
        }
    }
    seat(&answer, "")
}

pub(super) async fn release(
    api: Arc<Api>,
    permit: Permit,
    ask: wire::SeatRelease,
) -> Result<wire::SeatReleased, RpcError> {
    let owner = (!permit.is_admin()).then(|| owner(&permit));
    let seat = seat_id(&ask.seat)?;
    let order = Release { seat, owner, product: ask.product, presence: ask.presence };
    let released = api.seats.send(order).timeout(ACTOR_TIME).await??;
    Ok(wire::SeatReleased { released })
}

pub(super) async fn list(
    api: Arc<Api>,
    permit: Permit,
    ask: wire::SeatList,
) -> Result<wire::SeatListed, RpcError> {
    let question = ListSeats { product: ask.product, viewer: viewer(&permit) };
    let found = api.seats.send(question).timeout(ACTOR_TIME).await?;
    let items = found.seats.iter().map(Into::into).collect();
    let wire::Listed { items, next_cursor } = page(items, ask.limit, ask.cursor.as_deref())?;
    let pools = found.pools.iter().map(Into::into).collect();
    Ok(wire::SeatListed { items, pools, next_cursor })
}

pub(super) async fn revoke(
    api: Arc<Api>,
    permit: Permit,
    ask: wire::SeatRevoke,
) -> Result<wire::SeatRevoked, RpcError> {
    if ask.reason.trim().is_empty() || ask.reason.len() > LONGEST_REASON {
        return Err(RpcError::invalid_params("`reason` must have 1 to 256 bytes"));
    }
    let (seat, asked) = (seat_id(&ask.seat)?, api.asked(&permit));
    let order = Revoke { seat, reason: ask.reason, asked };
    let revoked = api.seats.send(order).timeout(ACTOR_TIME).await??;
    Ok(wire::SeatRevoked { revoked: (&revoked).into() })
}

/// Who asks, and for whom, with all of its groups.
pub(super) async fn with_groups(
    api: &Api,
    presence: Option<Presence>,
    permit: &Permit,
) -> Result<Presence, RpcError> {
    let mut presence =
        presence.ok_or_else(|| RpcError::new(Code::PermissionDenied, "the caller is not known"))?;
    let gid = presence.gids.first().copied();
    let found = api.groups.of((presence.uid, gid), presence.account).await;
    presence.gids = found.map_err(|error| RpcError::new(Code::Busy, error.to_string()))?;
    presence.on_behalf = owner(permit).on_behalf;
    presence.standing = Some(match permit.is_by_name() {
        true => Standing::Named(permit.customer()),
        false => Standing::User(permit.customer()),
    });
    Ok(presence)
}

/// Whose the caller's seats are.
fn owner(permit: &Permit) -> Owner {
    Owner { uid: permit.uid(), on_behalf: permit.is_delegate().then(|| permit.customer()) }
}

fn viewer(permit: &Permit) -> Viewer {
    match permit.is_admin() {
        true => Viewer::Everybody,
        false => Viewer::User { owner: owner(permit), customer: permit.customer() },
    }
}

fn seat_id(name: &str) -> Result<SeatId, RpcError> {
    let number = name.strip_prefix("s-").and_then(|it| it.parse().ok());
    number.map(SeatId).ok_or_else(|| RpcError::invalid_params("`seat` must be as it was answered"))
}

pub(super) fn undetermined_or_no(verdict: &Verdict) -> &'static str {
    match verdict.code {
        entitlement::Code::Undetermined => "UNDETERMINED",
        _ => "NOT_ENTITLED",
    }
}

fn not_entitled(api: &Api, verdict: &Verdict) -> wire::Seat {
    wire::Seat {
        code: undetermined_or_no(verdict),
        detail: verdict.detail.clone(),
        product: verdict.product.to_string(),
        verdict: Some(wire::Verdict::at(verdict, api.clock.now())),
        ..wire::Seat::default()
    }
}

fn seat(answer: &Answer, product: &str) -> Result<wire::Seat, RpcError> {
    match answer {
        Answer::Granted(granted) => Ok(granted_seat(granted)),
        Answer::Refused(refused) => refused_seat(refused, product),
    }
}

fn granted_seat(granted: &Granted) -> wire::Seat {
    let Granted { seat, pool, adopt, .. } = granted;
    let held = wire::HeldSeat::from(seat);
    let capacity = pool.figures.capacity;
    let of = capacity.map_or_else(|| "any number".to_owned(), |it| it.to_string());
    wire::Seat {
        granted: true,
        code: "GRANTED",
        detail: format!("tier {}, {} of {of} used", seat.tier, pool.figures.used + pool.elsewhere),
        seat: Some(held.seat),
        fence: Some(held.fence),
        product: held.product,
        tier: Some(held.tier),
        unit: Some(held.unit),
        bind: Some(held.bind),
        count: Some(held.count),
        used: Some(pool.figures.used + pool.elsewhere),
        capacity,
        over: held.over,
        ends_by: pool.until.map(|it| it.to_string()),
        ends_at: held.ends_at,
        adopt: adopt.map(|it| alloy_primitives::hex::encode_prefixed(it.0)),
        holders: Vec::new(),
        queue: Some(pool.figures.waiting as u64),
        verdict: None,
    }
}

pub(super) fn refused_seat(refused: &Refused, product: &str) -> Result<wire::Seat, RpcError> {
    let sum = |count: fn(&PoolView) -> u64| refused.pools.iter().map(count).sum::<u64>();
    let capacity = refused.pools.iter().map(|it| it.figures.capacity).sum::<Option<u64>>();
    let (code, detail) = match refused.refusal {
        Refusal::Full if capacity == Some(0) => {
            ("NOT_ENTITLED", "no licence of this customer is good for what is asked for")
        }
        Refusal::Full if refused.pools.iter().any(|it| it.figures.elsewhere > 0) => (
            "SEATS_FULL",
            "no seat is free: another customer of this machine has one of the same token",
        ),
        Refusal::Full => ("SEATS_FULL", "no seat is free, or others wait before"),
        Refusal::TooLarge => (
            "SEATS_FULL",
            "so many are more than there are, than the administrator's policy gives the caller, or than a seat has that others share",
        ),
        Refusal::Excluded => ("EXCLUDED", "the administrator's policy gives the caller none"),
        Refusal::Draining => ("DRAINING", "capacity was lost, and seats are ending"),
        Refusal::NoPool => ("NOT_ENTITLED", "no tier of this customer is asked for"),
        Refusal::NotKnown => ("UNDETERMINED", "how many seats there are is not proven"),
        Refusal::FleetUnreachable => (
            "FLEET_UNREACHABLE",
            "the machines that share the seats cannot be reached, or are told to give none",
        ),
        Refusal::TooMany => {
            let detail = "one user has as many seats or waiting requests as one may";
            return Err(RpcError::new(Code::LimitExceeded, detail));
        }
        Refusal::Held => {
            let detail = "this process has another seat of the same kind already";
            return Err(RpcError::new(Code::Conflict, detail));
        }
        Refusal::Disentitled => {
            ("NOT_ENTITLED", "the user has left the customer, or the customer was deactivated")
        }
        Refusal::LowWater => ("LOW_WATER", "the policy keeps so many in the pool"),
        Refusal::TooLong { .. } => ("TOO_LONG", "the policy lends for a shorter time only"),
        Refusal::NotFound | Refusal::TooYoung { .. } | Refusal::LentAway { .. } => {
            return Err(RpcError::not_found("seat"));
        }
    };
    Ok(wire::Seat {
        code,
        detail: detail.to_owned(),
        product: product.to_owned(),
        used: Some(sum(|it| it.figures.used + it.elsewhere)),
        capacity,
        holders: refused.holders.iter().map(Into::into).collect(),
        queue: Some(refused.pools.iter().map(|it| it.figures.waiting as u64).max().unwrap_or(0)),
        ..wire::Seat::default()
    })
}

/// `seat_subscribe`: what happens to seats of one's own user from now on; on the admin socket to anybody's.
pub(super) fn register_subscription(
    module: &mut RpcModule<Api>,
) -> Result<(), jsonrpsee::core::RegisterMethodError> {
    module.register_subscription(
        "seat_subscribe",
        "seat_changed",
        "seat_unsubscribe",
        |params, pending, api, extensions| async move {
            let ask = parse::<wire::SeatSubscribe>(params.as_str());
            subscribe(api, ask, pending, extensions).await
        },
    )?;
    Ok(())
}

async fn subscribe(
    api: Arc<Api>,
    ask: Result<wire::SeatSubscribe, RpcError>,
    pending: PendingSubscriptionSink,
    extensions: Extensions,
) -> SubscriptionResult {
    let begun = async {
        let ask = ask?;
        let permit = api.admit(&extensions, Access::SelfService, None).await?;
        let seat = ask.seat.as_deref().map(seat_id).transpose()?;
        let news = api.seats.send(SubscribeSeats).timeout(ACTOR_TIME).await?;
        if let Some(seat) = seat {
            // After the news was subscribed to: what ends from now on is told.
            let question =
                ListSeats { product: Some(ask.product.clone()), viewer: viewer(&permit) };
            let found = api.seats.send(question).timeout(ACTOR_TIME).await?;
            let is_it = |it: &SeatView| it.id == seat && it.state != SeatState::Lingering;
            if !found.seats.iter().any(is_it) {
                return Err(RpcError::not_found("seat"));
            }
        }
        Ok::<_, RpcError>((ask, permit, seat, news))
    };
    let (ask, permit, seat, mut news) = match begun.await {
        Ok(begun) => begun,
        Err(error) => {
            pending.reject(ErrorObjectOwned::from(error)).await;
            return Ok(());
        }
    };
    let sink = pending.accept().await?;
    let viewer = (!permit.is_admin()).then(|| owner(&permit));
    let concerns = |it: &SeatNews| {
        it.seat.product == ask.product && seat.is_none_or(|seat| it.seat.id == seat)
    };
    loop {
        let told = tokio::select! {
            () = sink.closed() => return Ok(()),
            told = news.recv() => told,
        };
        match told {
            Ok(told) if concerns(&told) => {
                let Some(seat) = told.seat_of(viewer) else { continue };
                let message = serde_json::value::to_raw_value(&wire::SeatChanged::of(&told, seat))?;
                // A subscriber that does not read in time is dropped; the others are not held up.
                sink.send_timeout(message, Duration::from_secs(10)).await?;
            }
            Ok(_) => {}
            Err(RecvError::Lagged(_)) => {
                return Err(
                    "more happened than was read; list the seats and subscribe again".into()
                );
            }
            Err(RecvError::Closed) => return Err("the daemon is ending".into()),
        }
    }
}
