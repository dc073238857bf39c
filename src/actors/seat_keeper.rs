//! SeatKeeper: who has a floating seat, and since when.
//!
//! Owns: pools, seats and queues, and the descriptors that tell when a process ends. Asked by: `rpc`. Asks: TierCache, how
//! many tokens there are; OwnershipLedger, to note in the audit what an administrator took away.
//! Never: decides who gets a seat, which is [`entitled_core::seats`]; takes a process for authority: it says how long a
//! seat lasts, and its user says whose it is.
//!
//! A restart keeps pools and seats and puts their counts together anew; those who waited are told to ask again.

mod events;
mod messages;
mod news;
mod work;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use prometheus_client::metrics::histogram::Histogram;
use tokio::sync::{broadcast, oneshot};

use crate::actors::ownership_ledger::{NoteAudit, OwnershipLedger};
use crate::actors::tier_cache::{Key, TierCache, VerdictReader};
use crate::actors::use_log::UseLog;
use crate::clock::Clock;
use crate::counter::Counter;
use crate::seat_policies::Policies;
use entitled_core::domain::audit::AuditAction;
use entitled_core::domain::ids::CustomerId;
use entitled_core::seats::{Binding, BootTime, Owner, PoolId, Refusal, RequestId};
use work::counting;
use work::fleet::{Member, Patience};
use work::house::House;
use work::users;
use work::watching::Task;

use messages::UsersChanged;
pub use messages::loans::{
    Borrow, ComeBack, EndLoan, Lend, Lent, LentTo, LoanArrived, LoanOf, ReserveSeat,
};
pub use messages::{
    Acquire, Adopt, Answer, Bind, FindSeatFigures, Granted, ListSeats, Pending, PoolView, Presence,
    Process, Refused, Release, ReloadPolicies, Revoke, SeatError, SeatFigures, SeatList, SeatState,
    SeatView, SubscribeSeats, Suspend, TakeBack, Viewer, Withdraw,
};
pub use news::{SeatEvent, SeatNews};
pub use work::fleet::FleetParts;
pub use work::fleet::orders::{
    DrainMachine, EvictMachine, FindFleet, FleetFigures, FleetOrderError, FleetRestored, FleetView,
    MachineView,
};
pub use work::health::{FindSeatHealth, FleetHealth, SeatHealth};
pub use work::restart::Kept;

/// News that a subscriber has not read yet. Who is further behind is told that it has missed some.
const NEWS_KEPT: usize = 4_096;
/// A timer does not run while the machine sleeps; the boot's clock does.
const LONGEST_REST: Duration = Duration::from_secs(10);
/// What one user does that is told to the log one by one, in a minute.
const TOLD: u32 = 60;
/// Above so many customers and products of which seats were asked for, those are forgotten that nobody has a seat of.
const FOLLOWED: usize = 1_024;
/// How long after a start seats go on whose proof ran out while nobody asked for another. A chain that can be reached has been
/// looked at by then, by the validators' signatures too.
const PROOF_TIME: Duration = Duration::from_secs(120);
const AUDIT_TIME: Duration = Duration::from_secs(5);
/// A millisecond has fewer connections than that.
const CONNECTION_BITS: u32 = 20;

/// What the actor is made of.
#[derive(Clone)]
pub struct Parts {
    pub cache: Addr<TierCache>,
    pub ledger: Addr<OwnershipLedger>,
    /// Says which customer a user stands for, and when that may have changed.
    pub reader: VerdictReader,
    pub clock: Clock,
    /// Where policies are read from.
    pub dirs: Vec<PathBuf>,
    /// The machines that seats are shared with.
    pub fleet: Option<FleetParts>,
}

/// Somebody who waits for an answer.
#[derive(Debug)]
struct Asked {
    answer: oneshot::Sender<Answer>,
    connection: u64,
    account: u32,
    owner: Owner,
    since: BootTime,
    pools: Vec<PoolId>,
    bindings: Vec<Binding>,
    /// Whose entitlement was checked.
    customer: Option<CustomerId>,
    /// In a fleet, how long it wants to wait itself.
    patience: Patience,
}

#[derive(Debug)]
struct Tally {
    granted: Counter,
    denied: Counter,
    waits: Histogram,
    ended: BTreeMap<&'static str, u64>,
}

impl Default for Tally {
    fn default() -> Self {
        let bounds = [0.001, 0.01, 0.1, 1.0, 10.0, 60.0, 600.0, 3_600.0];
        Self {
            granted: Counter::default(),
            denied: Counter::default(),
            waits: Histogram::new(bounds),
            ended: BTreeMap::new(),
        }
    }
}

