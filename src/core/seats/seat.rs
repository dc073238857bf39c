//! One seat: what holds it, and why it ends or is not given.

use serde::{Deserialize, Serialize};

use super::ids::{
    AdoptToken, BootTime, Claimant, ConnectionId, Owner, PoolId, ProcessId, SeatId, UnitKey,
};
use super::places::TokenKey;

/// What keeps a seat from being free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Binding {
    Process(ProcessId),
    Connection(ConnectionId),
}

/// What a seat is, or is held by, since a request was granted and not before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Brought {
    /// All of it: nobody had it.
    Seat,
    Bindings(Vec<Binding>),
}

/// How a seat is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Hold {
    /// By at least one of these.
    Bound(Vec<Binding>),
    /// By nobody, and it may be adopted until then.
    Detached { until: BootTime },
    /// It has ended, and waits for its unit, as long as nobody else asks for it.
    Lingering { until: BootTime },
    /// Taken out of the pool for a time.
    Borrowed { until: BootTime },
    /// Lent to another machine, which has it until then whatever becomes of the pool, or until it gives it back.
    Lent { until: BootTime },
}

/// A seat that was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat {
    pub id: SeatId,
    pub pool: PoolId,
    pub claimant: Claimant,
    pub key: UnitKey,
    /// How many places it takes.
    pub count: u32,
    pub since: BootTime,
    /// The number of its newest growth: it is as new as that where seats are too many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grown: Option<SeatId>,
    pub hold: Hold,
    /// Given beyond the capacity, as the vendor allows.
    pub over: bool,
    /// The pool has lost capacity, and this seat ends then.
    pub drains_at: Option<BootTime>,
    /// It was to end, and was not any more, as capacity came back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reprieve: Option<Reprieve>,
    /// The places it takes, of each token so many; none where they are not counted by token, and fewer than its count
    /// where it goes beyond the capacity.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<(TokenKey, u32)>,
    /// With which it is adopted; gone once it was.
    pub adopt: Option<AdoptToken>,
    /// Until when, where nothing of whoever asked first holds it, and others do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_ends: Option<BootTime>,
    /// Of what holds it, what is of other users than `claimant`, as where one seat covers a whole machine.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sharers: Vec<(Binding, Claimant)>,
    /// How many places each of several users has asked for; whoever is not named needs all that it takes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<(Owner, u32)>,
}

/// A seat that did not end after all. What comes back for a moment only is no new time to drain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reprieve {
    pub since: BootTime,
    /// When it would have ended.
    pub ended_at: BootTime,
}

impl Seat {
    /// One place of its own, that nobody shares.
    pub fn new(
        (id, pool): (SeatId, PoolId),
        (claimant, key): (Claimant, UnitKey),
        since: BootTime,
        hold: Hold,
    ) -> Self {
        Self {
            id,
            pool,
            claimant,
            key,
            count: 1,
            since,
            grown: None,
            hold,
            over: false,
            drains_at: None,
            reprieve: None,
            places: Vec::new(),
            adopt: None,
            session_ends: None,
            sharers: Vec::new(),
            needs: Vec::new(),
        }
    }

    /// The higher, the newer is what it has, and the sooner it ends where there are too many.
    pub(super) fn order(&self) -> SeatId {
        self.grown.unwrap_or(self.id)
    }

    /// The places it takes from others: those of a lingering seat are anybody's who asks.
    pub(super) fn weight(&self) -> u64 {
        match self.hold {
            Hold::Lingering { .. } => 0,
            _ => u64::from(self.count),
        }
    }

    /// Until when another machine has it.
    pub fn lent_until(&self) -> Option<BootTime> {
        match self.hold {
            Hold::Lent { until } => Some(until),
            _ => None,
        }
    }

    pub fn is_lingering(&self) -> bool {
        matches!(self.hold, Hold::Lingering { .. })
    }

    /// What holds it now.
    pub fn bindings(&self) -> &[Binding] {
        match &self.hold {
            Hold::Bound(bindings) => bindings,
            _ => &[],
        }
    }
}

/// Why a seat ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    Released,
    /// The last process that held it has ended.
    Exited,
    /// The connection it was bound to has closed.
    Disconnected,
    /// Nobody adopted it in time.
    DetachedTimeout,
    /// It lingered, and the place was wanted or the time was over.
    LingerTaken,
    Revoked,
    /// Tokens were sold or have ended.
    Capacity,
    /// What proved the capacity holds no more.
    EvidenceExpired,
    /// Its holder was not heard of after the daemon was started again.
    DaemonLost,
    /// A borrowed or lent seat was given back, or its time is over.
    Returned,
    /// The machine was cut off from its fleet for too long to be sure of its places.
    FleetLost,
    /// The machine had lost its place in the fleet, and another has it now.
    Superseded,
    /// Another machine has the identity of this one, and won.
    MachineCloned,
}

impl EndReason {
    /// Every reason, in the order of the manual.
    pub const ALL: [Self; 13] = [
        Self::Released,
        Self::Exited,
        Self::Disconnected,
        Self::DetachedTimeout,
        Self::LingerTaken,
        Self::Revoked,
        Self::Capacity,
        Self::EvidenceExpired,
        Self::DaemonLost,
        Self::Returned,
        Self::FleetLost,
        Self::Superseded,
        Self::MachineCloned,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Released => "released",
            Self::Exited => "exited",
            Self::Disconnected => "disconnected",
            Self::DetachedTimeout => "detached_timeout",
            Self::LingerTaken => "linger_taken",
            Self::Revoked => "revoked",
            Self::Capacity => "capacity",
            Self::EvidenceExpired => "evidence_expired",
            Self::DaemonLost => "daemon_lost",
            Self::Returned => "returned",
            Self::FleetLost => "fleet_lost",
            Self::Superseded => "superseded",
            Self::MachineCloned => "machine_cloned",
        }
    }

    /// Whether the unit ended it by itself, so that it may come back.
    pub(super) fn may_linger(self) -> bool {
        matches!(self, Self::Released | Self::Exited | Self::Disconnected)
    }
}

impl Refusal {
    /// Whether it is of use to wait.
    pub(super) fn can_pass(self) -> bool {
        matches!(self, Self::Full | Self::Draining | Self::NotKnown)
    }
}

/// Why no seat was given, or taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// No pool serves whoever asks.
    NoPool,
    /// The administrator's policy keeps them out.
    Excluded,
    /// What the pool has was not proven yet.
    NotKnown,
    /// Nothing is free, as far as the policy leaves it to them, or others wait before them.
    Full,
    /// More than the pool, or the policy, could give if nobody else had any.
    TooLarge,
    /// The pool has lost capacity, and seats are ending.
    Draining,
    /// The request, or so many of one user, is beyond what is kept.
    TooMany,
    /// No such seat, or not theirs.
    NotFound,
    /// The unit has another seat of the pool already.
    Held,
    /// An administrator may take it away then.
    TooYoung { until: BootTime },
    /// As many as the policy never lends out would not be left.
    LowWater,
    /// The policy lends for so long at most.
    TooLong { most: std::time::Duration },
    /// Another machine has it until then, and does not hear of what happens here.
    LentAway { until: BootTime },
    /// The fleet that the seats are shared with cannot be reached.
    FleetUnreachable,
    /// Whoever asked has no right to a seat any more: its user left the customer, or the customer was deactivated.
    Disentitled,
}
