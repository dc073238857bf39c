//! What a store of a fleet does for a machine. Two do it: [`super::local`] and [`super::etcd`]; one suite tests both.

use futures_util::future::BoxFuture;
use std::time::Duration;
use tokio::sync::mpsc;

use entitled_core::fleet::{
    BeatFault, Found, Holder, Joined, LeaseId, Listing, MachineId, Meta, Record, Revision, Slot,
};

#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    #[error("{} cannot be read", path.display())]
    File { path: std::path::PathBuf, source: std::io::Error },
    #[error("TLS cannot be set up")]
    Tls { source: reqwest::Error },
    /// It cannot be said whether what was asked for has happened.
    #[error("the store of the fleet cannot be reached: {why}")]
    Unreachable { why: String },
    #[error("the store of the fleet refuses: {why}")]
    Refused { why: String },
    /// What stands in `meta` was written by somebody who is no machine of the fleet, or by a newer daemon.
    #[error("what the store says of the fleet, in the key `meta`, cannot be read: {why}")]
    Meta { why: String },
    /// It was restored from a backup, and knows less than it did.
    #[error("the store of the fleet has gone back to an earlier state")]
    WentBack,
}

/// So many places are claimed in one step, all or none: of each there is one comparison in etcd's transaction, and one more of
/// the machine.
pub const PART: usize = 100;

/// Something another machine, or this one, has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A slot has another holder, or none any more, since this revision.
    Slot(Slot, Option<Holder>, Revision),
    Evicted(MachineId),
}

/// Places of a machine, and when each was made.
pub type Places = Vec<(Slot, Revision)>;

pub type Answer<'a, T> = BoxFuture<'a, Result<T, FleetError>>;

/// A store. Each call fails after a time; one that failed may have happened nevertheless.
pub trait Engine: Send + Sync + 'static {
    /// What it says of itself, and how far it has come; `or` is written if it says nothing yet.
    fn open(&self, or: Option<Meta>) -> Answer<'_, (Option<Found>, Revision)>;

    /// Writes what it says of itself anew, if nobody has since what was `seen` was written; whatever form that has. When it was
    /// written; `None`: it is not as it was seen.
    fn raise(&self, seen: Option<Revision>, to: Meta) -> Answer<'_, Option<Revision>>;

    /// Slots are named by share from now on, if it is as seen, and no machine and no slot is there. `None`: it is not.
    fn rename(&self, seen: Found) -> Answer<'_, Option<Revision>>;

    /// Begins a lease, and writes the machine's record. `None`: there is a machine of that name.
    fn join(&self, machine: MachineId, record: Record, ttl: Duration)
    -> Answer<'_, Option<Joined>>;

    /// Renews the lease, and then writes the record anew if it is `last`. What the store says of itself is answered, because
    /// an administrator may have raised it. A fault is told first, also where that cannot be read.
    fn renew(
        &self,
        joined: Joined,
        last: Record,
        next: Record,
    ) -> Answer<'_, Result<Option<Found>, BeatFault>>;

    /// Takes all of `slots`, where they are nobody's or were taken by the same claim before, or none of them. Others may see
    /// some of them taken meanwhile, if it comes to none.
    fn claim(&self, joined: Joined, slots: Vec<Slot>, claim: u64) -> Answer<'_, Option<Places>>;

    /// Gives slots back that were made at these revisions. Others stay.
    fn release(&self, slots: Places) -> Answer<'_, ()>;

    fn list(&self) -> Answer<'_, Listing>;

    /// Tells all changes after `after`, until that is not possible any more, or nobody listens.
    fn watch(&self, after: Revision, told: mpsc::Sender<Change>) -> Answer<'_, ()>;

    /// No renewal of this machine succeeds any more.
    fn evict(&self, machine: MachineId) -> Answer<'_, ()>;

    /// Takes a lease back, and all that it keeps.
    fn revoke(&self, lease: LeaseId) -> Answer<'_, ()>;

    /// How far it has come, as far as was seen here.
    fn seen(&self) -> Revision;

    /// It has come as far as this, and going back further is told as [`FleetError::WentBack`].
    fn begin_from(&self, revision: Revision);
}
