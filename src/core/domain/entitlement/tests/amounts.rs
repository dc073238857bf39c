//! Of a token that many have some of, as many count as are proven, and no more; and who has too few is told how many.

use super::*;
use crate::domain::entitlement::{Count, Tokens, awaits_finality, capacities};

fn editions() -> Collection {
    Collection { standard: Standard::Erc1155, ..collection() }
}

fn edition(id: u64) -> Token {
    editions().token(U256::from(id))
}

fn by_balance(tier: &str, ids: &[u64], min: u64) -> Grant {
    let ids = ids.iter().map(|it| (U256::from(*it), U256::from(*it)));
    Grant {
        collection: editions(),
        rule: Rule::Balance { min: U256::from(min) },
        tokens_of: TokensOf::Ids,
        ..grant(tier, IdRanges::new(ids))
    }
}

/// `pro` by `min` of edition 7.
fn pro_by(min: u64) -> Product {
    Product { grants: vec![by_balance("pro", &[7], min)], ..product() }
}

/// What a look at `anchor` saw: so many of edition 7, of which `min` were asked for, and none of the rest.
fn counted_at(look: u64, amount: u64, min: u64, anchor: Anchor) -> Vec<Sighting> {
    let rule = Rule::Balance { min: U256::from(min) };
    let finding = match amount >= min {
        true => Finding::Held { until: None, anchor: anchor.clone() },
        false => Finding::NotHeld { anchor: anchor.clone() },
    };
    let token = seen(look, Target::Token(edition(7)), finding);
    let ids = IdRanges::only(U256::from(7));
    let rest = Target::Rest { collection: editions(), ids };
    let rest = seen(look, rest, Finding::NotHeld { anchor });
    let amount = Some(U256::from(amount));
    vec![Sighting { rule, amount, ..token }, Sighting { rule, ..rest }]
}

fn counted(look: u64, amount: u64, min: u64) -> Vec<Sighting> {
    counted_at(look, amount, min, final_at(look - 10))
}

/// As it was written down before there were amounts.
fn of_before(facts: Vec<Sighting>) -> Vec<Sighting> {
    facts.into_iter().map(|it| Sighting { amount: None, ..it }).collect()
}

fn of_wallet(number: u8, facts: Vec<Sighting>) -> Vec<Sighting> {
    facts.into_iter().map(|it| Sighting { wallet: wallet(number), ..it }).collect()
}

fn through(vault: u8, facts: Vec<Sighting>) -> Vec<Sighting> {
    let via = |it: &Sighting| match it.finding {
        Finding::Held { .. } => vec![Via::Vault(wallet(vault))],
        _ => Vec::new(),
    };
    facts.into_iter().map(|it| Sighting { via: via(&it), ..it }).collect()
}

