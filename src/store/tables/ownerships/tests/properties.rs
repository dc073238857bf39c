//! That order and repetition of looks do not matter, for any looks.

use proptest::prelude::*;

use super::unchanged::make_old;
use super::*;
use crate::store::tables::kept_rows::SightingRows;
use entitled_core::domain::ids::Timestamp;
use entitled_core::domain::ownership::Evidence;

fn any_finding() -> impl Strategy<Value = Finding> {
    let finality = prop_oneof![Just(Latest), Just(Safe), Just(Finalized)];
    (0_u8..3, 90_u64..110, finality).prop_map(|(kind, number, finality)| match kind {
        0 => held(number, finality),
        1 => gone(number, finality),
        _ => unknown(finality),
    })
}

fn any_sighting() -> impl Strategy<Value = Sighting> {
    (0_u64..4, any::<bool>(), any_finding()).prop_map(|(id, mine, finding)| {
        let wallet = if mine { WALLET } else { OTHER };
        let every = Target::Rest { collection: collection(), ids: IdRanges::every() };
        match (id, finding) {
            (0, Finding::Held { anchor, .. }) => of(wallet, 0, every, Finding::NotHeld { anchor }),
            (0, finding) => of(wallet, 0, every, finding),
            (_, finding) => of(wallet, 0, Target::Token(token(id)), finding),
        }
    })
}

/// Some looks, and an order to record them in, in which each comes at least once.
fn any_looks() -> impl Strategy<Value = (Vec<Look>, Vec<usize>)> {
    let sightings = prop::collection::vec(any_sighting(), 1..5);
    prop::collection::vec(sightings, 1..6).prop_flat_map(|looks| {
        let number = |(place, sightings): (usize, Vec<Sighting>)| {
            let look = u64::try_from(place).unwrap() + 1;
            let seen_at = at(1_000 + i64::try_from(look).unwrap());
            let whole = sightings.into_iter().map(|it| Sighting { look, seen_at, ..it });
            Look { sightings: whole.collect(), ..Look::default() }
        };
        let looks: Vec<_> = looks.into_iter().enumerate().map(number).collect();
        let twice: Vec<_> = (0..looks.len()).chain(0..looks.len()).collect();
        (Just(looks), Just(twice).prop_shuffle())
    })
}

/// One after the other, in one commit: what is asked here has nothing to do with the disk.
fn record_all(bench: &Bench, looks: Vec<Look>) {
    let record = move |it: &mut Changes<'_>| {
        looks.iter().try_for_each(|look| record_look(it, look, &asked(0)).map(drop))
    };
    bench.change(record).unwrap();
}

/// What is kept, and what is active with its evidence; not the history, which tells what was seen when.
type Kept = (Vec<Sighting>, Vec<Sighting>, Vec<(Address, Token, Timestamp, Evidence)>);

fn state(bench: &Bench) -> Kept {
    let of = |wallet| {
        bench
            .store
            .read(move |it| kept::of_wallet(&SightingRows::new(it), collection(), wallet))
            .unwrap()
    };
    let mut active: Vec<_> = active(bench)
        .into_iter()
        .map(|it| (it.wallet, it.token, it.last_proven, it.evidence))
        .collect();
    active.sort_by_key(|it| (it.0, it.1));
    (of(WALLET), of(OTHER), active)
}

/// Some looks, of which some say again what one before them did, a block later.
fn looks_that_repeat() -> impl Strategy<Value = Vec<Look>> {
    let sightings = prop::collection::vec(any_sighting(), 1..6);
    let step = (any::<prop::sample::Index>(), 0_u8..4, any::<bool>(), sightings);
    prop::collection::vec(step, 2..10).prop_map(|steps| {
        let mut looks: Vec<Look> = Vec::new();
        for (number, (which, kind, wide, fresh)) in (1_u64..).zip(steps) {
            let reach = Reach { token_bound: wide, ..Reach::default() };
            let fresh = fresh.into_iter().map(|it| Sighting { reach, ..it }).collect();
            let old = (kind > 0 && !looks.is_empty()).then(|| which.get(&looks).sightings.clone());
            let seen_at = at(1_000 + i64::try_from(number).unwrap());
            let mut sightings: Vec<Sighting> = old.unwrap_or(fresh);
            for it in &mut sightings {
                (it.look, it.seen_at) = (number, seen_at);
                if let Finding::Held { anchor: at, .. } | Finding::NotHeld { anchor: at } =
                    &mut it.finding
                {
                    // A settled block is behind the head, and may be ahead of the head of a look before.
                    let block = if at.finality == Latest { 100 } else { 98 };
                    *at = anchor(block + number, at.finality);
                }
            }
            looks.push(Look { sightings, ..Look::default() });
        }
        looks
    })
}

/// The whole history, with what each interval rested on.
fn intervals(bench: &Bench) -> Vec<Ownership> {
    bench.store.read(|it| list(it, None, None, None, 1_000)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn order_and_repetition_of_looks_do_not_matter((looks, order) in any_looks()) {
        let (straight, shuffled) = (Bench::new(), Bench::new());
        let mixed = order.into_iter().map(|it| looks[it].clone()).collect();
        record_all(&straight, looks);
        record_all(&shuffled, mixed);
        prop_assert_eq!(state(&straight), state(&shuffled));
    }

    /// The one store confirms what it has, the other forgets before each look that it could.
    #[test]
    fn confirming_rows_opens_and_closes_what_writing_them_does(looks in looks_that_repeat()) {
        let (confirming, writing) = (Bench::new(), Bench::new());
        record_all(&confirming, looks.clone());
        for look in looks {
            make_old(&writing);
            recorded(&writing, look);
        }
        prop_assert_eq!(state(&confirming), state(&writing));
        prop_assert_eq!(intervals(&confirming), intervals(&writing));
    }
}
