//! What it costs to prove that a wallet holds ten thousand tokens, at first, when nothing has changed, and when
//! a hundredth has: requests, bytes and time, beside asking the same node `ownerOf` one token after the other.
//!
//! A real node, a real ERC-721 of OpenZeppelin (plain, and enumerable). Each scene is played twice: straight
//! at the node, for the time, and through a proxy that counts, for the requests: each of a batch counted, and
//! HTTP requests beside them. Ends with an error when more is asked for than [`Bounds`] allow.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::needless_pass_by_value,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a benchmark prints its figures, and there is nobody to report an error to"
)]
#![allow(dead_code, unreachable_pub, reason = "the tests' support offers more than is used here")]

mod counter;
mod ledger;
#[path = "../report.rs"]
mod report;
#[path = "../../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use alloy_primitives::{Address, B256, U256};
use entitled::chain::{Chain, ChainSettings, Known, Look, Now};
use entitled::endpoint::EndpointSettings;
use entitled_core::domain::ids::{ChainId, Collection, Standard, Timestamp};
use entitled_core::domain::ownership::{
    Finality, Finding, IdRanges, Rule, Scan, Target, Terms, Trust,
};
use entitled_core::domain::product::TokensOf;
use nix::sys::time::TimeValLike as _;
use serde_json::json;

use counter::Counter;
use report::Row;
use support::anvil::Anvil;
use support::contract::Contract;
use support::stage::stranger;
use support::wallet::Wallet;
use support::{http, many};

const TOKENS: u64 = 10_000;
/// Looks at which nothing has changed; the median counts.
const REPEATS: usize = 7;
const CHAIN: ChainId = ChainId(31_337);

/// What may be asked for: requests, each of a batch counted; and how fast what is unchanged must be proven
/// again, by our own processor time, which only an optimized build is held to: a development node takes
/// longer to make one proof than all of the rest.
#[derive(Clone, Copy)]
struct Bounds {
    cold: usize,
    unchanged: usize,
    changed: usize,
    per_second: f64,
}

const BOUNDS: Bounds = Bounds { cold: 40, unchanged: 2, changed: 4, per_second: 100_000.0 };
/// A contract that lists its tokens writes four slots where another writes one: its trie is deeper.
const DEEPER: Bounds = Bounds { changed: 6, ..BOUNDS };

/// `BENCH_PARTS` names the parts to measure, with commas between: `tokens`, `ledger`. Without it, all.
fn is_wanted(part: &str) -> bool {
    std::env::var("BENCH_PARTS").map_or(true, |it| it.split(',').any(|it| it == part))
}

