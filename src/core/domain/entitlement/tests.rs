//! The facts of the tests, and a table with every code; what must hold of every answer is in `properties`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::{Address, B256, U256};

use super::{
    Code, ContractWallet, Freshness, Holder, Outcome, Question, Step, StepKind, Verdict, evaluate,
    explain, wants_look,
};
use crate::domain::consensus::{Attestation, Checkpoint};
use crate::domain::ids::{ChainId, Collection, CustomerId, ProductId, Standard, Timestamp, Token};
use crate::domain::ownership::{
    Anchor, Cause, ENDED, Finality, Finding, IdRanges, Reach, Rule, Sighting, Target, Trust, Via,
};
use crate::domain::product::{Feature, Grant, Product, Tier, TokensOf};

mod amounts;
mod capacity;
mod order;
mod properties;
mod trust;

const NOON: i64 = 1_800_000_000;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(NOON + second).unwrap()
}

fn collection() -> Collection {
    Collection {
        chain: ChainId(1),
        standard: Standard::Erc721,
        contract: Address::repeat_byte(0xcc),
    }
}

fn tier(name: &str, rank: u32, expires_at: Option<Timestamp>) -> Tier {
    let features = Arc::new(BTreeMap::from([
        ("export".to_owned(), Feature::Flag(rank >= 20)),
        ("projects".to_owned(), Feature::Whole(i64::from(rank))),
    ]));
    Tier { name: name.parse().unwrap(), rank, price: None, features, seats: None, expires_at }
}

fn grant(tier: &str, ids: IdRanges) -> Grant {
    Grant {
        tier: tier.parse().unwrap(),
        collection: collection(),
        ids,
        rule: Rule::Owner,
        reach: Reach::default(),
        tokens_of: TokensOf::Enumerable,
        from_block: 0,
    }
}

/// Tokens 1 to 9 are `starter`, 10 to 19 `pro`, 20 to 29 a `trial` that ends at second 1,000.
/// Fresh for 100 s, grace 10,000 s, at `finalized` with `quorum`; provisional.
fn product() -> Product {
    let decade = |from: u64| IdRanges::new([(U256::from(from), U256::from(from + 9))]);
    Product {
        id: "acme-cad".parse().unwrap(),
        name: "Acme CAD".into(),
        version: 1,
        publisher: None,
        trust: Trust::Quorum,
        finality: Finality::Finalized,
        provisional: true,
        refresh: Duration::from_secs(100),
        grace: Duration::from_secs(10_000),
        tiers: vec![
            tier("starter", 10, None),
            tier("pro", 20, None),
            tier("trial", 30, Some(at(1_000))),
        ],
        grants: vec![
            grant("starter", decade(0)),
            grant("pro", decade(10)),
            grant("trial", decade(20)),
        ],
        checkpoints: Vec::new(),
        seats: crate::domain::product::SeatTerms::default(),
    }
}

fn anchor(number: u64, finality: Finality, trust: Trust) -> Anchor {
    let seconds = i64::try_from(number).unwrap();
    Anchor {
        chain: ChainId(1),
        number,
        hash: B256::with_last_byte(u8::try_from(number % 251).unwrap()),
        time: at(seconds),
        finality,
        trust,
        attestation: None,
    }
}

fn seen(look: u64, target: Target, finding: Finding) -> Sighting {
    let seen_at = at(i64::try_from(look).unwrap());
    Sighting {
        look,
        seen_at,
        wallet: wallet(1),
        rule: Rule::Owner,
        reach: Reach::default(),
        target,
        finding,
        amount: None,
        whole: None,
        via: Vec::new(),
    }
}

fn wallet(n: u8) -> Address {
    Address::repeat_byte(n)
}

fn token(id: u64) -> Token {
    collection().token(U256::from(id))
}

fn rest() -> Target {
    Target::Rest { collection: collection(), ids: IdRanges::every() }
}