/// Asks for somebody who has the wallets that the facts are about.
fn with<T>(product: &Product, facts: &[Sighting], answer: impl Fn(&Question<'_>) -> T) -> T {
    let holder = Holder { wallets: facts.iter().map(|it| it.wallet).collect(), ..own_holder() };
    answer(&Question {
        product: &product.id,
        definition: Some(product),
        publisher: None,
        customer: CustomerId::Uid(1000),
        holders: &[holder],
        sightings: facts,
        suspended: &BTreeSet::new(),
    })
}

/// How many there are by each grant; `None` where that is not known.
fn counts(product: &Product, facts: &[Sighting], now: Timestamp) -> Vec<Option<u32>> {
    let count = |it: Tokens| match it {
        Tokens::Proven { count, .. } => Some(count),
        Tokens::NotKnown { .. } => None,
    };
    with(product, facts, |it| capacities(it, now).iter().map(|it| count(it.tokens)).collect())
}

fn shares(product: &Product, facts: &[Sighting]) -> Vec<(Option<Address>, u32)> {
    with(product, facts, |it| {
        let all = capacities(it, at(60));
        let counted = all.iter().flat_map(|it| &it.counted);
        counted.map(|it| (it.share.account, it.times)).collect()
    })
}

#[test]
fn as_many_count_as_are_proven_over_all_wallets() {
    let facts = [counted(50, 3, 1), of_wallet(2, counted(50, 2, 1))].concat();
    assert_eq!(counts(&pro_by(1), &facts, at(60)), [Some(5)]);
    assert_eq!(shares(&pro_by(1), &facts), [(Some(wallet(1)), 3), (Some(wallet(2)), 2)]);
    let sold = [facts, counted(55, 1, 1)].concat();
    assert_eq!(counts(&pro_by(1), &sold, at(60)), [Some(3)], "two of the first wallet's are sold");
}

#[test]
fn a_grant_that_takes_several_is_met_as_often_as_one_account_has_so_many() {
    for (amount, times) in [(1, 0), (2, 1), (3, 1), (4, 2), (5, 2)] {
        assert_eq!(counts(&pro_by(2), &counted(50, amount, 2), at(60)), [Some(times)], "{amount}");
    }
    let apart = [counted(50, 3, 2), of_wallet(2, counted(50, 3, 2))].concat();
    assert_eq!(counts(&pro_by(2), &apart, at(60)), [Some(2)], "what is left of two is not one");
}

#[test]
fn what_was_written_down_without_an_amount_counts_as_what_the_rule_asked_for() {
    for min in [1, 2] {
        let facts = of_before(counted(50, 9, min));
        assert_eq!(counts(&pro_by(min), &facts, at(60)), [Some(1)], "{min}");
    }
    let since = [of_before(counted(50, 9, 1)), counted(55, 9, 1)].concat();
    assert_eq!(counts(&pro_by(1), &since, at(60)), [Some(9)], "until it is looked at again");
}

#[test]
fn more_than_there_are_numbers_for_is_the_greatest_number() {
    let mut facts = counted(50, 3, 1);
    facts[0].amount = Some(U256::MAX);
    let both = [facts, of_wallet(2, counted(50, 2, 1))].concat();
    assert_eq!(counts(&pro_by(1), &both, at(60)), [Some(u32::MAX)]);
}

#[test]
fn a_vault_behind_two_wallets_counts_once() {
    let facts = [through(9, counted(50, 3, 1)), of_wallet(2, through(9, counted(50, 5, 1)))];
    assert_eq!(shares(&pro_by(1), &facts.concat()), [(Some(wallet(9)), 5)]);
    // One of the wallets may be the vault itself.
    let facts = [through(2, counted(50, 3, 1)), of_wallet(2, counted(50, 5, 1))];
    assert_eq!(shares(&pro_by(1), &facts.concat()), [(Some(wallet(2)), 5)]);
}

/// The vault has as many as `whole`, and delegated a part to each of the wallets.
fn part_of(whole: u64, (wallet, amount): (u8, u64), min: u64) -> Vec<Sighting> {
    let whole = Some(U256::from(whole)).filter(|it| *it > U256::from(amount));
    let facts = of_wallet(wallet, through(9, counted(50, amount, min)));
    let is_token = |it: &Sighting| matches!(it.target, Target::Token(_));
    facts.into_iter().map(|it| Sighting { whole: whole.filter(|_| is_token(&it)), ..it }).collect()
}

#[test]
fn parts_of_what_a_vault_has_add_up_to_what_it_has() {
    for (whole, parts, min, times, of) in [
        (10, [4, 6], 1, 10, 10),
        (10, [4, 5], 1, 9, 10),
        // A vault may delegate more than it has.
        (10, [8, 8], 1, 10, 10),
        (10, [10, 3], 1, 10, 10),
        // Of one account, whatever is left of one part is added to what is left of another.
        (10, [5, 5], 2, 5, 5),
        (9, [3, 3], 2, 3, 4),
    ] {
        let facts = [part_of(whole, (1, parts[0]), min), part_of(whole, (2, parts[1]), min)];
        let counted = with(&pro_by(min), &facts.concat(), |it| {
            let all = capacities(it, at(60));
            let counted = all.iter().flat_map(|it| &it.counted);
            counted.map(|it| (it.share.account, it.times, it.of)).collect::<Vec<_>>()
        });
        assert_eq!(counted, [(Some(wallet(9)), times, of)], "{parts:?} of {whole} by {min}");
        assert_eq!(counts(&pro_by(min), &facts.concat(), at(60)), [Some(times)]);
    }
    let alone = part_of(10, (1, 4), 1);
    assert_eq!(counts(&pro_by(1), &alone, at(60)), [Some(4)]);
}

#[test]
fn fewer_of_what_a_vault_has_count_at_once_and_more_when_they_are_settled() {
    let head = anchor(54, Finality::Latest, Trust::Quorum);
    let of_head = |whole: u64| {
        let facts = through(9, counted_at(55, 4, 1, head.clone()));
        let whole = Some(U256::from(whole)).filter(|it| *it > U256::from(4));
        vec![Sighting { whole, ..facts[0].clone() }, facts[1].clone()]
    };
    let strict = Product { provisional: false, ..pro_by(1) };
    for (product, whole, of) in [
        (&pro_by(1), 12, 12),
        (&strict, 12, 10),
        (&pro_by(1), 6, 6),
        (&strict, 6, 6),
        (&strict, 4, 4),
    ] {
        let facts = [part_of(10, (1, 4), 1), of_head(whole)].concat();
        let said = with(product, &facts, |it| {
            let all = capacities(it, at(60));
            (all[0].counted[0].times, all[0].counted[0].of)
        });
        assert_eq!(said, (4, of), "{whole}");
        assert_eq!(with(product, &facts, awaits_finality), whole == 12, "{whole}");
    }
}

#[test]
fn of_two_grants_for_one_id_each_account_counts_for_the_better_one_it_reaches() {
    let grants = vec![by_balance("starter", &[7], 1), by_balance("pro", &[7], 10)];
    let product = Product { grants, ..product() };
    let of_both = |look, amount| [counted(look, amount, 1), counted(look, amount, 10)].concat();
    let facts = [of_both(50, 25), of_wallet(2, of_both(50, 3))].concat();
    assert_eq!(counts(&product, &facts, at(60)), [Some(3), Some(2)]);
}

#[test]
fn fewer_count_at_once_and_more_when_they_are_settled() {
    let head = |number| anchor(number, Finality::Latest, Trust::Quorum);
    let strict = Product { provisional: false, ..pro_by(1) };
    for (product, early) in [(&pro_by(1), 5), (&strict, 3)] {
        let more = [counted(50, 3, 1), counted_at(55, 5, 1, head(54))].concat();
        assert_eq!(counts(product, &more, at(60)), [Some(early)]);
        assert!(with(product, &more, awaits_finality), "it may be settled already");
        let fewer = [counted(50, 3, 1), counted_at(55, 1, 1, head(54))].concat();
        assert_eq!(counts(product, &fewer, at(60)), [Some(1)]);
        assert!(!with(product, &fewer, awaits_finality), "what is gone has gone already");
    }
    // On one endpoint's word, which is less than the product asks for, nothing is lost and nothing won.
    let whispered = |amount| counted_at(55, amount, 1, anchor(54, Finality::Latest, Trust::Single));
    let told =
        |amount| counts(&pro_by(1), &[counted(50, 3, 1), whispered(amount)].concat(), at(60));
    assert!(told(5) != [Some(5)] && told(1) != [Some(1)], "{:?} {:?}", told(5), told(1));
}

#[test]
fn what_is_not_known_takes_nothing_away_until_the_evidence_has_run_out() {
    let rule = Rule::Balance { min: U256::ONE };
    let lost = Sighting { rule, ..lost(70, Finality::Finalized) };
    let lost = Sighting { target: counted(50, 3, 1)[1].target.clone(), ..lost };
    let facts = [counted(50, 3, 1), vec![lost]].concat();
    assert_eq!(counts(&pro_by(1), &facts, at(10_039)), [Some(3)]);
    assert_eq!(counts(&pro_by(1), &facts, at(10_040)), [None]);
}

#[test]
fn who_holds_too_few_is_told_how_many() {
    let product = pro_by(2);
    let facts = [counted(50, 1, 2), of_wallet(2, counted(50, 1, 2)[1..].to_vec())].concat();
    let verdict = with(&product, &facts, |it| evaluate(it, at(60)));
    assert_eq!(verdict.code, Code::NotHeld);
    let holds = format!("wallet {} holds 1 of 2", wallet(1));
    let said = format!("{holds} of token 7 for tier pro");
    assert!(verdict.detail.contains(&said), "{}", verdict.detail);
    let steps = with(&product, &facts, |it| explain(it, at(60)));
    let count = Some(Count { held: U256::ONE, least: U256::from(2) });
    let short: Vec<&Step> = steps.iter().filter(|it| it.count.is_some()).collect();
    assert_eq!(short.len(), 1, "{steps:?}");
    assert_eq!(
        (short[0].kind, short[0].outcome, short[0].count),
        (StepKind::Token, Outcome::No, count)
    );
    assert_eq!((&short[0].subject, &short[0].reason), (&edition(7).to_string(), &holds));
}

#[test]
fn a_yes_says_how_many_count() {
    let steps = with(&pro_by(2), &counted(50, 5, 2), |it| explain(it, at(60)));
    let count = Some(Count { held: U256::from(5), least: U256::from(2) });
    let step = steps.iter().find(|it| it.count == count).unwrap();
    assert_eq!((step.kind, step.outcome), (StepKind::Ownership, Outcome::Yes));
    assert!(step.reason.ends_with("answered 2 or more, and 5 count"), "{}", step.reason);
}

#[test]
fn what_was_written_down_without_an_amount_is_told_as_before() {
    let facts = of_before(counted(50, 1, 2));
    let verdict = with(&pro_by(2), &facts, |it| evaluate(it, at(60)));
    assert_eq!(verdict.code, Code::NotHeld);
    assert!(!verdict.detail.contains(" of 2"), "{}", verdict.detail);
}
