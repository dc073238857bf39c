//! A chain with a licence of every rule for us and one for somebody else, a proxy before it, and a daemon whose
//! products they are; and the course every fault takes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use alloy_primitives::Address;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::judge::{Ear, Judge, Listener};
use crate::rules::{Licence, RULES, Rule};
use crate::support::anvil::Anvil;
use crate::support::daemon::Daemon;
use crate::support::proxy::Proxy;
use crate::support::settings::{ProductFile, Settings};
use crate::support::stage::stranger;
use crate::support::wallet::Wallet;
use crate::support::{eventually, http, never};

/// What a fault does to what can be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing can be proven while it lasts.
    Hides,
    /// Nothing can be proven at first. Later it may not matter, because what it is about is known already.
    HidesAtFirst,
    /// All can be proven all the same.
    Harmless,
    /// Some of it.
    Varies,
}

pub struct Scene {
    pub anvil: Anvil,
    pub proxy: Proxy,
    /// Another chain, which has nothing of all this.
    pub other_chain: Anvil,
    pub restless: Restless,
    /// The products of these are ours.
    held: Vec<(String, Licence)>,
    /// The products of these are somebody else's.
    others: Vec<(String, Licence)>,
    judge: Judge,
}

/// Replaces the newest two blocks by others all the time, once it is told to. There is never anything in them.
pub struct Restless(Arc<Unrest>);

#[derive(Default)]
struct Unrest {
    moving: AtomicBool,
    ended: AtomicBool,
    /// Held while blocks are replaced, and by whoever has something to put in one.
    turn: Mutex<()>,
}

impl Restless {
    fn new(node: String) -> Self {
        let unrest = Arc::new(Unrest::default());
        let own = Arc::clone(&unrest);
        std::thread::spawn(move || {
            while !own.ended.load(Ordering::SeqCst) {
                if own.moving.load(Ordering::SeqCst) {
                    let _turn = own.turn.lock().unwrap_or_else(PoisonError::into_inner);
                    let _mined = http::call(&node, "anvil_mine", &json!(["0x2"]));
                    let _replaced = http::call(&node, "anvil_reorg", &json!([2, []]));
                }
                // Blocks are taken back at a pace that leaves time to look at them.
                std::thread::sleep(Duration::from_millis(80));
            }
        });
        Self(unrest)
    }

    pub fn begin(&self) {
        self.0.moving.store(true, Ordering::SeqCst);
    }
}

impl Drop for Restless {
    fn drop(&mut self) {
        self.0.ended.store(true, Ordering::SeqCst);
    }
}

pub fn holder() -> Address {
    Wallet::numbered(1).address()
}

fn product(id: &str, licence: &Licence) -> ProductFile {
    ProductFile::new(id).tier("pro", 20, "").grant("pro", &licence.token, licence.grant)
}

impl Scene {
    fn new() -> Self {
        let anvil = Anvil::start();
        let issue = |kind: &str, to: Address| {
            let each = |it: &Rule| (format!("{}-{kind}", it.name), (it.issue)(&anvil, to));
            RULES.iter().map(each).collect::<Vec<_>>()
        };
        let (held, others) = (issue("ours", holder()), issue("not-ours", stranger()));
        anvil.mine(5);
        let judge = Judge::default();
        for (all, is_held) in [(&held, true), (&others, false)] {
            all.iter().for_each(|(id, licence)| judge.expect(id, is_held, licence.gone));
        }
        let proxy = Proxy::start(&anvil.address());
        let other_chain = Anvil::with(&["--chain-id", "1"]);
        let restless = Restless::new(anvil.address());
        Self { anvil, proxy, other_chain, restless, held, others, judge }
    }

    fn start(&self) -> Daemon {
        let mut settings = Settings::new([self.proxy.url()]).more("retry = \"300ms\"");
        for (id, licence) in self.held.iter().chain(&self.others) {
            settings = settings.product(product(id, licence));
        }
        let daemon = Daemon::start(&settings);
        daemon.link(&Wallet::numbered(1));
        daemon
    }

