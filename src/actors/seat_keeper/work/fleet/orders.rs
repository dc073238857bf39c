//! What an administrator asks of a fleet, and orders.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use actix::prelude::*;

use super::upkeep::reason;
use super::{Member, Standing};
use crate::actors::ownership_ledger::{Asked, LedgerError, NoteAudit, OwnershipLedger};
use crate::actors::seat_keeper::work::health::FleetHealth;
use crate::actors::seat_keeper::{AUDIT_TIME, SeatKeeper};
use crate::fleet::engine::FleetError;
use entitled_core::domain::audit::AuditAction;
use entitled_core::domain::ids::Timestamp;
use entitled_core::fleet::{MachineId, Record};

/// Machines in one answer, which has its limit. Who can write into the store can write down as many as they like.
const MOST_TOLD: usize = 500;

#[derive(Debug, thiserror::Error)]
pub enum FleetOrderError {
    #[error("this machine is in no fleet: there is no section `[fleet]` in its configuration")]
    NoFleet,
    #[error("there is no such machine in the fleet")]
    NoMachine,
    #[error("the store of the fleet was not restored, as far as is known here")]
    NotRestored,
    /// Some machine may still use what it had before.
    #[error("it is not certain yet that no machine uses what it had before; say it again in {} s", left.as_secs() + 1)]
    TooEarly { left: Duration },
    #[error(
        "there is no epoch after {last}, and the fleet cannot go on in this store: remove all keys below its prefix, and the file `fleet.json` of each machine, and it begins as a new one"
    )]
    LastEpoch { last: u32 },
    /// Machines that know what stands there would not come along.
    #[error(
        "this machine knows of epoch {known}, which is too late for those that know of {found}: say it on another machine, or remove the file `fleet.json` here"
    )]
    NotBelieved { known: u32, found: u32 },
    #[error("it cannot be done now")]
    Store {
        #[from]
        source: FleetError,
    },
    #[error("cannot note it in the audit")]
    Audit { source: LedgerError },
    #[error("the part that writes the audit is too busy")]
    Busy,
}

/// How the fleet is, as seen from here.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<FleetView, FleetOrderError>")]
pub struct FindFleet;

/// Put a machine out of the fleet. Answers when it is certain that nothing of it is used any more.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Timestamp, FleetOrderError>")]
pub struct EvictMachine {
    pub machine: String,
    pub asked: Asked,
}

/// Give no new seats on this machine, or give them again.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<FleetView, FleetOrderError>")]
pub struct DrainMachine {
    pub on: bool,
    pub asked: Asked,
}

/// The store was restored, and that was meant. Answers its epoch.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<u32, FleetOrderError>")]
pub struct FleetRestored {
    pub asked: Asked,
}

#[derive(Debug, Clone)]
pub struct FleetView {
    pub name: String,
    pub fleet: Option<String>,
    /// How often the store was restored.
    pub epoch: u32,
    /// `in`, `cut_off` or `refused`.
    pub standing: &'static str,
    pub why: Option<String>,
    pub machine: Option<String>,
    pub draining: bool,
    /// It is written down what the machine is.
    pub is_kept: bool,
    /// Until when seats go on if the store is not heard of again.
    pub deadline: Option<Timestamp>,
    /// Places that are taken in all, as far as was heard.
    pub places: u64,
    pub machines: Vec<MachineView>,
}

#[derive(Debug, Clone)]
pub struct MachineView {
    pub id: String,
    pub name: String,
    pub version: String,
    pub beat: u64,
    pub draining: bool,
    pub evicted: bool,
    pub places: u64,
}

/// For metrics: how this machine stands in its fleet.
#[derive(Debug, Clone, Copy)]
pub struct FleetFigures {
    /// It may claim and give places.
    pub is_in: bool,
    /// For how long its seats would go on without the store.
    pub left: Duration,
    pub own_places: u64,
    pub other_places: u64,
}

impl Standing {
    /// Its name, and why it is not `in`.
    fn told(&self) -> (&'static str, Option<&str>) {
        match self {
            Self::In => ("in", None),
            Self::CutOff { why } => ("cut_off", Some(why)),
            Self::Refused { doubt } => ("refused", Some(reason(*doubt))),
        }
    }
}

impl Member {
    /// All machines; or, of very many, itself, those with the most places, and some of the others.
    fn machines_told(&self) -> Vec<MachineView> {
        let mut places = BTreeMap::<MachineId, u64>::new();
        for (machine, _) in self.taken.values().filter_map(|it| it.by) {
            *places.entry(machine).or_default() += 1;
        }
        let mut told: Vec<_> = self.machines.iter().collect();
        if told.len() > MOST_TOLD {
            let is_own = |id: &MachineId| self.joined.is_some_and(|it| it.machine == *id);
            told.sort_by_key(|(id, _)| (!is_own(id), Reverse(places.get(*id))));
            told.truncate(MOST_TOLD);
            told.sort_by_key(|(id, _)| **id);
        }
        let view = |(id, it): (&MachineId, &Record)| MachineView {
            id: id.to_string(),
            name: it.name.clone(),
            version: it.version.clone(),
            beat: it.beat,
            draining: it.draining,
            evicted: self.evicted.contains(id),
            places: places.get(id).copied().unwrap_or(0),
        };
        told.into_iter().map(view).collect()
    }
}

