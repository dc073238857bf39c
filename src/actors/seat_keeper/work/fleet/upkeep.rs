//! Joining the fleet, and staying in it.

use std::time::Duration;

use actix::prelude::*;

use super::{Member, Standing};
use crate::actors::seat_keeper::SeatKeeper;
use crate::clock::Clock;
use crate::fleet::engine::{Engine, FleetError};
use crate::fleet::state::{Remembered, StateFile};
use crate::keys::fill_random;
use entitled_core::fleet::{
    BeatFault, FleetId, Joined, LeaseId, Listing, MachineId, Meta, Naming, Record, Revision, Term,
};
use entitled_core::seats::{BootTime, EndReason};

pub(super) const RESTORED: &str =
    "the store was restored from a backup: `entitlectl fleet restored` says that it was meant";
pub(super) const EMPTIED: &str =
    "the store has lost all that it knew of the fleet: `entitlectl fleet restored` begins it anew";
/// Reasons that are told to the log of one time that the store cannot be used.
const REASONS_TOLD: usize = 4;
const ANOTHER: &str = "the store is of another fleet than before: the key `meta` says so";
const AHEAD: &str = "the key `meta` of the store says that it was restored many times since this machine heard of it";
const UNREADABLE: &str = "what the store says of the fleet, in the key `meta`, cannot be read: somebody else has written there, or a newer daemon";
/// A machine that was away for long may have missed some restoring, and nobody restores a store so often. Somebody who writes
/// a number there does; and whoever had taken that for true could not believe the true one again.
const MOST_RESTORED: u32 = 16;

/// How a machine came into the fleet, or was renewed in it.
struct Kept {
    /// Before the store was asked.
    sent: BootTime,
    meta: Meta,
    joined: Joined,
    record: Record,
    listing: Listing,
}

enum Upkeep {
    Renewed(Kept),
    Joined(Kept),
    Fault(BeatFault),
    Refused(&'static str),
    Failed(FleetError),
}

impl From<FleetError> for Upkeep {
    fn from(error: FleetError) -> Self {
        match error {
            FleetError::WentBack => Self::Fault(BeatFault::Restored),
            FleetError::Meta { .. } => Self::Refused(UNREADABLE),
            error => Self::Failed(error),
        }
    }
}

/// All that upkeep needs, so that it can go on while the keeper does other things.
struct Plan {
    engine: std::sync::Arc<dyn Engine>,
    clock: Clock,
    term: Term,
    file: StateFile,
    memory: Remembered,
    left_behind: Option<LeaseId>,
    /// It was seen that the store had gone back.
    must_be_raised: bool,
    record: Record,
}

impl Plan {
    fn now(&self) -> BootTime {
        BootTime(u64::try_from(self.clock.monotonic().as_millis()).unwrap_or(u64::MAX))
    }

    /// What is done next must find on disk what it was.
    async fn remember(&self, memory: Remembered) -> Result<(), FleetError> {
        let (file, path) = (self.file.clone(), self.file.0.clone());
        let written = tokio::task::spawn_blocking(move || file.write(&memory)).await;
        let written = written.unwrap_or_else(|gone| Err(std::io::Error::other(gone)));
        written.map_err(|source| FleetError::File { path, source })
    }

    /// The fleet it was in.
    fn known(&self) -> Option<FleetId> {
        self.memory.fleet.as_deref().and_then(|it| it.parse().ok())
    }

    /// Why a store that says this of itself is not believed, whoever asks: whoever may write there can stop a fleet, and is
    /// not to lead its machines into another one, nor anywhere from where they do not come back.
    fn against(&self, meta: &Meta) -> Option<&'static str> {
        let known = self.known()?;
        match meta.epoch.checked_sub(self.memory.epoch) {
            _ if known != meta.fleet => Some(ANOTHER),
            None => Some(RESTORED),
            Some(times) if times > MOST_RESTORED => Some(AHEAD),
            Some(_) => None,
        }
    }

    async fn renew(self, joined: Joined, last: Record, next: Record) -> Result<Upkeep, FleetError> {
        self.remember(self.memory.clone()).await?;
        let sent = self.now();
        let meta = match self.engine.renew(joined, last, next.clone()).await? {
            Ok(meta) => meta,
            Err(fault) => return Ok(Upkeep::Fault(fault)),
        };
        // The record was written nevertheless, and is known again when the next renewal tries the same.
        if let Some(why) = self.against(&meta) {
            return Ok(Upkeep::Refused(why));
        }
        let listing = self.engine.list().await?;
        Ok(Upkeep::Renewed(Kept { sent, meta, joined, record: next, listing }))
    }