fn final_at(number: u64) -> Anchor {
    anchor(number, Finality::Finalized, Trust::Quorum)
}

fn held(look: u64, id: u64, anchor: Anchor) -> Sighting {
    seen(look, Target::Token(token(id)), Finding::Held { until: None, anchor })
}

fn gone(look: u64, id: u64, anchor: Anchor) -> Sighting {
    seen(look, Target::Token(token(id)), Finding::NotHeld { anchor })
}

fn no_more(look: u64, anchor: Anchor) -> Sighting {
    seen(look, rest(), Finding::NotHeld { anchor })
}

fn lost(look: u64, finality: Finality) -> Sighting {
    seen(look, rest(), Finding::Unknown { cause: Cause::Unreachable, finality })
}

/// `uid:1000` with wallet 1.
fn own_holder() -> Holder {
    Holder {
        customer: CustomerId::Uid(1000),
        active: true,
        wallets: vec![wallet(1)],
        contracts: BTreeMap::new(),
    }
}

/// Asks for wallet 1 of `uid:1000`.
fn ask(sightings: &[Sighting], suspended: &[u64], now: Timestamp) -> Verdict {
    let holder = own_holder();
    ask_of(&[holder], sightings, suspended, now)
}

fn ask_of(
    holders: &[Holder],
    sightings: &[Sighting],
    suspended: &[u64],
    now: Timestamp,
) -> Verdict {
    let product = product();
    let suspended: BTreeSet<_> = suspended.iter().map(|it| token(*it)).collect();
    let question = Question {
        product: &product.id,
        definition: Some(&product),
        publisher: None,
        customer: CustomerId::Uid(1000),
        holders,
        sightings,
        suspended: &suspended,
    };
    // The story is told for every answer, and ends with the same facts.
    let _ = explain(&question, now);
    evaluate(&question, now)
}

/// Of minisign's own documentation.
const PUBLISHER: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";

#[test]
fn another_publishers_file_tells_nothing_but_that_it_is_another() {
    let proven = [held(50, 12, final_at(40)), no_more(50, final_at(40))];
    let publisher = PUBLISHER.parse().unwrap();
    let signed = Verdict { publisher: Some(publisher), ..ask(&proven, &[], at(60)) };
    let publisher = PUBLISHER.parse().unwrap();
    assert_eq!(signed.clone().for_publisher(&publisher), signed, "its own");
    let mismatch = ask(&proven, &[], at(60)).for_publisher(&publisher);
    assert!(!mismatch.is_valid() && mismatch.says_otherwise(&signed));
    assert_eq!((mismatch.tier, mismatch.token, mismatch.wallet), (None, None, None));
    assert!(mismatch.features.is_empty());
    // Narrowed further it stays what it is.
    let both = ask(&proven, &[], at(60)).for_publisher(&publisher).for_feature("fly");
    assert_eq!(both.code, Code::PublisherMismatch);
}

