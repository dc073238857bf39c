//! Floating seats, as they are asked for and told.

use jsonrpsee::Extensions;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::params::{Params, name_customer, name_nobody, requests};
use super::replies::Verdict;
use super::sets;
use crate::actors::seat_keeper::{self, PoolView, Presence, SeatNews, SeatView};
use entitled_core::domain::ids::{CustomerId, ProductId, TierName};
use entitled_core::domain::product::SeatUnit;
use entitled_core::seats::EndReason;

/// What a seat is bound to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SeatBind {
    /// To the process that asks, or to its connection where the kernel cannot tell when it ends.
    #[default]
    Process,
    Connection,
    /// To both, and to whoever of the same user adopts it within a minute of their end.
    Session,
}

requests! {
    SeatAcquire {
        #[schemars(with = "String")]
        product: ProductId,
        /// A seat of a tier that includes this feature.
        #[serde(default)]
        feature: Option<String>,
        /// A seat of this tier; the best that there is if absent.
        #[serde(default)] #[schemars(with = "Option<String>")]
        tier: Option<TierName>,
        /// How many places it takes: 1 to 1,000; 1 if absent.
        #[serde(default)]
        count: Option<u32>,
        /// How long to wait for one in the queue, in milliseconds: 0 to 3,600,000; 0 if absent.
        #[serde(default)]
        wait_ms: Option<u64>,
        #[serde(default)]
        bind: Option<SeatBind>,
        #[serde(default)] #[schemars(with = "Option<String>")]
        customer: Option<CustomerId>,
        #[serde(skip)] #[schemars(skip)]
        presence: Option<Presence>,
    }
    SeatRelease {
        /// What `seat_acquire` answered.
        seat: String,
        /// Of which product it has to be.
        #[serde(default)] #[schemars(with = "Option<String>")]
        product: Option<ProductId>,
        /// Whose it has to be, where a delegate asks.
        #[serde(default)] #[schemars(with = "Option<String>")]
        customer: Option<CustomerId>,
        #[serde(skip)] #[schemars(skip)]
        presence: Option<Presence>,
    }
    SeatAdopt {
        /// `adopt` of the seat.
        token: String,
        #[serde(skip)] #[schemars(skip)]
        presence: Option<Presence>,
    }
    SeatList {
        #[serde(default)] #[schemars(with = "Option<String>")]
        product: Option<ProductId>,
        #[serde(default)] limit: Option<u64>,
        #[serde(default)] cursor: Option<String>,
        #[serde(default)] #[schemars(with = "Option<String>")]
        customer: Option<CustomerId>,
    }
    SeatRevoke {
        seat: String,
        /// For the audit: 1 to 256 bytes.
        reason: String,
    }
    SeatSubscribe {
        #[schemars(with = "String")]
        product: ProductId,
        /// What happens to this seat alone; it has to be there.
        #[serde(default)]
        seat: Option<String>,
    }
}

/// Those who ask are met, and may name a customer.
macro_rules! meet_caller {
    ($($name:ident),*) => {$(
        impl Params for $name {
            fn customer(&self) -> Option<CustomerId> {
                self.customer
            }

            fn meet(&mut self, extensions: &Extensions) {
                self.presence = extensions.get::<Presence>().cloned();
            }
        }
    )*};
}

pub(super) use meet_caller;

meet_caller!(SeatAcquire, SeatRelease);
name_customer!(SeatList);
name_nobody!(SeatRevoke, SeatSubscribe);

impl Params for SeatAdopt {
    fn meet(&mut self, extensions: &Extensions) {
        self.presence = extensions.get::<Presence>().cloned();
    }
}

/// The answer to `seat_acquire`, `seat_adopt` and `seat_borrow`.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct Seat {
    pub granted: bool,
    /// `GRANTED`, `SEATS_FULL`, `NOT_ENTITLED`, `UNDETERMINED`, `EXCLUDED`, `DRAINING` or
    /// `FLEET_UNREACHABLE`; of
    /// `seat_borrow` also `LOW_WATER` and `TOO_LONG`.
    #[schemars(with = "sets::SeatCode")]
    pub code: &'static str,
    /// For people.
    pub detail: String,
    pub seat: Option<String>,
    /// Grows with every seat that is given, so that a late word about an old one is known as such.
    pub fence: Option<u64>,
    pub product: String,
    pub tier: Option<String>,
    /// What one seat covers: `process`, `uid`, `cgroup` or `machine`.
    #[schemars(with = "Option<sets::SeatUnit>")]
    pub unit: Option<&'static str>,
    /// `process`, `connection` or `session`.
    #[schemars(with = "Option<sets::SeatBind>")]
    pub bind: Option<&'static str>,
    /// How many places it takes.
    pub count: Option<u32>,
    /// Places used of the pool, this seat's among them; where no seat was granted, of all pools that were asked.
    pub used: Option<u64>,
    /// `null`: as many as anybody wants, or not known.
    pub capacity: Option<u64>,
    /// Granted beyond the capacity, as the vendor allows.
    pub over: bool,
    /// Until when it lasts without the chain.
    pub ends_by: Option<String>,
    /// When it ends if nothing happens: of a borrowed seat, and of one that was given before and has lost its capacity since.
    pub ends_at: Option<String>,
    /// For a session: lets another process of the same user take the seat over, once. A secret.
    pub adopt: Option<String>,
    /// Where none is free: the seats of the caller's own user.
    pub holders: Vec<HeldSeat>,
    /// How many requests wait.
    pub queue: Option<u64>,
    pub verdict: Option<Verdict>,
}

