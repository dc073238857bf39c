use super::*;
use crate::keys::key_encryption_key::KeyEncryptionKey;
use crate::keys::key_file::read_own;
use crate::keys::private_key::PrivateKey;
use crate::keys::sealing::seal;
use entitled_core::domain::ids::CustomerId;

fn kek(byte: u8) -> KeyEncryptionKey {
    KeyEncryptionKey::from_bytes(&[byte; 32]).unwrap()
}

/// So many records under each of these keys.
fn census(under: &[(u8, usize)]) -> Census {
    let key = PrivateKey::generate().unwrap();
    let address = key.address().unwrap();
    let records: Vec<_> = under
        .iter()
        .flat_map(|(byte, count)| std::iter::repeat_n(*byte, *count))
        .map(|byte| seal(&kek(byte), address, CustomerId::Machine, &key).unwrap())
        .collect();
    Census::of(records.iter().map(Vec::as_slice))
}

struct Bench {
    dir: tempfile::TempDir,
    place: KeyPlace,
}

const OLD: u8 = 1;
const NEW: u8 = 2;

impl Bench {
    /// A key in its place, and the next beside it.
    fn prepared() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let place = KeyPlace::at(&dir.path().join("kek"));
        new_file::make(&place.current, &[OLD; 32], 0o600).unwrap();
        place.prepare(&[NEW; 32]).unwrap();
        Self { dir, place }
    }

    fn settle(&self, census: &Census) -> Result<Settled, KeyFileError> {
        self.place.settle(census, |path| Ok(read_own(path)?.and_then(|it| it.name())))
    }

    /// The key in its place, when nothing is beside it.
    fn only_key(&self) -> Vec<u8> {
        assert_eq!(fs::read_dir(self.dir.path()).unwrap().count(), 1, "something is left");
        fs::read(&self.place.current).unwrap()
    }
}

#[test]
fn an_exchange_cut_off_before_the_ledger_changed_is_undone() {
    for under in [census(&[(OLD, 3)]), census(&[])] {
        let bench = Bench::prepared();
        assert_eq!(bench.settle(&under).unwrap(), Settled::Undone);
        assert_eq!(bench.only_key(), [OLD; 32]);
    }
}

/// The moments of an exchange after the commit, in their order.
const STEPS: [fn(&KeyPlace) -> io::Result<()>; 3] =
    [KeyPlace::link_old, KeyPlace::name_next, KeyPlace::destroy_old];

#[test]
fn an_exchange_cut_off_at_any_moment_after_the_ledger_changed_is_finished() {
    for taken in 0..=STEPS.len() {
        let bench = Bench::prepared();
        for step in &STEPS[..taken] {
            step(&bench.place).unwrap();
        }
        bench.settle(&census(&[(NEW, 3)])).unwrap();
        assert_eq!(bench.only_key(), [NEW; 32], "after {taken} steps");
    }
}

#[test]
fn the_old_key_is_overwritten_and_not_only_removed() {
    let bench = Bench::prepared();
    let watched = File::open(&bench.place.current).unwrap();
    bench.settle(&census(&[(NEW, 1)])).unwrap();
    let mut left = Vec::new();
    io::Read::read_to_end(&mut &watched, &mut left).unwrap();
    assert_eq!(left, [0; 32]);
}

#[test]
fn an_old_key_that_a_wallet_still_names_is_kept() {
    let bench = Bench::prepared();
    bench.place.link_old().unwrap();
    bench.place.name_next().unwrap();
    let error = bench.settle(&census(&[(OLD, 1), (NEW, 1)])).unwrap_err();
    assert!(matches!(error, KeyFileError::StillNeeded { .. }), "{error}");
    assert_eq!(fs::read(&bench.place.old).unwrap(), [OLD; 32]);
}

#[test]
fn two_names_of_one_key_do_not_destroy_it() {
    let bench = Bench::prepared();
    bench.place.link_old().unwrap();
    assert_eq!(bench.settle(&census(&[(OLD, 1)])).unwrap(), Settled::Undone);
    assert_eq!(bench.only_key(), [OLD; 32]);
}

#[test]
fn with_wallets_under_both_keys_neither_is_touched() {
    let bench = Bench::prepared();
    let error = bench.settle(&census(&[(OLD, 1), (NEW, 1)])).unwrap_err();
    assert!(matches!(error, KeyFileError::Mixed { .. }), "{error}");
    assert_eq!(fs::read(&bench.place.current).unwrap(), [OLD; 32]);
    assert_eq!(fs::read(&bench.place.next).unwrap(), [NEW; 32]);
}

#[test]
fn a_next_key_does_not_stand_in_for_another_that_is_missing() {
    let bench = Bench::prepared();
    fs::remove_file(&bench.place.current).unwrap();
    assert_eq!(bench.settle(&census(&[(OLD, 1)])).unwrap(), Settled::Nothing);
    assert_eq!(fs::read(&bench.place.next).unwrap(), [NEW; 32]);
}

#[test]
fn what_was_half_destroyed_is_destroyed_to_the_end() {
    for name in ["kek.old", "kek.next"] {
        let bench = Bench::prepared();
        bench.place.undo().unwrap();
        new_file::make(&bench.dir.path().join(name), &[0; 7], 0o600).unwrap();
        bench.settle(&census(&[(OLD, 2)])).unwrap();
        assert_eq!(bench.only_key(), [OLD; 32], "{name}");
    }
}

#[test]
fn a_second_preparation_does_not_replace_the_first() {
    let bench = Bench::prepared();
    assert!(bench.place.prepare(&[3; 32]).is_err());
    assert_eq!(fs::read(&bench.place.next).unwrap(), [NEW; 32]);
}
