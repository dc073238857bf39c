use super::*;
use crate::keys::key_encryption_key::KeyEncryptionKey;
use crate::keys::key_file::read_own;
use crate::keys::private_key::PrivateKey;
use crate::keys::sealing::seal;
use entitled_core::domain::ids::CustomerId;

fn kek(byte: u8) -> KeyEncryptionKey {
    KeyEncryptionKey::from_bytes(&[byte; 32]).unwrap()
}

fn id(byte: u8) -> KeyId {
    kek(byte).name().unwrap()
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
        let place =
            KeyPlace::at(&dir.path().join("kek"), |it| Ok(read_own(it)?.and_then(|it| it.name())));
        new_file::make(&place.current, &[OLD; 32], 0o600).unwrap();
        place.prepare(id(OLD), &[NEW; 32]).unwrap();
        Self { dir, place }
    }

    fn settle(&self, census: &Census) -> Result<Option<Outcome>, KeyFileError> {
        Ok(self.place.settle(census)?.outcome)
    }

    /// The key in its place, when nothing is beside it but what was set aside.
    fn only_key_but(&self, aside: &[u8]) -> Vec<u8> {
        let count = fs::read_dir(self.dir.path()).unwrap().count();
        assert_eq!(count, 1 + aside.len(), "something is left");
        for (number, byte) in (1..).zip(aside) {
            let file = self.dir.path().join(format!("kek.unused-{number}"));
            assert_eq!(fs::read(file).unwrap(), [*byte; 32]);
        }
        fs::read(&self.place.current).unwrap()
    }

    fn only_key(&self) -> Vec<u8> {
        self.only_key_but(&[])
    }

    /// Puts another key where this one was.
    fn put(&self, path: &Path, byte: u8) {
        let _ = fs::remove_file(path);
        new_file::make(path, &[byte; 32], 0o600).unwrap();
    }

    fn key_in(&self, path: &Path) -> Vec<u8> {
        fs::read(path).unwrap()
    }
}

#[test]
fn an_exchange_cut_off_before_the_ledger_changed_is_undone() {
    for under in [census(&[(OLD, 3)]), census(&[])] {
        let bench = Bench::prepared();
        let settled = bench.place.settle(&under).unwrap();
        assert_eq!(settled.outcome, Some(Outcome::Undone));
        assert_eq!(settled.aside, [bench.dir.path().join("kek.unused-1")]);
        assert_eq!(bench.only_key_but(&[NEW]), [OLD; 32]);
    }
}

/// The moments of an exchange after the commit, in their order.
const STEPS: [fn(&KeyPlace) -> io::Result<()>; 2] = [KeyPlace::name_next, KeyPlace::destroy_old];

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
    bench.place.name_next().unwrap();
    let error = bench.settle(&census(&[(OLD, 1), (NEW, 1)])).unwrap_err();
    assert!(matches!(error, KeyFileError::StillNeeded { .. }), "{error}");
    assert_eq!(fs::read(&bench.place.old).unwrap(), [OLD; 32]);
}

#[test]
fn two_names_of_one_key_do_not_destroy_it() {
    let bench = Bench::prepared();
    fs::remove_file(&bench.place.next).unwrap();
    assert_eq!(bench.settle(&census(&[(OLD, 1)])).unwrap(), None);
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
    let error = bench.settle(&census(&[(OLD, 1)])).unwrap_err();
    assert!(matches!(error, KeyFileError::StillNeeded { .. }), "its second name: {error}");
    fs::remove_file(&bench.place.old).unwrap();
    assert_eq!(bench.settle(&census(&[(OLD, 1)])).unwrap(), None);
    assert_eq!(fs::read(&bench.place.next).unwrap(), [NEW; 32]);
}

#[test]
fn what_was_half_destroyed_is_out_of_the_way() {
    for (name, left) in [("kek.old", 1), ("kek.next", 2)] {
        let bench = Bench::prepared();
        bench.place.undo(id(NEW)).unwrap();
        assert_eq!(bench.only_key(), [OLD; 32]);
        new_file::make(&bench.dir.path().join(name), &[0; 7], 0o600).unwrap();
        bench.settle(&census(&[(OLD, 2)])).unwrap();
        assert_eq!(fs::read_dir(bench.dir.path()).unwrap().count(), left, "{name}");
        assert_eq!(bench.key_in(&bench.place.current), [OLD; 32]);
        bench.place.prepare(id(OLD), &[NEW; 32]).unwrap();
    }
}

