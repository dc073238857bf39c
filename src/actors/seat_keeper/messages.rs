//! What SeatKeeper can be asked and ordered.

pub(super) mod loans;
mod presence;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use prometheus_client::metrics::histogram::Histogram;
use tokio::sync::{broadcast, oneshot};

use self::loans::LoanOf;
use super::news::SeatNews;
use super::work::fleet::orders::FleetFigures;
use crate::actors::ownership_ledger::{Asked, LedgerError};
use crate::actors::tier_cache::{CheckError, Key};
use crate::seat_policies::PolicyFault;
use entitled_core::domain::ids::{CustomerId, ProductId, TierName, Timestamp};
use entitled_core::domain::product::SeatUnit;
use entitled_core::seats::{AdoptToken, Owner, PoolFigures, ProcessId, Refusal, SeatId};

pub use presence::{Presence, Process};

#[derive(Debug, thiserror::Error)]
pub enum SeatError {
    #[error("cannot find out how many seats there are")]
    Count { source: CheckError },
    #[error("the part that counts seats is too busy")]
    Busy,
    #[error("cannot note it in the audit")]
    Audit { source: LedgerError },
    #[error("no such seat")]
    NotFound,
    /// For so long.
    #[error("the seat is too young to be taken away, for another {} s", left.as_secs() + 1)]
    TooYoung { left: Duration },
    /// For so long, or until it gives it back.
    #[error("the seat is lent to another machine, for another {} s", left.as_secs() + 1)]
    LentAway { left: Duration },
    #[error(
        "a seat here belongs to a unit or control group, and that of the caller cannot be found out"
    )]
    NoUnit,
    #[error(
        "the process that connected has ended; connect again from the process that is to hold the seat"
    )]
    Ended,
    #[error("too many processes hold or wait for seats")]
    TooManyProcesses,
    #[error("the operating system gave no randomness")]
    NoRandomness,
}

/// What holds a seat.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Bind {
    /// The process that asked, for as long as it lives; its connection, where it cannot be watched.
    #[default]
    Process,
    Connection,
    /// Both, and whoever of the same user takes it over in time.
    Session,
}

/// Ask for a seat. The answer comes at once, or when there is one, or when the time to wait is over.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Pending, SeatError>")]
pub struct Acquire {
    /// Whose entitlement was checked.
    pub key: Key,
    pub presence: Presence,
    pub tier: Option<TierName>,
    pub feature: Option<String>,
    pub count: u32,
    pub bind: Bind,
    pub wait: Duration,
}

/// Answered once. Gone without an answer when the keeper was restarted, or the connection has ended.
pub type Pending = oneshot::Receiver<Answer>;

#[derive(Debug, Clone)]
pub enum Answer {
    Granted(Box<Granted>),
    Refused(Refused),
}

#[derive(Debug, Clone)]
pub struct Granted {
    pub seat: SeatView,
    pub pool: PoolView,
    /// For a session: what takes it over.
    pub adopt: Option<AdoptToken>,
    /// By whose entitlement.
    pub customer: Option<CustomerId>,
    /// Whether its unit had it before.
    pub again: bool,
}

#[derive(Debug, Clone)]
pub struct Refused {
    pub refusal: Refusal,
    /// The pools that were asked.
    pub pools: Vec<PoolView>,
    /// The seats of the caller's own user in them.
    pub holders: Vec<SeatView>,
}

/// Give a seat back. `false`: there is no such seat, or it is somebody else's.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<bool, SeatError>")]
pub struct Release {
    pub seat: SeatId,
    /// Whose it has to be; `None`: anybody's.
    pub owner: Option<Owner>,
    /// Of which product it has to be; `None`: of any.
    pub product: Option<ProductId>,
    pub presence: Option<Presence>,
}

/// Take over a session of the same user.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Pending, SeatError>")]
pub struct Adopt {
    pub token: AdoptToken,
    pub presence: Presence,
}

/// Whose seats and pools are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Viewer {
    Everybody,
    /// Seats of this owner; pools of the customer and the machine.
    User {
        owner: Owner,
        customer: CustomerId,
    },
}

#[derive(Debug, Clone, Message)]
#[rtype(result = "SeatList")]
pub struct ListSeats {
    pub product: Option<ProductId>,
    pub viewer: Viewer,
}

