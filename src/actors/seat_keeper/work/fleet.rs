//! This machine in a fleet: what it has of each shared pool, and how it stands with the store.
//!
//! Decides nothing about who gets a seat: it brings the places, and the machine's own rules give them. A place is claimed
//! for one seat, and handed back when that ends.

mod claims;
mod moving;
pub(in crate::actors::seat_keeper) mod orders;
mod plan;
mod restart;
mod restored;
mod turn;
mod upkeep;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use actix::Context;

use crate::actors::seat_keeper::work::watching::Task;
use crate::actors::seat_keeper::{Asked, SeatKeeper};
use crate::fleet::engine::{Engine, Places};
use crate::fleet::settings::FleetSettings;
use crate::fleet::state::{Membership, Remembered, StateFile};
use crate::seat_journal::Boot;
use entitled_core::domain::entitlement::Counted;
use entitled_core::domain::ids::ProductId;
use entitled_core::fleet::{
    Credit, Doubt, Fence, Holder, Joined, LeaseId, MachineId, Naming, Offer, Record, Revision,
    Slot, Term,
};
use entitled_core::seats::{BootTime, PoolId, Refusal, SeatId};

/// What the keeper is given to take part in a fleet.
#[derive(Clone)]
pub struct FleetParts {
    pub engine: Arc<dyn Engine>,
    pub settings: FleetSettings,
    /// What the machine was before the daemon was started again.
    pub remembered: Remembered,
}

/// How long whoever asks wants to wait itself; and of which pools it is not known yet whether there is a place.
#[derive(Debug, Default)]
pub(in crate::actors::seat_keeper) struct Patience {
    pub(in crate::actors::seat_keeper) until: Option<BootTime>,
    pub(in crate::actors::seat_keeper) trying: Vec<PoolId>,
}

/// How the machine stands with the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// It was not heard of yet, or not for a while.
    CutOff {
        why: String,
    },
    In,
    /// Somebody has to look.
    Refused {
        doubt: Doubt,
    },
}

/// What was counted of a pool.
#[derive(Debug)]
struct Proven {
    product: ProductId,
    counted: Vec<Counted>,
    /// Of each, as often as it counts.
    seats: u32,
}

/// What the machine has of one pool.
#[derive(Debug, Default)]
pub(super) struct Holding {
    /// What was proven here since the daemon was started, if anything was.
    proven: Option<Proven>,
    /// The places of that, by the names that the store goes by.
    offer: Offer,
    held: BTreeMap<Slot, Revision>,
    /// A claim is under way.
    is_busy: bool,
    /// When the newest of them was made.
    newest: Revision,
    /// Claims in a row that found somebody else there.
    attempt: u32,
}

/// The machine in its fleet.
pub(in crate::actors::seat_keeper) struct Member {
    engine: Arc<dyn Engine>,
    settings: FleetSettings,
    term: Term,
    file: StateFile,
    /// The file says what the machine is.
    is_kept: bool,
    boot: String,
    pub(super) standing: Standing,
    /// What was told of since it was heard of last.
    told: BTreeSet<String>,
    remembered: Remembered,
    joined: Option<Joined>,
    /// As was last heard.
    naming: Naming,
    /// The lease of before a restored store; what it keeps is in the way.
    left_behind: Option<LeaseId>,
    last: Record,
    tried: Record,
    /// Until when what it has is certain.
    deadline: BootTime,
    /// When the store is asked next.
    next_upkeep: BootTime,
    is_kept_up: bool,
    /// When it was seen that the store had gone back; that it said nothing of itself any more; and that its places had other
    /// names.
    went_back: Option<BootTime>,
    emptied: Option<BootTime>,
    renamed: Option<BootTime>,
    credit: Credit,
    /// As was last heard.
    taken: BTreeMap<Slot, Holder>,
    machines: BTreeMap<MachineId, Record>,
    evicted: BTreeSet<MachineId>,
    /// Records that cannot be read.
    unreadable: usize,
    holdings: BTreeMap<PoolId, Holding>,
    /// Claims and releases under way.
    claims: BTreeMap<u64, Vec<Slot>>,
    releasing: BTreeSet<Slot>,
    /// Places that are ours and that no pool here has: of seats of before the start, or of nobody.
    strays: BTreeMap<Slot, Revision>,
    watch: Option<Task>,
}

