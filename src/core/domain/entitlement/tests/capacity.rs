//! Seats are counted from what is proven, and what is not known is neither a token nor the lack of one.

use super::*;
use crate::domain::entitlement::{Tokens, capacities};

/// `pro` by tokens 10 to 19, of holders with these wallets; the first is whose question it is.
fn pro_of(
    holders: &[Holder],
    sightings: &[Sighting],
    suspended: &[u64],
    now: Timestamp,
) -> Vec<(CustomerId, Tokens)> {
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
    let all = capacities(&question, now);
    assert_eq!(all.len(), holders.len() * product.grants.len(), "one for each holder and grant");
    let pro = all.into_iter().filter(|it| it.grant.tier.as_str() == "pro");
    pro.map(|it| (it.holder, it.tokens)).collect()
}

fn pro(sightings: &[Sighting], suspended: &[u64], now: Timestamp) -> Tokens {
    pro_of(&[own_holder()], sightings, suspended, now)[0].1
}

fn counted(tokens: Tokens) -> (u32, Option<Timestamp>, bool) {
    match tokens {
        Tokens::Proven { count, until, complete, .. } => (count, until, complete),
        Tokens::NotKnown { .. } => panic!("not known"),
    }
}

fn of_wallet(number: u8, facts: Vec<Sighting>) -> Vec<Sighting> {
    facts.into_iter().map(|it| Sighting { wallet: wallet(number), ..it }).collect()
}

fn machine(number: u8) -> Holder {
    Holder { customer: CustomerId::Machine, wallets: vec![wallet(number)], ..own_holder() }
}

#[test]
fn each_token_counts_until_the_end_of_the_last_of_them() {
    let finding = Finding::Held { until: Some(at(500)), anchor: final_at(40) };
    let rented = seen(50, Target::Token(token(13)), finding);
    let facts = [held(50, 12, final_at(40)), rented, no_more(50, final_at(40))];
    let tokens = pro(&facts, &[], at(60));
    assert_eq!(counted(tokens), (2, Some(at(10_040)), true));
    assert!(matches!(tokens, Tokens::Proven { changes_at: Some(it), .. } if it == at(500)));
    assert_eq!(counted(pro(&facts, &[], at(500))), (1, Some(at(10_040)), true), "one has ended");
    assert_eq!(counted(pro(&facts, &[12], at(500))), (0, None, true), "one is suspended besides");
}

#[test]
fn not_known_is_not_none() {
    let never = Tokens::NotKnown { until: None };
    assert_eq!(pro(&[], &[], at(60)), never, "never looked at");
    let none = [no_more(50, final_at(40))];
    assert_eq!(counted(pro(&none, &[], at(60))), (0, None, true));
    let silent = [no_more(50, final_at(40)), lost(60, Finality::Finalized)];
    assert_eq!(pro(&silent, &[], at(200)), never, "stale, and not to be refreshed");
    let owned =
        [held(50, 12, final_at(40)), no_more(50, final_at(40)), lost(60, Finality::Finalized)];
    assert_eq!(counted(pro(&owned, &[], at(10_039))), (1, Some(at(10_040)), false), "in grace");
    let lapsed = Tokens::NotKnown { until: Some(at(10_040)) };
    assert_eq!(pro(&owned, &[], at(10_040)), lapsed, "and after it");
    assert_eq!(pro(&owned, &[], at(99_999)), lapsed, "as long as nothing else is known");
    let low = anchor(40, Finality::Finalized, Trust::Single);
    let low = [held(50, 12, low.clone()), no_more(50, low)];
    assert_eq!(pro(&low, &[], at(60)), lapsed, "seen at too low a trust");
    assert_eq!(pro(&low, &[12], at(60)), lapsed, "and suspended besides");
}

#[test]
fn what_is_sold_is_none() {
    let facts = [held(50, 12, final_at(40)), no_more(50, final_at(40))];
    let sold = [&facts[..], &[gone(70, 12, final_at(65)), no_more(70, final_at(65))]].concat();
    assert_eq!(counted(pro(&sold, &[], at(80))), (0, None, true));
}

#[test]
fn wallets_of_a_holder_add_up_and_those_of_the_machine_are_its_own() {
    let own = Holder { wallets: vec![wallet(1), wallet(2)], ..own_holder() };
    let first = vec![held(50, 12, final_at(40)), no_more(50, final_at(40))];
    let second = of_wallet(2, vec![held(50, 13, final_at(40)), no_more(50, final_at(40))]);
    let shared = of_wallet(3, vec![held(50, 14, final_at(40)), no_more(50, final_at(40))]);
    let facts = [first, second, shared].concat();
    let counts = pro_of(&[own, machine(3)], &facts, &[], at(60));
    let counts: Vec<_> = counts.into_iter().map(|(it, tokens)| (it, counted(tokens).0)).collect();
    assert_eq!(counts, [(CustomerId::Uid(1000), 2), (CustomerId::Machine, 1)]);
}

#[test]
fn what_is_not_known_of_one_wallet_takes_nothing_from_another() {
    let own = Holder { wallets: vec![wallet(1), wallet(2)], ..own_holder() };
    let facts = [held(50, 12, final_at(40)), no_more(50, final_at(40))];
    let tokens = pro_of(&[own], &facts, &[], at(60))[0].1;
    assert_eq!(counted(tokens), (1, Some(at(10_040)), false), "there may be more");
}

#[test]
fn a_token_counts_for_the_best_of_its_grants_alone() {
    let mut product = product();
    product.grants.push(grant("starter", IdRanges::every()));
    let holder = [own_holder()];
    let facts = [held(50, 12, final_at(40)), held(50, 40, final_at(40)), no_more(50, final_at(40))];
    let question = Question {
        product: &product.id,
        definition: Some(&product),
        publisher: None,
        customer: CustomerId::Uid(1000),
        holders: &holder,
        sightings: &facts,
        suspended: &BTreeSet::new(),
    };
    let counts: Vec<u32> =
        capacities(&question, at(60)).iter().map(|it| counted(it.tokens).0).collect();
    assert_eq!(counts, [0, 1, 0, 1], "12 is pro, though the last grant takes every id");
}

#[test]
fn a_deactivated_customer_has_nothing_by_the_machine_neither() {
    let own = Holder { active: false, ..own_holder() };
    let shared = of_wallet(3, vec![held(50, 14, final_at(40)), no_more(50, final_at(40))]);
    let counts = pro_of(&[own, machine(3)], &shared, &[], at(60));
    assert!(counts.iter().all(|(_, it)| counted(*it) == (0, None, true)), "{counts:?}");
}
