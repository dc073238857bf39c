//! What seats, pools, requests and those who ask are told apart by, and the time they are measured in.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::ids::CustomerId;
use crate::domain::product::SeatUnit;

/// Milliseconds since the machine's boot, sleep included (`CLOCK_BOOTTIME`). It never goes back, and no one sets it.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct BootTime(pub u64);

impl BootTime {
    /// So much later; at the end of time, the end of time.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        let wait = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(wait))
    }

    /// How long it is from `earlier`; nothing, if that is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// A pool, as SeatKeeper numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PoolId(pub u64);

/// A seat. The number is its fence too: each is higher than all before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SeatId(pub u64);

/// A question that is answered once, now or after a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// A process, by the inode of its pidfd: never used again within a boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProcessId(pub u64);

/// A connection to the socket, as the daemon numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConnectionId(pub u64);

/// Lets another process of the same user take over a seat, once. Not to be guessed: 128 random bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AdoptToken(pub [u8; 16]);

impl std::fmt::Debug for AdoptToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AdoptToken(…)")
    }
}

/// Whom one seat covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum UnitKey {
    Process(ProcessId),
    /// Where the process cannot be watched, each connection is a unit of its own.
    Connection(ConnectionId),
    Uid(u32),
    /// The inode of the control group.
    Cgroup(u64),
    Machine,
    /// A seat that was taken out of the pool for a time.
    Borrowed(SeatId),
}

impl UnitKey {
    /// Whether it may be that of a seat which covers so much. For each customer of a delegate it is a connection.
    pub fn is_of(self, unit: SeatUnit) -> bool {
        match self {
            Self::Borrowed(_) | Self::Connection(_) => true,
            Self::Process(_) => unit == SeatUnit::Process,
            Self::Uid(_) => unit == SeatUnit::Uid,
            Self::Cgroup(_) => unit == SeatUnit::Cgroup,
            Self::Machine => unit == SeatUnit::Machine,
        }
    }
}

/// Who asks, as the kernel says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claimant {
    pub uid: u32,
    /// The user whose subordinate uid it is (subuid(5)). A rule about that user is about all that run as one of these: else who
    /// is kept out would come back as another.
    #[serde(default)]
    pub account: Option<u32>,
    /// Whom a delegate asks for.
    pub on_behalf: Option<CustomerId>,
    /// The primary and the supplementary groups, as far as they are known, and those of `account`.
    pub gids: Vec<u32>,
    /// The unit of the system's service manager, or the path of the control group, which begins with a slash.
    pub unit: Option<String>,
    /// The unit of a user's service manager, which that user has named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_unit: Option<String>,
    /// `None` of a seat that was given before this was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing: Option<Standing>,
}

/// By whose entitlement somebody has a seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    /// That of the customer whose user asked, which has the seat for as long as it is that customer's user.
    User(CustomerId),
    /// That of a customer whom an administrator or a delegate named.
    Named(CustomerId),
}

impl Standing {
    pub fn customer(self) -> CustomerId {
        match self {
            Self::User(customer) | Self::Named(customer) => customer,
        }
    }
}

impl Claimant {
    pub fn owner(&self) -> Owner {
        Owner { uid: self.uid, on_behalf: self.on_behalf }
    }

    /// Who it is counted as where a pool is divided: one user with all subordinate uids.
    pub(super) fn user(&self) -> Owner {
        Owner { uid: self.account.unwrap_or(self.uid), on_behalf: self.on_behalf }
    }
}

/// Whose a seat is: theirs to see, to take over and to give back, and one of as many as they may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Owner {
    pub uid: u32,
    /// Whom a delegate asks for: its uid is that of customers who are strangers to each other.
    pub on_behalf: Option<CustomerId>,
}

impl Owner {
    /// A user of this machine, for themselves.
    pub fn user(uid: u32) -> Self {
        Self { uid, on_behalf: None }
    }
}

/// For the audit.
impl fmt::Display for Owner {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.on_behalf {
            Some(customer) => customer.fmt(to),
            None => write!(to, "uid:{}", self.uid),
        }
    }
}