#[derive(Debug, Clone, Default)]
pub struct SeatList {
    /// The oldest first.
    pub seats: Vec<SeatView>,
    pub pools: Vec<PoolView>,
}

/// An administrator takes a seat away. It stands in the audit before it happens.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<SeatView, SeatError>")]
pub struct Revoke {
    pub seat: SeatId,
    pub reason: String,
    pub asked: Asked,
}

/// Be told of what happens to seats from now on.
#[derive(Debug, Clone, Message)]
#[rtype(result = "broadcast::Receiver<Arc<SeatNews>>")]
pub struct SubscribeSeats;

/// Read the policies again, perhaps from other directories.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Vec<PolicyFault>")]
pub struct ReloadPolicies {
    pub dirs: Option<Vec<PathBuf>>,
}

#[derive(Debug, Clone, Message)]
#[rtype(result = "SeatFigures")]
pub struct FindSeatFigures;

/// For metrics.
#[derive(Debug, Clone)]
pub struct SeatFigures {
    pub pools: Vec<PoolView>,
    pub granted: u64,
    pub denied: u64,
    /// Processes watched now.
    pub watched: u64,
    /// Seconds that granted requests waited.
    pub waits: Histogram,
    /// Seats that ended, by the reason's name.
    pub ended: BTreeMap<&'static str, u64>,
    /// `None` of a machine that is in no fleet.
    pub fleet: Option<FleetFigures>,
}

/// Count what the seats of an earlier run belong to, so that they are there before anybody asks.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct TakeBack;

/// The daemon ends: connections that close from now on end no seats, and nobody is given one any more.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Suspend;

/// Who asked for a seat may have gone: a request whose answer nobody takes is withdrawn.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Withdraw;

// ---- what the keeper's own watchers tell it ----

/// A watched process has ended. Of a watch before the present one it says nothing.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(super) struct Exited {
    pub(super) process: ProcessId,
    pub(super) watch: u64,
}

#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(super) struct Disconnected {
    pub(super) connection: u64,
}

/// What a customer has of a product may have changed.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub(super) struct Recount {
    pub(super) key: Key,
}

/// Users may stand for other customers than before.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(super) struct UsersChanged;

// ---- views ----

/// A seat as it is told.
#[derive(Debug, Clone)]
pub struct SeatView {
    pub id: SeatId,
    /// Higher than that of every seat of the pool before, in a fleet by whichever machine.
    pub fence: u64,
    pub product: ProductId,
    pub tier: TierName,
    /// Whose licence it is.
    pub holder: CustomerId,
    pub uid: u32,
    /// Whom a delegate took it for.
    pub on_behalf: Option<CustomerId>,
    pub pid: Option<i32>,
    pub unit: SeatUnit,
    pub unit_name: Option<String>,
    pub bind: Bind,
    pub count: u32,
    pub state: SeatState,
    pub since: Timestamp,
    pub over: bool,
    /// When it ends if nothing happens.
    pub ends_at: Option<Timestamp>,
    /// To which machine it was lent.
    pub lent_to: Option<String>,
}

impl SeatView {
    pub fn owner(&self) -> Owner {
        Owner { uid: self.uid, on_behalf: self.on_behalf }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeatState {
    Held,
    Draining,
    Detached,
    Suspect,
    Lingering,
    Borrowed,
    /// Another machine has it.
    Lent,
}

impl SeatState {
    pub const ALL: [Self; 7] = [
        Self::Held,
        Self::Draining,
        Self::Detached,
        Self::Suspect,
        Self::Lingering,
        Self::Borrowed,
        Self::Lent,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Draining => "draining",
            Self::Detached => "detached",
            Self::Suspect => "suspect",
            Self::Lingering => "lingering",
            Self::Borrowed => "borrowed",
            Self::Lent => "lent",
        }
    }
}

/// A pool as it is told.
#[derive(Debug, Clone)]
pub struct PoolView {
    pub product: ProductId,
    pub tier: TierName,
    pub holder: CustomerId,
    pub unit: SeatUnit,
    pub figures: PoolFigures,
    /// Places that other machines of the fleet have, as far as was heard; or other holders here, of the same tokens.
    pub elsewhere: u64,
    /// When what proves its capacity holds no more.
    pub until: Option<Timestamp>,
    /// Where another machine has lent it to this one.
    pub loan: Option<LoanOf>,
}
