//! What the ledger costs: a durable record, and a start with many customers in it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use alloy_primitives::{Address, B256, U256};
use entitled::store::tables::customers::{self, NewCustomer};
use entitled::store::tables::ownerships;
use entitled::store::tables::wallets::{self, NewWallet, Origin};
use entitled::store::{Asked, Store, StoreSettings};
use entitled_core::domain::ids::{ChainId, Collection, Standard, Timestamp};
use entitled_core::domain::kept::Look;
use entitled_core::domain::ownership::{
    Anchor, Finality, Finding, Reach, Rule, Sighting, Target, Trust,
};
use redb::{Database, TableDefinition};

use crate::asking::Question;
use crate::raw_request;
use crate::report::{Row, median};
use crate::rounds::{Plan, Side};
use crate::starts::{VERSION, time_to_answer};
use crate::support::CHAIN;
use crate::support::daemon::Daemon;
use crate::support::settings::{ProductFile, Settings};
use crate::support::stage::ACME;

const WRITERS: usize = 64;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(1);
/// Customers with a wallet and an ownership each. `BENCH_CUSTOMERS` sets another number.
const CUSTOMERS: u64 = 1_000_000;
/// Made in one transaction.
const AT_ONCE: usize = 5_000;
const STARTS: usize = 5;

pub fn measure() {
    durable();
    million();
}

/// Customers made by many writers at once, beside redb with a commit for each record of the same length.
fn durable() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let store = Store::open(StoreSettings::at(folder.path().join("ledger.redb")), now()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let database = Database::create(folder.path().join("plain.redb")).unwrap();
    let (mut ours, mut peer) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let done = Arc::<AtomicUsize>::default();
        let begun = Instant::now();
        let writers = (0..WRITERS).map(|_| {
            let (store, done) = (store.clone(), Arc::clone(&done));
            runtime.spawn(async move {
                while begun.elapsed() < ROUND {
                    store.write(|it| customers::create(it, customer(), &asked())).await.unwrap();
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        let writers: Vec<_> = writers.collect();
        writers.into_iter().for_each(|it| runtime.block_on(it).unwrap());
        ours.push(done.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64());
        peer.push(commits(&database));
    }
    let ratio = median(ours.iter().zip(&peer).map(|(ours, peer)| ours / peer).collect());
    Row {
        id: "durable",
        ours: format!("{:.0}/s", median(ours)),
        peer: format!("{:.0}/s", median(peer)),
        processor: None,
        judged: &[("rate", ratio)],
    }
    .tell();
}

fn commits(database: &Database) -> f64 {
    const TABLE: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("records");
    let (begun, mut done) = (Instant::now(), 0_u64);
    while begun.elapsed() < ROUND {
        let change = database.begin_write().unwrap();
        change.open_table(TABLE).unwrap().insert(done, &[7; 200][..]).unwrap();
        change.commit().unwrap();
        done += 1;
    }
    done as f64 / begun.elapsed().as_secs_f64()
}

/// The start with a full ledger beside one with an empty one.
fn million() {
    let count = std::env::var("BENCH_CUSTOMERS").ok().and_then(|it| it.parse().ok());
    let count = count.unwrap_or(CUSTOMERS);
    // Nobody asks about a chain: whoever asks has no wallet.
    let product = ProductFile::acme(&format!("{CHAIN}/erc721:{}", Address::repeat_byte(0xcc)));
    let settings = Settings::new(["http://127.0.0.1:1".to_owned()]).product(product);
    let (mut full, mut empty) = (Daemon::prepare(&settings), Daemon::prepare(&settings));
    for new in [&full, &empty] {
        time_to_answer(new, VERSION);
    }
    let begun = Instant::now();
    fill(&full.home().join("state/ledger.redb"), count);
    println!("{count} customers written in {:.0} s", begun.elapsed().as_secs_f64());
    let (mut ours, mut peer) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        ours.push(time_to_answer(&full, VERSION) / 1e3);
        peer.push(time_to_answer(&empty, VERSION) / 1e3);
    }
    let ratio = median(ours.iter().zip(&peer).map(|(ours, peer)| ours / peer).collect());
    Row {
        id: "million",
        ours: format!("{:.0} ms, {count} customers", median(ours)),
        peer: format!("{:.0} ms", median(peer)),
        processor: None,
        judged: &[("start", ratio)],
    }
    .tell();
    full.resume();
    empty.resume();
    for it in [&full, &empty] {
        it.wait_for_code(ACME, "NO_WALLET");
    }
    let question =
        |of: &Daemon| Question::new(&of.socket(), raw_request(), &["\"code\":\"NO_WALLET\""]);
    let (mut of_full, mut of_empty) = (question(&full).connect(1), question(&empty).connect(1));
    let plan = Plan { rounds: 7, blocks: 4, block: 500, requests: 1 };
    let ours = Side { pid: full.pid(), go: Box::new(|| of_full.ask()) };
    let peer = Side { pid: empty.pid(), go: Box::new(|| of_empty.ask()) };
    plan.play(ours, peer).tell_latency("million_check");
}

fn fill(path: &Path, count: u64) {
    let store = Store::open(StoreSettings::at(path), now()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for first in (0..count).step_by(AT_ONCE) {
        let made = store.write(move |it| {
            for number in first..count.min(first + AT_ONCE as u64) {
                let made = customers::create(it, customer(), &asked())?;
                let address = Address::from_word(B256::from(U256::from(number + 1)));
                let new = NewWallet {
                    address,
                    customer: made.id,
                    label: None,
                    origin: Origin::Linked { nonce: None, contract: None, proof: None },
                };
                wallets::add(it, new, &asked())?;
                ownerships::record_look(it, &look(number, address), &asked())?;
            }
            Ok(())
        });
        runtime.block_on(made).unwrap();
    }
    store.close().unwrap();
}

/// That a wallet holds a token.
fn look(number: u64, wallet: Address) -> Look {
    let contract = Address::repeat_byte(0xcc);
    let collection = Collection { chain: ChainId(31_337), standard: Standard::Erc721, contract };
    let anchor = Anchor {
        chain: ChainId(31_337),
        number: 1,
        hash: B256::repeat_byte(1),
        time: now(),
        finality: Finality::Latest,
        trust: Trust::Single,
        attestation: None,
    };
    let sighting = Sighting {
        look: number + 1,
        seen_at: now(),
        wallet,
        rule: Rule::Owner,
        reach: Reach::default(),
        target: Target::Token(collection.token(U256::from(number))),
        finding: Finding::Held { until: None, anchor },
        amount: None,
        whole: None,
        via: Vec::new(),
    };
    Look { sightings: vec![sighting], ..Look::default() }
}

fn customer() -> NewCustomer {
    NewCustomer {
        name: "A customer of the benchmark".to_owned(),
        metadata: BTreeMap::new(),
        ..Default::default()
    }
}

fn now() -> Timestamp {
    Timestamp::from_second(1_790_000_000).unwrap()
}

fn asked() -> Asked {
    Asked { by: "benchmark".to_owned(), at: now() }
}