#[test]
fn every_code_is_reached() {
    let proven = [held(50, 12, final_at(40)), no_more(50, final_at(40))];
    let with = |more: &[Sighting]| [proven.as_slice(), more].concat();
    let low = anchor(40, Finality::Finalized, Trust::Single);
    let low = [held(50, 12, low.clone()), no_more(50, low)];
    let trial = [held(50, 22, final_at(40)), no_more(50, final_at(40))];
    let none = [no_more(50, final_at(40))];
    let publisher = PUBLISHER.parse().unwrap();
    let cases: Vec<(Code, Verdict)> = vec![
        (Code::Valid, ask(&proven, &[], at(60))),
        (Code::Valid, ask(&proven, &[], at(200))),
        (Code::Grace, ask(&with(&[lost(60, Finality::Finalized)]), &[], at(200))),
        (Code::NoWallet, ask_of(&[], &[], &[], at(60))),
        (Code::NotHeld, ask(&none, &[], at(60))),
        (Code::Expired, ask(&trial, &[], at(1_000))),
        (Code::FeatureMissing, ask(&proven, &[], at(60)).for_feature("fly")),
        (Code::Suspended, ask(&proven, &[12], at(60))),
        (Code::TrustTooLow, ask(&low, &[], at(60))),
        (Code::Undetermined, ask(&[], &[], at(60))),
        (Code::Undetermined, ask(&proven, &[], at(10_040))),
        (Code::PublisherMismatch, ask(&proven, &[], at(60)).for_publisher(&publisher)),
    ];
    for (code, verdict) in &cases {
        assert_eq!(verdict.code, *code, "{verdict:?}");
        assert!(!verdict.detail.is_empty(), "{code}");
    }
    let id: ProductId = "other".parse().unwrap();
    let none = BTreeSet::new();
    let question = Question {
        product: &id,
        definition: None,
        publisher: None,
        customer: CustomerId::Machine,
        holders: &[],
        sightings: &[],
        suspended: &none,
    };
    let nothing = evaluate(&question, at(0));
    assert_eq!(nothing.code, Code::NoProduct);
    let reached: BTreeSet<_> = cases.iter().map(|(it, _)| *it).chain([nothing.code]).collect();
    assert_eq!(reached.len(), Code::ALL.len());
}

#[test]
fn a_rest_says_nothing_of_a_token_its_own_look_could_not_prove() {
    let unknown = Finding::Unknown { cause: Cause::Contract, finality: Finality::Finalized };
    let open = seen(50, Target::Token(token(12)), unknown);
    let facts = [open.clone(), no_more(50, final_at(40))];
    assert_eq!(ask(&facts, &[], at(60)).code, Code::Undetermined);
    let held_before = [held(45, 12, final_at(35)), open, no_more(50, final_at(40))];
    assert_eq!(ask(&held_before, &[], at(60)).code, Code::Valid, "and does not end it");
    let later = [held_before.as_slice(), &[no_more(55, final_at(50))]].concat();
    assert_eq!(ask(&later, &[], at(60)).code, Code::NotHeld, "but the next one's does");
}

/// `user` lends token 12 of the same collection: what one rule is told another has not heard.
#[test]
fn sightings_of_other_terms_are_about_something_else() {
    let vaults = Reach { delegation: Some(B256::ZERO), token_bound: false };
    for (rule, reach) in [(Rule::User, Reach::default()), (Rule::Owner, vaults)] {
        let other = |it: Sighting| Sighting { rule, reach, ..it };
        let facts = [other(held(50, 12, final_at(40))), other(no_more(50, final_at(40)))];
        assert_eq!(ask(&facts, &[], at(60)).code, Code::Undetermined, "{rule:?} {reach:?}");
        let facts = [other(gone(50, 12, final_at(40))), held(45, 12, final_at(35))];
        assert_eq!(ask(&facts, &[], at(60)).code, Code::Valid, "{rule:?} {reach:?}");
    }
}

#[test]
fn an_end_counts_by_the_later_of_clock_and_block() {
    let ending = |second: i64| {
        let until = Some(at(second));
        let finding = Finding::Held { until, anchor: final_at(40) };
        [seen(50, Target::Token(token(12)), finding), no_more(50, final_at(40))]
    };
    for (end, now, code) in [
        (61, 60, Code::Valid),
        (60, 60, Code::Expired),
        (41, 30, Code::Valid),
        // The clock is behind the block, at which it had ended.
        (40, 30, Code::Expired),
    ] {
        assert_eq!(ask(&ending(end), &[], at(now)).code, code, "end {end}, now {now}");
    }
    let verdict = ask(&ending(61), &[], at(60));
    assert_eq!((verdict.expires_at, verdict.changes_at), (Some(at(61)), Some(at(61))));
}

#[test]
fn an_end_nobody_tells_is_expired_without_a_date() {
    let finding = Finding::Held { until: Some(ENDED), anchor: final_at(40) };
    let facts = [seen(50, Target::Token(token(12)), finding), no_more(50, final_at(40))];
    let verdict = ask(&facts, &[], at(60));
    assert_eq!((verdict.code, verdict.expires_at), (Code::Expired, None));
}