    fn heal(&self) {
        self.restless.0.moving.store(false, Ordering::SeqCst);
        self.proxy.heal();
        self.proxy.lead_to(&self.anvil.address());
    }

    fn check(&self, daemon: &Daemon, product: &str, wait_ms: u64) -> Value {
        let params = json!({ "product": product, "wait_ms": wait_ms });
        let verdict = daemon.call("entitlement_check", params);
        self.judge.hear(Ear::Asking, &verdict);
        verdict
    }

    /// Asks about `licences` until each verdict is as it should be.
    fn until(
        &self,
        daemon: &Daemon,
        (what, licences): (&str, &[(String, Licence)]),
        fits: impl Fn(&Licence, &Value) -> bool,
    ) {
        self.judge.phase(what);
        for (id, licence) in licences {
            eventually(&format!("{id}: {what}"), || {
                let verdict = self.check(daemon, id, 1_000);
                self.judge.all_was_right();
                if fits(licence, &verdict) { Ok(()) } else { Err(verdict.to_string()) }
            });
        }
    }

    /// Each licence of ours is taken away.
    fn take(&self) {
        for (id, licence) in &self.held {
            let _still = self.restless.0.turn.lock().unwrap();
            self.judge.taken_after(id, self.anvil.block_number());
            (licence.take)(&self.anvil);
        }
    }
}

fn has(code: &'static str) -> impl Fn(&Licence, &Value) -> bool {
    move |_, verdict| verdict["code"] == code
}

fn is_gone(licence: &Licence, verdict: &Value) -> bool {
    verdict["code"] == licence.gone
}

/// Whether it was proven anew since then.
fn proven_since(then: Timestamp) -> impl Fn(&Licence, &Value) -> bool {
    move |_, verdict| {
        let at = verdict["verified_at"].as_str().and_then(|it| it.parse::<Timestamp>().ok());
        verdict["code"] == "VALID" && at.is_some_and(|at| at > then)
    }
}

/// The course of a fault: from the beginning, healed, again, while the licences go, healed.
pub fn go_through(effect: Effect, go_wrong: impl Fn(&Scene)) {
    let scene = Scene::new();
    go_wrong(&scene);
    scene.judge.phase("wrong from the beginning");
    let daemon = scene.start();
    let ids = scene.held.iter().chain(&scene.others).map(|it| it.0.clone()).collect::<Vec<_>>();
    let _listener = Listener::start(&daemon.socket(), &ids, &scene.judge);
    for id in &ids {
        let verdict = scene.check(&daemon, id, 4_000);
        let hidden = verdict["code"] == "UNDETERMINED";
        match effect {
            Effect::Hides | Effect::HidesAtFirst => assert!(hidden, "it is not hidden: {verdict}"),
            Effect::Harmless => assert!(!hidden, "nothing hides it: {verdict}"),
            Effect::Varies => {}
        }
    }
    scene.judge.all_was_right();

    scene.heal();
    scene.until(&daemon, ("healed", &scene.held), has("VALID"));
    scene.until(&daemon, ("healed", &scene.others), has("NOT_HELD"));

    go_wrong(&scene);
    scene.anvil.mine(1);
    let since = Timestamp::now();
    let (anew, grace) = (proven_since(since), has("GRACE"));
    scene.until(&daemon, ("wrong again", &scene.held), |licence, verdict| match effect {
        Effect::Hides => grace(licence, verdict),
        Effect::Harmless => anew(licence, verdict),
        Effect::HidesAtFirst | Effect::Varies => grace(licence, verdict) || anew(licence, verdict),
    });

    scene.judge.phase("taken away while it is wrong");
    scene.take();
    if effect == Effect::Harmless {
        scene.until(&daemon, ("wrong, and gone", &scene.held), is_gone);
    } else {
        never(Duration::from_millis(1_200), || {
            ids.iter().for_each(|id| drop(scene.check(&daemon, id, 0)));
            scene.judge.all_was_right();
            Ok(())
        });
    }

    scene.heal();
    scene.until(&daemon, ("healed, and gone", &scene.held), is_gone);
    scene.until(&daemon, ("healed again", &scene.others), has("NOT_HELD"));
    scene.judge.all_was_right();
}
