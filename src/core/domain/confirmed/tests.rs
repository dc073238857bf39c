//! That rows and the record beside them are read as what would stand there had each row been written anew.

use std::collections::BTreeMap;
use std::convert::Infallible;

use proptest::prelude::*;

use super::*;
use crate::domain::ids::{ChainId, Standard};
use crate::domain::kept::WriteRows;
use crate::domain::ownership::{Cause, IdRanges, Trust};

const WALLET: Address = Address::repeat_byte(1);

fn collection() -> Collection {
    let contract = Address::repeat_byte(9);
    Collection { chain: ChainId(1), standard: Standard::Erc721, contract }
}

fn place() -> (Collection, Address) {
    (collection(), WALLET)
}

fn anchor(number: u64, finality: Finality) -> Anchor {
    Anchor {
        chain: ChainId(1),
        number,
        hash: B256::left_padding_from(&number.to_be_bytes()),
        time: Timestamp::from_second(1_795_000_000).unwrap(),
        finality,
        trust: Trust::Quorum,
        attestation: None,
    }
}

fn seen(look: u64, target: Target, finding: Finding) -> Sighting {
    let seen_at = Timestamp::from_second(1_795_000_000 + look.cast_signed()).unwrap();
    let (rule, reach, via) = (Rule::Owner, Reach::default(), Vec::new());
    let amount = None;
    Sighting {
        look,
        seen_at,
        wallet: WALLET,
        rule,
        reach,
        target,
        finding,
        amount,
        whole: None,
        via,
    }
}

fn named(look: u64, id: u64, finding: Finding) -> Sighting {
    seen(look, Target::Token(collection().token(U256::from(id))), finding)
}

fn rest(look: u64, ids: IdRanges, finding: Finding) -> Sighting {
    seen(look, Target::Rest { collection: collection(), ids }, finding)
}

fn held(number: u64) -> Finding {
    Finding::Held { until: None, anchor: anchor(number, Finality::Latest) }
}

fn gone(number: u64) -> Finding {
    Finding::NotHeld { anchor: anchor(number, Finality::Latest) }
}

/// `count` tokens and no others.
fn whole_look(look: u64, count: u64) -> Vec<Sighting> {
    let tokens = (1..=count).map(|id| named(look, id, held(look)));
    tokens.chain([rest(look, IdRanges::every(), gone(look))]).collect()
}

/// What a file holds: the record and the rows.
#[derive(Debug, Clone, Default)]
struct File {
    confirmations: Confirmations,
    rows: BTreeMap<RowKey, Row>,
}

impl File {
    /// Records all that a look saw. Says how many rows were written or removed.
    fn record(&mut self, sightings: &[Sighting]) -> usize {
        let mut confirmations = self.confirmations.clone();
        if confirmations.confirm(sightings) {
            self.confirmations = confirmations;
            return 0;
        }
        let rows = self.rows.values().cloned();
        let mut holder = Holder::new(place(), confirmations, rows).unwrap();
        holder.record(&sightings.iter().collect::<Vec<_>>());
        let Revision { confirmations, put, removed } = holder.revision();
        self.confirmations = confirmations;
        let count = put.len() + removed.len();
        self.rows.extend(put);
        self.rows.retain(|key, _| !removed.contains(key));
        count
    }

    fn read(&self) -> BTreeMap<RowKey, KeptSighting> {
        let read = |row: &Row| self.confirmations.read(WALLET, row.clone()).unwrap();
        self.rows.iter().map(|(key, row)| (key.clone(), read(row))).collect()
    }

    fn confirmed(&self) -> usize {
        self.rows.values().filter(|it| matches!(it, Row::Confirmed(_))).count()
    }
}

/// Every row by itself.
#[derive(Default)]
struct Plain(BTreeMap<RowKey, KeptSighting>);

impl Plain {
    fn of(&self, mut wanted: impl FnMut(&Target) -> bool) -> Vec<KeptSighting> {
        let rows = self.0.iter().filter(|(key, _)| wanted(&key.target));
        rows.map(|(_, row)| row.clone()).collect()
    }
}

impl ReadRows for Plain {
    type Error = Infallible;

    fn of_wallet(&self, _: Collection, _: Address) -> Result<Vec<KeptSighting>, Infallible> {
        Ok(self.of(|_| true))
    }

    fn rests(&self, _: Collection, _: Address) -> Result<Vec<KeptSighting>, Infallible> {
        Ok(self.of(|it| matches!(it, Target::Rest { .. })))
    }

    fn of_token(&self, _: Address, token: Token) -> Result<Vec<KeptSighting>, Infallible> {
        Ok(self.of(|it| *it == Target::Token(token)))
    }

