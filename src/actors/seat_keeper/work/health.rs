//! How the keeper fares: what `system_health` tells to everybody.

use actix::prelude::*;

use crate::actors::seat_keeper::SeatKeeper;

/// How floating seats fare, and the machine in its fleet.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "SeatHealth")]
pub struct FindSeatHealth;

#[derive(Debug, Clone, Copy)]
pub struct SeatHealth {
    /// Of all pools; of seats.
    pub used: u64,
    /// Of all pools; of requests.
    pub waiting: u64,
    /// Those that are held are written down, and outlive the daemon.
    pub are_kept: bool,
    /// `None` of a machine that is in no fleet.
    pub fleet: Option<FleetHealth>,
}

#[derive(Debug, Clone, Copy)]
pub struct FleetHealth {
    /// As in [`super::fleet::orders::FleetView`].
    pub standing: &'static str,
    pub is_draining: bool,
    pub is_kept: bool,
}

impl Handler<FindSeatHealth> for SeatKeeper {
    type Result = MessageResult<FindSeatHealth>;

    fn handle(&mut self, _: FindSeatHealth, context: &mut Self::Context) -> Self::Result {
        self.settle_in_fleet(context);
        MessageResult(SeatHealth {
            used: self.house.pools.keys().map(|it| self.house.seats.used(*it)).sum(),
            waiting: self.asked.len() as u64,
            are_kept: self.house.kept.are_kept(),
            fleet: self.fleet_health(),
        })
    }
}
