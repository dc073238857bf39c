//! How many connections there are, of each address and of all, and how many requests of each.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::settings::Limits;
use crate::rpc::socket::turn::User;

/// One machine has as many addresses of IPv6 as it likes: its network gives it the first 64 bits (RFC 4291, 2.5.4).
const NETWORK: u128 = u128::MAX << 64;

/// Connections of each address; of IPv6, of each network.
#[derive(Default)]
pub(super) struct Census(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    all: usize,
    by_address: HashMap<IpAddr, Arc<Machine>>,
    /// Of the next machine.
    number: u64,
}

/// The other end of all connections of one address.
#[derive(Debug)]
pub(super) struct Machine {
    number: u64,
    /// Changed only by who has the lock of the counts.
    connections: AtomicUsize,
    /// That are not answered yet.
    requests: AtomicUsize,
    /// Whose replies are not written yet.
    open: AtomicUsize,
    /// That are on their way, or whose request has no turn yet.
    bodies: AtomicUsize,
}

/// A request of a machine until it is answered, or its body until the request has a turn.
pub(super) struct Begun<'a>(&'a AtomicUsize);

/// A request of a machine, until its reply is written.
pub(super) struct Open(Arc<Machine>);

impl Machine {
    /// Counts one more request, unless there are so many.
    pub(super) fn begin(&self, most: usize) -> Option<Begun<'_>> {
        Begun::one_of(&self.requests, most)
    }

    /// Counts one more body, unless there are so many.
    pub(super) fn receive(&self, most: usize) -> Option<Begun<'_>> {
        Begun::one_of(&self.bodies, most)
    }

    /// Counts one more request until its reply is written, unless there are so many: who does not read has so many at last.
    pub(super) fn open(self: &Arc<Self>, most: usize) -> Option<Open> {
        let open = Open(Arc::clone(self));
        (self.open.fetch_add(1, Ordering::Relaxed) < most).then_some(open)
    }
}

impl<'a> Begun<'a> {
    fn one_of(counted: &'a AtomicUsize, most: usize) -> Option<Self> {
        let begun = Self(counted);
        (counted.fetch_add(1, Ordering::Relaxed) < most).then_some(begun)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A place for one connection.
pub(super) struct Place {
    census: Arc<Census>,
    address: IpAddr,
    machine: Arc<Machine>,
}

impl User for Arc<Machine> {
    fn number(&self) -> u64 {
        self.number
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Census {
    pub(super) fn admit(self: &Arc<Self>, from: IpAddr, limits: &Limits) -> Option<Place> {
        let address = counted_as(from);
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = counts.by_address.get(&address).map_or(0, User::connections);
        if counts.all >= limits.connections || own >= limits.connections_per_address {
            return None;
        }
        let number = counts.number;
        let new = || {
            Arc::new(Machine {
                number,
                connections: AtomicUsize::new(0),
                requests: AtomicUsize::new(0),
                open: AtomicUsize::new(0),
                bodies: AtomicUsize::new(0),
            })
        };
        let machine = Arc::clone(counts.by_address.entry(address).or_insert_with(new));
        machine.connections.fetch_add(1, Ordering::Relaxed);
        counts.all += 1;
        counts.number += 1;
        Some(Place { census: Arc::clone(self), address, machine })
    }
}

impl Place {
    /// By an address: of IPv6, by its network.
    pub(super) fn address(&self) -> IpAddr {
        self.address
    }

    pub(super) fn machine(&self) -> Arc<Machine> {
        Arc::clone(&self.machine)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.census.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.all = counts.all.saturating_sub(1);
        if self.machine.connections.fetch_sub(1, Ordering::Relaxed) == 1 {
            counts.by_address.remove(&self.address);
        }
    }
}

/// An address, or the network of one of IPv6.
fn counted_as(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(it) => Ipv6Addr::from_bits(it.to_bits() & NETWORK).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests;