#[test]
fn a_second_preparation_does_not_replace_the_first() {
    let bench = Bench::prepared();
    assert!(bench.place.prepare(id(OLD), &[3; 32]).is_err());
    assert_eq!(fs::read(&bench.place.next).unwrap(), [NEW; 32]);
    bench.place.finish(id(OLD), id(NEW)).unwrap();
    assert_eq!(bench.only_key(), [NEW; 32]);
}

const OTHER: u8 = 9;

/// A volume was mounted over the directory, or another's files were restored into it.
#[test]
fn a_key_that_is_not_the_one_in_use_is_neither_exchanged_nor_destroyed() {
    let bench = Bench::prepared();
    let place = &bench.place;
    bench.put(&place.current, OTHER);
    for refused in
        [place.check(id(OLD)), place.prepare(id(OLD), &[3; 32]), place.finish(id(OLD), id(NEW))]
    {
        let error = refused.unwrap_err();
        assert!(matches!(error, KeyFileError::AnotherInPlace { .. }), "{error}");
    }
    assert_eq!(bench.key_in(&place.current), [OTHER; 32]);
    assert_eq!(
        (bench.key_in(&place.old), bench.key_in(&place.next)),
        (vec![OLD; 32], vec![NEW; 32])
    );
}

#[test]
fn a_next_key_that_is_not_the_one_made_is_neither_named_nor_destroyed() {
    let bench = Bench::prepared();
    let place = &bench.place;
    bench.put(&place.next, OTHER);
    assert!(place.finish(id(OLD), id(NEW)).is_err());
    assert!(place.undo(id(NEW)).is_err());
    assert_eq!(bench.key_in(&place.next), [OTHER; 32]);
    assert_eq!(bench.key_in(&place.current), [OLD; 32]);
}

/// Somebody removed the file of the key that is open: the wallets are saved by another.
#[test]
fn a_key_in_use_whose_file_is_gone_is_exchanged() {
    let bench = Bench::prepared();
    bench.place.undo(id(NEW)).unwrap();
    fs::remove_file(&bench.place.current).unwrap();
    bench.place.check(id(OLD)).unwrap();
    bench.place.prepare(id(OLD), &[NEW; 32]).unwrap();
    bench.place.finish(id(OLD), id(NEW)).unwrap();
    assert_eq!(bench.only_key(), [NEW; 32]);
}

#[test]
fn a_next_key_that_is_gone_takes_nothing_with_it() {
    let bench = Bench::prepared();
    fs::remove_file(&bench.place.next).unwrap();
    let error = bench.place.finish(id(OLD), id(NEW)).unwrap_err();
    assert!(matches!(error, KeyFileError::Gone { .. }), "{error}");
    assert_eq!(bench.key_in(&bench.place.current), [OLD; 32]);
}

/// It failed at the end, and the daemon goes on with the new key.
#[test]
fn a_key_in_use_that_has_not_got_its_place_yet_gets_it_before_another_exchange() {
    let bench = Bench::prepared();
    bench.place.check(id(NEW)).unwrap();
    assert_eq!(bench.only_key(), [NEW; 32]);
}

/// A rotation was cut off before the exchange, and another store was put here with its key.
#[test]
fn the_key_of_a_store_that_was_set_aside_is_not_destroyed() {
    let bench = Bench::prepared();
    fs::remove_file(&bench.place.current).unwrap();
    new_file::make(&bench.place.current, &[7; 32], 0o600).unwrap();
    bench.settle(&census(&[(7, 1)])).unwrap();
    let left = fs::read_dir(bench.dir.path()).unwrap();
    let keys: Vec<Vec<u8>> = left.map(|it| fs::read(it.unwrap().path()).unwrap()).collect();
    assert!(keys.contains(&vec![OLD; 32]) && keys.contains(&vec![7; 32]), "{keys:?}");
}

#[test]
fn a_key_in_the_way_that_was_not_exchanged_is_set_aside() {
    let bench = Bench::prepared();
    bench.put(&bench.place.current, OTHER);
    let settled = bench.place.settle(&census(&[(NEW, 2)])).unwrap();
    assert_eq!(settled.outcome, Some(Outcome::Finished));
    assert_eq!(bench.only_key_but(&[OLD, OTHER]), [NEW; 32]);
}

/// It may be that of a ledger which is not mounted yet.
#[test]
fn without_a_wallet_that_names_its_key_nothing_is_destroyed() {
    let bench = Bench::prepared();
    bench.place.name_next().unwrap();
    bench.settle(&census(&[])).unwrap();
    assert_eq!(bench.only_key_but(&[OLD]), [NEW; 32]);
}
