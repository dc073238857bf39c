//! TierCache: what every customer is entitled to, ready to be sent.
//!
//! Owns: the cached verdicts, the installed products, who subscribed to what, and the work that makes a
//! verdict. Asked by: `rpc`. Asks: OwnershipLedger, ChainVerifier. Told by: ChainVerifier (`ChainNews`).
//! Never: touches the network or the store itself.
//!
//! A hit never comes here: `rpc` reads the cache through a [`VerdictReader`]. This actor is its one
//! writer. A miss starts one *flight* for its key, whoever asks meanwhile waits for the same flight, and
//! nobody's hanging up ends it.
//!
//! Invariant: what was gathered before a change is neither cached nor told after it. OwnershipLedger has what it changed
//! forgotten, and this actor what it installed ([`VerdictReader::forget`]), which begins a new epoch; this actor hears of
//! that and works out again what somebody waits for.

mod messages;
mod news;
mod pages;
mod reader;
mod revisions;
mod work;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix::prelude::*;
use moka::sync::Cache;
use tokio::sync::watch;

use crate::actors::chain_verifier::{ChainVerifier, Watch};
use crate::actors::cpu_pool::{CpuPool, PoolLimits};
use crate::actors::ownership_ledger::{CustomersWithWallets, OwnershipLedger};
use crate::clock::Clock;
use crate::products::Catalogue;
use entitled_core::domain::earlier::EarlierLooks;
use entitled_core::domain::entitlement::{Code, Verdict, explain};
use entitled_core::domain::ids::{CustomerId, ProductId};
use entitled_core::domain::product::Product;

use work::flight::{self, Flight};

pub use entitled_core::domain::epoch::{Epoch, Epochs, Whose};
pub use messages::{
    Check, CheckError, CountTokens, Draft, DraftReceipt, Explain, Explained, ImportLoan,
    ImportReceipt, Install, InstallError, Landing, LoanCount, LoanError, ReceiptError, Refresh,
    Reload, Reloaded, Remove, Stored, Subscribe, TokenCounts, TrustPublisher,
};
pub use pages::{Held, NoSlot, PageOwner, PageQuestion, Pages, RENEWED};
pub use reader::{Cached, Key, Render, VerdictReader};
pub use revisions::{Revisions, Watcher};

/// How long verdicts are kept and how soon they are looked at again.
#[derive(Debug, Clone)]
pub struct CacheSettings {
    /// A verdict is looked at again after this, or earlier if its product says so.
    pub refresh: Duration,
    /// After this, what could not be determined is tried again.
    pub retry: Duration,
    /// After this, a no is looked at again.
    pub recheck: Duration,
}

/// What the actor is made of; cheap to clone, and all that outlives a restart.
#[derive(Clone)]
pub struct Parts {
    pub reader: VerdictReader,
    pub ledger: Addr<OwnershipLedger>,
    /// Filled in once the verifier is started, which is after this actor.
    pub verifier: Arc<OnceLock<Addr<ChainVerifier>>>,
    pub clock: Clock,
    pub earlier: EarlierLooks,
    pub settings: CacheSettings,
    pub catalogue: Catalogue,
    pub turns: Turns,
    /// For so many customers with wallets answers are worked out at the start.
    pub warmed: usize,
}

/// What a receipt is made of may be as large as the receipt, and is there in several forms until that is written. So
/// few are made at a time, of one user fewer still; and nothing of it is held while somebody waits for a turn, or for
/// the chain.
const RECEIPTS: PoolLimits = PoolLimits { threads: 8, running_per_uid: 2, places_per_uid: 128 };

/// Whose turn it is, of what is done for one or a few at a time.
#[derive(Debug, Clone)]
pub struct Turns {
    /// To change the installed products.
    products: Arc<tokio::sync::Mutex<()>>,
    /// To have a receipt made.
    receipts: CpuPool,
}

impl Default for Turns {
    fn default() -> Self {
        Self { products: Arc::default(), receipts: CpuPool::new(RECEIPTS) }
    }
}

/// Keys looked at again by themselves are no more than this.
pub(crate) const KEPT_AT_MOST: usize = 4_096;
/// Of so many keys it is remembered what was said; of the others the ledger says what is known.
const SAID_AT_MOST: u64 = 4_096;
/// Flights begun by the actor itself run no more than this side by side.
const OWN_FLIGHTS: usize = 8;
/// How long what is due waits for room among them before it is seen to again.
const ROOM: Duration = Duration::from_secs(1);

pub struct TierCache {
    parts: Parts,
    /// Customers that had wallets at the start.
    known: Vec<CustomerId>,
    flights: HashMap<Key, Flight>,
    /// When each key that is kept warm is due, by the monotonic clock.
    due: BTreeMap<Key, Duration>,
    /// Those of them that the chain told something of while no answer was there to be looked at again: their next
    /// flight looks, however young what is known.
    missed: BTreeSet<Key>,
    /// The newest that those who subscribed may be told; each of them knows what it was told.
    subscribers: HashMap<Key, watch::Sender<Landing>>,
    /// What was said last, so that the log tells changes only. Unlike the cache it is never emptied: a reload or a change
    /// of a customer withdraws answers, and says nothing about whether the next one is another.
    said: Cache<Key, Code>,
    /// What changed up to here is being worked out again.
    heeded: Epoch,
    alarm: Option<SpawnHandle>,
}