#[test]
fn who_stands_between_is_named() {
    let (vault, account) = (Address::repeat_byte(8), Address::repeat_byte(9));
    let via = vec![Via::Vault(vault), Via::Account(account)];
    let facts = [Sighting { via, ..held(50, 12, final_at(40)) }, no_more(50, final_at(40))];
    let detail = ask(&facts, &[], at(60)).detail;
    let wanted = format!("through vault {vault} and token-bound account {account}");
    assert!(detail.ends_with(&wanted), "{detail}");
}

#[test]
fn freshness_follows_the_proof() {
    let proven = [held(50, 12, final_at(40)), no_more(50, final_at(40))];
    assert_eq!(ask(&proven, &[], at(149)).freshness, Freshness::Fresh);
    assert_eq!(ask(&proven, &[], at(150)).freshness, Freshness::Stale);
    let failing = [proven.as_slice(), &[lost(60, Finality::Finalized)]].concat();
    assert_eq!(ask(&failing, &[], at(149)).code, Code::Valid);
    let grace = ask(&failing, &[], at(150));
    assert_eq!((grace.code, grace.freshness), (Code::Grace, Freshness::Grace));
    assert_eq!(grace.grace_until, Some(at(10_040)), "counted from the block, not from the look");
    assert!(grace.detail.contains("cannot be reached"), "{}", grace.detail);
}

#[test]
fn the_highest_rank_wins_then_the_later_end_then_the_lower_id() {
    let facts = |ids: &[u64]| {
        let mut facts: Vec<_> = ids.iter().map(|id| held(50, *id, final_at(40))).collect();
        facts.push(no_more(50, final_at(40)));
        facts
    };
    assert_eq!(ask(&facts(&[3, 12]), &[], at(60)).token, Some(token(12)));
    assert_eq!(ask(&facts(&[22, 12]), &[], at(60)).token, Some(token(22)));
    assert_eq!(ask(&facts(&[22, 12]), &[], at(1_000)).token, Some(token(12)), "the trial ended");
    assert_eq!(ask(&facts(&[15, 12]), &[], at(60)).token, Some(token(12)));
    let mut ends = facts(&[15]);
    let until = Some(at(5_000));
    ends.push(seen(50, Target::Token(token(12)), Finding::Held { until, anchor: final_at(40) }));
    assert_eq!(ask(&ends, &[], at(60)).token, Some(token(15)), "it never ends");
}

#[test]
fn what_is_seen_early_may_grant_for_now_and_may_end_it() {
    let latest = |number| anchor(number, Finality::Latest, Trust::Quorum);
    let bought = [held(50, 12, latest(49)), no_more(50, latest(49)), no_more(50, final_at(40))];
    let verdict = ask(&bought, &[], at(60));
    assert_eq!((verdict.code, verdict.provisional), (Code::Valid, true));

    let owned = [held(50, 12, final_at(40)), held(50, 12, latest(49)), no_more(50, final_at(40))];
    assert!(!ask(&owned, &[], at(60)).provisional);
    let sold = [owned.as_slice(), &[gone(55, 12, latest(54)), no_more(55, latest(54))]].concat();
    assert_eq!(ask(&sold, &[], at(60)).code, Code::NotHeld);
    let undone = [sold.as_slice(), &[held(56, 12, latest(54)), no_more(56, latest(54))]].concat();
    assert_eq!(ask(&undone, &[], at(60)).code, Code::Valid, "a reorg undid the sale");
    let settled =
        [sold.as_slice(), &[held(70, 12, final_at(60)), no_more(70, final_at(60))]].concat();
    assert_eq!(
        ask(&settled, &[], at(75)).code,
        Code::Valid,
        "a later block settled that it is held"
    );
}

