//! Every limit of the socket, and the two that are shared between connections: how many there are, and how fast
//! one user may ask.
//!
//! A limit that is met refuses one thing and loses nothing else. Never decides who may ask what.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::{DefaultKeyedRateLimiter, Quota};

use super::figures::SocketFigures;
use crate::domain::peer::{Door, Peer};

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
    /// Subscriptions of one connection.
    pub subscriptions: usize,
    /// Connections on both doors together.
    pub connections: usize,
    /// Connections of one user.
    pub connections_per_uid: usize,
    /// Requests of one user in a second, of those that are not answered at once.
    pub rate_per_second: u32,
    /// How many of those may come in a burst.
    pub rate_burst: u32,
    /// Notifications that may wait while a write is blocked.
    pub send_queue: usize,
    /// How long a new connection may stay silent.
    pub first_byte: Duration,
    /// How long one write may take.
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
            subscriptions: 16,
            connections: 256,
            connections_per_uid: 16,
            rate_per_second: 200,
            rate_burst: 2_000,
            send_queue: 64,
            first_byte: Duration::from_secs(10),
            write: Duration::from_secs(10),
            idle: Duration::from_secs(300),
            drain: Duration::from_secs(5),
            root_is_exempt: true,
            ourselves_exempt: true,
        }
    }
}

impl Limits {
    fn is_exempt(&self, peer: &Peer) -> bool {
        self.is_ourselves(peer) || (self.root_is_exempt && peer.uid == 0)
    }

    /// While we live, our process id is nobody else's.
    fn is_ourselves(&self, peer: &Peer) -> bool {
        let pid = peer.pid.and_then(|it| u32::try_from(it).ok());
        self.ourselves_exempt && pid == Some(std::process::id())
    }
}

/// How fast each user asks.
pub(super) struct Rates {
    by_uid: DefaultKeyedRateLimiter<u32>,
}

/// Above so many remembered users, those who have been quiet long enough are forgotten.
const REMEMBERED_USERS: usize = 1_024;

impl Rates {
    pub(super) fn new(limits: &Limits) -> Self {
        let at_least_one = |it| NonZeroU32::new(it).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(at_least_one(limits.rate_per_second))
            .allow_burst(at_least_one(limits.rate_burst));
        Self { by_uid: DefaultKeyedRateLimiter::keyed(quota) }
    }

    /// Whether this peer's user may ask once more now. Asking is what counts.
    pub(super) fn allow(&self, limits: &Limits, peer: &Peer) -> bool {
        limits.is_exempt(peer) || self.by_uid.check_key(&peer.uid).is_ok()
    }

    fn forget_the_quiet(&self) {
        if self.by_uid.len() > REMEMBERED_USERS {
            self.by_uid.retain_recent();
            self.by_uid.shrink_to_fit();
        }
    }
}

/// How often each user changes what is kept for good: a ledger grows, and nobody else's disk is theirs to fill.
pub struct WriteRates {
    by_uid: DefaultKeyedRateLimiter<u32>,
    /// Whoever runs the daemon may fill its own disk.
    own_uid: u32,
}

/// Changes of one user in a minute, and how many of them may come in a burst.
pub const WRITES_PER_MINUTE: NonZeroU32 = NonZeroU32::MIN.saturating_add(5);
pub const WRITE_BURST: NonZeroU32 = NonZeroU32::MIN.saturating_add(11);

impl WriteRates {
    pub fn new(own_uid: u32) -> Self {
        let quota = Quota::per_minute(WRITES_PER_MINUTE).allow_burst(WRITE_BURST);
        Self { by_uid: DefaultKeyedRateLimiter::keyed(quota), own_uid }
    }

    /// Whether this peer's user may change something now. Asking is what counts. Administrators always may.
    pub fn allow(&self, peer: &Peer) -> bool {
        if peer.door == Door::Admin || peer.uid == 0 || peer.uid == self.own_uid {
            return true;
        }
        if self.by_uid.len() > REMEMBERED_USERS {
            self.by_uid.retain_recent();
        }
        self.by_uid.check_key(&peer.uid).is_ok()
    }
}

/// Who is connected.
#[derive(Debug, Default)]
pub(super) struct Census {
    seats: Mutex<Seats>,
}

#[derive(Debug, Default)]
struct Seats {
    all: usize,
    by_uid: HashMap<u32, usize>,
}

/// Which limit a new connection met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    Daemon,
    User,
}

/// The place of one connection, given back when dropped.
#[derive(Debug)]
pub(super) struct Seat {
    census: Arc<Census>,
    figures: Arc<SocketFigures>,
    uid: u32,
}