impl TierCache {
    pub fn new(parts: Parts) -> Self {
        Self {
            heeded: parts.reader.epoch(),
            parts,
            known: Vec::new(),
            flights: HashMap::new(),
            due: BTreeMap::new(),
            missed: BTreeSet::new(),
            subscribers: HashMap::new(),
            said: Cache::new(SAID_AT_MOST),
            alarm: None,
        }
    }

    /// Asks who has wallets, to keep what they will ask for. What is sent meanwhile waits: news from the chain is noted for
    /// what is kept.
    fn find_known(&self, context: &mut Context<Self>) {
        if self.parts.warmed == 0 {
            return;
        }
        let found = self.parts.ledger.send(CustomersWithWallets { limit: self.parts.warmed });
        context.wait(found.into_actor(self).map(|found, actor, context| match found {
            Ok(Ok(known)) => {
                actor.known = known;
                actor.keep_known();
                actor.set_alarm(context);
            }
            failed => tracing::warn!(?failed, "no answer is worked out before it is asked for"),
        }));
    }

    /// Every product for every customer that had a wallet, so that the answer is there before the question; no more of
    /// them than are looked at again.
    fn keep_known(&mut self) {
        let now = self.parts.clock.monotonic();
        let products = self.parts.reader.products();
        for customer in &self.known {
            for product in products.products.keys() {
                if self.due.len() >= KEPT_AT_MOST {
                    return;
                }
                let key = Key { customer: *customer, product: product.clone() };
                self.due.entry(key).or_insert(now);
            }
        }
    }

    /// Has the verifier follow the contracts the installed products name.
    fn watch_contracts(&self) {
        let products = self.parts.reader.products();
        let products = || products.products.values().map(|it| &it.product);
        let contracts = products().flat_map(Product::watched).collect();
        let checkpoints = products().flat_map(|it| it.checkpoints.clone()).collect();
        if let Some(verifier) = self.parts.verifier.get()
            && verifier.try_send(Watch { contracts, checkpoints }).is_err()
        {
            tracing::warn!("the verifier was too busy to be told which contracts to follow");
        }
    }

    /// Wakes up when the next key is due.
    fn set_alarm(&mut self, context: &mut Context<Self>) {
        if let Some(alarm) = self.alarm.take() {
            context.cancel_future(alarm);
        }
        let Some(next) = self.due.values().min() else { return };
        let rest = next.saturating_sub(self.parts.clock.monotonic());
        let rest = rest.max(Duration::from_millis(20));
        self.alarm = Some(context.run_later(rest, Self::wake));
    }

    /// Starts flights for what is due, the longest overdue first.
    fn wake(&mut self, context: &mut Context<Self>) {
        self.alarm = None;
        let now = self.parts.clock.monotonic();
        let mut overdue: Vec<_> = self
            .due
            .iter()
            .filter(|(_, due)| **due <= now)
            .map(|(key, due)| (*due, key.clone()))
            .collect();
        overdue.sort();
        let mut free = OWN_FLIGHTS.saturating_sub(self.flights.len());
        for (_, key) in overdue {
            if free > 0 && !self.flights.contains_key(&key) {
                free -= 1;
                self.due.insert(key.clone(), now + ROOM);
                // What was answered before wants a new look; what was not may still be known well enough.
                let answered = self.parts.reader.peek(&key).is_some();
                self.fly(key, answered, context);
            } else {
                self.wait_for_room(key, now, context);
            }
        }
        self.set_alarm(context);
    }

    /// What found no room, or is in the air already, waits for a flight to land, which sets the alarm again. What
    /// was told of it meanwhile may end by time alone: then what is known without a look is told.
    fn wait_for_room(&mut self, key: Key, now: Duration, context: &mut Context<Self>) {
        let told = self.subscribers.get(&key).or(self.flights.get(&key).map(|it| &it.done));
        let told = told.and_then(|it| it.borrow().clone());
        let left = told.and_then(|it| it.left(&self.parts.clock));
        let rest = left.filter(|it| !it.is_zero()).unwrap_or(Duration::MAX);
        self.due.insert(key.clone(), now + rest.min(ROOM));
        if left == Some(Duration::ZERO) {
            self.restate(key, context);
        }
    }

