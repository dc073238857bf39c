use super::*;
use crate::store::testing::{Bench, asked, at, hash};
use alloy_primitives::U256;
use entitled_core::domain::ids::{ChainId, Collection, Standard};
use entitled_core::domain::ownership::{Anchor, Finality, Finding, IdRanges, Reach, Rule, Trust};

const WALLET: Address = Address::repeat_byte(1);

fn collection() -> Collection {
    let contract = Address::repeat_byte(9);
    Collection { chain: ChainId(1), standard: Standard::Erc721, contract }
}

/// A look that saw token 7 held, at the block of its own number.
fn look(number: u64, rule: Rule, transaction: Option<B256>) -> Look {
    let anchor = Anchor {
        chain: ChainId(1),
        number,
        hash: hash(number),
        time: at(1),
        finality: Finality::Latest,
        trust: Trust::Single,
        attestation: None,
    };
    let sighting = Sighting {
        look: number,
        seen_at: at(1),
        wallet: WALLET,
        rule,
        reach: Reach::default(),
        target: Target::Token(collection().token(U256::from(7))),
        finding: Finding::Held { until: None, anchor },
        amount: None,
        whole: None,
        via: Vec::new(),
    };
    Look { sightings: vec![sighting], transaction, ..Look::default() }
}

fn claim(bench: &Bench, look: Look) -> Ownership {
    bench.change(move |it| record(it, (&look, &[WALLET]), &asked(1))).unwrap().unwrap()
}

#[test]
fn what_is_recorded_is_not_recorded_anew_but_for_news() {
    let bench = Bench::new();
    let (one, two) = (Some(hash(1)), Some(hash(2)));
    let first = claim(&bench, look(1, Rule::Owner, one));
    assert_eq!(first.evidence.transaction, one);
    for transaction in [one, None] {
        assert_eq!(claim(&bench, look(2, Rule::Owner, transaction)), first);
    }
    let other = claim(&bench, look(3, Rule::Owner, two));
    assert_eq!((other.number, other.evidence.transaction), (first.number, two));
    let on_other_terms = claim(&bench, look(4, Rule::Unlock, two));
    assert_eq!(on_other_terms.number, first.number, "one holding, on whatever terms");
}

#[test]
fn a_claim_names_a_token() {
    let bench = Bench::new();
    let mut rest = look(1, Rule::Owner, None);
    rest.sightings[0].target =
        Target::Rest { collection: collection(), ids: IdRanges::only(U256::from(7)) };
    for look in [rest, Look::default()] {
        let refused = bench.change(move |it| record(it, (&look, &[WALLET]), &asked(1)));
        assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");
    }
}
