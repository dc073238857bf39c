//! How many connections there are, of each address and of all.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use super::settings::Limits;

/// One machine has as many addresses of IPv6 as it likes: its network gives it the first 64 bits (RFC 4291, 2.5.4).
const NETWORK: u128 = u128::MAX << 64;

/// Connections of each address; of IPv6, of each network.
#[derive(Default)]
pub(super) struct Census(Mutex<HashMap<IpAddr, usize>>);

/// A place for one connection.
pub(super) struct Place {
    census: Arc<Census>,
    address: IpAddr,
}

impl Census {
    pub(super) fn admit(self: &Arc<Self>, from: IpAddr, limits: &Limits) -> Option<Place> {
        let address = counted_as(from);
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = counts.values().sum();
        let own = counts.get(&address).copied().unwrap_or(0);
        if all >= limits.connections || own >= limits.connections_per_address {
            return None;
        }
        counts.insert(address, own + 1);
        Some(Place { census: Arc::clone(self), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.census.0.lock().unwrap_or_else(PoisonError::into_inner);
        match counts.get_mut(&self.address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                counts.remove(&self.address);
            }
        }
    }
}

/// An address, or the network of one of IPv6.
pub(super) fn counted_as(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(it) => Ipv6Addr::from_bits(it.to_bits() & NETWORK).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests;
