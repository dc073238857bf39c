//! What is written in etcd, below `/entitled/v1/FLEET/`.
//!
//! | key | lease | value |
//! |---|---|---|
//! | `meta` | no | which fleet it is, and how often it was restored |
//! | `machines/ID` | the machine's | its record |
//! | `slots/TOKEN/N` | the machine's | which machine has it, and by which attempt |
//! | `evicted/ID` | no | the machine is out |

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::strange;
use super::wire::KeyValue;
use crate::fleet::engine::FleetError;
use entitled_core::fleet::{Fence, Found, Holder, MachineId, Meta, Naming, Record, Revision, Slot};

#[derive(Debug, Clone)]
pub(super) struct Keys {
    prefix: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Meta,
    Machine(MachineId),
    Slot(Slot),
    Evicted(MachineId),
}

impl Keys {
    pub(super) fn new(fleet: &str) -> Self {
        Self { prefix: format!("/entitled/v1/{fleet}/") }
    }

    pub(super) fn meta(&self) -> String {
        format!("{}meta", self.prefix)
    }

    /// What the keys of all machines begin with.
    pub(super) fn machines(&self) -> String {
        format!("{}machines/", self.prefix)
    }

    /// What the keys of all slots begin with.
    pub(super) fn slots(&self) -> String {
        format!("{}slots/", self.prefix)
    }

    pub(super) fn machine(&self, id: MachineId) -> String {
        format!("{}machines/{id}", self.prefix)
    }

    pub(super) fn evicted(&self, id: MachineId) -> String {
        format!("{}evicted/{id}", self.prefix)
    }

    pub(super) fn slot(&self, slot: &Slot) -> String {
        format!("{}slots/{}/{}", self.prefix, slot.token, slot.number)
    }

    /// The range of all keys.
    pub(super) fn everything(&self) -> Value {
        json!({
            "key": STANDARD.encode(self.prefix.as_bytes()),
            "range_end": STANDARD.encode(end_of(&self.prefix)),
        })
    }

    /// Which key that is, in base64; `None` of one that is not ours, or not as we write it: one thing has one key.
    pub(super) fn read(&self, key: &str) -> Option<Key> {
        let key = String::from_utf8(STANDARD.decode(key).ok()?).ok()?;
        let named = Self::named(key.strip_prefix(&self.prefix)?)?;
        let as_written = match &named {
            Key::Meta => self.meta(),
            Key::Machine(id) => self.machine(*id),
            Key::Slot(slot) => self.slot(slot),
            Key::Evicted(id) => self.evicted(*id),
        };
        (key == as_written).then_some(named)
    }

    fn named(key: &str) -> Option<Key> {
        Some(match key.split_once('/') {
            None if key == "meta" => Key::Meta,
            Some(("machines", id)) => Key::Machine(id.parse().ok()?),
            Some(("evicted", id)) => Key::Evicted(id.parse().ok()?),
            Some(("slots", slot)) => {
                let (token, number) = slot.split_once('/')?;
                Key::Slot(Slot { token: token.parse().ok()?, number: number.parse().ok()? })
            }
            _ => return None,
        })
    }
}

/// Where the keys end that begin with `prefix`, which ends with a slash.
pub(super) fn end_of(prefix: &str) -> String {
    // `/` is followed by `0`.
    format!("{}0", prefix.trim_end_matches('/'))
}

/// Twice what a machine may be called. What is longer no machine has written of itself.
const LONGEST_WORD: usize = 128;
/// Of this format.
const VERSION: u32 = 1;
/// Of `meta`, where slots are named by share. A daemon that knows of no shares refuses it, and so never counts beside those
/// that do.
const BY_SHARE: u32 = 2;

#[derive(Serialize, Deserialize)]
struct MetaValue {
    v: u32,
    fleet: String,
    epoch: u32,
}

#[derive(Serialize, Deserialize)]
struct HolderValue {
    v: u32,
    machine: String,
    claim: String,
}

pub(super) fn of_meta(meta: Meta) -> String {
    let v = match meta.naming {
        Naming::ByToken => VERSION,
        Naming::ByShare => BY_SHARE,
    };
    json!(MetaValue { v, fleet: meta.fleet.to_string(), epoch: meta.epoch }).to_string()
}

pub(super) fn of_record(record: &Record) -> String {
    json!(record).to_string()
}

pub(super) fn of_holder(machine: MachineId, claim: u64) -> String {
    let value = HolderValue { v: VERSION, machine: machine.to_string(), claim: claim.to_string() };
    json!(value).to_string()
}

pub(super) fn meta(it: &KeyValue) -> Result<Found, FleetError> {
    let strange = |why: &str| FleetError::Meta { why: why.to_owned() };
    let read: MetaValue = value_of(&it.value)
        .map_err(|_| strange("it has not the form of one that a daemon writes"))?;
    let naming = match read.v {
        BY_SHARE => Naming::ByShare,
        VERSION => Naming::ByToken,
        _ => return Err(strange("it was written by another version")),
    };
    let fleet = read.fleet.parse().map_err(|_| strange("it names no fleet"))?;
    if read.epoch > Fence::LAST_EPOCH {
        return Err(strange("no store was restored as often as it says"));
    }
    let meta = Meta { fleet, epoch: read.epoch, naming };
    Ok(Found { meta, written: Revision(it.mod_revision) })
}

pub(super) fn record(value: &str) -> Result<Record, FleetError> {
    let record: Record = value_of(value)?;
    of_our_version(record.v)?;
    let is_short = |it: &String| it.len() <= LONGEST_WORD;
    let are_short = [&record.name, &record.version, &record.random].into_iter().all(is_short);
    if are_short { Ok(record) } else { Err(strange("no machine calls itself so")) }
}

/// A slot that is there is somebody's, also where it cannot be read whose.
pub(super) fn holder(it: &KeyValue) -> Holder {
    let by = value_of::<HolderValue>(&it.value).ok().filter(|it| it.v == VERSION);
    let by = by.and_then(|it| Some((it.machine.parse().ok()?, it.claim.parse().ok()?)));
    Holder { by, created: Revision(it.create_revision) }
}

fn value_of<T: DeserializeOwned>(value: &str) -> Result<T, FleetError> {
    let bytes = STANDARD.decode(value).map_err(|_| strange("a value is not in base64"))?;
    serde_json::from_slice(&bytes).map_err(|error| strange(&error.to_string()))
}

/// A newer daemon may mean something else by it.
fn of_our_version(found: u32) -> Result<(), FleetError> {
    if found == VERSION { Ok(()) } else { Err(strange("it was written by another version")) }
}
