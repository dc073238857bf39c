//! The machines that share the seats of tokens.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::params::Params;
use super::sets;
use crate::actors::seat_keeper::{self, FleetView, MachineView};

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FleetEvict {
    /// The id of a machine, or its name if no other has that.
    pub machine: String,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FleetDrain {
    /// Whether this machine gives no new seats; `true` if absent.
    #[serde(default)]
    pub on: Option<bool>,
}

impl Params for FleetEvict {}
impl Params for FleetDrain {}

/// The fleet as it is seen from this machine.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Fleet {
    pub name: String,
    /// Drawn when the store was first used; `null`: the machine was in no fleet yet.
    pub fleet: Option<String>,
    /// How often an administrator has said that the store was restored.
    pub epoch: u32,
    /// `in`, `cut_off` or `refused`.
    #[schemars(with = "sets::FleetStanding")]
    pub standing: &'static str,
    /// Why it is not `in`.
    pub why: Option<String>,
    /// The id of this machine.
    pub machine: Option<String>,
    /// Whether it gives no new seats.
    pub draining: bool,
    /// Whether it is written down what this machine is: else its seats would end if the daemon were started again.
    pub kept: bool,
    /// Until when its seats go on if the store is not heard of again.
    pub deadline: Option<String>,
    /// Places that are taken in all, as far as was heard.
    pub places: u64,
    pub machines: Vec<FleetMachine>,
}

/// This machine in its fleet, in `system_health`; `fleet_status` tells more, to an administrator.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct FleetHealth {
    /// `in`, `cut_off` or `refused`.
    #[schemars(with = "sets::FleetStanding")]
    pub standing: &'static str,
    /// Whether it gives no new seats.
    pub draining: bool,
    /// Whether it is written down what this machine is: else its seats would end if the daemon were started again.
    pub kept: bool,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct FleetMachine {
    pub id: String,
    pub name: String,
    /// Of its daemon.
    pub version: String,
    /// How often it was renewed.
    pub beat: u64,
    pub draining: bool,
    pub evicted: bool,
    /// Places that it has, of all products.
    pub places: u64,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct FleetEvicted {
    /// From then on it is certain that the machine uses nothing any more.
    pub certain_at: String,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct FleetRestored {
    pub epoch: u32,
}

impl From<&FleetView> for Fleet {
    fn from(it: &FleetView) -> Self {
        Self {
            name: it.name.clone(),
            fleet: it.fleet.clone(),
            epoch: it.epoch,
            standing: it.standing,
            why: it.why.clone(),
            machine: it.machine.clone(),
            draining: it.draining,
            kept: it.is_kept,
            deadline: it.deadline.map(|it| it.to_string()),
            places: it.places,
            machines: it.machines.iter().map(Into::into).collect(),
        }
    }
}

impl From<seat_keeper::FleetHealth> for FleetHealth {
    fn from(it: seat_keeper::FleetHealth) -> Self {
        Self { standing: it.standing, draining: it.is_draining, kept: it.is_kept }
    }
}

impl From<&MachineView> for FleetMachine {
    fn from(it: &MachineView) -> Self {
        Self {
            id: it.id.clone(),
            name: it.name.clone(),
            version: it.version.clone(),
            beat: it.beat,
            draining: it.draining,
            evicted: it.evicted,
            places: it.places,
        }
    }
}
