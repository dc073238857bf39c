//! What light clients know, so that they go on where they were: and never behind it.

use super::error::StoreError;
use super::schema::{self, Table};
use super::view::{Changes, View, prefixed};
use crate::domain::consensus::Synced;
use crate::domain::ids::ChainId;

const FORM: u8 = 1;

/// Keeps what a light client knows, if it is not behind what is kept by the same calendar. `false` when it was, and
/// nothing of it was kept.
///
/// # Errors
/// When the store fails.
pub fn keep(
    changes: &mut Changes<'_>,
    synced: &Synced,
    seconds_per_slot: u64,
) -> Result<bool, StoreError> {
    let kept = find(changes, synced.chain)?;
    let same = kept.as_ref().filter(|it| it.has_calendar_of(synced, seconds_per_slot));
    let behind = same.is_some_and(|it| synced.slot < it.slot);
    if !behind && kept.as_ref() != Some(synced) {
        let key = schema::light_client(synced.chain);
        changes.put(Table::LightClients, &key, &encode(synced))?;
    }
    Ok(!behind)
}

/// What is kept of every chain.
///
/// # Errors
/// When the store fails.
pub fn all(view: &impl View) -> Result<Vec<Synced>, StoreError> {
    let mut found = Vec::new();
    for row in prefixed(view, Table::LightClients, &schema::CLIENTS)? {
        let (key, value) = row?;
        let chain = schema::light_client_of(&key);
        found.push(decode(chain.ok_or(StoreError::Form { what: "a light client" })?, &value)?);
    }
    Ok(found)
}

fn find(view: &impl View, chain: ChainId) -> Result<Option<Synced>, StoreError> {
    let kept = view.get(Table::LightClients, &schema::light_client(chain))?;
    kept.map(|it| decode(chain, &it)).transpose()
}

fn encode(synced: &Synced) -> Vec<u8> {
    let parts: [&[u8]; 4] =
        [&[FORM], &synced.slot.to_be_bytes(), &schema::time(synced.time), &synced.bytes];
    parts.concat()
}

fn decode(chain: ChainId, value: &[u8]) -> Result<Synced, StoreError> {
    let wrong = StoreError::Form { what: "a light client" };
    let parts = || {
        let (form, rest) = value.split_first()?;
        let (slot, rest) = rest.split_at_checked(8)?;
        let (time, bytes) = rest.split_at_checked(16)?;
        let (slot, time) = (schema::u64_of(slot)?, schema::time_of(time)?);
        (*form == FORM).then(|| Synced { chain, slot, time, bytes: bytes.to_vec() })
    };
    parts().ok_or(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{Bench, at};

    fn synced(chain: u64, slot: u64, bytes: &[u8]) -> Synced {
        let time = at(7 + 12 * i64::try_from(slot).unwrap());
        Synced { chain: ChainId(chain), slot, time, bytes: bytes.to_vec() }
    }

    fn keep_one(bench: &Bench, it: Synced) -> bool {
        bench.change(move |changes| keep(changes, &it, 12)).unwrap()
    }

    #[test]
    fn what_is_kept_reads_back() {
        let bench = Bench::new();
        let both = [synced(1, 5, b"one"), synced(5, 9, b"")];
        for it in both.clone() {
            assert!(keep_one(&bench, it));
        }
        assert_eq!(bench.store.read(all).unwrap(), both);
    }

    #[test]
    fn what_is_behind_is_not_kept_and_what_knows_more_of_the_same_slot_is() {
        let bench = Bench::new();
        assert!(keep_one(&bench, synced(1, 5, b"first")));
        assert!(!keep_one(&bench, synced(1, 4, b"older")));
        assert!(keep_one(&bench, synced(1, 5, b"with the next committee")));
        let kept = bench.store.read(all).unwrap();
        assert_eq!(kept, [synced(1, 5, b"with the next committee")]);
    }

    /// A chain that was begun anew, or whose genesis was corrected: its slots say nothing of those kept before.
    #[test]
    fn slots_of_another_calendar_hold_nothing_back() {
        let bench = Bench::new();
        let by = |genesis: i64, slot: u64| Synced {
            time: at(genesis + 12 * i64::try_from(slot).unwrap()),
            ..synced(1, slot, b"")
        };
        assert!(keep_one(&bench, by(1_000, 500)));
        assert!(keep_one(&bench, by(90_000, 4)));
        assert!(!keep_one(&bench, by(90_000, 3)), "of the same one it is behind as ever");
        assert!(keep_one(&bench, by(88_000, 2)), "and earlier than what is kept as well");
        assert_eq!(bench.store.read(all).unwrap(), [by(88_000, 2)]);
    }

    #[test]
    fn a_row_of_another_form_is_said_to_be_one() {
        for value in [&[][..], &[FORM][..], &[2; 40][..]] {
            assert!(matches!(decode(ChainId(1), value), Err(StoreError::Form { .. })));
        }
    }
}