/// A seat that somebody has.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct HeldSeat {
    pub seat: String,
    pub fence: u64,
    pub product: String,
    pub tier: String,
    /// Whose licence it is of.
    pub customer: String,
    pub uid: u32,
    /// For people: a process id says nothing once the process has ended.
    pub pid: Option<i32>,
    #[schemars(with = "sets::SeatUnit")]
    pub unit: &'static str,
    /// The unit of the service manager, where a policy or the product asks for it.
    pub unit_name: Option<String>,
    #[schemars(with = "sets::SeatBind")]
    pub bind: &'static str,
    pub count: u32,
    /// `held`, `draining`, `detached`, `suspect`, `lingering`, `borrowed` or `lent`.
    #[schemars(with = "sets::SeatState")]
    pub state: &'static str,
    pub since: String,
    pub over: bool,
    /// When it ends if nothing happens.
    pub ends_at: Option<String>,
    /// Of one that is lent: the machine, by the address of its key and the label that it asked with.
    pub lent_to: Option<String>,
}

/// What one customer's tokens allow by one grant of a product.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct SeatPool {
    pub product: String,
    pub tier: String,
    pub customer: String,
    #[schemars(with = "sets::SeatUnit")]
    pub unit: &'static str,
    /// Whether anything was proven yet.
    pub known: bool,
    /// `null`: as many as anybody wants, or not known.
    pub capacity: Option<u64>,
    /// Lingering seats are not among them.
    pub used: u64,
    pub over: u64,
    pub lingering: u64,
    pub borrowed: u64,
    /// To other machines, which have them whatever happens here.
    pub lent: u64,
    pub draining: u64,
    pub waiting: u64,
    /// Places that other machines of the fleet use, as far as was heard; or other customers of this machine, of the same
    /// tokens.
    pub elsewhere: u64,
    /// When what proves the capacity holds no more.
    pub proven_until: Option<String>,
    /// Of a place that another machine has lent to this one: the wallet whose licence it is of.
    pub borrowed_from: Option<String>,
    /// By which `seat_return` gives it back.
    pub loan: Option<String>,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct SeatListed {
    /// The oldest first.
    pub items: Vec<HeldSeat>,
    pub pools: Vec<SeatPool>,
    pub next_cursor: Option<String>,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct SeatReleased {
    /// `false`: there was no such seat of the caller's user any more.
    pub released: bool,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct SeatRevoked {
    pub revoked: HeldSeat,
}

/// Something that happened to a seat.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct SeatChanged {
    /// `granted`, `warned`, `reprieved` or `ended`.
    #[schemars(with = "sets::SeatEvent")]
    pub event: &'static str,
    /// When it happened; it may be told later.
    pub at: String,
    /// Why it ended.
    #[schemars(with = "Option<sets::SeatEnd>")]
    pub reason: Option<&'static str>,
    pub seat: HeldSeat,
    pub pool: SeatPool,
}

/// How a seat is called.
pub fn seat_name(id: entitled_core::seats::SeatId) -> String {
    format!("s-{}", id.0)
}

pub(super) const fn unit(it: SeatUnit) -> &'static str {
    match it {
        SeatUnit::Process => "process",
        SeatUnit::Uid => "uid",
        SeatUnit::Cgroup => "cgroup",
        SeatUnit::Machine => "machine",
    }
}

pub(super) const fn bind(it: seat_keeper::Bind) -> &'static str {
    match it {
        seat_keeper::Bind::Process => "process",
        seat_keeper::Bind::Connection => "connection",
        seat_keeper::Bind::Session => "session",
    }
}

impl From<SeatBind> for seat_keeper::Bind {
    fn from(it: SeatBind) -> Self {
        match it {
            SeatBind::Process => Self::Process,
            SeatBind::Connection => Self::Connection,
            SeatBind::Session => Self::Session,
        }
    }
}

impl From<&SeatView> for HeldSeat {
    fn from(it: &SeatView) -> Self {
        Self {
            seat: seat_name(it.id),
            fence: it.fence,
            product: it.product.to_string(),
            tier: it.tier.to_string(),
            customer: it.holder.to_string(),
            uid: it.uid,
            pid: it.pid,
            unit: unit(it.unit),
            unit_name: it.unit_name.clone(),
            bind: bind(it.bind),
            count: it.count,
            state: it.state.as_str(),
            since: it.since.to_string(),
            over: it.over,
            ends_at: it.ends_at.map(|it| it.to_string()),
            lent_to: it.lent_to.clone(),
        }
    }
}

impl From<&PoolView> for SeatPool {
    fn from(it: &PoolView) -> Self {
        Self {
            product: it.product.to_string(),
            tier: it.tier.to_string(),
            customer: it.holder.to_string(),
            unit: unit(it.unit),
            known: it.figures.known,
            capacity: it.figures.capacity,
            used: it.figures.used,
            over: it.figures.over,
            lingering: it.figures.lingering,
            borrowed: it.figures.borrowed,
            lent: it.figures.lent,
            draining: it.figures.draining,
            waiting: it.figures.waiting as u64,
            elsewhere: it.elsewhere,
            proven_until: it.until.map(|it| it.to_string()),
            borrowed_from: it.loan.map(|it| it.lender.to_string()),
            loan: it.loan.map(|it| it.nonce.to_string()),
        }
    }
}

impl SeatChanged {
    /// What is told of `seat`, which is the part of one user in it.
    pub fn of(news: &SeatNews, seat: &SeatView) -> Self {
        Self {
            event: news.event.name(),
            at: news.at.to_string(),
            reason: news.event.reason().map(EndReason::name),
            seat: seat.into(),
            pool: (&news.pool).into(),
        }
    }
}
