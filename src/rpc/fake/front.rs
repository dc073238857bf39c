//! The fake behind the socket: what is so now, who is told when it changes, and the pages.

use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use jsonrpsee::core::RegisterMethodError;
use jsonrpsee::{Methods, RpcModule};
use serde_json::value::RawValue;
use tokio::sync::{mpsc, watch};

use super::marked::told;
use super::methods;
use super::play::{Play, Scene, no_product};
use super::scenario::{MethodTerms, Scenario};
use crate::clock::{Clock, Moment};
use crate::rpc::call::answers::{Answers, Page};
use crate::rpc::methods::{changes, parse, wait};
use crate::rpc::socket::limits::WriteRates;
use crate::rpc::{openrpc, wire};
use entitled_core::domain::entitlement::Verdict;
use entitled_core::domain::ids::{CustomerId, ProductId};
use entitled_core::domain::peer::{Access, Peer, permit};
use entitled_core::domain::product::{FeatureKinds, feature_kinds};

/// Without a change that is due, the clock is looked at again after this.
const A_WHILE: Duration = Duration::from_secs(3_600);

/// Reads the file again; what is wrong with it in words.
type Reread = Box<dyn Fn() -> Result<Scenario, String> + Send + Sync>;

/// A daemon that answers what a file says.
pub struct Fake {
    play: Mutex<Play>,
    /// Told of every state that begins, by its number.
    changes: watch::Sender<u64>,
    /// Told for how long the daemon is to be away.
    restarts: mpsc::Sender<Duration>,
    reread: Reread,
    pub(super) clock: Clock,
    pub(super) started: Duration,
    pub(super) writes: WriteRates,
}

impl Fake {
    /// `uid` is who runs it. The receiver is told for how long the daemon is to be away, when a state says so.
    pub fn new(
        scenario: Scenario,
        reread: impl Fn() -> Result<Scenario, String> + Send + Sync + 'static,
        uid: u32,
    ) -> (Arc<Self>, mpsc::Receiver<Duration>) {
        let (restarts, away) = mpsc::channel(1);
        let clock = Clock::system();
        let fake = Self {
            play: Mutex::new(Play::new(scenario)),
            changes: watch::channel(0).0,
            restarts,
            reread: Box::new(reread),
            started: clock.monotonic(),
            clock,
            writes: WriteRates::new(uid),
        };
        (Arc::new(fake), away)
    }

    /// Lets the states follow each other. Never ends.
    pub async fn conduct(&self) {
        let mut changes = self.changes.subscribe();
        loop {
            let now = self.clock.moment();
            let next = self.with_play(|play| {
                play.advance(now);
                play.next_change(now)
            });
            let left = next.map_or(A_WHILE, |it| it.saturating_sub(now.monotonic));
            tokio::select! {
                // What ends by its own date is told as well.
                () = tokio::time::sleep(left) => self.changes.send_modify(|it| *it += 1),
                _ = changes.changed() => {}
            }
            changes.mark_unchanged();
        }
    }

    /// Reads the file again and begins anew: how many products there are.
    ///
    /// # Errors
    /// What is wrong with the file; then everything goes on as before.
    pub fn reload(&self) -> Result<usize, String> {
        let scenario = (self.reread)()?;
        let products = scenario.products.len();
        self.with_play(|play| play.exchange(scenario));
        Ok(products)
    }

