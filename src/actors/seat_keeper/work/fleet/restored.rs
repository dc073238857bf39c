//! That a store was restored, and that it was meant: an administrator says so on one machine, and the others see it by the
//! store's epoch. On a machine that does not believe an epoch, it has that one believed there.

use std::sync::Arc;

use actix::prelude::*;

use super::Standing;
use super::orders::{FleetOrderError, FleetRestored, note};
use crate::actors::seat_keeper::SeatKeeper;
use crate::fleet::engine::Engine;
use entitled_core::domain::audit::AuditAction;
use entitled_core::fleet::{Doubt, Fence, FleetId, Found, MOST_RESTORED, Meta, Naming};

/// What the store is to say.
struct Raise {
    engine: Arc<dyn Engine>,
    fleet: FleetId,
    known: u32,
    is_emptied: bool,
}

impl Raise {
    /// One more than this machine knows, which those believe that know what stands there.
    fn epoch(&self, found: Option<u32>) -> Result<u32, FleetOrderError> {
        let known = self.known;
        let epoch = known.saturating_add(1);
        match found {
            _ if epoch > Fence::LAST_EPOCH => {
                Err(FleetOrderError::LastEpoch { last: Fence::LAST_EPOCH })
            }
            Some(found) if epoch.saturating_sub(found) > MOST_RESTORED => {
                Err(FleetOrderError::NotBelieved { known, found })
            }
            _ => Ok(epoch),
        }
    }

    async fn raise(self) -> Result<u32, FleetOrderError> {
        let found = self.engine.open(None).await?.0;
        let meta = found.map(|it| it.meta);
        if meta.is_some_and(|it| it.fleet != self.fleet) {
            return Err(FleetOrderError::NotRestored);
        }
        // Somebody has said so already, on another machine.
        if let Some(said) = meta.map(|it| it.epoch).filter(|it| *it > self.known)
            && said - self.known <= MOST_RESTORED
        {
            return Ok(said);
        }
        if meta.is_none() != self.is_emptied {
            return Err(FleetOrderError::NotRestored);
        }
        let epoch = self.epoch(meta.map(|it| it.epoch))?;
        // An emptied store is begun anew; in another one machines may be that know only its names.
        let naming = meta.map_or(Naming::ByShare, |it| it.naming);
        let to = Meta { fleet: self.fleet, epoch, naming };
        match self.engine.raise(found.map(|it| it.written), to).await? {
            Some(_) => Ok(epoch),
            None => Err(FleetOrderError::NotRestored),
        }
    }
}

/// What stands there, if it may be about the fleet of this machine.
async fn look(engine: Arc<dyn Engine>, fleet: Option<FleetId>) -> Result<Found, FleetOrderError> {
    let found = engine.open(None).await?.0;
    let found = found.filter(|it| fleet.is_none_or(|known| it.meta.fleet == known));
    found.ok_or(FleetOrderError::NotRestored)
}

impl Handler<FleetRestored> for SeatKeeper {
    type Result = ResponseActFuture<Self, Result<u32, FleetOrderError>>;

    fn handle(&mut self, order: FleetRestored, _: &mut Self::Context) -> Self::Result {
        match self.said_restored(order) {
            Ok(doing) => doing,
            Err(error) => Box::pin(actix::fut::err(error)),
        }
    }
}

impl SeatKeeper {
    fn said_restored(
        &mut self,
        order: FleetRestored,
    ) -> Result<ResponseActFuture<Self, Result<u32, FleetOrderError>>, FleetOrderError> {
        let member = self.member.as_ref().ok_or(FleetOrderError::NoFleet)?;
        let Standing::Refused { doubt } = member.standing else {
            return Err(FleetOrderError::NotRestored);
        };
        let (engine, fleet, known) =
            (member.engine.clone(), member.fleet(), member.remembered.epoch);
        let (name, ledger) = (member.settings.name.clone(), self.parts.ledger.clone());
        let note = async move |what: &str| {
            let told = (name, what.to_owned());
            note(&ledger, AuditAction::FleetRestored, told, &order.asked).await
        };
        if [Doubt::Ahead, Doubt::Behind].contains(&doubt) {
            let believing = async move {
                note("the epoch that the store says is believed").await?;
                look(engine, fleet).await
            };
            return Ok(Box::pin(believing.into_actor(self).map(Self::believe_epoch)));
        }
        let is_emptied = doubt == Doubt::Emptied;
        let fleet = fleet.filter(|_| is_emptied || doubt == Doubt::Restored);
        let fleet = fleet.ok_or(FleetOrderError::NotRestored)?;
        let left = self.until_all_have_ended().ok_or(FleetOrderError::NotRestored)?;
        if !left.is_zero() {
            return Err(FleetOrderError::TooEarly { left });
        }
        let raising = async move {
            note("the store was restored").await?;
            Raise { engine, fleet, known, is_emptied }.raise().await
        };
        Ok(Box::pin(raising.into_actor(self).map(|raised, keeper, context| {
            let now = keeper.now();
            if let (Ok(_), Some(member)) = (&raised, &mut keeper.member) {
                member.next_upkeep = now;
            }
            keeper.settle(context);
            raised
        })))
    }

    /// It is about this machine alone: nothing is written into the store.
    fn believe_epoch(
        found: Result<Found, FleetOrderError>,
        keeper: &mut Self,
        context: &mut Context<Self>,
    ) -> Result<u32, FleetOrderError> {
        let Found { meta, written } = found?;
        let now = keeper.now();
        if let Some(member) = &mut keeper.member {
            (member.remembered.epoch, member.remembered.written) = (meta.epoch, Some(written.0));
            member.next_upkeep = now;
        }
        keeper.remember(context);
        keeper.settle(context);
        Ok(meta.epoch)
    }
}