fn main() -> ExitCode {
    let needed = ["node_modules", "contracts/out/ManyLicences.json"];
    let mut needed = needed.map(|it| support::tests_dir().join(it)).into_iter();
    if let Some(missing) = needed.find(|it| !it.exists()) {
        println!("skipped: {} is missing: run `make prepare`", missing.display());
        return ExitCode::SUCCESS;
    }
    let mut faults = Vec::new();
    let contracts = [
        ("ManyLicences", TokensOf::Logs, BOUNDS),
        ("ManyListedLicences", TokensOf::Enumerable, DEEPER),
    ];
    for (contract, tokens_of, bounds) in contracts.into_iter().filter(|_| is_wanted("tokens")) {
        let scene = Scene::prepare(contract, tokens_of);
        println!("\n{contract}, {TOKENS} tokens of one wallet, found by {tokens_of:?}");
        let floor = scene.floor();
        println!("  straight at the node");
        let timed = scene.play(&scene.anvil.url(), None);
        println!("  through the proxy that counts");
        let proxy = Counter::start(&scene.anvil.address());
        let counted = scene.play(&proxy.url(), Some(&proxy));
        counted.tell(tokens_of);
        if tokens_of == TokensOf::Logs {
            timed.tell_rate(floor);
        }
        faults.extend(counted.judge((contract, bounds), &timed));
    }
    if is_wanted("ledger") {
        ledger::measure(TOKENS);
    }
    for fault in &faults {
        eprintln!("{fault}");
    }
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A node with a contract of which one wallet holds all tokens.
struct Scene {
    anvil: Anvil,
    contract: Contract,
    wallet: Wallet,
    tokens_of: TokensOf,
}

/// What one look took.
#[derive(Clone, Copy, Default)]
struct Cost {
    requests: u64,
    bytes: u64,
    trips: usize,
    time: Duration,
    /// Of our own process: what is left of the time when the node takes none and nobody else wants the machine.
    processor: Duration,
}

struct Costs {
    cold: Cost,
    unchanged: Cost,
    changed: Cost,
}

impl Costs {
    /// The row about requests, in how many round trips.
    fn tell(&self, tokens_of: TokensOf) {
        let Self { cold, unchanged, changed } = self;
        let asked = |it: &Cost| format!("{} ({})", it.requests, it.trips);
        let id = if tokens_of == TokensOf::Logs { "tokens" } else { "tokens_listed" };
        let ours = format!("{} / {} / {}", asked(cold), asked(unchanged), asked(changed));
        let judged = [("cold", cold), ("unchanged", unchanged), ("changed", changed)];
        let judged = judged.map(|(when, it)| (when, it.requests as f64));
        Row { id, ours, peer: String::new(), processor: None, judged: &judged }.tell();
    }

    /// The row about a first look beside what believes its node, which does so many tokens in a second.
    fn tell_rate(&self, floor: f64) {
        let rate = TOKENS as f64 / self.cold.time.as_secs_f64();
        let (ours, peer) = (format!("{rate:.0}/s"), format!("{floor:.0}/s"));
        let judged = [("rate", rate / floor)];
        Row { id: "tokens_rate", ours, peer, processor: None, judged: &judged }.tell();
    }

    /// Which of the bounds are broken.
    fn judge(&self, (what, bounds): (&str, Bounds), timed: &Self) -> Vec<String> {
        let mut faults = Vec::new();
        for (when, cost, most) in [
            ("cold", self.cold, bounds.cold),
            ("unchanged", self.unchanged, bounds.unchanged),
            ("1 % changed", self.changed, bounds.changed),
        ] {
            if cost.requests > most as u64 {
                faults.push(format!("{what}, {when}: {} requests, allowed {most}", cost.requests));
            }
        }
        let rate = TOKENS as f64 / timed.unchanged.processor.as_secs_f64();
        if rate < bounds.per_second && !cfg!(debug_assertions) {
            let least = bounds.per_second;
            faults.push(format!(
                "{what}, unchanged: {rate:.0} tokens/s of our own, at least {least}"
            ));
        }
        faults
    }
}

impl Scene {
    fn prepare(contract: &str, tokens_of: TokensOf) -> Self {
        let anvil = Anvil::start();
        let contract = Contract::deploy(&anvil, contract, None);
        let wallet = Wallet::numbered(1);
        many::mint(&anvil, &contract, wallet.address(), (1, TOKENS));
        Self { anvil, contract, wallet, tokens_of }
    }

    /// What a program would do that believes its node. Returns how many tokens that is in a second.
    fn floor(&self) -> f64 {
        let address = self.anvil.address();
        let begun = Instant::now();
        for id in 1..=TOKENS {
            let data = format!("0x6352211e{id:064x}");
            let call = json!([{"to": self.contract.address, "data": data}, "latest"]);
            let owner = http::call(&address, "eth_call", &call).unwrap();
            assert_eq!(owner, json!(self.wallet.address().into_word()));
        }
        let time = begun.elapsed();
        let rate = TOKENS as f64 / time.as_secs_f64();
        println!(
            "  {:<28} {TOKENS:>7} requests {:>22} {:>8.3} s {rate:>9.0} tokens/s",
            "unproven, one by one",
            "",
            time.as_secs_f64()
        );
        rate
    }

    /// Looks with a chain that knows nothing yet, again and again; leaves the wallet with what it had.
    fn play(&self, url: &str, proxy: Option<&Counter>) -> Costs {
        let mut looker = Looker::new(self, url);
        let cold = looker.look(self, proxy, TOKENS);
        show("cold", cold);
        let mut repeats: Vec<Cost> = Vec::new();
        for _ in 0..REPEATS {
            self.anvil.mine(1);
            repeats.push(looker.look(self, proxy, TOKENS));
        }
        repeats.sort_by_key(|it| it.processor);
        let unchanged = repeats[REPEATS / 2];
        show("unchanged, a block later", unchanged);
        show("the same block once more", looker.look(self, proxy, TOKENS));

        let moved = TOKENS / 100;
        let (own, other) = (self.wallet.address(), stranger());
        many::give(&self.anvil, &self.contract, (own, other), (37, 100, moved));
        let changed = looker.look(self, proxy, TOKENS - moved);
        show("1 % given away", changed);
        many::give(&self.anvil, &self.contract, (other, own), (37, 100, moved));
        show("1 % got back", looker.look(self, proxy, TOKENS));
        many::give(&self.anvil, &self.contract, (own, other), (42, 1, 1));
        show("one given away", looker.look(self, proxy, TOKENS - 1));
        many::give(&self.anvil, &self.contract, (other, own), (42, 1, 1));
        looker.look(self, proxy, TOKENS);

        // Others than before: a state the chain has been in is known already.
        many::give(&self.anvil, &self.contract, (own, other), (73, 100, moved));
        let ids = (0..moved).map(|it| B256::from(U256::from(73 + it * 100)));
        let words = ids.chain([own.into_word(), other.into_word()]);
        looker.chain.heard(self.contract.address, words);
        let foretold = looker.look(self, proxy, TOKENS - moved);
        show("1 % given away, events read", foretold);
        many::give(&self.anvil, &self.contract, (other, own), (73, 100, moved));
        Costs { cold, unchanged, changed }
    }
}

fn show(what: &str, cost: Cost) {
    let Cost { requests, bytes, trips, time, processor } = cost;
    let rate = TOKENS as f64 / processor.as_secs_f64();
    let trips = if trips == 0 { String::new() } else { format!("in {trips} trips") };
    println!(
        "  {what:<28} {requests:>7} requests {trips:>11} {:>7.0} kB {:>8.3} s, own {:>7.3} s = {rate:>9.0} tokens/s",
        bytes as f64 / 1e3,
        time.as_secs_f64(),
        processor.as_secs_f64()
    );
}

/// What this process has used of processors so far.
fn processor_time() -> Duration {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF).unwrap();
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Duration::from_micros(micros as u64)
}

