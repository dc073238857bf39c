//! What must hold of every answer, whatever the facts.

use proptest::prelude::*;

use super::*;

fn a_finality() -> impl Strategy<Value = Finality> {
    prop_oneof![Just(Finality::Latest), Just(Finality::Finalized)]
}

prop_compose! {
    fn an_anchor()(number in 1_u64..200, finality in a_finality(), single in prop::bool::weighted(0.2))
        -> Anchor {
        anchor(number, finality, if single { Trust::Single } else { Trust::Quorum })
    }
}

fn a_finding() -> impl Strategy<Value = Finding> {
    prop_oneof![
        4 => (an_anchor(), prop::option::weighted(0.3, 100_i64..3_000)).prop_map(|(anchor, until)| {
            Finding::Held { until: until.map(at), anchor }
        }),
        4 => an_anchor().prop_map(|anchor| Finding::NotHeld { anchor }),
        2 => a_finality().prop_map(|finality| Finding::Unknown { cause: Cause::Unreachable, finality }),
    ]
}

prop_compose! {
    fn a_sighting()(
        look in 1_u64..200,
        id in prop::option::weighted(0.7, 1_u64..30),
        finding in a_finding(),
        second in prop::bool::weighted(0.3),
    ) -> Sighting {
        let target = id.map_or_else(rest, |it| Target::Token(token(it)));
        Sighting { wallet: wallet(1 + u8::from(second)), ..seen(look, target, finding) }
    }
}

fn two_wallets() -> Vec<Holder> {
    vec![
        Holder {
            customer: CustomerId::Uid(1000),
            active: true,
            wallets: vec![wallet(1)],
            contracts: BTreeMap::new(),
        },
        Holder {
            customer: CustomerId::Machine,
            active: true,
            wallets: vec![wallet(2)],
            contracts: BTreeMap::new(),
        },
    ]
}

fn rank(verdict: &Verdict) -> i64 {
    verdict.rank.filter(|_| verdict.is_valid()).map_or(-1, i64::from)
}

proptest! {
    #[test]
    fn order_and_repetition_do_not_matter(
        (facts, shuffled) in prop::collection::vec(a_sighting(), 0..24)
            .prop_flat_map(|facts| (Just(facts.clone()), Just(facts).prop_shuffle())),
        again in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        now in 0_i64..12_000,
    ) {
        let mut other = shuffled;
        for index in again {
            if let Some(fact) = facts.get(index.index(facts.len().max(1))) {
                other.push(fact.clone());
            }
        }
        let holders = two_wallets();
        prop_assert_eq!(
            ask_of(&holders, &facts, &[], at(now)),
            ask_of(&holders, &other, &[], at(now))
        );
    }

    #[test]
    fn one_more_valid_token_never_lowers_the_tier(
        facts in prop::collection::vec(a_sighting(), 0..24),
        id in 1_u64..20,
        now in 300_i64..380,
    ) {
        let holders = two_wallets();
        let before = ask_of(&holders, &facts, &[], at(now));
        let mut more = facts;
        more.push(held(300, id, final_at(250)));
        let after = ask_of(&holders, &more, &[], at(now));
        prop_assert!(after.is_valid());
        prop_assert!(rank(&after) >= rank(&before), "{:?} then {:?}", before, after);
    }

    #[test]
    fn what_is_unknown_alone_is_neither_yes_nor_a_proven_no(
        facts in prop::collection::vec(a_sighting(), 0..24),
        now in 0_i64..12_000,
    ) {
        let unknown: Vec<_> =
            facts.into_iter().filter(|it| it.finding.anchor().is_none()).collect();
        prop_assert_eq!(ask_of(&two_wallets(), &unknown, &[], at(now)).code, Code::Undetermined);
    }

    #[test]
    fn failing_attempts_never_turn_an_answer_into_the_opposite(
        facts in prop::collection::vec(a_sighting(), 0..24),
        finality in a_finality(),
        now in 200_i64..12_000,
    ) {
        let holders = two_wallets();
        let before = ask_of(&holders, &facts, &[], at(now));
        let mut more = facts;
        more.push(lost(500, finality));
        more.push(Sighting { wallet: wallet(2), ..lost(500, finality) });
        let after = ask_of(&holders, &more, &[], at(now));
        prop_assert!(before.is_valid() == after.is_valid() || after.code == Code::Undetermined);
        prop_assert_eq!(before.tier.is_some() && after.is_valid(), after.tier.is_some());
    }

    #[test]
    fn validity_outlives_none_of_its_limits(
        facts in prop::collection::vec(a_sighting(), 0..24),
        now in 0_i64..12_000,
    ) {
        let now = at(now);
        let verdict = ask_of(&two_wallets(), &facts, &[], now);
        if verdict.is_valid() {
            prop_assert!(verdict.grace_until.unwrap() > now);
            prop_assert!(verdict.expires_at.is_none_or(|it| it > now));
            let anchor = verdict.anchor.unwrap();
            prop_assert!(anchor.time.checked_add(product().grace).unwrap() > now);
            prop_assert!(anchor.trust >= product().trust);
            prop_assert!(anchor.finality >= product().finality || verdict.provisional);
            prop_assert!(verdict.changes_at.is_some_and(|it| it > now));
        }
    }

    #[test]
    fn the_answer_changes_by_time_exactly_when_it_says(
        facts in prop::collection::vec(a_sighting(), 0..24),
        now in 0_i64..12_000,
        step in 0_i64..12_000,
    ) {
        let holders = two_wallets();
        let verdict = ask_of(&holders, &facts, &[], at(now));
        // A renewal takes the place of what it renews: by its end, and by how settled it is.
        let key =
            |it: &Verdict| (it.code, it.rank, it.token, it.wallet, it.provisional, it.expires_at);
        let later = at(now + step);
        let changed = verdict.changes_at.is_some_and(|it| it <= later);
        let then = ask_of(&holders, &facts, &[], later);
        if !changed {
            prop_assert_eq!(key(&verdict), key(&then));
        }
        if let Some(moment) = verdict.changes_at {
            prop_assert_ne!(key(&verdict), key(&ask_of(&holders, &facts, &[], moment)));
            let seconds = verdict.seconds_until_change(at(now)).unwrap();
            prop_assert_eq!(at(now + seconds), moment);
        }
    }
}