    async fn join(self) -> Result<Upkeep, FleetError> {
        let or = match self.known() {
            Some(_) => None,
            None => {
                let fleet = FleetId(drawn()?);
                Some(Meta { fleet, epoch: 0, naming: Naming::ByShare })
            }
        };
        let Some((mut meta, revision)) = self.engine.open(or).await? else {
            return Ok(Upkeep::Refused(EMPTIED));
        };
        if let Some(why) = self.against(&meta) {
            return Ok(Upkeep::Refused(why));
        }
        let seen = self.engine.seen().max(Revision(self.memory.revision));
        let same = meta.epoch == self.memory.epoch;
        if same && (self.must_be_raised || revision < seen) {
            return Ok(Upkeep::Refused(RESTORED));
        }
        self.engine.begin_from(revision);
        if let Some(lease) = self.left_behind {
            self.engine.revoke(lease).await?;
        }
        if meta.naming == Naming::ByToken && self.engine.rename(meta).await? {
            meta.naming = Naming::ByShare;
        }
        let machine = MachineId(drawn()?);
        let record = self.record.next(random_text()?);
        let sent = self.now();
        let joined = self.engine.join(machine, record.clone(), self.term.0).await?;
        let joined = joined.ok_or_else(|| FleetError::Unreachable {
            why: "there is a machine of the same name".to_owned(),
        })?;
        let listing = self.engine.list().await?;
        Ok(Upkeep::Joined(Kept { sent, meta, joined, record, listing }))
    }
}

impl Member {
    /// The store could not be asked, or has not answered.
    pub(super) fn cut_off(&mut self, now: BootTime, error: &FleetError) {
        let why = std::iter::successors(Some(error as &dyn std::error::Error), |it| it.source());
        let why = why.map(ToString::to_string).collect::<Vec<_>>().join(": ");
        // Each reason once while it lasts: it is tried again each few seconds, of one endpoint after another. The first may
        // be no more than that a connection was closed, where the next says why.
        if self.told.len() < REASONS_TOLD && self.told.insert(why.clone()) {
            tracing::warn!(event = "fleet_cut_off", why, "the store of the fleet cannot be used");
        }
        self.standing = Standing::CutOff { why };
        self.watch = None;
        self.next_upkeep = self.next_upkeep.min(now.after(self.term.retry_after()));
    }

    fn plan(&self, clock: &Clock) -> Plan {
        Plan {
            engine: self.engine.clone(),
            clock: clock.clone(),
            term: self.term,
            file: self.file.clone(),
            memory: self.memory(),
            left_behind: self.left_behind,
            must_be_raised: self.went_back.is_some(),
            record: Record { draining: self.remembered.draining, ..self.last.clone() },
        }
    }

    /// What was proven before it was known by which names the store goes, or went by others.
    fn name_places(&mut self, naming: Naming) {
        if naming != self.naming {
            self.naming = naming;
            self.holdings.values_mut().for_each(|it| it.name_places(naming));
        }
    }

    fn take_up(&mut self, kept: &Kept) {
        let deadline = self.term.deadline(kept.sent);
        self.deadline = self.deadline.max(deadline);
        self.next_upkeep = kept.sent.after(self.term.renew_after());
        (self.last, self.tried) = (kept.record.clone(), kept.record.clone());
        self.joined = Some(kept.joined);
        self.remembered.fleet = Some(kept.meta.fleet.to_string());
        self.remembered.epoch = self.remembered.epoch.max(kept.meta.epoch);
        self.name_places(kept.meta.naming);
        self.remembered.revision = kept.listing.revision.0;
        (self.left_behind, self.went_back) = (None, None);
        self.told.clear();
        if self.standing != Standing::In {
            let counts_amounts = self.naming == Naming::ByShare;
            tracing::info!(event = "fleet_joined", machine = %kept.joined.machine, counts_amounts, "the machine is in its fleet");
            self.watch = None;
        }
        self.standing = Standing::In;
    }
}

impl SeatKeeper {
    /// After a start, also of the keeper alone: whatever was under way is not any more.
    pub(in crate::actors::seat_keeper) fn begin_fleet(&mut self) {
        let now = self.now();
        let Some(member) = &mut self.member else { return };
        member.claims.clear();
        member.releasing.clear();
        member.watch = None;
        member.is_kept_up = false;
        member.next_upkeep = now;
        member.holdings.values_mut().for_each(|it| it.is_busy = false);
    }

    /// Asks the store: to be renewed, or to be let in.
    pub(super) fn keep_up(&mut self, context: &mut Context<Self>) {
        let clock = self.parts.clock.clone();
        let Some(member) = &mut self.member else { return };
        member.is_kept_up = true;
        let renewing = match (member.joined, random_text()) {
            (Some(joined), Ok(random)) => {
                let last = member.last.clone();
                // One whose answer was lost may have been written, and is tried again as it was.
                if member.tried == last {
                    let draining = member.remembered.draining;
                    member.tried = Record { draining, ..last.next(random) };
                }
                let next = member.tried.clone();
                Some((joined, last, next))
            }
            _ => None,
        };
        let plan = member.plan(&clock);
        let kept_up = async move {
            let kept = match renewing {
                Some((joined, last, next)) => plan.renew(joined, last, next).await,
                None => plan.join().await,
            };
            kept.unwrap_or_else(Upkeep::from)
        };
        context.spawn(kept_up.into_actor(self).map(|upkeep, keeper, context| {
            keeper.kept_up(upkeep, context);
            keeper.settle(context);
        }));
    }