impl Holding {
    fn is_proven(&self) -> bool {
        self.proven.is_some()
    }

    /// Of the places that it has, how many the pool still has.
    fn kept(&self) -> u64 {
        self.held.keys().filter(|it| self.offer.has(it)).count() as u64
    }

    /// Revisions of a store that was restored begin lower again: the newest is that of the last claim.
    fn take(&mut self, places: Places) {
        self.newest = places.iter().map(|it| it.1).max().unwrap_or(self.newest);
        self.held.extend(places);
    }

    fn name_places(&mut self, naming: Naming) {
        let offer = |it: &Proven| Offer::of(&it.product, &it.counted, it.seats, naming);
        self.offer = self.proven.as_ref().map(offer).unwrap_or_default();
    }
}

impl Member {
    pub(in crate::actors::seat_keeper) fn new(parts: FleetParts) -> Self {
        let FleetParts { engine, settings, remembered } = parts;
        let record = Record {
            v: Record::VERSION,
            name: settings.machine.clone(),
            beat: 0,
            random: String::new(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            draining: remembered.draining,
        };
        let mut member = Self {
            term: Term(settings.ttl),
            file: StateFile::new(settings.state.clone()),
            is_kept: true,
            boot: Boot::current().id.unwrap_or_default(),
            standing: Standing::CutOff { why: "it was not heard of yet".to_owned() },
            told: BTreeSet::new(),
            joined: None,
            naming: remembered.naming.unwrap_or(Naming::ByShare),
            left_behind: None,
            last: record.clone(),
            tried: record,
            deadline: BootTime(0),
            next_upkeep: BootTime(0),
            is_kept_up: false,
            went_back: None,
            emptied: None,
            renamed: None,
            credit: Credit::default(),
            taken: BTreeMap::new(),
            machines: BTreeMap::new(),
            evicted: BTreeSet::new(),
            unreadable: 0,
            holdings: BTreeMap::new(),
            claims: BTreeMap::new(),
            releasing: BTreeSet::new(),
            strays: BTreeMap::new(),
            watch: None,
            engine,
            settings,
            remembered,
        };
        member.engine.begin_from(Revision(member.remembered.revision));
        member.go_on();
        member
    }

    /// As the machine that it was before the daemon was started again. A copy of it elsewhere is found out by the beat.
    fn go_on(&mut self) {
        let Some(was) = self.remembered.membership.clone() else { return };
        let Ok(machine) = was.machine.parse() else { return };
        let created = Revision(was.created);
        self.joined = Some(Joined { machine, lease: LeaseId(was.lease), created });
        (self.last, self.tried) = (was.last, was.tried);
        if !self.boot.is_empty() && was.boot == self.boot {
            self.deadline = BootTime(was.deadline_ms);
        }
    }

    /// What to write down.
    fn memory(&self) -> Remembered {
        let membership = self.joined.map(|it| Membership {
            machine: it.machine.to_string(),
            lease: it.lease.0,
            created: it.created.0,
            last: self.last.clone(),
            tried: self.tried.clone(),
            deadline_ms: self.deadline.0,
            boot: self.boot.clone(),
        });
        Remembered {
            membership,
            revision: self.engine.seen().0.max(self.remembered.revision),
            ..self.remembered.clone()
        }
    }

    /// An old file is no danger: a machine that goes by one after a start finds its record further than that, and ends what it
    /// had. It is told once while it lasts.
    fn note_kept(&mut self, written: io::Result<()>) {
        let was_kept = std::mem::replace(&mut self.is_kept, written.is_ok());
        if let Some(error) = written.err().filter(|_| was_kept) {
            tracing::error!(event = "fleet_not_kept", path = %self.file.path().display(), %error,
                "what the machine is in its fleet cannot be written down: a restart now would end its seats");
        }
    }

    /// Whether it may claim and give places now.
    pub(super) fn is_in(&self, now: BootTime) -> bool {
        self.standing == Standing::In && self.joined.is_some() && now < self.deadline
    }

    fn may_give(&self, now: BootTime) -> bool {
        self.is_in(now) && !self.remembered.draining
    }

    /// Says it once, and again when there are more.
    fn note_unreadable(&mut self, records: usize) {
        if records > std::mem::replace(&mut self.unreadable, records) {
            tracing::warn!(
                event = "fleet_record_unreadable",
                records,
                "records of the fleet cannot be read: places among them count as taken"
            );
        }
    }

    fn is_own(&self, holder: &Holder) -> bool {
        self.joined.is_some_and(|it| holder.is(it.machine))
    }

    fn is_under_way(&self, slot: &Slot) -> bool {
        self.releasing.contains(slot) || self.claims.values().flatten().any(|it| it == slot)
    }

    fn is_taken(&self, slot: &Slot) -> bool {
        self.taken.contains_key(slot)
            || self.is_under_way(slot)
            || self.holdings.values().any(|it| it.held.contains_key(slot))
    }
}

impl SeatKeeper {
    /// In a fleet what is told may have ended by time alone.
    pub(in crate::actors::seat_keeper) fn settle_in_fleet(&mut self, context: &mut Context<Self>) {
        if self.member.is_some() {
            self.settle(context);
        }
    }

