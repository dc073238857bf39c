//! Who is connected, and what each user has under way: connections, requests in flight, bytes of requests and replies.
//!
//! Bytes are divided by a dynamic threshold: a user may have as many as it leaves to everybody, and in any case a small part. So
//! whoever comes has room for what is short, however many there are.
//!
//! Asked by `listen`, which lets people in, and by `call`, which lets them ask. A user is an account: a uid, together
//! with the subordinate uids that belong to it. Never decides who may ask what.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::limits::Limits;
use super::turn::User;
use crate::rpc::figures::SocketFigures;
use entitled_core::domain::peer::{Door, Peer};

/// Above so many remembered users, those who have nothing under way are forgotten.
const REMEMBERED_ACCOUNTS: usize = 1_024;

/// The part of what a user may have that each has however much all others have: 256 KiB, a long request under way or its reply.
/// Who takes half of what is left leaves some, and twenty who do so one after the other leave nothing.
const FLOOR: usize = 64;

/// Who is connected.
#[derive(Debug, Default)]
pub(in crate::rpc) struct Census {
    seats: Mutex<Seats>,
    /// What all users have, but for those who are exempt.
    bytes: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct Seats {
    all: usize,
    by_account: HashMap<u32, Arc<Account>>,
}

/// What one user has under way, over all of its connections.
#[derive(Debug, Default)]
struct Account {
    /// Changed only by who has the lock of the seats.
    connections: AtomicUsize,
    in_flight: AtomicUsize,
    bytes: AtomicUsize,
}

/// Which limit a new connection met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rpc) enum Full {
    Daemon,
    User,
}

/// The place of one connection, given back when dropped.
#[derive(Debug)]
pub(in crate::rpc) struct Seat {
    census: Arc<Census>,
    figures: Arc<SocketFigures>,
    share: Share,
}

/// What a connection may take of what belongs to its user.
#[derive(Debug, Clone)]
pub(in crate::rpc) struct Share {
    user: u32,
    account: Arc<Account>,
    in_flight: usize,
    bytes: usize,
    /// What all have, and may have.
    of_all: Arc<AtomicUsize>,
    bytes_of_all: usize,
}

/// Why there is no room for more bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rpc) enum Crowded {
    /// The user has as many as a user may.
    User,
    /// All users together leave no more.
    All,
}

/// A part of an account, given back when dropped.
#[derive(Debug)]
pub(in crate::rpc) struct Taken {
    account: Arc<Account>,
    of: fn(&Account) -> &AtomicUsize,
    amount: usize,
    of_all: Option<Arc<AtomicUsize>>,
}

impl Census {
    /// There is always a place for ourselves: a full house is no reason for the watchdog to end it.
    pub(in crate::rpc) fn admit(
        self: &Arc<Self>,
        peer: &Peer,
        limits: &Limits,
        figures: &Arc<SocketFigures>,
    ) -> Result<Seat, Full> {
        let exempt = limits.is_exempt(peer);
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        let places = if exempt || peer.door == Door::Admin {
            limits.connections
        } else {
            limits.connections - limits.kept_for_administrators()
        };
        if seats.all >= places && !limits.is_ourselves(peer) {
            return Err(Full::Daemon);
        }
        if seats.by_account.len() > REMEMBERED_ACCOUNTS {
            // The share of whoever is connected is another reference to it.
            seats.by_account.retain(|_, it| Arc::strong_count(it) > 1);
        }
        let own = seats.by_account.get(&peer.account).map_or(0, |it| it.connections());
        if own >= limits.connections_per_uid && !exempt {
            return Err(Full::User);
        }
        seats.all += 1;
        let account = seats.by_account.entry(peer.account).or_default();
        account.connections.fetch_add(1, Ordering::Relaxed);
        let share = Share {
            user: peer.account,
            account: Arc::clone(account),
            in_flight: if exempt { usize::MAX } else { limits.in_flight_per_uid },
            bytes: if exempt { usize::MAX } else { limits.reply_bytes_per_uid },
            of_all: Arc::clone(&self.bytes),
            bytes_of_all: if exempt { usize::MAX } else { limits.bytes_of_all() },
        };
        drop(seats);
        figures.connections_total.one_more();
        figures.connections_open.one_more();
        let (census, figures) = (Arc::clone(self), Arc::clone(figures));
        Ok(Seat { census, figures, share })
    }
}

