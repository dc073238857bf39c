//! The cache as its readers see it: a hit costs a look-up and a copy, and asks nobody.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use moka::Expiry;
use moka::sync::Cache;
use prometheus_client::metrics::histogram::Histogram;
use tokio::sync::watch;

use super::pages::{Held, Pages};
use super::revisions::Revisions;
use crate::clock::Clock;
use crate::counter::Counter;
use crate::products::Loaded;
use entitled_core::domain::epoch::{Epoch, Epochs, Whose};
use entitled_core::domain::ids::{CustomerId, ProductId, Timestamp};

mod cached;

pub use cached::{Cached, Render};

/// What a verdict is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    pub customer: CustomerId,
    pub product: ProductId,
}

/// Keeps each entry for as long as it says itself.
struct OwnLifetime;

impl Expiry<Key, Arc<Cached>> for OwnLifetime {
    fn expire_after_create(&self, _: &Key, cached: &Arc<Cached>, _: Instant) -> Option<Duration> {
        Some(cached.lifetime)
    }

    fn expire_after_update(
        &self,
        _: &Key,
        cached: &Arc<Cached>,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(cached.lifetime)
    }
}

/// How often the cache was asked, and what it cost to fill it.
#[derive(Debug)]
pub struct Tally {
    pub hits: Counter,
    pub misses: Counter,
    /// Seconds that looks at the chain took.
    pub looks: Histogram,
}

impl Default for Tally {
    /// From five milliseconds, a node next door, to the half minute after which nobody waits any more.
    fn default() -> Self {
        let bounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
        Self { hits: Counter::default(), misses: Counter::default(), looks: Histogram::new(bounds) }
    }
}

/// At most so many uids are remembered; then all are asked for again.
const REMEMBERED_UIDS: usize = 4_096;
/// How long a uid's customer is believed, should nobody tell that it changed.
const BELIEVED: SignedDuration = SignedDuration::from_secs(300);

/// Which customer each uid stands for. Every check asks, of a few uids: a map costs it less than a cache.
#[derive(Debug, Default)]
struct Customers {
    /// The customer, and when it was learnt.
    by_uid: HashMap<u32, (CustomerId, Timestamp)>,
}

impl Customers {
    fn of(&self, uid: u32, now: Timestamp) -> Option<CustomerId> {
        let (customer, learnt_at) = self.by_uid.get(&uid)?;
        (now.duration_since(*learnt_at) < BELIEVED).then_some(*customer)
    }

    fn learn(&mut self, uid: u32, customer: CustomerId, now: Timestamp) {
        if self.by_uid.len() >= REMEMBERED_UIDS && !self.by_uid.contains_key(&uid) {
            self.by_uid.clear();
        }
        self.by_uid.insert(uid, (customer, now));
    }
}

/// The cache and the installed products, to read. Cheap to clone.
#[derive(Clone)]
pub struct VerdictReader {
    cache: Cache<Key, Arc<Cached>>,
    customers: Arc<RwLock<Customers>>,
    products: Arc<RwLock<Arc<Loaded>>>,
    epochs: Arc<watch::Sender<Epochs>>,
    /// Grows with each verdict that is put in or taken out, and each user that is forgotten.
    revision: Arc<AtomicU64>,
    /// The number of the epoch at which the cache was emptied last.
    emptied: Arc<AtomicU64>,
    tally: Arc<Tally>,
    pages: Arc<Pages>,
    revisions: Arc<Revisions>,
    render: Render,
}

impl VerdictReader {
    pub fn new(capacity: u64, products: Loaded, render: Render, clock: Clock) -> Self {
        Self {
            cache: Cache::builder().max_capacity(capacity).expire_after(OwnLifetime).build(),
            customers: Arc::default(),
            products: Arc::new(RwLock::new(Arc::new(products))),
            epochs: Arc::default(),
            revision: Arc::default(),
            emptied: Arc::default(),
            tally: Arc::default(),
            pages: Arc::new(Pages::new(clock.clone())),
            revisions: Arc::new(Revisions::new(clock)),
            render,
        }
    }

    /// The verdict for `key`, if it is there and still holds at `now`.
    pub fn hit(&self, key: &Key, now: Timestamp) -> Option<Arc<Cached>> {
        let found = self.peek(key)?;
        self.hit_again(&found, now).then_some(found)
    }

    /// Whether what was found still holds at `now`: then it is another hit.
    pub fn hit_again(&self, found: &Cached, now: Timestamp) -> bool {
        // A clock turned back since the evaluation must not make the verdict younger.
        let holds = !found.is_over(now.max(found.evaluated_at));
        // Whoever has to go and ask counts the miss: a check may look here more than once before.
        if holds {
            self.tally.hits.one_more();
        }
        holds
    }

    /// To be taken before a user's customer and its verdict are looked up. For as long as it is the same, looking them up
    /// again finds the same, or that they were given up with time.
    pub fn revision(&self) -> u64 {
        self.revision.load(Ordering::Acquire)
    }

    /// What was to be found until now is no longer. Invariant: called after every change of what can be looked up, so
    /// that who sees the new revision sees the change.
    fn revise(&self) {
        self.revision.fetch_add(1, Ordering::Release);
    }

    pub fn peek(&self, key: &Key) -> Option<Arc<Cached>> {
        self.cache.get(key).filter(|it| self.is_in(it))
    }

    /// Whether what was found is in the cache. What was there when it was emptied is found again for a moment, while another
    /// takes its place ([0108](../../../docs/decisions/0108-what-was-withdrawn-is-told-by-its-epoch.md)).
    fn is_in(&self, found: &Cached) -> bool {
        found.epoch.number() >= self.emptied.load(Ordering::Acquire)
    }

