//! What bounds a seat that is borrowed, beside the boot's clock: the time of its chain, and in another boot the calendar.
//!
//! The boot's clock stands while a virtual machine is suspended, and begins anew with each boot. The time of a chain does
//! neither, and nobody here sets it. The wall clock alone ends none while the daemon runs.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::actors::seat_keeper::SeatKeeper;
use crate::actors::seat_keeper::boot_time;
use crate::clock::Clock;
use crate::seat_journal::{Borrowed, KeptSeat};
use entitled_core::domain::ids::Timestamp;
use entitled_core::seats::{BootTime, EndReason, Hold, Seat, SeatId};

/// How often it is written down how long each has to go: a boot in which no clock is right lengthens none by more.
const WRITTEN_EACH: Duration = Duration::from_secs(600);
/// How often they are held against the time of their chains.
const LOOKED_AT_EACH: Duration = Duration::from_secs(1);

/// All that is borrowed.
#[derive(Debug, Default)]
pub(in crate::actors::seat_keeper) struct AllBorrowed {
    all: BTreeMap<SeatId, Borrowed>,
    written: BootTime,
    looked_at: BootTime,
}

impl AllBorrowed {
    pub(super) fn enter(&mut self, seat: SeatId, terms: Borrowed) {
        self.all.insert(seat, terms);
    }

    pub(in crate::actors::seat_keeper) fn forget(&mut self, seat: SeatId) {
        self.all.remove(&seat);
    }

    pub(super) fn has(&self, seat: SeatId) -> bool {
        self.all.contains_key(&seat)
    }

    /// When it was borrowed: perhaps in another boot.
    pub(super) fn since(&self, seat: SeatId) -> Option<Timestamp> {
        self.all.get(&seat).map(|it| it.since)
    }

    /// Of which it is to be written down again how long they have to go.
    pub(super) fn take_unwritten(&mut self, now: BootTime) -> Vec<SeatId> {
        if self.all.is_empty() || now.since(self.written) < WRITTEN_EACH {
            return Vec::new();
        }
        self.written = now;
        self.all.keys().copied().collect()
    }

    /// As it is written down; `None` of what is not borrowed.
    pub(super) fn as_kept(&self, now: BootTime, seat: &Seat) -> Option<Borrowed> {
        let Hold::Borrowed { until } = seat.hold else { return None };
        let left_ms = u64::try_from(until.since(now).as_millis()).unwrap_or(u64::MAX);
        Some(Borrowed { left_ms, ..*self.all.get(&seat.id)? })
    }

    /// Those whose time is over by that of their chain.
    fn over(&self, clock: &Clock) -> Vec<SeatId> {
        let is_over = |it: &Borrowed| clock.reached(it.chain).is_some_and(|time| time >= it.until);
        self.all.iter().filter(|(_, it)| is_over(it)).map(|(seat, _)| *seat).collect()
    }
}

impl SeatKeeper {
    /// Of a seat that has just been borrowed: until when, by the calendar.
    pub(in crate::actors::seat_keeper) fn note_terms(&mut self, id: SeatId) {
        let Some(seat) = self.house.seats.seat(id) else { return };
        let Hold::Borrowed { until } = seat.hold else { return };
        let Some(pool) = self.house.pools.get(&seat.pool) else { return };
        let chain = pool.grant.collection.chain;
        let (since, left) = (self.parts.clock.now_on([chain]), until.since(self.now()));
        let date = since.checked_add(left).unwrap_or(Timestamp::MAX);
        self.house.borrowed.enter(id, Borrowed { chain, since, until: date, left_ms: 0 });
    }

    /// Ends what is over by the time of its chain, though the boot's clock may not have come so far.
    pub(in crate::actors::seat_keeper) fn end_borrowed(&mut self, now: BootTime) {
        let borrowed = &mut self.house.borrowed;
        if borrowed.all.is_empty() || now.since(borrowed.looked_at) < LOOKED_AT_EACH {
            return;
        }
        borrowed.looked_at = now;
        for seat in borrowed.over(&self.parts.clock) {
            // As if whoever has it had given it back.
            let _ = self.house.seats.release(now, seat, None, None);
        }
    }
}

/// What was borrowed in another boot, with the times of this one; `None` if its time is over. It goes on for as long as the
/// calendar says, and for no longer than it had to go when that was written down.
pub(super) fn carried_over(kept: KeptSeat, clock: &Clock) -> Option<KeptSeat> {
    let terms = kept.borrowed?;
    let here = clock.now_on([terms.chain]);
    let by_calendar = Duration::try_from(terms.until.duration_since(here)).unwrap_or_default();
    let left = by_calendar.min(Duration::from_millis(terms.left_ms));
    let seat = Seat {
        since: BootTime::default(),
        hold: Hold::Borrowed { until: boot_time(clock).after(left) },
        // If there are still too many of them, it is warned anew.
        drains_at: None,
        reprieve: None,
        ..kept.seat
    };
    if left.is_zero() {
        let (id, uid, reason) = (seat.id.0, seat.claimant.uid, EndReason::Returned.name());
        tracing::info!(event = "seat_ended", seat = id, product = %kept.product, customer = %kept.holder, uid, reason,
            "what was borrowed before the machine was started again is over");
        return None;
    }
    Some(KeptSeat { seat, processes: Vec::new(), proven_until: None, ..kept })
}

#[cfg(test)]
mod tests;
