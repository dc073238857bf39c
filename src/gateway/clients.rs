//! Those who may ask: the configured clients, found by what they show, each with its own rate.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use super::endpoints::Scope;
use super::places::Share;
use super::problem::Problem;
use super::settings::{self, Voucher};
use entitled_core::domain::ids::{CustomerId, ProductId};

/// Questions of one client to the daemon at a time: half of what there is for all, so that it cannot take all.
const AT_A_TIME: usize = 12;
/// Bytes of replies to one client that are not written yet. Who does not read is not answered on and on.
const UNWRITTEN: usize = 8 << 20;
/// How long one of its questions may wait for the others.
const TURN: Duration = Duration::from_secs(5);

/// Somebody who asks.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) name: Arc<str>,
    pub(super) customer: CustomerId,
    scopes: Vec<Scope>,
    pub(super) products: Vec<ProductId>,
    rate: DefaultDirectRateLimiter,
    places: Semaphore,
    most_streams: usize,
    streams: Arc<Semaphore>,
    unwritten: Arc<AtomicUsize>,
    together: Together,
}

/// What all clients come to.
#[derive(Debug, Clone, Copy)]
struct Together {
    clients: usize,
    streams: usize,
}

/// Bytes that a client is still to be told; none any more when it is dropped.
pub(super) struct Owed {
    bytes: usize,
    of: Arc<AtomicUsize>,
}

impl Drop for Owed {
    fn drop(&mut self) {
        self.of.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Client {
    fn new(settings: &settings::Client, together: Together) -> Self {
        let some = |it| NonZeroU32::new(it).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(some(settings.rate)).allow_burst(some(settings.burst));
        Self {
            name: settings.name.as_str().into(),
            customer: settings.customer,
            scopes: settings.scopes.clone(),
            products: settings.products.clone(),
            rate: RateLimiter::direct(quota),
            places: Semaphore::new(AT_A_TIME),
            most_streams: settings.streams,
            streams: Arc::new(Semaphore::new(settings.streams)),
            unwritten: Arc::default(),
            together,
        }
    }

    pub(super) fn has(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    pub(super) fn may_ask_about_all(&self) -> bool {
        self.products.is_empty()
    }

    pub(super) fn may_ask_about(&self, product: &str) -> bool {
        self.may_ask_about_all() || self.products.iter().any(|it| it.as_str() == product)
    }

    /// Its turn among its own questions.
    pub(super) async fn turn(&self) -> Result<SemaphorePermit<'_>, Problem> {
        match tokio::time::timeout(TURN, self.places.acquire()).await {
            Ok(Ok(place)) => Ok(place),
            _ => Err(Problem::limited("this client asks too much at a time")),
        }
    }

    /// What is its own of what all clients share alike.
    pub(super) fn share(&self) -> Share<'_> {
        Share { by: &self.name, part: 1, among: self.together.clients }
    }

    /// What is its own of all streams, by how many each may have.
    pub(super) fn share_of_streams(&self) -> Share<'_> {
        Share { by: &self.name, part: self.most_streams, among: self.together.streams }
    }

    /// A place for one more of its streams.
    pub(super) fn stream(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let place = Arc::clone(&self.streams).try_acquire_owned();
        place.map_err(|_| Problem::limited("this client has as many streams as it may have"))
    }

    /// Whether it reads what it is answered. Asked before anything is done for it.
    pub(super) fn reads(&self) -> bool {
        self.unwritten.load(Ordering::Relaxed) < UNWRITTEN
    }

    /// Counts a reply of so many bytes until it is written.
    pub(super) fn owe(&self, bytes: usize) -> Owed {
        self.unwritten.fetch_add(bytes, Ordering::Relaxed);
        Owed { bytes, of: Arc::clone(&self.unwritten) }
    }

    /// Whether it may ask once more now. Asking is what counts.
    pub(super) fn may_ask_now(&self) -> bool {
        self.rate.check().is_ok()
    }
}

/// All clients.
pub(super) struct Clients {
    by_token: HashMap<[u8; 32], Arc<Client>>,
    by_subject: HashMap<(Voucher, String), Arc<Client>>,
    by_certificate: HashMap<String, Arc<Client>>,
    pub(super) anonymous: Option<Arc<Client>>,
}

impl Clients {
    pub(super) fn new(settings: &settings::Settings) -> Self {
        let all = || settings.clients.iter().chain(&settings.anonymous);
        let together =
            Together { clients: all().count(), streams: all().map(|it| it.streams).sum() };
        let new = |it| Arc::new(Client::new(it, together));
        let mut clients = Self {
            by_token: HashMap::new(),
            by_subject: HashMap::new(),
            by_certificate: HashMap::new(),
            anonymous: settings.anonymous.as_ref().map(new),
        };
        for one in &settings.clients {
            let client = new(one);
            if let Some(token) = one.token {
                clients.by_token.insert(token, Arc::clone(&client));
            }
            if let (Some(subject), Some(by)) = (&one.subject, settings.voucher_of(one)) {
                clients.by_subject.insert((by, subject.clone()), Arc::clone(&client));
            }
            if let Some(name) = &one.certificate {
                clients.by_certificate.insert(name.clone(), client);
            }
        }
        clients
    }

    /// By a token's hash. What an attacker could learn from the time it takes is about the hash, and not the token.
    pub(super) fn of_token(&self, token: &str) -> Option<Arc<Client>> {
        let digest = ring::digest::digest(&ring::digest::SHA256, token.as_bytes());
        self.by_token.get(digest.as_ref()).cloned()
    }

    /// By whom somebody is to whoever vouches for them, and by that one's word alone.
    pub(super) fn of_subject(&self, by: Voucher, subject: &str) -> Option<Arc<Client>> {
        self.by_subject.get(&(by, subject.to_owned())).cloned()
    }

    /// By the names of a certificate whose chain was verified.
    pub(super) fn of_certificate(&self, names: &[String]) -> Option<Arc<Client>> {
        names.iter().find_map(|it| self.by_certificate.get(it)).cloned()
    }
}

#[cfg(test)]
pub(super) mod tests;
