//! That a look which says what the one before said writes one row, and is read as if it had written all.

use super::*;
use crate::store::schema::Table;
use entitled_core::domain::confirmed::Confirmations;
use entitled_core::domain::kept::KeptSighting;

/// So many tokens and no others, at the head and at a settled block.
fn whole_look(number: u64, tokens: u64) -> Look {
    let at = |finality, block: u64| {
        let tokens = (1..=tokens).map(move |id| seen(number, id, held(block, finality)));
        tokens.chain([rest(number, IdRanges::every(), gone(block, finality))])
    };
    let sightings = at(Latest, 100 + number).chain(at(Finalized, 80 + number)).collect();
    Look { sightings, ..Look::default() }
}

/// Records a look, and says how many rows were written or removed.
fn written(bench: &Bench, look: Look) -> u64 {
    let record = move |it: &mut Changes<'_>| {
        let before = it.written();
        record_look(it, &look, &asked(0))?;
        Ok(it.written() - before)
    };
    bench.change(record).unwrap()
}

#[test]
fn an_unchanged_look_writes_one_row_and_its_number() {
    let bench = Bench::new();
    assert!(written(&bench, whole_look(1, 40)) > 80);
    assert_eq!(written(&bench, whole_look(2, 40)), 2);
    assert_eq!(written(&bench, whole_look(3, 40)), 2);
    let read = kept(&bench);
    assert_eq!(read.len(), 82);
    assert!(read.iter().all(|it| it.look == 3));
}

#[test]
fn an_ownership_rests_on_the_newest_proof_though_its_row_was_not_written() {
    let bench = Bench::new();
    recorded(&bench, whole_look(1, 3));
    recorded(&bench, whole_look(2, 3));
    let newest = |it: &Ownership| (it.last_proven, it.evidence.anchor.clone());
    let expected = (at(1_002), anchor(102, Latest));
    assert!(active(&bench).iter().all(|it| newest(it) == expected));
    let found = bench.store.read(|it| history(it, token(2), None, None, 9)).unwrap();
    assert_eq!(newest(&found[0]), expected);
    // Its end is written with what it rested on last.
    recorded(&bench, look(&[seen(3, 2, gone(103, Latest))]));
    let found = bench.store.read(|it| history(it, token(2), None, None, 9)).unwrap();
    assert_eq!(newest(&found[0]), expected);
    assert_eq!(found[0].closed, Some((at(1_003), anchor(103, Latest))));
    let suspension = Suspension { reason: "test".into(), by: "test".into(), at: at(0) };
    let suspend =
        move |it: &mut Changes<'_>| set_suspension(it, token(3), Some(&suspension), &asked(0));
    assert_eq!(newest(&bench.change(suspend).unwrap()[0]), expected);
}

#[test]
fn what_an_ownership_rested_on_outlives_the_sightings_of_its_chain() {
    let bench = Bench::new();
    recorded(&bench, whole_look(1, 3));
    recorded(&bench, whole_look(2, 3));
    let before = active(&bench);
    bench.change(|it| sightings::forget(it, ChainId(1))).unwrap();
    assert_eq!(active(&bench), before);
    assert_eq!(kept(&bench), []);
    // And nothing is left that a look could be taken to confirm.
    assert!(written(&bench, whole_look(3, 3)) > 6);
    assert!(active(&bench).iter().all(|it| it.evidence.anchor == anchor(103, Latest)));
}

#[test]
fn an_unchanged_look_opens_and_closes_where_its_words_contradict_others() {
    let bench = Bench::new();
    let wide = |number: u64, finding| {
        let reach = Reach { token_bound: true, ..Reach::default() };
        Sighting { reach, ..seen(number, 7, finding) }
    };
    assert_eq!(turned(&bench, &[seen(1, 7, held(100, Latest))]), [(1, true)]);
    // A wider question, of which the word at a higher block ends what the narrower began.
    assert_eq!(turned(&bench, &[wide(2, gone(101, Latest))]), [(1, false)]);
    assert_eq!(turned(&bench, &[seen(3, 7, held(102, Latest))]), [(2, true)]);
    assert_eq!(turned(&bench, &[wide(4, gone(103, Latest))]), [(2, false)]);
}

/// Rows as schema 4 wrote them: each whole, and nothing beside them.
pub(super) fn make_old(bench: &Bench) {
    let make_old = |it: &mut Changes<'_>| {
        for wallet in [WALLET, OTHER] {
            let rows = kept::ReadRows::of_wallet(&SightingRows::new(&*it), collection(), wallet)?;
            for row in rows {
                let key = kept::RowKey::of(&row.sighting);
                let question = schema::sighting(key.wallet, &key.target, key.terms);
                let key = schema::kept(&question, key.finality, key.proven);
                it.put_record::<KeptSighting>(Table::Sightings, &key, &row)?;
            }
            it.remove(Table::Confirmations, &schema::holder(collection(), wallet))?;
        }
        Ok(())
    };
    bench.change(make_old).unwrap();
}

#[test]
fn rows_of_an_older_ledger_are_read_as_they_stand_and_confirmed_with_the_next_look() {
    let bench = Bench::new();
    recorded(&bench, whole_look(1, 3));
    let (before, owned) = (kept(&bench), active(&bench));
    make_old(&bench);
    assert_eq!((kept(&bench), active(&bench)), (before, owned));
    // Eight rows of sightings, the record beside them, and the number of the look.
    assert_eq!(written(&bench, whole_look(2, 3)), 10);
    assert_eq!(written(&bench, whole_look(3, 3)), 2);
    assert_eq!(active(&bench).len(), 3);
}

#[test]
fn a_row_that_takes_a_look_which_is_not_there_is_told_as_damage() {
    let bench = Bench::new();
    recorded(&bench, whole_look(1, 3));
    let key = schema::holder(collection(), WALLET);
    let lose = move |it: &mut Changes<'_>| {
        it.put_record(Table::Confirmations, &key, &Confirmations::default())
    };
    bench.change(lose).unwrap();
    let read = bench.store.read(|it| kept::of_wallet(&SightingRows::new(it), collection(), WALLET));
    assert!(matches!(read, Err(StoreError::Form { what: "sighting" })));
}
