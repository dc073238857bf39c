//! What it costs to write down a look at a wallet with many tokens, to read it again, and to decide by it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use alloy_primitives::{Address, B256, U256};
use entitled::store::tables::wallets::{self, NewWallet, Origin};
use entitled::store::tables::{facts, ownerships};
use entitled::store::{Asked, Store, StoreSettings};
use entitled_core::domain::entitlement::{Code, Holder, Question, evaluate};
use entitled_core::domain::ids::{ChainId, Collection, CustomerId, Standard, Timestamp};
use entitled_core::domain::kept::Look;
use entitled_core::domain::ownership::{
    Anchor, Finality, Finding, IdRanges, Reach, Rule, Sighting, Target, Trust,
};
use entitled_core::domain::product;

use crate::processor_time;
use crate::report::{Row, median};

const WALLET: Address = Address::repeat_byte(7);
const OTHER: Address = Address::repeat_byte(8);
/// Looks of one kind; the median counts.
const REPEATS: usize = 5;

/// Prints the figures.
pub fn measure(tokens: u64) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(StoreSettings::at(dir.path().join("ledger.redb")), time(0)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let new = |address| NewWallet {
        address,
        customer: CustomerId::Machine,
        label: None,
        origin: Origin::Linked { nonce: None, contract: None, proof: None },
    };
    for new in [new(WALLET), new(OTHER)] {
        runtime.block_on(store.write(move |it| wallets::add(it, new, &asked(0)))).unwrap();
    }
    println!("\nthe ledger, {tokens} tokens of one wallet");
    let mut number = 0;
    let mut record = |wallet, tokens| {
        number += 1;
        let look = look(number, wallet, tokens);
        let record = store.write(move |it| ownerships::record_look(it, &look, &asked(number)));
        let used = processor_time();
        runtime.block_on(record).unwrap();
        (processor_time() - used).as_secs_f64() * 1e3
    };
    println!("  first look recorded: {:.1} ms of processor time", record(WALLET, tokens));
    // Each after the same, so that nothing is new in it but the block.
    let unchanged = median((0..REPEATS).map(|_| record(WALLET, tokens)).collect());
    record(OTHER, 1);
    let one = median((0..REPEATS).map(|_| record(OTHER, 1)).collect());
    Row {
        id: "unchanged_ledger",
        ours: format!("{unchanged:.1} ms"),
        peer: format!("{one:.1} ms"),
        processor: None,
        judged: &[("time", unchanged / one)],
    }
    .tell();
    let collections = [collection()];
    let read = || store.read(|it| facts::facts(it, &[CustomerId::Machine], &collections)).unwrap();
    let facts = timed("facts read", read);
    let text = format!(
        "product = \"acme\"\nname = \"Acme\"\nversion = 1\ntrust = \"single\"\nfinality = \"latest\"\n\
         refresh = \"10m\"\ngrace = \"14d\"\n[tiers.pro]\nrank = 1\n[[grants]]\ntier = \"pro\"\n\
         token = \"{}\"\ntokens_of = \"logs\"\n",
        collection()
    );
    let definition = product::parse(&text).unwrap();
    let holders = [Holder {
        customer: CustomerId::Machine,
        active: true,
        wallets: vec![WALLET],
        contracts: BTreeMap::new(),
    }];
    let question = Question {
        product: &definition.id,
        definition: Some(&definition),
        publisher: None,
        customer: CustomerId::Machine,
        holders: &holders,
        sightings: &facts.sightings,
        suspended: &BTreeSet::new(),
    };
    let verdict = timed("verdict made", || evaluate(&question, time(3)));
    assert_eq!(verdict.code, Code::Valid);
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let done = work();
    println!("  {what:<26} {:>53.3} s", begun.elapsed().as_secs_f64());
    done
}

fn time(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn asked(look: u64) -> Asked {
    Asked { by: "chain".to_owned(), at: time(look.cast_signed()) }
}

fn collection() -> Collection {
    let contract = Address::repeat_byte(0xcc);
    Collection { chain: ChainId(1), standard: Standard::Erc721, contract }
}

/// All tokens held and no others, at the block of the same number.
fn look(number: u64, wallet: Address, tokens: u64) -> Look {
    let anchor = Anchor {
        chain: ChainId(1),
        number,
        hash: B256::with_last_byte(number as u8),
        time: time(number.cast_signed()),
        finality: Finality::Latest,
        trust: Trust::Single,
        attestation: None,
    };
    let seen = |target, finding| Sighting {
        look: number,
        seen_at: anchor.time,
        wallet,
        rule: Rule::Owner,
        reach: Reach::default(),
        target,
        finding,
        amount: None,
        whole: None,
        via: Vec::new(),
    };
    let held = |id| {
        let target = Target::Token(collection().token(U256::from(id)));
        seen(target, Finding::Held { until: None, anchor: anchor.clone() })
    };
    let rest = Target::Rest { collection: collection(), ids: IdRanges::every() };
    let rest = seen(rest, Finding::NotHeld { anchor: anchor.clone() });
    Look { sightings: (1..=tokens).map(held).chain([rest]).collect(), ..Look::default() }
}
