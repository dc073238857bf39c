//! Joining the fleet, and staying in it.

use std::time::Duration;

use actix::prelude::*;

use super::plan::{Kept, Upkeep, random_text};
use super::{Member, Standing};
use crate::actors::seat_keeper::SeatKeeper;
use crate::fleet::engine::FleetError;
use entitled_core::fleet::{BeatFault, Doubt, FleetId, Naming, Record};
use entitled_core::seats::{BootTime, EndReason};

/// Reasons that are told to the log of one time that the store cannot be used.
const REASONS_TOLD: usize = 4;

/// What is told of a doubt, and what mends it.
pub(super) fn reason(doubt: Doubt) -> &'static str {
    match doubt {
        Doubt::Restored => {
            "the store was restored from a backup: `entitlectl fleet restored` says that it was meant"
        }
        Doubt::Emptied => {
            "the store has lost all that it knew of the fleet: `entitlectl fleet restored` begins it anew"
        }
        Doubt::Another => "the store is of another fleet than before: the key `meta` says so",
        Doubt::Ahead => {
            "the key `meta` of the store says that it was restored many times since this machine heard of it: if that is so, \
             `entitlectl fleet restored` on this machine has it believed"
        }
        Doubt::Behind => {
            "the key `meta` of the store says that it was restored much less often than this machine heard: if that is so, \
             `entitlectl fleet restored` on this machine has it believed"
        }
        Doubt::Renamed => {
            "the key `meta` of the store says that its places have other names than when this machine came: somebody else has \
             written there"
        }
        Doubt::Unreadable => {
            "what the store says of the fleet, in the key `meta`, cannot be read: somebody else has written there, or a newer daemon"
        }
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

    /// The fleet it is in.
    pub(super) fn fleet(&self) -> Option<FleetId> {
        self.remembered.fleet.as_deref().and_then(|it| it.parse().ok())
    }

    /// By share is how places are named in the end, and who came before that comes anew, when all who named them otherwise have
    /// ended what they had. Back from there no store goes but a restored one.
    fn leave_for_names(&mut self, now: BootTime) {
        let since = *self.renamed.get_or_insert(now);
        if self.naming == Naming::ByToken && now >= since.after(self.term.0) {
            self.left_behind = self.joined.take().map(|it| it.lease);
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
        let meta = kept.found.meta;
        // What a new machine finds it could not have missed.
        if self.remembered.fleet.is_some() {
            self.credit.spend(kept.sent, meta.epoch.saturating_sub(self.remembered.epoch));
        }
        self.remembered.fleet = Some(meta.fleet.to_string());
        self.remembered.epoch = meta.epoch;
        self.remembered.written = Some(kept.found.written.0);
        self.remembered.naming = Some(meta.naming);
        self.name_places(meta.naming);
        self.remembered.revision = kept.listing.revision.0;
        (self.left_behind, self.went_back) = (None, None);
        (self.emptied, self.renamed) = (None, None);
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
            let (written, kept) = match renewing {
                Some((joined, last, next)) => {
                    let written = plan.remember().await;
                    (Some(written), plan.renew(joined, last, next).await)
                }
                None => (None, plan.join().await),
            };
            (written, kept.unwrap_or_else(Upkeep::from))
        };
        context.spawn(kept_up.into_actor(self).map(|(written, upkeep), keeper, context| {
            if let (Some(written), Some(member)) = (written, &mut keeper.member) {
                member.note_kept(written);
            }
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
            Upkeep::Refused(doubt, went_back) => {
                member.cut_off(now, &FleetError::Refused { why: reason(doubt).to_owned() });
                member.standing = Standing::Refused { doubt };
                // Of the others it is not known that the store has lost anything: they are over when `meta` is as it was.
                if went_back || doubt == Doubt::Restored {
                    member.went_back.get_or_insert(now);
                }
                if doubt == Doubt::Emptied {
                    member.emptied.get_or_insert(now);
                }
                if doubt == Doubt::Renamed {
                    member.leave_for_names(now);
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
                member.standing = Standing::Refused { doubt: Doubt::Restored };
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
        let writing = async move { plan.remember().await };
        context.spawn(writing.into_actor(self).map(|written, keeper, _| {
            if let Some(member) = &mut keeper.member {
                member.note_kept(written);
            }
        }));
    }

    /// How long until no machine can still use what it had before the store went back, or said nothing any more. `None`: it has
    /// not, as far as is known.
    pub(super) fn until_all_have_ended(&self) -> Option<Duration> {
        let member = self.member.as_ref()?;
        let since = member.went_back.or(member.emptied)?;
        Some(since.after(member.term.0).since(self.now()))
    }
}