pub struct SeatKeeper {
    parts: Parts,
    house: House,
    asked: HashMap<RequestId, Asked>,
    /// Tells of changes to what each customer holds.
    followed: HashMap<Key, Task>,
    /// Tells when users may stand for others than before.
    users: Option<Task>,
    /// More than so many are looked through for those to forget.
    most_followed: usize,
    told: UseLog,
    news: broadcast::Sender<Arc<SeatNews>>,
    tally: Tally,
    alarm: Option<SpawnHandle>,
    /// Added to the numbers of connections: an earlier run of the daemon had others.
    first_connection: u64,
    is_ending: bool,
    /// This machine in its fleet, if it is in one.
    member: Option<Member>,
}

impl SeatKeeper {
    pub fn new(parts: Parts, policies: Policies, kept: Kept) -> Self {
        // Microseconds since 1970: no number that an earlier run of the daemon gave.
        let last = u64::try_from(parts.clock.now().as_microsecond()).unwrap_or_default();
        let member = parts.fleet.clone().map(Member::new);
        let mut house = House::new(last, policies, kept);
        house.is_fleet = member.is_some();
        house.proven_by = boot_time(&parts.clock).after(PROOF_TIME);
        Self {
            member,
            house,
            asked: HashMap::new(),
            followed: HashMap::new(),
            users: None,
            most_followed: FOLLOWED,
            told: UseLog::telling(TOLD),
            news: broadcast::channel(NEWS_KEPT).0,
            tally: Tally::default(),
            alarm: None,
            first_connection: boot_time(&parts.clock).0 << CONNECTION_BITS,
            is_ending: false,
            parts,
        }
    }

    fn now(&self) -> BootTime {
        boot_time(&self.parts.clock)
    }

    /// Does what has come due, tells what has followed from what was done, and sets the alarm for what comes next.
    fn settle(&mut self, context: &mut Context<Self>) {
        let now = self.now();
        self.wake(now);
        self.tell();
        self.turn_fleet(now, context);
        self.note_loan_time(now);
        if std::mem::take(&mut self.house.has_put_back) {
            context.notify(UsersChanged);
        }
        let due = |it: &Option<BootTime>| it.is_some_and(|it| it <= now);
        let counted = self.house.counted.iter_mut().filter(|(_, it)| due(&it.again_at));
        let mut overdue = Vec::new();
        for (key, counted) in counted {
            counted.again_at = None;
            overdue.push(key.clone());
        }
        for key in overdue {
            self.recount(key, context);
        }
        if let Some(alarm) = self.alarm.take() {
            context.cancel_future(alarm);
        }
        let counts = self.house.counted.values().filter_map(|it| it.again_at);
        let next = counts.chain(self.house.seats.next_alarm()).chain(self.fleet_alarm());
        let next = next.chain(self.loan_time_due()).min();
        self.alarm = next.map(|next| {
            let rest = next.since(now).max(Duration::from_millis(1)).min(LONGEST_REST);
            context.run_later(rest, |keeper, context| {
                keeper.alarm = None;
                keeper.settle(context);
            })
        });
    }

    fn recount(&self, key: Key, context: &mut Context<Self>) {
        let parts = self.parts.clone();
        let counting = async move { (counting::count(&parts, &key).await, key) };
        context.spawn(counting.into_actor(self).map(|(counts, key), keeper, context| {
            match counts {
                Ok(counts) => keeper.take_counts(&key, &counts),
                // What was counted before holds until it says itself.
                Err(error) => {
                    tracing::warn!(product = %key.product, %error, "seats were not counted again")
                }
            }
            keeper.settle(context);
        }));
    }

    /// Has itself told of changes to what the customer and the machine hold. A user may have any number of uids, each of
    /// which may ask: what nobody has a seat of is not followed for ever.
    fn follow(&mut self, key: &Key, context: &Context<Self>) {
        if self.followed.len() > self.most_followed {
            let kept = self.in_use();
            self.followed.retain(|key, _| kept.contains(key));
            self.house.forget_all_but(&kept);
            self.most_followed = FOLLOWED.max(self.followed.len() * 2);
        }
        let machine = Key { customer: CustomerId::Machine, product: key.product.clone() };
        for key in [key.clone(), machine] {
            if !self.followed.contains_key(&key) {
                let task = counting::follow(&self.parts, key.clone(), context.address());
                self.followed.insert(key, task);
            }
        }
    }
}

/// The time since the boot, sleep included.
fn boot_time(clock: &Clock) -> BootTime {
    BootTime(u64::try_from(clock.monotonic().as_millis()).unwrap_or(u64::MAX))
}

impl Actor for SeatKeeper {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.set_mailbox_capacity(4_096);
        self.house.watch_again(&context.address());
        let mut known: Vec<Key> = self.house.counted.keys().cloned().collect();
        known.extend(self.house.kept.keys());
        for key in known {
            self.follow(&key, context);
        }
        self.users = Some(users::follow(self.parts.reader.clone(), context.address()));
        self.begin_fleet();
        self.settle(context);
    }
}

