//! Every limit of the socket, and how fast each user asks. How much each has under way is in `census`.
//!
//! A limit that is met refuses one thing and loses nothing else. Never decides who may ask what.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::{DefaultKeyedRateLimiter, Quota};

use entitled_core::domain::ids::CustomerId;
use entitled_core::domain::peer::{Door, Peer};

/// The limits, with the defaults of the public contract. Sizes in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The longest request: one JSON value, on any framing.
    pub request_bytes: usize,
    /// The same for administrators, who bring files to the daemon.
    pub admin_request_bytes: usize,
    /// The longest single reply.
    pub response_bytes: usize,
    /// How deep arrays and objects of a request may nest. At most 127, where the JSON reader itself stops.
    pub depth: usize,
    /// Requests in one batch.
    pub batch: usize,
    /// Requests of one connection that wait for an answer. A batch counts as one: its requests run in turn.
    pub in_flight: usize,
    /// The same over all connections of one user. Each is in flight until its reply is written.
    pub in_flight_per_uid: usize,
    /// Bytes of one user's requests that come or are under way, and of replies to it that are not written yet. Of all
    /// users together [`Limits::bytes_of_all`].
    pub reply_bytes_per_uid: usize,
    /// Subscriptions of one connection.
    pub subscriptions: usize,
    /// Connections on both doors together.
    pub connections: usize,
    /// How many of those are kept for root and the admin door; at most half of them.
    pub connections_reserved: usize,
    /// Connections of one user. A user is a uid with its subordinate uids.
    pub connections_per_uid: usize,
    /// Requests of one user in a second, of those that are not answered at once.
    pub rate_per_second: u32,
    /// How many of those may come in a burst.
    pub rate_burst: u32,
    /// Notifications that may wait while a write is blocked.
    pub send_queue: usize,
    /// How long a new connection may stay silent while more than half of the places are taken, and how long the head
    /// or the body of an HTTP request may take.
    pub first_byte: Duration,
    /// How long one write may take, and over HTTP one reply until all of it is written.
    pub write: Duration,
    /// How long a connection may stay open without a request or a subscription.
    pub idle: Duration,
    /// How long what is in flight may take when the daemon stops.
    pub drain: Duration,
    /// Whether uid 0 is free of the limits per user. The others hold for everybody but ourselves.
    pub root_is_exempt: bool,
    /// Whether there is always a place for this very process, which asks itself whether it is well.
    pub ourselves_exempt: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_bytes: 64 * 1024,
            admin_request_bytes: 512 * 1024,
            response_bytes: 1024 * 1024,
            depth: 64,
            batch: 32,
            in_flight: 32,
            in_flight_per_uid: 128,
            reply_bytes_per_uid: 16 * 1024 * 1024,
            subscriptions: 16,
            connections: 256,
            connections_reserved: 32,
            connections_per_uid: 64,
            rate_per_second: 200,
            rate_burst: 2_000,
            send_queue: 64,
            first_byte: Duration::from_secs(10),
            write: Duration::from_secs(10),
            idle: Duration::from_secs(3_600),
            drain: Duration::from_secs(5),
            root_is_exempt: true,
            ourselves_exempt: true,
        }
    }
}

impl Limits {
    pub(in crate::rpc) fn is_exempt(&self, peer: &Peer) -> bool {
        self.is_ourselves(peer) || (self.root_is_exempt && peer.uid == 0)
    }

    /// The same of all users together, but for root: as much as four users may have. So however many users there are, the
    /// daemon stays within the memory it may take.
    pub(in crate::rpc) fn bytes_of_all(&self) -> usize {
        // Where requests may be very long, there is room for some of them all the same.
        self.reply_bytes_per_uid.max(self.request_bytes.saturating_mul(4)).saturating_mul(4)
    }

    /// Places that only root and who comes by the admin door may take.
    pub(in crate::rpc) fn kept_for_administrators(&self) -> usize {
        self.connections_reserved.min(self.connections / 2)
    }

    /// While we live, our process id is nobody else's. But who connected before may have had it: a socket that the service
    /// manager opened is there before us.
    pub(in crate::rpc) fn is_ourselves(&self, peer: &Peer) -> bool {
        let pid = peer.pid.and_then(|it| u32::try_from(it).ok());
        let is_our_number = self.ourselves_exempt && pid == Some(std::process::id());
        is_our_number && peer.uid == nix::unistd::geteuid().as_raw()
    }
}

/// How fast each user asks.
pub(in crate::rpc) struct Rates {
    by_account: DefaultKeyedRateLimiter<u32>,
}

/// Above so many remembered users, those who have been quiet long enough are forgotten.
const REMEMBERED_USERS: usize = 1_024;

impl Rates {
    pub(in crate::rpc) fn new(limits: &Limits) -> Self {
        let at_least_one = |it| NonZeroU32::new(it).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(at_least_one(limits.rate_per_second))
            .allow_burst(at_least_one(limits.rate_burst));
        Self { by_account: DefaultKeyedRateLimiter::keyed(quota) }
    }

    /// Whether this peer's user may ask once more now. Asking is what counts.
    pub(in crate::rpc) fn allow(&self, limits: &Limits, peer: &Peer) -> bool {
        limits.is_exempt(peer) || self.by_account.check_key(&peer.account).is_ok()
    }

    pub(in crate::rpc) fn forget_the_quiet(&self) {
        if self.by_account.len() > REMEMBERED_USERS {
            self.by_account.retain_recent();
            self.by_account.shrink_to_fit();
        }
    }
}

/// How often each user changes what is kept for good: a ledger grows, and nobody else's disk is theirs to fill.
pub struct WriteRates {
    by_account: DefaultKeyedRateLimiter<u32>,
    /// For whom delegates change something: one customer's changes are not another's.
    by_customer: DefaultKeyedRateLimiter<CustomerId>,
    /// Whoever runs the daemon may fill its own disk.
    own_uid: u32,
}

/// Changes of one user in a minute, and how many of them may come in a burst.
pub const WRITES_PER_MINUTE: NonZeroU32 = NonZeroU32::MIN.saturating_add(5);
pub const WRITE_BURST: NonZeroU32 = NonZeroU32::MIN.saturating_add(11);

impl WriteRates {
    pub fn new(own_uid: u32) -> Self {
        let quota = Quota::per_minute(WRITES_PER_MINUTE).allow_burst(WRITE_BURST);
        let by_account = DefaultKeyedRateLimiter::keyed(quota);
        Self { by_account, by_customer: DefaultKeyedRateLimiter::keyed(quota), own_uid }
    }

    /// Whether this peer's user may change something of `customer` now. Asking is what counts. Administrators always may.
    pub fn allow(&self, peer: &Peer, customer: CustomerId) -> bool {
        if peer.door == Door::Delegate {
            if self.by_customer.len() > REMEMBERED_USERS {
                self.by_customer.retain_recent();
            }
            return self.by_customer.check_key(&customer).is_ok();
        }
        if peer.door == Door::Admin || peer.uid == 0 || peer.uid == self.own_uid {
            return true;
        }
        if self.by_account.len() > REMEMBERED_USERS {
            self.by_account.retain_recent();
        }
        self.by_account.check_key(&peer.account).is_ok()
    }
}

#[cfg(test)]
mod tests;