    fn tokens(&self, _: Collection, _: Address) -> Result<BTreeSet<Token>, Infallible> {
        let token = |key: &RowKey| match key.target {
            Target::Token(token) => Some(token),
            Target::Rest { .. } => None,
        };
        Ok(self.0.keys().filter_map(token).collect())
    }
}

impl WriteRows for Plain {
    fn row(&self, key: &RowKey) -> Result<Option<KeptSighting>, Infallible> {
        Ok(self.0.get(key).cloned())
    }

    fn put_row(&mut self, key: &RowKey, row: &KeptSighting) -> Result<(), Infallible> {
        self.0.insert(key.clone(), row.clone());
        Ok(())
    }

    fn remove_row(&mut self, key: &RowKey) -> Result<(), Infallible> {
        self.0.remove(key);
        Ok(())
    }
}

#[test]
fn a_look_that_says_what_was_said_writes_no_row() {
    let mut file = File::default();
    assert_eq!(file.record(&whole_look(1, 50)), 51);
    assert_eq!(file.record(&whole_look(2, 50)), 0);
    assert_eq!(file.record(&whole_look(3, 50)), 0);
    assert!(file.read().values().all(|it| it.sighting.look == 3));
}

/// Edition 7 and the rest, as a look saw them that counted so many.
fn amounts(look: u64, amount: Option<u64>) -> Vec<Sighting> {
    let rule = Rule::Balance { min: U256::from(2) };
    let finding = if amount.is_some_and(|it| it < 2) { gone(look) } else { held(look) };
    let token = Sighting { amount: amount.map(U256::from), ..named(look, 7, finding) };
    let all = [token, rest(look, IdRanges::every(), gone(look))];
    all.into_iter().map(|it| Sighting { rule, ..it }).collect()
}

#[test]
fn another_amount_is_something_else() {
    let mut file = File::default();
    let amount = |file: &File| {
        file.read().values().find_map(|it| it.sighting.amount).map(|it| it.to::<u64>())
    };
    for (look, said, rows) in [(1, Some(3), 2), (2, Some(3), 0), (3, Some(5), 1), (4, Some(1), 1)] {
        assert_eq!(file.record(&amounts(look, said)), rows, "{said:?}");
        assert_eq!(amount(&file), said);
        assert!(file.read().values().all(|it| it.sighting.look == look));
    }
    // As it was written down before there were amounts: it is read, and the next look says more.
    let mut file = File::default();
    file.record(&amounts(1, None));
    assert_eq!(amount(&file), None);
    assert_eq!(file.record(&amounts(2, Some(3))), 1);
    assert_eq!(amount(&file), Some(3));
}

#[test]
fn of_a_look_that_says_something_else_the_rows_that_say_it_are_written() {
    let mut file = File::default();
    file.record(&whole_look(1, 50));
    let mut sold = whole_look(2, 50);
    sold[6] = named(2, 7, gone(2));
    // And the rest, which is no word on token 7 either way, stays as it was.
    assert_eq!(file.record(&sold), 1);
    let again = sold.into_iter().map(|it| Sighting { look: 3, ..it }).collect::<Vec<_>>();
    assert_eq!(file.record(&again), 0);
}

#[test]
fn what_a_look_did_not_see_keeps_the_look_that_did() {
    let mut file = File::default();
    file.record(&whole_look(1, 50));
    // One token of fifty: it has a look of its own, and the others keep theirs.
    assert_eq!(file.record(&[named(2, 7, held(2))]), 1);
    assert_eq!(file.confirmed(), 50);
    let looks: Vec<u64> = file.read().values().map(|it| it.sighting.look).collect();
    assert_eq!((looks.iter().filter(|it| **it == 2).count(), looks.len()), (1, 51));
    // All but one: that one keeps its look, and the others are confirmed together.
    let most: Vec<_> = whole_look(3, 50).into_iter().skip(1).take(49).collect();
    file.record(&most);
    let looks: Vec<u64> = file.read().values().map(|it| it.sighting.look).collect();
    assert_eq!((looks.iter().filter(|it| **it == 3).count(), looks.len()), (49, 51));
}

#[test]
fn a_look_of_which_something_failed_is_not_taken_for_the_whole_one_it_resembles() {
    let mut file = File::default();
    file.record(&whole_look(1, 5));
    let unknown = Finding::Unknown { cause: Cause::Contract, finality: Finality::Latest };
    let mut failing = whole_look(2, 5);
    failing[0] = named(2, 1, unknown);
    file.record(&failing);
    assert!(file.read().values().any(|it| it.sighting.finding.anchor().is_none()));
    file.record(&whole_look(3, 5));
    assert!(file.read().values().all(|it| it.sighting.finding.anchor().is_some()));
    assert_eq!(file.record(&whole_look(4, 5)), 0);
}