    /// Works out again what has changed since the last time: at once what somebody waits for or was told, for the
    /// others when a flight is free.
    fn heed(&mut self, context: &mut Context<Self>) {
        let reader = self.parts.reader.clone();
        let before = std::mem::replace(&mut self.heeded, reader.epoch());
        let concerned = |key: &Key| !reader.holds(before, key.customer);
        let now = self.parts.clock.monotonic();
        for (key, due) in &mut self.due {
            if concerned(key) {
                *due = now;
            }
        }
        self.subscribers.retain(|_, told| told.receiver_count() > 0);
        let awaited: BTreeSet<Key> =
            self.flights.keys().chain(self.subscribers.keys()).cloned().collect();
        for key in awaited.into_iter().filter(concerned) {
            self.restate(key, context);
        }
        self.set_alarm(context);
    }

    /// Heeds every change from now on.
    fn listen(&self, mut changes: watch::Receiver<Epochs>, context: &mut Context<Self>) {
        let changed = async move { changes.changed().await.is_ok().then_some(changes) };
        context.spawn(changed.into_actor(self).map(|changes, actor, context| {
            if let Some(changes) = changes {
                actor.heed(context);
                actor.listen(changes, context);
            }
        }));
    }

    fn adopt_products(&mut self, context: &mut Context<Self>) {
        self.watch_contracts();
        let products = self.parts.reader.products();
        let installed = |id: &ProductId| products.products.contains_key(id);
        self.due.retain(|key, _| installed(&key.product));
        let now = self.parts.clock.monotonic();
        for key in self.subscribers.keys().filter(|key| installed(&key.product)) {
            self.due.entry(key.clone()).or_insert(now);
        }
        self.missed.retain(|key| self.due.contains_key(key));
        self.parts.reader.forget(Whose::Everybody);
        self.heed(context);
        self.keep_known();
        self.set_alarm(context);
    }
}

impl Actor for TierCache {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.set_mailbox_capacity(4_096);
        self.listen(self.parts.reader.changes(), context);
        self.watch_contracts();
        self.find_known(context);
        self.set_alarm(context);
    }
}

impl Supervised for TierCache {
    fn restarting(&mut self, _: &mut Context<Self>) {
        self.parts.reader.forget(Whose::Everybody);
        let said = self.said.clone();
        *self = Self { said, ..Self::new(self.parts.clone()) };
    }
}

impl Handler<Check> for TierCache {
    type Result = MessageResult<Check>;
    fn handle(&mut self, ask: Check, context: &mut Self::Context) -> Self::Result {
        MessageResult(self.fly(ask.key, false, context))
    }
}

impl Handler<Refresh> for TierCache {
    type Result = ();
    fn handle(&mut self, order: Refresh, context: &mut Self::Context) {
        self.fly(order.key, true, context);
    }
}

impl Handler<Stored> for TierCache {
    type Result = ResponseActFuture<Self, Result<Verdict, CheckError>>;
    fn handle(&mut self, ask: Stored, _: &mut Self::Context) -> Self::Result {
        let parts = self.parts.clone();
        let work = async move {
            let scene = flight::gather(&parts, &ask.key).await?;
            Ok(scene.verdict(&parts.clock))
        };
        Box::pin(work.into_actor(self))
    }
}

impl Handler<Explain> for TierCache {
    type Result = ResponseActFuture<Self, Result<Explained, CheckError>>;
    fn handle(&mut self, ask: Explain, _: &mut Self::Context) -> Self::Result {
        let parts = self.parts.clone();
        let work = async move {
            let scene = flight::gather(&parts, &ask.key).await?;
            let verdict = scene.verdict(&parts.clock);
            let now = scene.now(&parts.clock);
            let mut steps = explain(&scene.question(), now);
            steps.extend(scene.loan_steps(now));
            Ok(Explained { verdict, steps })
        };
        Box::pin(work.into_actor(self))
    }
}

impl Handler<CountTokens> for TierCache {
    type Result = ResponseActFuture<Self, Result<TokenCounts, CheckError>>;
    fn handle(&mut self, ask: CountTokens, _: &mut Self::Context) -> Self::Result {
        let parts = self.parts.clone();
        let work = async move {
            let scene = flight::gather(&parts, &ask.key).await?;
            Ok(scene.token_counts(&parts.clock))
        };
        Box::pin(work.into_actor(self))
    }
}

impl Handler<Subscribe> for TierCache {
    type Result = MessageResult<Subscribe>;
    fn handle(&mut self, ask: Subscribe, context: &mut Self::Context) -> Self::Result {
        self.subscribers.retain(|_, told| told.receiver_count() > 0);
        let standing = self.parts.reader.peek(&ask.key);
        let told = self
            .subscribers
            .entry(ask.key.clone())
            .or_insert_with(|| watch::channel(standing.clone()).0);
        let receiver = told.subscribe();
        // What is not installed is no other by itself, and anybody may make up any number of names.
        if self.parts.reader.products().products.contains_key(&ask.key.product) {
            let due = self.parts.clock.monotonic();
            self.due.entry(ask.key.clone()).or_insert(due);
        }
        if standing.is_none() {
            self.fly(ask.key, false, context);
        }
        MessageResult(receiver)
    }
}