    /// Wakes whoever waits for a change.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(super) fn scenario(&self) -> Arc<Scenario> {
        Arc::clone(self.play().scenario())
    }

    pub(super) fn terms(&self, method: &str) -> MethodTerms {
        self.play().scenario().methods.get(method).cloned().unwrap_or_default()
    }

    pub(super) fn look(
        &self,
        product: &ProductId,
        customer: CustomerId,
        now: Moment,
    ) -> Option<Scene> {
        self.with_play(|play| play.look(product, customer, now))
    }

    pub(super) fn count(&self, product: &ProductId, customer: CustomerId, now: Moment) {
        self.with_play(|play| play.count(product, customer, now));
    }

    /// The verdict of what is so, be it that there is no such product.
    pub(super) fn verdict_of(
        &self,
        scene: Option<&Scene>,
        (product, customer): (&ProductId, CustomerId),
        now: Moment,
    ) -> Verdict {
        match scene {
            Some(scene) => scene.verdict(product, customer, now),
            None => no_product(product, customer, now.now),
        }
    }

    fn play(&self) -> MutexGuard<'_, Play> {
        self.play.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works on the play, and tells of what has begun by it.
    fn with_play<T>(&self, work: impl FnOnce(&mut Play) -> T) -> T {
        let mut play = self.play();
        let before = play.revision();
        let done = work(&mut play);
        let (has_changed, restart) = (play.revision() != before, play.take_restart());
        drop(play);
        if has_changed {
            self.changes.send_modify(|it| *it += 1);
        }
        if let Some(away) = restart {
            // One that is under way is enough.
            let _ = self.restarts.try_send(away);
        }
        done
    }

    /// Writes the answer to a check that nothing delays. `false` leaves it to the methods.
    fn check_at_once(&self, peer: &Peer, params: Option<&RawValue>, out: &mut Vec<u8>) -> bool {
        let Ok(ask) = parse::<wire::EntitlementCheck>(params.map(RawValue::get)) else {
            return false;
        };
        let own = CustomerId::Uid(peer.uid);
        let Ok(permit) = permit(peer, Access::Anybody, own, ask.customer) else { return false };
        let terms = self.terms("entitlement_check");
        if terms.error.is_some() || !terms.delay.is_zero() || wait(ask.wait_ms).is_err() {
            return false;
        }
        let (now, customer) = (self.clock.moment(), permit.customer());
        let Some(scene) = self.look(&ask.product, customer, now) else { return false };
        if scene.state.error.is_some() || !scene.state.delay.is_zero() {
            return false;
        }
        let verdict = scene.verdict(&ask.product, customer, now);
        let verdict = verdict.narrowed(ask.publisher.as_ref(), ask.feature.as_deref());
        self.count(&ask.product, customer, now);
        // Writing to a vector cannot fail.
        let _ = serde_json::to_writer(out, &told(&verdict, now.now));
        true
    }
}

/// The fake's [`Answers`].
pub struct FakeFront {
    fake: Arc<Fake>,
    methods: Methods,
}

impl FakeFront {
    /// # Errors
    /// When two methods have the same name.
    pub fn new(fake: Arc<Fake>) -> Result<Self, RegisterMethodError> {
        let mut module = RpcModule::from_arc(Arc::clone(&fake));
        methods::register(&mut module)?;
        Ok(Self { fake, methods: module.into() })
    }
}

impl Answers for FakeFront {
    fn methods(&self) -> Methods {
        self.methods.clone()
    }

    fn changes(&self, method: &str) -> bool {
        changes(method)
    }

    fn answer_at_once(
        &self,
        peer: &Peer,
        method: &str,
        params: Option<&RawValue>,
        out: &mut Vec<u8>,
    ) -> bool {
        method == "entitlement_check" && self.fake.check_at_once(peer, params, out)
    }

    fn features(&self, product: &ProductId) -> Option<Arc<FeatureKinds>> {
        let given: Vec<_> = self.fake.scenario().products.get(product)?.given().collect();
        Some(Arc::new(feature_kinds(&given)))
    }

    fn page(&self, path: &str, _: &str) -> BoxFuture<'static, Option<Page>> {
        let body = match path {
            "/healthz" => serde_json::to_vec(&self.fake.health()).unwrap_or_default().into(),
            "/openrpc.json" => openrpc::text(),
            _ => return ready(None).boxed(),
        };
        ready(Some(Page { status: 200, content_type: "application/json", body })).boxed()
    }
}