#[test]
fn an_older_look_that_says_the_same_changes_nothing() {
    let mut file = File::default();
    file.record(&whole_look(5, 5));
    let before = file.read();
    assert_eq!(file.record(&whole_look(4, 5)), 0);
    assert_eq!(file.read(), before);
}

#[test]
fn where_questions_contradict_each_other_every_look_is_recorded_row_by_row() {
    let mut file = File::default();
    let settled = |look| {
        let anchor = anchor(look, Finality::Finalized);
        named(look, 7, Finding::Held { until: None, anchor })
    };
    file.record(&[settled(1)]);
    file.record(&[named(2, 7, gone(2))]);
    assert!(!file.confirmations.clone().confirm(&[settled(3)]));
    file.record(&[named(3, 7, held(3))]);
    assert!(file.confirmations.clone().confirm(&[named(4, 7, held(4))]));
}

#[test]
fn a_row_without_the_look_it_takes_is_damage() {
    let mut file = File::default();
    file.record(&whole_look(1, 2));
    assert!(Holder::new(place(), Confirmations::default(), file.rows.into_values()).is_none());
}

fn any_finding() -> impl Strategy<Value = Finding> {
    let finality = prop_oneof![2 => Just(Finality::Latest), 1 => Just(Finality::Finalized)];
    let until = prop_oneof![3 => Just(None), 1 => Just(Timestamp::from_second(1_900_000_000).ok())];
    (0_u8..7, 90_u64..110, finality, until).prop_map(|(kind, number, finality, until)| match kind {
        0..4 => Finding::Held { until, anchor: anchor(number, finality) },
        4..6 => Finding::NotHeld { anchor: anchor(number, finality) },
        _ => Finding::Unknown { cause: Cause::Unreachable, finality },
    })
}

fn any_sighting() -> impl Strategy<Value = Sighting> {
    let reach = prop_oneof![
        3 => Just(Reach::default()),
        1 => Just(Reach { token_bound: true, ..Reach::default() })
    ];
    (0_u64..5, any_finding(), reach).prop_map(|(id, finding, reach)| {
        let ids = if id == 0 { IdRanges::every() } else { IdRanges::only(U256::from(1)) };
        let sighting = match (id, finding) {
            (0 | 4, Finding::Held { anchor, .. }) => rest(0, ids, Finding::NotHeld { anchor }),
            (0 | 4, finding) => rest(0, ids, finding),
            (_, finding) => named(0, id, finding),
        };
        Sighting { reach, ..sighting }
    })
}

/// Puts all proofs of one finality at one block, as a look does.
fn at_one_block(mut sightings: Vec<Sighting>, number: u64) -> Vec<Sighting> {
    for it in &mut sightings {
        if let Finding::Held { anchor: at, .. } | Finding::NotHeld { anchor: at } = &mut it.finding
        {
            *at = anchor(number, at.finality);
        }
    }
    sightings
}

/// Looks as they are recorded: some say again what an earlier one did, some come late or twice.
fn any_looks() -> impl Strategy<Value = Vec<Vec<Sighting>>> {
    let sightings = prop::collection::vec(any_sighting(), 1..7);
    let step = (any::<prop::sample::Index>(), 0_u8..8, sightings);
    prop::collection::vec(step, 1..14).prop_map(|steps| {
        let mut looks: Vec<Vec<Sighting>> = Vec::new();
        for (look, (which, kind, fresh)) in (1_u64..).zip(steps) {
            let old = (!looks.is_empty()).then(|| which.get(&looks).clone());
            let number = 100 + look;
            let (sightings, look) = match (kind, old) {
                (0..5, Some(old)) => (at_one_block(old, number), look),
                (5, Some(old)) => (old, 0),
                (6, _) => (fresh, look),
                (_, _) => (at_one_block(fresh, number), look),
            };
            let seen_at = |it| Timestamp::from_second(1_795_000_000 + it).unwrap();
            let dated = |it: Sighting| match look {
                // Once more, as it was.
                0 => it,
                look => Sighting { look, seen_at: seen_at(look.cast_signed()), ..it },
            };
            looks.push(sightings.into_iter().map(dated).collect());
        }
        looks
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_read_is_what_would_stand_there_had_each_row_been_written((looks, late) in (any_looks(), any::<bool>())) {
        let (mut file, mut plain) = (File::default(), Plain::default());
        let mut looks = looks;
        if late {
            looks.reverse();
        }
        for sightings in looks {
            file.record(&sightings);
            let Ok(()) = kept::keep(&mut plain, &Look { sightings, ..Look::default() });
            prop_assert_eq!(&file.read(), &plain.0);
        }
    }
}