#[test]
fn the_machines_wallet_counts_and_a_suspended_customers_does_not() {
    let facts = [held(50, 12, final_at(40)), no_more(50, final_at(40))];
    let holder = |customer, active, wallets| Holder {
        customer,
        active,
        wallets,
        contracts: BTreeMap::new(),
    };
    let machine = [
        holder(CustomerId::Uid(1000), true, vec![]),
        holder(CustomerId::Machine, true, vec![wallet(1)]),
    ];
    let verdict = ask_of(&machine, &facts, &[], at(60));
    assert_eq!((verdict.code, verdict.customer), (Code::Valid, CustomerId::Machine));
    let inactive = [holder(CustomerId::Uid(1000), false, vec![wallet(1)])];
    assert_eq!(ask_of(&inactive, &facts, &[], at(60)).code, Code::Suspended);
    // Nor does the machine's, for such a customer, whatever is known of it or not.
    let mut both = machine.clone();
    both[0].active = false;
    for known in [&facts[..], &[]] {
        let verdict = ask_of(&both, known, &[], at(60));
        assert_eq!((verdict.code, verdict.token), (Code::Suspended, None));
    }
    // Of a deactivated machine it is the machine's alone that does not count.
    let mut machines = machine;
    machines[1].active = false;
    let verdict = ask_of(&machines, &facts, &[], at(60));
    assert_eq!((verdict.code, verdict.customer), (Code::Suspended, CustomerId::Machine));
    machines[0].wallets = vec![wallet(1)];
    assert_eq!(ask_of(&machines, &facts, &[], at(60)).customer, CustomerId::Uid(1000));
}

#[test]
fn only_what_a_program_goes_by_is_news() {
    let facts = [held(50, 12, final_at(40)), no_more(50, final_at(40))];
    let verdict = ask(&facts, &[], at(60));
    let altered = |alter: fn(&mut Verdict)| {
        let mut other = verdict.clone();
        alter(&mut other);
        verdict.says_otherwise(&other)
    };
    for alter in [
        (|it| it.code = Code::Grace) as fn(&mut Verdict),
        |it| it.tier = None,
        |it| it.features = Arc::default(),
        |it| it.token = None,
        |it| it.trust = Some(Trust::Single),
        |it| it.provisional = true,
        |it| it.expires_at = Some(at(99)),
    ] {
        assert!(altered(alter));
    }
    for alter in [
        (|it| it.freshness = Freshness::Stale) as fn(&mut Verdict),
        |it| it.detail.push('!'),
        |it| it.anchor = None,
        |it| it.verified_at = None,
        |it| it.stale_after = Some(at(98)),
        |it| it.grace_until = Some(at(98)),
        |it| it.changes_at = Some(at(98)),
    ] {
        assert!(!altered(alter));
    }
}

#[test]
fn a_contract_wallet_counts_on_its_own_chain_only() {
    let facts = [held(50, 12, final_at(40)), no_more(50, final_at(40))];
    let on = |chain| {
        let accepted = Some(Anchor { chain, ..final_at(30) });
        let contracts = BTreeMap::from([(wallet(1), ContractWallet { chain, accepted })]);
        let wallets = vec![wallet(1)];
        let holder = Holder { customer: CustomerId::Uid(1000), active: true, wallets, contracts };
        ask_of(&[holder], &facts, &[], at(60)).code
    };
    assert_eq!(on(collection().chain), Code::Valid);
    assert_eq!(on(ChainId(collection().chain.0 + 1)), Code::NotHeld);
}

#[test]
fn a_feature_is_missing_when_absent_or_false() {
    let starter = ask(&[held(50, 3, final_at(40)), no_more(50, final_at(40))], &[], at(60));
    assert_eq!(starter.clone().for_feature("export").code, Code::FeatureMissing);
    assert_eq!(starter.clone().for_feature("projects").code, Code::Valid);
    assert_eq!(starter.for_feature("fly").code, Code::FeatureMissing);
}