    /// Keeps a verdict, unless what it rests on has changed: then it is `false`.
    pub(super) fn put(&self, key: &Key, cached: Arc<Cached>) -> bool {
        // Held while it is put in, so that nothing is forgotten in between.
        let epochs = self.epochs.borrow();
        let holds = epochs.holds(cached.epoch, key.customer);
        if holds {
            let said = Arc::clone(&cached);
            self.cache.insert(key.clone(), cached);
            self.revise();
            self.pages.say(key, &said);
            self.revisions.changed(Some(key.customer));
        }
        holds
    }

    pub(super) fn render(&self) -> Render {
        self.render
    }

    pub(super) fn entries(&self) -> Vec<(Arc<Key>, Arc<Cached>)> {
        self.cache.iter().filter(|(_, it)| self.is_in(it)).collect()
    }

    /// Withdraws what was answered to, or known of, whom a change concerns, in the cache and wherever it is on its way.
    /// Called once the change can be read, and before it is acknowledged: from then on no answer rests on what was.
    pub fn forget(&self, whose: Whose) {
        self.epochs.send_modify(|epochs| {
            epochs.raise(whose);
            match whose.customer() {
                None => {
                    self.emptied.store(epochs.now().number(), Ordering::Release);
                    self.cache.invalidate_all();
                }
                Some(customer) => {
                    let own = |it: &Arc<Key>| it.customer == customer;
                    for (key, _) in self.cache.iter().filter(|(key, _)| own(key)) {
                        self.cache.invalidate(&*key);
                    }
                }
            }
            if !matches!(whose, Whose::Customer(_)) {
                self.customers.write().unwrap_or_else(PoisonError::into_inner).by_uid.clear();
            }
            self.revise();
            self.pages.withdraw(whose);
            self.revisions.changed(whose.customer());
        });
    }

    /// The answer pages, to have a slot of one.
    pub fn pages(&self) -> &Arc<Pages> {
        &self.pages
    }

    /// From now on the slot says what is answered to `key`, unless users may stand for others than at `since`: then it is
    /// `false`.
    pub fn bind_page(&self, held: &Held, key: &Key, since: Epoch) -> bool {
        // Held meanwhile, so that no user changes in between.
        let epochs = self.epochs.borrow();
        let holds = epochs.same_users(since);
        if holds {
            self.pages.bind(held, key, |it| self.peek(it));
        }
        holds
    }

    /// Has the answer pages say for another lease what the cache says; `false` when nobody has any.
    pub fn renew_pages(&self) -> bool {
        self.pages.renew(|it| self.peek(it))
    }

    /// What tells those who keep answers that one may be another now.
    pub fn revisions(&self) -> &Arc<Revisions> {
        &self.revisions
    }

    /// To be taken before something is gathered, and compared when it is used.
    pub fn epoch(&self) -> Epoch {
        self.epochs.borrow().now()
    }

    /// Whether what was gathered of `customer` at `since` is still so.
    pub fn holds(&self, since: Epoch, customer: CustomerId) -> bool {
        self.epochs.borrow().holds(since, customer)
    }

    /// The same, and whether every user still stands for the same customer.
    pub fn holds_with_users(&self, since: Epoch, customer: CustomerId) -> bool {
        let epochs = self.epochs.borrow();
        epochs.holds(since, customer) && epochs.same_users(since)
    }

    /// Whether every user still stands for the same customer as at `since`.
    pub fn same_users(&self, since: Epoch) -> bool {
        self.epochs.borrow().same_users(since)
    }

    /// Whether a verdict that was worked out for `key` is still the answer: nothing it rests on has changed, and time
    /// alone has not made it another one.
    pub fn still_holds(&self, key: &Key, cached: &Cached, clock: &Clock) -> bool {
        self.holds(cached.epoch, key.customer) && cached.left(clock) != Some(Duration::ZERO)
    }

    /// Wakes whoever waits for a change.
    pub fn changes(&self) -> watch::Receiver<Epochs> {
        self.epochs.subscribe()
    }

    /// The installed products as of now.
    pub fn products(&self) -> Arc<Loaded> {
        Arc::clone(&self.products.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn adopt(&self, products: Arc<Loaded>) {
        *self.products.write().unwrap_or_else(PoisonError::into_inner) = products;
    }

    /// Which customer a uid stands for, if that is known here.
    pub fn customer_of(&self, uid: u32, now: Timestamp) -> Option<CustomerId> {
        self.customers.read().unwrap_or_else(PoisonError::into_inner).of(uid, now)
    }

    /// Remembers a uid's customer from `now` on, unless customers have changed since the ledger was asked at `since`.
    pub fn learn_customer(&self, uid: u32, customer: CustomerId, since: Epoch, now: Timestamp) {
        let epochs = self.epochs.borrow();
        if epochs.same_users(since) {
            let mut customers = self.customers.write().unwrap_or_else(PoisonError::into_inner);
            customers.learn(uid, customer, now);
        }
    }

    /// Hits and misses since the start.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// For each product with an entitlement that ends by itself: how long the first of them still lasts.
    pub fn next_expiries(&self, now: Timestamp) -> BTreeMap<ProductId, Duration> {
        let mut soonest = BTreeMap::<ProductId, Duration>::new();
        for (key, cached) in self.entries() {
            let ends = cached.verdict.expires_at.filter(|_| cached.verdict.is_valid());
            let left = ends.and_then(|it| Duration::try_from(it.duration_since(now)).ok());
            if let Some(left) = left {
                soonest
                    .entry(key.product.clone())
                    .and_modify(|it| *it = left.min(*it))
                    .or_insert(left);
            }
        }
        soonest
    }

    pub fn entry_count(&self) -> u64 {
        self.cache.entry_count()
    }
}

#[cfg(test)]
mod tests;