impl SeatKeeper {
    pub(in crate::actors::seat_keeper) fn fleet_figures(&self) -> Option<FleetFigures> {
        let (member, now) = (self.member.as_ref()?, self.now());
        let own = member.taken.values().filter(|it| member.is_own(it)).count() as u64;
        Some(FleetFigures {
            is_in: member.is_in(now),
            left: member.deadline.since(now),
            own_places: own,
            other_places: member.taken.len() as u64 - own,
        })
    }

    pub(in crate::actors::seat_keeper) fn fleet_health(&self) -> Option<FleetHealth> {
        let member = self.member.as_ref()?;
        let is_draining = member.remembered.draining;
        let (standing, is_kept) = (member.standing.told().0, member.is_kept);
        Some(FleetHealth { standing, is_draining, is_kept })
    }

    fn fleet_view(&self) -> Result<FleetView, FleetOrderError> {
        let member = self.member.as_ref().ok_or(FleetOrderError::NoFleet)?;
        let (standing, why) = member.standing.told();
        let is_set = member.deadline.0 > 0;
        Ok(FleetView {
            name: member.settings.name.clone(),
            fleet: member.remembered.fleet.clone(),
            epoch: member.remembered.epoch,
            standing,
            why: why.map(ToOwned::to_owned),
            machine: member.joined.map(|it| it.machine.to_string()),
            draining: member.remembered.draining,
            is_kept: member.is_kept,
            deadline: is_set.then(|| self.date(member.deadline)),
            places: member.taken.len() as u64,
            machines: member.machines_told(),
        })
    }
}

/// Writes down who has ordered it, before it happens.
pub(super) async fn note(
    ledger: &Addr<OwnershipLedger>,
    action: AuditAction,
    (subject, detail): (String, String),
    asked: &Asked,
) -> Result<(), FleetOrderError> {
    let note = NoteAudit { action, subject, detail, asked: asked.clone() };
    let noted = ledger.send(note).timeout(AUDIT_TIME).await;
    let noted = noted.map_err(|_| FleetOrderError::Busy)?;
    noted.map_err(|source| FleetOrderError::Audit { source })?;
    Ok(())
}

impl Handler<FindFleet> for SeatKeeper {
    type Result = Result<FleetView, FleetOrderError>;

    fn handle(&mut self, _: FindFleet, context: &mut Self::Context) -> Self::Result {
        self.settle(context);
        self.fleet_view()
    }
}

impl Handler<EvictMachine> for SeatKeeper {
    type Result = ResponseActFuture<Self, Result<Timestamp, FleetOrderError>>;

    fn handle(&mut self, order: EvictMachine, _: &mut Self::Context) -> Self::Result {
        let Some(member) = &self.member else {
            return Box::pin(actix::fut::err(FleetOrderError::NoFleet));
        };
        let (ttl, engine, ledger) =
            (member.term.0, member.engine.clone(), self.parts.ledger.clone());
        let clock = self.parts.clock.clone();
        let evicting = async move {
            // What was heard of machines may be a third of a lease old.
            let machines = engine.list().await?.machines;
            let is_meant = |id: &MachineId, name: &str| {
                id.to_string() == order.machine || name == order.machine
            };
            let mut found = machines.iter().filter(|(id, it)| is_meant(id, &it.name));
            let (Some((machine, record)), None) = (found.next(), found.next()) else {
                return Err(FleetOrderError::NoMachine);
            };
            let told = (machine.to_string(), format!("{} is put out of the fleet", record.name));
            note(&ledger, AuditAction::FleetEvicted, told, &order.asked).await?;
            engine.evict(*machine).await?;
            // No renewal of it succeeds from now on, and the last one was before.
            Ok(clock.now().checked_add(ttl).unwrap_or(Timestamp::MAX))
        };
        Box::pin(evicting.into_actor(self))
    }
}

impl Handler<DrainMachine> for SeatKeeper {
    type Result = ResponseActFuture<Self, Result<FleetView, FleetOrderError>>;

    fn handle(&mut self, order: DrainMachine, _: &mut Self::Context) -> Self::Result {
        let Some(member) = &self.member else {
            return Box::pin(actix::fut::err(FleetOrderError::NoFleet));
        };
        let subject = member.settings.machine.clone();
        let detail = if order.on { "gives no new seats" } else { "gives seats again" };
        let ledger = self.parts.ledger.clone();
        let noted = async move {
            let told = (subject, detail.to_owned());
            note(&ledger, AuditAction::FleetDrained, told, &order.asked).await.map(|()| order.on)
        };
        Box::pin(noted.into_actor(self).map(move |noted, keeper, context| {
            let on = noted?;
            let now = keeper.now();
            if let Some(member) = &mut keeper.member {
                member.remembered.draining = on;
                // The others see it with the next beat.
                member.next_upkeep = now;
            }
            keeper.remember(context);
            keeper.settle(context);
            keeper.fleet_view()
        }))
    }
}