impl Supervised for SeatKeeper {
    fn restarting(&mut self, _: &mut Self::Context) {
        let now = self.now();
        self.house = std::mem::take(&mut self.house).rebuilt(now);
        self.asked.clear();
        self.followed.clear();
        self.alarm = None;
    }
}

impl Handler<Acquire> for SeatKeeper {
    type Result = ResponseActFuture<Self, Result<Pending, SeatError>>;

    fn handle(&mut self, mut order: Acquire, _: &mut Self::Context) -> Self::Result {
        if self.is_ending {
            return Box::pin(actix::fut::err(SeatError::Busy));
        }
        order.presence = order.presence.numbered_from(self.first_connection);
        let counting = self.count_if_wanted(&order);
        Box::pin(counting.map(move |counted, keeper, context| {
            counted?;
            let pending = keeper.acquire(&order, &context.address());
            keeper.settle(context);
            pending
        }))
    }
}

impl Handler<Adopt> for SeatKeeper {
    type Result = Result<Pending, SeatError>;

    fn handle(&mut self, mut order: Adopt, context: &mut Self::Context) -> Self::Result {
        if self.is_ending {
            return Err(SeatError::Busy);
        }
        order.presence = order.presence.numbered_from(self.first_connection);
        let pending = self.adopt(&order, &context.address());
        self.settle(context);
        pending
    }
}

impl Handler<Release> for SeatKeeper {
    type Result = Result<bool, SeatError>;

    fn handle(&mut self, mut order: Release, context: &mut Self::Context) -> Self::Result {
        let first = self.first_connection;
        order.presence = order.presence.map(|it| it.numbered_from(first));
        let released = self.release(&order);
        self.settle(context);
        released
    }
}

impl Handler<Revoke> for SeatKeeper {
    type Result = ResponseActFuture<Self, Result<SeatView, SeatError>>;

    fn handle(&mut self, order: Revoke, _: &mut Self::Context) -> Self::Result {
        let now = self.now();
        let seat = self.house.seats.seat(order.seat);
        let Some(view) = seat.and_then(|it| self.seat_view(it)) else {
            return Box::pin(actix::fut::err(SeatError::NotFound));
        };
        let refused = match self.house.seats.may_revoke(now, order.seat) {
            Err(Refusal::TooYoung { until }) => SeatError::TooYoung { left: until.since(now) },
            Err(Refusal::LentAway { until }) => SeatError::LentAway { left: until.since(now) },
            _ => return self.revoke(order, view),
        };
        Box::pin(actix::fut::err(refused))
    }
}

impl SeatKeeper {
    fn revoke(
        &self,
        order: Revoke,
        view: SeatView,
    ) -> ResponseActFuture<Self, Result<SeatView, SeatError>> {
        let SeatView { product, tier, .. } = &view;
        let note = NoteAudit {
            action: AuditAction::SeatRevoked,
            subject: format!("s-{}", order.seat.0),
            detail: format!("{product} {tier} of {}: {}", view.owner(), order.reason),
            asked: order.asked,
        };
        let noted = self.parts.ledger.send(note).timeout(AUDIT_TIME);
        Box::pin(noted.into_actor(self).map(move |noted, keeper, context| {
            match noted {
                Ok(noted) => noted.map_err(|source| SeatError::Audit { source })?,
                Err(_) => return Err(SeatError::Busy),
            };
            // It may have ended by itself meanwhile.
            let revoked = keeper.house.seats.revoke(keeper.now(), order.seat);
            keeper.settle(context);
            revoked.map(|()| view).map_err(|_| SeatError::NotFound)
        }))
    }
}

impl Handler<ListSeats> for SeatKeeper {
    type Result = MessageResult<ListSeats>;

    fn handle(&mut self, ask: ListSeats, context: &mut Self::Context) -> Self::Result {
        self.settle_in_fleet(context);
        MessageResult(self.list(ask.product.as_ref(), &ask.viewer))
    }
}

impl Handler<SubscribeSeats> for SeatKeeper {
    type Result = MessageResult<SubscribeSeats>;

    fn handle(&mut self, _: SubscribeSeats, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.news.subscribe())
    }
}

impl Handler<FindSeatFigures> for SeatKeeper {
    type Result = MessageResult<FindSeatFigures>;

    fn handle(&mut self, _: FindSeatFigures, _: &mut Self::Context) -> Self::Result {
        MessageResult(SeatFigures {
            pools: self.list(None, &Viewer::Everybody).pools,
            granted: self.tally.granted.get(),
            denied: self.tally.denied.get(),
            watched: u64::try_from(self.house.watches.count()).unwrap_or(u64::MAX),
            waits: self.tally.waits.clone(),
            ended: self.tally.ended.clone(),
            fleet: self.fleet_figures(),
        })
    }
}
