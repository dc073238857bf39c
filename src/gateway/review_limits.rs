//! How often the API server is asked. Whoever has no token may still show what looks like one, and the API server is everybody's.
//!
//! Owns: what is left for each address, and for each subject that a client is known by. What a token says of itself decides only
//! whose share it takes from.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};
use moka::sync::Cache;

/// A token's hash.
pub(super) type Digest = [u8; 32];

/// Tokens that something is remembered of.
pub(super) const MOST: u64 = 4_096;
/// How long a token that was vouched for is known for one.
const KNOWN: Duration = Duration::from_secs(600);
/// Addresses that are remembered; beyond, those are forgotten that have asked nothing for a while.
const ADDRESSES: usize = 4_096;
/// How the names of service accounts begin.
const SERVICE_ACCOUNT: &str = "system:serviceaccount:";

pub(super) struct Limits {
    /// Tokens that were vouched for not long ago. They are asked about again whatever others show.
    known: Cache<Digest, ()>,
    of_known: DefaultDirectRateLimiter,
    of_strangers: DefaultDirectRateLimiter,
    /// A quarter of that is an address's: nobody alone uses up what there is for all.
    of_address: DefaultKeyedRateLimiter<IpAddr>,
    /// When that is used up, each subject has something of its own: who shows tokens in one name uses up nothing of another.
    of_subjects: HashMap<String, DefaultDirectRateLimiter>,
    /// The same of all tokens of those whom the API server may call by another name than their tokens do. Where a client is
    /// known by no such name, there are none.
    of_others: Option<DefaultDirectRateLimiter>,
}

/// So many a second, and for some seconds at once.
fn quota(rate: u32, seconds: u32) -> Quota {
    let some = |it| NonZeroU32::new(it).unwrap_or(NonZeroU32::MIN);
    Quota::per_second(some(rate)).allow_burst(some(rate * seconds))
}

fn own() -> DefaultDirectRateLimiter {
    RateLimiter::direct(quota(1, 10))
}

impl Limits {
    /// `subjects`: by which clients are known.
    pub(super) fn new(subjects: Vec<String>) -> Self {
        let of_others = subjects.iter().any(|it| !is_service_account(it)).then(own);
        Self {
            known: Cache::builder().max_capacity(MOST).time_to_live(KNOWN).build(),
            of_known: RateLimiter::direct(quota(100, 5)),
            of_strangers: RateLimiter::direct(quota(20, 5)),
            of_address: RateLimiter::keyed(quota(5, 5)),
            of_subjects: subjects.into_iter().map(|it| (it, own())).collect(),
            of_others,
        }
    }

    /// Whether there can be a client with a token that says it is this subject's.
    pub(super) fn expects(&self, subject: &str) -> bool {
        self.own(subject).is_some()
    }

    fn own(&self, subject: &str) -> Option<&DefaultDirectRateLimiter> {
        match self.of_subjects.get(subject) {
            None if !is_service_account(subject) => self.of_others.as_ref(),
            found => found,
        }
    }

    pub(super) fn may_ask(&self, token: &Digest, subject: &str, from: IpAddr) -> bool {
        if self.known.contains_key(token) {
            // Whoever renews very many of its own takes nothing from who has one.
            return self.of_known.check().is_ok()
                || self.own(subject).is_some_and(|it| it.check().is_ok());
        }
        if self.of_address.len() > ADDRESSES {
            self.of_address.retain_recent();
        }
        // The address first: what it has used up it takes from nobody else.
        let for_all = self.of_address.check_key(&from).is_ok() && self.of_strangers.check().is_ok();
        for_all || self.own(subject).is_some_and(|it| it.check().is_ok())
    }

    /// What a token came to.
    pub(super) fn learn(&self, token: Digest, is_known: bool) {
        match is_known {
            true => self.known.insert(token, ()),
            false => self.known.invalidate(&token),
        }
    }
}

/// Nobody but a service account has such a name, and its token says the same.
pub(super) fn is_service_account(subject: &str) -> bool {
    subject.starts_with(SERVICE_ACCOUNT)
}

#[cfg(test)]
mod tests;