    /// What was proven of a pool here: only of that does the machine claim anything.
    pub(in crate::actors::seat_keeper) fn offer(
        &mut self,
        pool: PoolId,
        counted: &[Counted],
        seats: u32,
    ) {
        let Some(product) = self.house.pools.get(&pool).map(|it| it.key.product.clone()) else {
            return;
        };
        if let Some(member) = &mut self.member {
            let holding = member.holdings.entry(pool).or_default();
            holding.proven = Some(Proven { product, counted: counted.to_vec(), seats });
            holding.name_places(member.naming);
        }
        self.place_strays();
    }

    /// The pools whose seats need a place.
    pub(super) fn shared_pools(&self) -> Vec<PoolId> {
        let pools = self.member.iter().flat_map(|it| it.holdings.keys().copied());
        pools.filter(|it| self.house.seats.is_shared(*it)).collect()
    }

    /// The pools that a place has to be claimed of first.
    pub(in crate::actors::seat_keeper) fn to_be_claimed(&self, pools: &[PoolId]) -> Vec<PoolId> {
        let Some(member) = &self.member else { return Vec::new() };
        let has_some =
            |it: &&PoolId| member.holdings.get(it).is_some_and(|it| !it.offer.is_empty());
        pools.iter().filter(has_some).copied().collect()
    }

    /// Also who does not want to wait does so until it is known whether there is a place.
    pub(in crate::actors::seat_keeper) fn wait_until(
        &self,
        now: BootTime,
        patience: &Patience,
    ) -> Option<BootTime> {
        let member = self.member.as_ref().filter(|_| !patience.trying.is_empty());
        let known = member.map(|it| now.after(it.term.patience() * 2));
        known.max(patience.until)
    }

    /// Why there was no seat, as far as the fleet is the reason.
    pub(in crate::actors::seat_keeper) fn in_fleet(
        &self,
        asked: &Asked,
        refusal: Refusal,
    ) -> Refusal {
        let Some(member) = &self.member else { return refusal };
        let is_shared = asked.pools.iter().any(|it| member.holdings.contains_key(it));
        let is_away = is_shared && !member.may_give(self.now());
        if refusal == Refusal::Full && is_away { Refusal::FleetUnreachable } else { refusal }
    }

    /// The fence of a seat: in a fleet that of its place, which it had before any other.
    pub(in crate::actors::seat_keeper) fn fence(&self, seat: SeatId) -> u64 {
        let behind = self.house.behind.get(&seat).filter(|_| self.member.is_some());
        behind.and_then(|it| it.fence).unwrap_or(seat.0)
    }

    pub(in crate::actors::seat_keeper) fn note_fence(&mut self, seat: SeatId) {
        let Some(member) = &self.member else { return };
        let Some(pool) = self.house.seats.seat(seat).map(|it| it.pool) else { return };
        if let Some(holding) = member.holdings.get(&pool).filter(|it| !it.held.is_empty()) {
            let fence = Fence::new(member.remembered.epoch, holding.newest);
            self.house.behind.entry(seat).or_default().fence = Some(fence.0);
        }
    }

    /// Places of a pool that other machines have.
    pub(in crate::actors::seat_keeper) fn used_elsewhere(&self, pool: PoolId) -> u64 {
        let Some(member) = &self.member else { return 0 };
        let Some(holding) = member.holdings.get(&pool) else { return 0 };
        let others = member
            .taken
            .iter()
            .filter(|(slot, it)| holding.offer.names(&slot.token) && !member.is_own(it));
        others.count() as u64
    }
}
