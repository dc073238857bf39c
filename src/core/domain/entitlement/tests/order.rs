//! In which order facts count: a proof speaks for its block, and one product's looks never change what
//! another product is told.

use super::super::awaits_finality;
use super::*;

fn at_finality(finality: Finality, provisional: bool) -> Product {
    Product { finality, provisional, trust: Trust::Single, ..product() }
}

fn ask_as(product: &Product, sightings: &[Sighting], now: Timestamp) -> Verdict {
    with_question(product, sightings, |question| {
        let _ = explain(question, now);
        evaluate(question, now)
    })
}

fn with_question<T>(
    product: &Product,
    sightings: &[Sighting],
    ask: impl FnOnce(&Question<'_>) -> T,
) -> T {
    let holder = own_holder();
    let question = Question {
        product: &product.id,
        definition: Some(product),
        publisher: None,
        customer: CustomerId::Uid(1000),
        holders: &[holder],
        sightings,
        suspended: &BTreeSet::new(),
    };
    ask(&question)
}

fn head(number: u64) -> Anchor {
    anchor(number, Finality::Latest, Trust::Single)
}

fn safe(number: u64) -> Anchor {
    anchor(number, Finality::Safe, Trust::Single)
}

fn last_final(number: u64) -> Anchor {
    anchor(number, Finality::Finalized, Trust::Single)
}

/// What one look at one block found, of token 12 and of all others.
fn looked(look: u64, holds: bool, anchor: Anchor) -> [Sighting; 2] {
    let own = if holds { held } else { gone }(look, 12, anchor.clone());
    [own, no_more(look, anchor)]
}

#[test]
fn what_was_sold_at_the_head_is_not_held_again_by_an_older_settled_block() {
    let product = at_finality(Finality::Latest, false);
    let owned = [looked(1, true, head(50)), looked(1, true, last_final(10))].concat();
    let sold = [&owned[..], &looked(5, false, head(80))].concat();
    assert_eq!(ask_as(&product, &sold, at(90)).code, Code::NotHeld);
    // Another product asks for settled blocks, and looks later: at a block before the sale.
    for older in [last_final(20), safe(70)] {
        let facts = [&sold[..], &looked(6, true, older.clone())].concat();
        assert_eq!(ask_as(&product, &facts, at(90)).code, Code::NotHeld, "{older:?}");
    }
    // The settled chain has come to the block of the sale and beyond: there it is held again.
    let returned = [&sold[..], &looked(7, true, last_final(85))].concat();
    assert_eq!(ask_as(&product, &returned, at(95)).code, Code::Valid);
}

#[test]
fn of_the_same_block_the_more_settled_word_counts() {
    let product = at_finality(Finality::Latest, false);
    let facts = [looked(9, false, head(50)), looked(4, true, last_final(50))].concat();
    assert_eq!(ask_as(&product, &facts, at(60)).code, Code::Valid);
    let product = at_finality(Finality::Finalized, true);
    assert_eq!(ask_as(&product, &facts, at(60)).code, Code::Valid);
}

#[test]
fn a_reorganisation_is_healed_by_the_next_look_of_its_class() {
    let product = at_finality(Finality::Latest, false);
    let facts =
        [looked(1, true, last_final(10)), looked(5, false, head(80)), looked(6, true, head(79))]
            .concat();
    assert_eq!(ask_as(&product, &facts, at(90)).code, Code::Valid);
}

#[test]
fn what_fails_at_a_finality_nobody_asked_for_is_no_failure() {
    let product = at_finality(Finality::Latest, false);
    let owned = looked(50, true, head(45));
    let theirs = [&owned[..], &[lost(60, Finality::Finalized)]].concat();
    assert_eq!(ask_as(&product, &theirs, at(160)).code, Code::Valid);
    let own = [&owned[..], &[lost(60, Finality::Latest)]].concat();
    assert_eq!(ask_as(&product, &own, at(160)).code, Code::Grace);
}

#[test]
fn what_another_product_sees_at_the_head_spares_no_look_at_ones_own_finality() {
    let wants = |product: &Product, facts: &[Sighting], now| {
        with_question(product, facts, |it| wants_look(it, at(now)))
    };
    for provisional in [true, false] {
        let product = at_finality(Finality::Safe, provisional);
        // The other product looks at the head only, and goes on doing so.
        let theirs = looked(50, true, head(45));
        assert!(wants(&product, &theirs, 60), "nobody has looked at what is safe");
        let settled = looked(50, false, last_final(10));
        let both = [&theirs[..], &settled].concat();
        assert!(wants(&product, &both, 60), "what is final may be long before what is safe");
        let paid = [until(50, at(60), last_final(10)), until(50, at(5_000), head(45))].concat();
        assert!(wants(&product, &paid, 55), "the renewal may be safe already");
        let own = [looked(50, true, head(45)), looked(50, false, safe(30))].concat();
        assert!(!wants(&product, &own, 60), "its own look saw that it is not settled yet");
        let theirs = [&own[..], &looked(149, true, head(140))].concat();
        assert!(!wants(&product, &theirs, 149), "that is fresh for a hundred seconds");
        assert!(wants(&product, &theirs, 150), "and stale after them, whatever others see");
        let failed = [&looked(50, true, head(45))[..], &[lost(50, Finality::Safe)]].concat();
        assert!(!wants(&product, &failed, 60), "an attempt is not repeated at once");
        assert!(wants(&product, &failed, 150), "but in time");
    }
}

#[test]
fn what_only_a_later_block_settles_is_awaited() {
    let latest = |number| anchor(number, Finality::Latest, Trust::Quorum);
    let awaits = |facts: &[Sighting]| with_question(&product(), facts, awaits_finality);
    let owned = [held(50, 2, final_at(40)), held(50, 2, latest(49)), no_more(50, final_at(40))];
    assert!(!awaits(&owned), "seen at both");
    let better = [&owned[..], &[held(50, 12, latest(49))]].concat();
    assert!(awaits(&better), "a better one beside it");
    let second = [&owned[..], &[held(50, 3, latest(49))]].concat();
    assert!(awaits(&second), "one more of the same");
    let settled = [&better[..], &[held(70, 12, final_at(60)), held(70, 12, latest(69))]].concat();
    assert!(!awaits(&settled), "it was settled");
    let sold = [&owned[..], &[gone(55, 2, latest(54))]].concat();
    assert!(!awaits(&sold), "what is gone has gone already");
    let until = |look, end, anchor| {
        seen(look, Target::Token(token(2)), Finding::Held { until: Some(at(end)), anchor })
    };
    let renewed = [until(50, 60, final_at(40)), until(50, 5_000, latest(49))];
    assert!(awaits(&renewed), "a renewal");
    let cancelled = [until(50, 5_000, final_at(40)), until(50, 60, latest(49))];
    assert!(!awaits(&cancelled), "a cancellation counts at once");
}

fn until(look: u64, end: Timestamp, anchor: Anchor) -> [Sighting; 2] {
    let finding = Finding::Held { until: Some(end), anchor: anchor.clone() };
    [seen(look, Target::Token(token(12)), finding), no_more(look, anchor)]
}

#[test]
fn a_cancellation_seen_at_the_head_ends_it_before_it_is_settled() {
    for provisional in [true, false] {
        let product = at_finality(Finality::Finalized, provisional);
        let paid = until(50, at(5_000), last_final(40));
        for end in [ENDED, at(55)] {
            let facts = [&paid[..], &until(55, end, head(54))].concat();
            assert_eq!(ask_as(&product, &facts, at(56)).code, Code::Expired, "{end}");
        }
        // The clock is behind the block at which it has ended.
        let facts = [&paid[..], &until(55, at(54), head(54))].concat();
        assert_eq!(ask_as(&product, &facts, at(52)).code, Code::Expired);
        // It ends sooner than the settled chain knows.
        let facts = [&paid[..], &until(55, at(58), head(54))].concat();
        let verdict = ask_as(&product, &facts, at(56));
        assert_eq!((verdict.code, verdict.provisional), (Code::Valid, false));
        assert_eq!((verdict.expires_at, verdict.changes_at), (Some(at(58)), Some(at(58))));
    }
}

#[test]
fn a_renewal_seen_at_the_head_counts_provisionally_once_what_is_settled_has_ended() {
    let paid = until(50, at(60), last_final(40));
    let renewed = [&paid[..], &until(55, at(5_000), head(54))].concat();
    let product = at_finality(Finality::Finalized, true);
    let before = ask_as(&product, &renewed, at(56));
    assert_eq!((before.code, before.provisional), (Code::Valid, false));
    assert_eq!((before.expires_at, before.changes_at), (Some(at(60)), Some(at(60))));
    let after = ask_as(&product, &renewed, at(60));
    assert_eq!((after.code, after.provisional), (Code::Valid, true));
    assert_eq!(after.expires_at, Some(at(5_000)));
    // Where early sightings do not count, the customer is told what is wrong with this one.
    let strict = at_finality(Finality::Finalized, false);
    assert_eq!(ask_as(&strict, &renewed, at(56)).code, Code::Valid);
    assert_eq!(ask_as(&strict, &renewed, at(60)).code, Code::TrustTooLow);
}

#[test]
fn a_refusal_says_when_the_end_it_names_becomes_another() {
    let product = at_finality(Finality::Finalized, false);
    let paid = until(50, at(60), last_final(40));
    let renewed = [&paid[..], &until(55, at(5_000), head(54))].concat();
    let suspended = BTreeSet::from([token(12)]);
    let ask = |now| {
        with_question(&product, &renewed, |it| {
            evaluate(&Question { suspended: &suspended, ..it.clone() }, at(now))
        })
    };
    let before = ask(56);
    assert_eq!((before.code, before.expires_at), (Code::Suspended, Some(at(60))));
    assert_eq!(before.changes_at, Some(at(60)));
    let after = ask(60);
    assert_eq!((after.code, after.expires_at), (Code::Suspended, Some(at(5_000))));
}

mod worlds {
    //! A chain on which one token is sold and got back, and looks of several products at it.

    use proptest::prelude::*;

    use super::*;

    /// Whether the wallet holds the token from each block on, and looks: at which head, and which finality
    /// besides the head's.
    #[derive(Debug, Clone)]
    struct World {
        turns: Vec<u64>,
        looks: Vec<(u64, Finality)>,
    }

    impl World {
        fn holds(&self, block: u64) -> bool {
            self.turns.iter().filter(|it| **it <= block).count() % 2 == 1
        }

        fn lag(finality: Finality) -> u64 {
            match finality {
                Finality::Latest => 0,
                Finality::Safe => 16,
                Finality::Finalized => 32,
            }
        }

        /// What the looks saw, in the order of their numbers.
        fn sightings(&self, of: impl Fn(Finality) -> bool) -> Vec<Sighting> {
            let looks = self.looks.iter().zip(1_u64..).filter(|((_, finality), _)| of(*finality));
            looks.flat_map(|((head, finality), look)| self.look(look, *head, *finality)).collect()
        }

        fn look(&self, look: u64, head: u64, finality: Finality) -> Vec<Sighting> {
            let levels = BTreeSet::from([Finality::Latest, finality]);
            let at_level = |level| {
                let number = head.saturating_sub(Self::lag(level));
                looked(look, self.holds(number), anchor(number, level, Trust::Single))
            };
            levels.into_iter().flat_map(at_level).collect()
        }
    }

    fn a_finality() -> impl Strategy<Value = Finality> {
        prop_oneof![Just(Finality::Latest), Just(Finality::Safe), Just(Finality::Finalized)]
    }

    prop_compose! {
        fn a_world()(
            mut turns in prop::collection::vec(1_u64..250, 1..5),
            mut heads in prop::collection::vec(40_u64..250, 1..12),
            finalities in prop::collection::vec(a_finality(), 12),
        ) -> World {
            turns.sort_unstable();
            heads.sort_unstable();
            World { turns, looks: heads.into_iter().zip(finalities).collect() }
        }
    }

    /// A later look at an older block, made for whomever, undoes no proven no.
    fn undoes_no_proven_no(world: &World, own: Finality) -> bool {
        let verdict = ask_as(&at_finality(own, true), &world.sightings(|_| true), at(300));
        let last = world.looks.iter().map(|(head, _)| *head).max().unwrap();
        !verdict.is_valid() || world.holds(last)
    }

    #[test]
    fn a_look_at_what_is_safe_after_many_at_the_head_undoes_no_proven_no() {
        let mut looks = vec![(40, Finality::Latest); 6];
        looks.push((133, Finality::Safe));
        assert!(undoes_no_proven_no(&World { turns: vec![1, 133], looks }, Finality::Latest));
    }

    proptest! {
        #[test]
        fn a_proven_no_is_never_undone_by_a_proof_at_a_block_below(world in a_world(), own in a_finality()) {
            prop_assert!(undoes_no_proven_no(&world, own), "{:?}", world);
        }

        /// Looks at the same head, made for other products, change nothing at all.
        #[test]
        fn what_one_product_asks_never_changes_what_another_is_told(
            world in a_world(),
            own in a_finality(),
            provisional in any::<bool>(),
            others in prop::collection::vec(a_finality(), 1..6),
        ) {
            let product = at_finality(own, provisional);
            let mut facts = world.sightings(|it| it == own);
            let head = world.looks.iter().map(|(head, _)| *head).max().unwrap();
            facts.extend(world.look(100, head, own));
            let alone = ask_as(&product, &facts, at(300));
            for (other, look) in others.into_iter().zip(101_u64..) {
                facts.extend(world.look(look, head, other));
                let beside = ask_as(&product, &facts, at(300));
                prop_assert!(!alone.says_otherwise(&beside), "{:?} then {:?}", alone, beside);
            }
        }
    }
}
