//! Seats and pools as they are told.

use crate::actors::seat_keeper::SeatKeeper;
use crate::actors::seat_keeper::messages::{Bind, PoolView, SeatList, SeatState, SeatView, Viewer};
use crate::seat_journal::KeptSeat;
use entitled_core::domain::control_character::plain;
use entitled_core::domain::ids::{CustomerId, ProductId, Timestamp};
use entitled_core::domain::product::SeatUnit;
use entitled_core::seats::{Binding, BootTime, Hold, PoolId, Seat};

impl SeatKeeper {
    /// A moment of this boot by the calendar.
    pub(in crate::actors::seat_keeper) fn date(&self, moment: BootTime) -> Timestamp {
        let (wall, now) = (self.parts.clock.now(), self.now());
        let found = match moment >= now {
            true => wall.checked_add(moment.since(now)),
            false => wall.checked_sub(now.since(moment)),
        };
        found.unwrap_or(wall)
    }

    /// `None` of a seat whose pool is not known, which there is none.
    pub(in crate::actors::seat_keeper) fn seat_view(&self, seat: &Seat) -> Option<SeatView> {
        let pool = self.house.pools.get(&seat.pool)?;
        let (state, ends_at) = match seat.hold {
            _ if seat.drains_at.is_some() => (SeatState::Draining, seat.drains_at),
            Hold::Bound(_) => match self.house.seats.suspect_until(seat) {
                Some(until) => (SeatState::Suspect, Some(until)),
                None => (SeatState::Held, None),
            },
            Hold::Detached { until } => (SeatState::Detached, Some(until)),
            Hold::Lingering { until } => (SeatState::Lingering, Some(until)),
            Hold::Borrowed { until } => (SeatState::Borrowed, Some(until)),
            Hold::Lent { until } => (SeatState::Lent, Some(until)),
        };
        let first = seat.claimant.owner();
        let process = bindings(seat).iter().find_map(|it| match it {
            Binding::Process(process) if seat.holder(*it).owner() == first => Some(*process),
            Binding::Process(_) | Binding::Connection(_) => None,
        });
        Some(SeatView {
            id: seat.id,
            fence: self.fence(seat.id),
            product: pool.key.product.clone(),
            tier: pool.tier.clone(),
            holder: pool.key.customer,
            uid: seat.claimant.uid,
            on_behalf: seat.claimant.on_behalf,
            pid: process.and_then(|it| self.house.watches.pid(it)),
            unit: pool.terms.unit,
            // A path has names of anybody's choice.
            unit_name: seat.claimant.unit.as_deref().map(|it| plain(it).into_owned()),
            bind: bind(seat),
            count: seat.count,
            state,
            since: self.house.borrowed.since(seat.id).unwrap_or_else(|| self.date(seat.since)),
            over: seat.over,
            ends_at: ends_at.map(|it| self.date(it)),
            lent_to: self.house.lent.get(&seat.id).map(ToString::to_string),
        })
    }

    /// Of what is borrowed or lent out of a pool that is not known, or is no more.
    fn taken_out_view(&self, kept: &KeptSeat) -> Option<SeatView> {
        let seat = &kept.seat;
        let (state, until) = match seat.hold {
            Hold::Borrowed { until } => (SeatState::Borrowed, until),
            Hold::Lent { until } => (SeatState::Lent, until),
            Hold::Bound(_) | Hold::Detached { .. } | Hold::Lingering { .. } => return None,
        };
        Some(SeatView {
            id: seat.id,
            fence: seat.id.0,
            product: kept.product.clone(),
            tier: kept.grant.tier().clone(),
            holder: kept.holder,
            uid: seat.claimant.uid,
            on_behalf: seat.claimant.on_behalf,
            pid: None,
            unit: SeatUnit::Process,
            unit_name: seat.claimant.unit.clone(),
            bind: Bind::Process,
            count: seat.count,
            state,
            since: kept.borrowed.map_or_else(|| self.date(seat.since), |it| it.since),
            over: seat.over,
            ends_at: Some(self.date(until)),
            lent_to: self.house.lent.get(&seat.id).map(ToString::to_string),
        })
    }

    pub(in crate::actors::seat_keeper) fn pool_view(&self, id: PoolId) -> Option<PoolView> {
        let (pool, figures) = (self.house.pools.get(&id)?, self.house.seats.figures(id)?);
        Some(PoolView {
            product: pool.key.product.clone(),
            tier: pool.tier.clone(),
            holder: pool.key.customer,
            unit: pool.terms.unit,
            elsewhere: figures.elsewhere + self.used_elsewhere(id),
            figures,
            until: pool.capacity.and_then(|it| it.until).map(|it| self.date(it)),
            loan: pool.loan,
        })
    }

    pub(in crate::actors::seat_keeper) fn list(
        &self,
        product: Option<&ProductId>,
        viewer: &Viewer,
    ) -> SeatList {
        let of_product = |it: &ProductId| product.is_none_or(|wanted| wanted == it);
        let may_see_pool = |holder: CustomerId| match viewer {
            Viewer::Everybody => true,
            Viewer::User { customer, .. } => holder == *customer || holder == CustomerId::Machine,
        };
        let seen = |seat: &Seat| match viewer {
            Viewer::Everybody => self.seat_view(seat),
            Viewer::User { owner, .. } => seat.part_of(*owner).and_then(|it| self.seat_view(&it)),
        };
        let pools = self.house.pools.values();
        let pools = pools.filter(|it| of_product(&it.key.product) && may_see_pool(it.key.customer));
        let seats = self.house.seats.seats().filter_map(seen);
        let may_see = |kept: &&KeptSeat| match viewer {
            Viewer::Everybody => true,
            Viewer::User { owner, .. } => kept.seat.part_of(*owner).is_some(),
        };
        let taken_out = self.house.kept.taken_out().filter(may_see);
        let taken_out = taken_out.filter_map(|it| self.taken_out_view(it));
        let mut seats: Vec<SeatView> =
            seats.chain(taken_out).filter(|it| of_product(&it.product)).collect();
        seats.sort_by_key(|it| it.id);
        SeatList {
            pools: pools.filter_map(|it| self.pool_view(it.id)).filter(is_of_interest).collect(),
            seats,
        }
    }
}

/// Whether there is anything of it: nobody has a licence of most tiers.
fn is_of_interest(pool: &PoolView) -> bool {
    let figures = &pool.figures;
    figures.capacity != Some(0) || figures.used + figures.lingering > 0 || figures.waiting > 0
}

fn bindings(seat: &Seat) -> &[Binding] {
    match &seat.hold {
        Hold::Bound(bindings) => bindings,
        _ => &[],
    }
}

fn bind(seat: &Seat) -> Bind {
    match bindings(seat) {
        _ if seat.adopt.is_some() => Bind::Session,
        [Binding::Connection(_), ..] => Bind::Connection,
        _ => Bind::Process,
    }
}