    fn kept_up(&mut self, upkeep: Upkeep, context: &mut Context<Self>) {
        let now = self.now();
        // What has come due meanwhile ended before, whatever was answered.
        self.wake(now);
        let Some(member) = &mut self.member else { return };
        member.is_kept_up = false;
        member.next_upkeep = now.after(member.term.retry_after());
        match upkeep {
            Upkeep::Renewed(kept) => {
                member.take_up(&kept);
                self.hear(kept.listing, context);
            }
            Upkeep::Joined(kept) => {
                member.take_up(&kept);
                let mut before = Vec::new();
                for (pool, holding) in &mut member.holdings {
                    let slots: Vec<_> = std::mem::take(&mut holding.held).into_keys().collect();
                    holding.is_busy = false;
                    if self.house.seats.is_shared(*pool) && holding.is_proven() {
                        before.push((*pool, slots));
                    }
                }
                self.remember(context);
                // The same places, for the seats that had them.
                for (pool, slots) in before {
                    self.regain(pool, slots, context);
                }
                self.hear(kept.listing, context);
            }
            Upkeep::Fault(fault) => self.fall_out(fault, now, context),
            Upkeep::Refused(why) => {
                member.cut_off(now, &FleetError::Refused { why: why.to_owned() });
                member.standing = Standing::Refused { why };
                // Of the others it is not known that the store has lost anything: they are over when `meta` is as it was.
                if [RESTORED, EMPTIED].contains(&why) {
                    member.went_back.get_or_insert(now);
                }
            }
            Upkeep::Failed(error) => member.cut_off(now, &error),
        }
    }

    /// The machine is not in the fleet any more, or not as it was.
    fn fall_out(&mut self, fault: BeatFault, now: BootTime, context: &mut Context<Self>) {
        let Some(member) = &mut self.member else { return };
        tracing::warn!(event = "fleet_fault", ?fault, "the machine has to join its fleet anew");
        member.cut_off(now, &FleetError::Unreachable { why: format!("{fault:?}").to_lowercase() });
        member.next_upkeep = now;
        let former = member.joined.take();
        match fault {
            BeatFault::Gone => {}
            BeatFault::Restored => {
                member.left_behind = former.map(|it| it.lease);
                member.went_back.get_or_insert(now);
                member.standing = Standing::Refused { why: RESTORED };
            }
            BeatFault::Cloned => self.end_all(now, EndReason::MachineCloned),
            BeatFault::Evicted => {
                member.left_behind = former.map(|it| it.lease);
                member.remembered.draining = true;
                self.end_all(now, EndReason::Revoked);
                self.remember(context);
            }
        }
    }

    /// Every seat of the fleet ends, and the machine has no places any more.
    fn end_all(&mut self, now: BootTime, reason: EndReason) {
        let pools = self.shared_pools();
        let Some(member) = &mut self.member else { return };
        member.holdings.values_mut().for_each(|it| it.held.clear());
        member.strays.clear();
        self.house.kept.lose_places(reason);
        for pool in pools {
            self.house.seats.take_spare(pool);
            self.house.seats.lose(now, pool, 0, reason);
        }
    }

    /// Writes down what the machine is now.
    pub(super) fn remember(&mut self, context: &mut Context<Self>) {
        let Some(member) = &self.member else { return };
        let plan = member.plan(&self.parts.clock);
        let writing = async move { plan.remember(plan.memory.clone()).await };
        context.spawn(writing.into_actor(self).map(|written, _, _| {
            if let Err(error) = written {
                tracing::error!(%error, "what the machine is in its fleet could not be written down");
            }
        }));
    }

    /// How long until no machine can still use what it had before the store went back. `None`: it has not, as far as is known.
    pub(super) fn until_all_have_ended(&self) -> Option<Duration> {
        let member = self.member.as_ref()?;
        Some(member.went_back?.after(member.term.0).since(self.now()))
    }
}

fn drawn<const N: usize>() -> Result<[u8; N], FleetError> {
    let mut bytes = [0; N];
    let drawn = fill_random(&mut bytes);
    drawn.map_err(|_| FleetError::Unreachable { why: "there is no randomness".to_owned() })?;
    Ok(bytes)
}

fn random_text() -> Result<String, FleetError> {
    Ok(alloy_primitives::hex::encode(drawn::<8>()?))
}
