//! That order and repetition of looks do not matter, for any looks.

use proptest::prelude::*;

use super::*;
use crate::store::tables::sightings::SightingRows;

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
            .read(move |it| kept::of_wallet(&SightingRows(it), collection(), wallet))
            .unwrap()
    };
    let mut active: Vec<_> = active(bench)
        .into_iter()
        .map(|it| (it.wallet, it.token, it.last_proven, it.evidence))
        .collect();
    active.sort_by_key(|it| (it.0, it.1));
    (of(WALLET), of(OTHER), active)
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
}