impl Census {
    /// There is always a place for ourselves: a full house is no reason for the watchdog to end it.
    pub(super) fn admit(
        self: &Arc<Self>,
        peer: &Peer,
        limits: &Limits,
        rates: &Rates,
        figures: &Arc<SocketFigures>,
    ) -> Result<Seat, Full> {
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        if seats.all >= limits.connections && !limits.is_ourselves(peer) {
            return Err(Full::Daemon);
        }
        let uid = peer.uid;
        let own = seats.by_uid.get(&uid).copied().unwrap_or(0);
        if own >= limits.connections_per_uid && !limits.is_exempt(peer) {
            return Err(Full::User);
        }
        seats.all += 1;
        seats.by_uid.insert(uid, own + 1);
        drop(seats);
        rates.forget_the_quiet();
        figures.connections_total.one_more();
        figures.connections_open.one_more();
        Ok(Seat { census: Arc::clone(self), figures: Arc::clone(figures), uid })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.census.seats.lock().unwrap_or_else(PoisonError::into_inner);
        seats.all = seats.all.saturating_sub(1);
        let left = seats.by_uid.get(&self.uid).map_or(0, |it| it.saturating_sub(1));
        if left == 0 {
            seats.by_uid.remove(&self.uid);
        } else {
            seats.by_uid.insert(self.uid, left);
        }
        self.figures.connections_open.one_less();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(uid: u32) -> Peer {
        Peer { uid, gid: uid, pid: Some(1), door: Door::Public }
    }

    struct Room {
        census: Arc<Census>,
        rates: Rates,
        figures: Arc<SocketFigures>,
        limits: Limits,
    }

    impl Room {
        fn new(limits: Limits) -> Self {
            let rates = Rates::new(&limits);
            Self { census: Arc::default(), rates, figures: Arc::default(), limits }
        }

        fn admit(&self, uid: u32) -> Result<Seat, Full> {
            self.census.admit(&peer(uid), &self.limits, &self.rates, &self.figures)
        }
    }

    #[test]
    fn the_defaults_are_those_of_the_contract() {
        let limits = Limits::default();
        assert_eq!(limits.request_bytes, 65_536);
        assert_eq!((limits.depth, limits.batch, limits.in_flight), (64, 32, 32));
        assert_eq!((limits.connections, limits.connections_per_uid), (256, 16));
        assert_eq!((limits.rate_per_second, limits.rate_burst), (200, 2_000));
        assert_eq!((limits.subscriptions, limits.send_queue), (16, 64));
        assert_eq!((limits.first_byte.as_secs(), limits.write.as_secs()), (10, 10));
        assert_eq!((limits.idle.as_secs(), limits.drain.as_secs()), (300, 5));
    }

    #[test]
    fn one_user_has_its_share_of_connections_and_gets_them_back() {
        let room = Room::new(Limits { connections_per_uid: 2, ..Limits::default() });
        let _first = room.admit(7).unwrap();
        let second = room.admit(7).unwrap();
        assert_eq!(room.admit(7).unwrap_err(), Full::User);
        assert!(room.admit(8).is_ok(), "another user is not touched");
        drop(second);
        assert!(room.admit(7).is_ok());
        assert_eq!(room.figures.connections_open.get(), 1);
        assert_eq!(room.figures.connections_total.get(), 4);
    }

    #[test]
    fn root_is_free_of_the_share_but_not_of_the_whole() {
        let room =
            Room::new(Limits { connections: 3, connections_per_uid: 1, ..Limits::default() });
        let seats: Vec<Seat> = (0..3).map(|_| room.admit(0).unwrap()).collect();
        assert_eq!(room.admit(0).unwrap_err(), Full::Daemon);
        assert_eq!(room.admit(9).unwrap_err(), Full::Daemon);
        drop(seats);
        assert!(room.admit(9).is_ok());
    }

    #[test]
    fn a_full_house_has_a_place_for_ourselves() {
        let room =
            Room::new(Limits { connections: 1, connections_per_uid: 1, ..Limits::default() });
        let _seat = room.admit(7).unwrap();
        assert_eq!(room.admit(7).unwrap_err(), Full::Daemon);
        let pid = i32::try_from(std::process::id()).ok();
        let ourselves = Peer { pid, ..peer(7) };
        let Room { census, limits, rates, figures } = &room;
        assert!(census.admit(&ourselves, limits, rates, figures).is_ok());
    }

    #[test]
    fn a_user_over_its_rate_is_refused_and_others_are_not() {
        let limits = Limits { rate_per_second: 1, rate_burst: 3, ..Limits::default() };
        let rates = Rates::new(&limits);
        let allowed = |uid| (0..10).filter(|_| rates.allow(&limits, &peer(uid))).count();
        assert!((3..=4).contains(&allowed(7)), "the burst and no more");
        assert!(allowed(8) >= 3, "each user has a burst of its own");
        assert_eq!(allowed(0), 10, "root is exempt");
    }

    #[test]
    fn changes_are_a_handful_and_administrators_have_no_limit() {
        let rates = WriteRates::new(500);
        let allowed = |peer: &Peer| (0..40).filter(|_| rates.allow(peer)).count();
        assert_eq!(allowed(&peer(7)), 12);
        assert_eq!(allowed(&peer(8)), 12, "each user has a burst of its own");
        for exempt in [peer(0), peer(500), Peer { door: Door::Admin, ..peer(9) }] {
            assert_eq!(allowed(&exempt), 40, "{exempt:?}");
        }
    }

    #[test]
    fn users_who_went_quiet_are_forgotten() {
        let limits = Limits { rate_per_second: 1_000_000, rate_burst: 1, ..Limits::default() };
        let room = Room::new(limits);
        for uid in 1..=(2 * u32::try_from(REMEMBERED_USERS).unwrap()) {
            room.rates.allow(&room.limits, &peer(uid));
        }
        let _seat = room.admit(1).unwrap();
        assert!(room.rates.by_uid.len() <= REMEMBERED_USERS);
    }
}