/// A chain as the daemon has it, and what the ledger would know.
struct Looker {
    runtime: tokio::runtime::Runtime,
    chain: Chain,
    known: BTreeMap<U256, Known>,
    scans: BTreeMap<Address, Scan>,
    number: u64,
}

impl Looker {
    fn new(scene: &Scene, url: &str) -> Self {
        let settings = ChainSettings {
            id: CHAIN,
            rpc: vec![EndpointSettings::new(url.parse().unwrap())],
            trust: Trust::Single,
            quorum: 1,
            genesis: None,
            pinned: Vec::new(),
            evm: None,
            consensus: None,
            retry: Duration::from_secs(10),
            poll: Duration::from_secs(12),
            now: Now::new(jiff::Timestamp::now),
        };
        // As in the daemon: one thread for the chains, and a few for the work beside it.
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime =
            builder.worker_threads(1).max_blocking_threads(4).enable_all().build().unwrap();
        let _inside = runtime.enter();
        let chain = Chain::open(settings).unwrap();
        drop(_inside);
        assert!(scene.anvil.block_number() > 0);
        Self { runtime, chain, known: BTreeMap::new(), scans: BTreeMap::new(), number: 0 }
    }

    fn spent(&self) -> (u64, u64) {
        let status = self.chain.status(Timestamp::UNIX_EPOCH);
        (status.endpoints[0].cost.requests, status.endpoints[0].cost.bytes)
    }

    /// One look at the newest block, which must find `held` tokens and that these are all.
    fn look(&mut self, scene: &Scene, proxy: Option<&Counter>, held: u64) -> Cost {
        let collection = Collection {
            chain: CHAIN,
            standard: Standard::Erc721,
            contract: scene.contract.address,
        };
        self.number += 1;
        let look = Look {
            wallet: scene.wallet.address(),
            by_contract: false,
            collection,
            ids: &IdRanges::every(),
            terms: Terms::direct(Rule::Owner),
            tokens_of: scene.tokens_of,
            from_block: 0,
            known: &self.known,
            scans: std::mem::take(&mut self.scans),
            number: self.number,
            seen_at: Timestamp::UNIX_EPOCH,
        };
        let (before, trips) = (self.spent(), proxy.map_or(0, Counter::trips));
        let (begun, used) = (Instant::now(), processor_time());
        let looked = self.runtime.block_on(async {
            let block = self.chain.anchor(Finality::Latest).await.unwrap();
            let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
            self.chain.look(&block, &look, deadline).await
        });
        let (time, processor) = (begun.elapsed(), processor_time() - used);
        let after = self.spent();
        let mut found = BTreeMap::new();
        for sighting in &looked.sightings {
            match (&sighting.target, &sighting.finding) {
                (Target::Token(token), Finding::Held { .. }) => {
                    drop(found.insert(token.id, Known::default()))
                }
                (Target::Token(_) | Target::Rest { .. }, Finding::NotHeld { .. }) => {}
                _ => panic!("{sighting:?}"),
            }
        }
        assert_eq!(found.len() as u64, held);
        (self.known, self.scans) = (found, looked.scans);
        Cost {
            requests: after.0 - before.0,
            bytes: after.1 - before.1,
            trips: proxy.map_or(0, Counter::trips) - trips,
            time,
            processor,
        }
    }
}