impl Seat {
    pub(in crate::rpc) fn share(&self) -> &Share {
        &self.share
    }

    /// Whether more than half of all places are taken.
    pub(in crate::rpc) fn is_crowded(&self, limits: &Limits) -> bool {
        let seats = self.census.seats.lock().unwrap_or_else(PoisonError::into_inner);
        seats.all > limits.connections / 2
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.census.seats.lock().unwrap_or_else(PoisonError::into_inner);
        seats.all = seats.all.saturating_sub(1);
        let account = &self.share.account;
        account.connections.fetch_sub(1, Ordering::Relaxed);
        // What is still under way keeps the account: who comes back must not find it empty.
        if account.connections() == 0 && Arc::strong_count(account) <= 2 {
            seats.by_account.remove(&self.share.user);
        }
        self.figures.connections_open.one_less();
    }
}

impl Account {
    fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

impl User for Share {
    /// The uid of the account.
    fn number(&self) -> u64 {
        self.user.into()
    }

    fn connections(&self) -> usize {
        self.account.connections()
    }
}

impl Share {
    /// A place among the requests in flight of the user.
    pub(in crate::rpc) fn begin(&self) -> Option<Taken> {
        self.take(|it| &it.in_flight, 1, self.in_flight)
    }

    /// Room for so many bytes: of a request while it comes and is under way, of a reply until it is written.
    ///
    /// # Errors
    /// [`Crowded`]
    pub(in crate::rpc) fn hold(&self, bytes: usize) -> Result<Taken, Crowded> {
        let of_all = self.of_all.load(Ordering::Relaxed).saturating_add(bytes);
        let left = self.bytes_of_all.saturating_sub(of_all);
        // Where the configuration lets a request be longer than what a user may have, it has to be the only one.
        let is_alone = bytes > self.bytes && of_all <= self.bytes_of_all;
        let most = if is_alone { bytes } else { self.bytes.min(left.max(self.bytes / FLOOR)) };
        let taken = self.take(|it| &it.bytes, bytes, most);
        let crowded = if left < self.bytes { Crowded::All } else { Crowded::User };
        taken.map(|it| self.of_all(it)).ok_or(crowded)
    }

    /// The same for what has to be told, however much there is. Whoever has more than there is room for by that begins
    /// nothing more.
    pub(in crate::rpc) fn hold_anyway(&self, bytes: usize) -> Taken {
        self.account.bytes.fetch_add(bytes, Ordering::Relaxed);
        let account = Arc::clone(&self.account);
        self.of_all(Taken { account, of: |it| &it.bytes, amount: bytes, of_all: None })
    }

    /// Counts the bytes of a user among those of all.
    fn of_all(&self, mut taken: Taken) -> Taken {
        let is_exempt = self.bytes_of_all == usize::MAX;
        if !is_exempt {
            self.of_all.fetch_add(taken.amount, Ordering::Relaxed);
            taken.of_all = Some(Arc::clone(&self.of_all));
        }
        taken
    }

    fn take(&self, of: fn(&Account) -> &AtomicUsize, amount: usize, most: usize) -> Option<Taken> {
        let grown = |now: usize| now.checked_add(amount).filter(|it| *it <= most);
        of(&self.account).fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown).ok()?;
        Some(Taken { account: Arc::clone(&self.account), of, amount, of_all: None })
    }
}

impl Taken {
    /// Takes up another of the same kind.
    pub(in crate::rpc) fn join(&mut self, mut other: Self) {
        self.amount += std::mem::take(&mut other.amount);
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        (self.of)(&self.account).fetch_sub(self.amount, Ordering::Relaxed);
        if let Some(all) = &self.of_all {
            all.fetch_sub(self.amount, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests;
