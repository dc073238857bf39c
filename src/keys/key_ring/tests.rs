//! Rings that open, stay locked, and go over to another key.

use super::*;
use crate::keys::sealing::seal;
use entitled_core::domain::secret::Secret;

const OWNER: CustomerId = CustomerId::Machine;

fn wallet() -> (Address, PrivateKey) {
    let key = PrivateKey::generate().unwrap();
    (key.address().unwrap(), key)
}

fn census(records: &[Vec<u8>]) -> Census {
    Census::of(records.iter().map(Vec::as_slice))
}

fn file_ring(dir: &tempfile::TempDir, census: &Census) -> KeyRing {
    KeyRing::open_for(KeySource::File(dir.path().join("kek")), None, census)
}

fn reason(ring: &KeyRing) -> String {
    match ring.state() {
        KeyRingState::Locked { reason } => reason,
        KeyRingState::Open { .. } => panic!("the ring is open"),
    }
}

#[test]
fn a_ring_without_a_key_is_locked_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let ring = KeyRing::open(KeySource::Credential("kek".into()), Some(dir.path()));
    assert!(ring.key().is_none());
    let reason = reason(&ring);
    assert!(reason.starts_with("credential:kek: "), "{reason}");
    assert!(reason.contains("No such file"), "{reason}");
}

#[test]
fn a_ring_from_a_file_is_open_and_says_from_where() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("kek");
    let ring = KeyRing::open(KeySource::File(path.clone()), None);
    assert!(ring.key().is_some());
    assert_eq!(ring.state(), KeyRingState::Open { source: format!("file:{}", path.display()) });
    assert!(!format!("{ring:?}").contains("secret"), "{ring:?}");
}

#[test]
fn a_key_that_opens_no_wallet_is_not_the_right_one() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (address, key) = wallet();
    let ring = file_ring(&dir, &Census::default());
    let record = seal(ring.key().unwrap(), address, OWNER, &key).unwrap();
    drop(file_ring(&other, &Census::default()));
    let ring = file_ring(&other, &census(&[record]));
    assert!(ring.key().is_none());
    assert!(reason(&ring).contains("sealed under another"), "{}", reason(&ring));
}

#[test]
fn while_the_key_is_exchanged_both_open_and_neither_seals() {
    let dir = tempfile::tempdir().unwrap();
    let (address, key) = wallet();
    let old = file_ring(&dir, &Census::default());
    let record = seal(old.key().unwrap(), address, OWNER, &key).unwrap();
    let both = old.exchanging(&census(std::slice::from_ref(&record)), None).unwrap();
    assert!(both.key().is_none());
    let next = both.next().unwrap();
    let moved = sealing::rewrap(old.key().unwrap(), next, address, OWNER, &record).unwrap();
    for it in [&record, &moved] {
        assert!(both.unseal(address, OWNER, it).unwrap().is_ok());
    }
    let (new, done) = both.exchanged();
    done.unwrap();
    assert!(new.unseal(address, OWNER, &moved).unwrap().is_ok());
    assert_eq!(new.unseal(address, OWNER, &record).unwrap().unwrap_err(), OpenError::WrongKey);
    let again = file_ring(&dir, &census(&[moved]));
    assert_eq!(again.key_id(), new.key_id());
}

#[test]
fn an_exchange_that_is_taken_back_leaves_the_old_key() {
    let dir = tempfile::tempdir().unwrap();
    let old = file_ring(&dir, &Census::default());
    let (back, done) = old.exchanging(&Census::default(), None).unwrap().unexchanged();
    done.unwrap();
    assert_eq!(back.key_id(), old.key_id());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_ring_knows_when_it_is_the_last() {
    let dir = tempfile::tempdir().unwrap();
    let ring = file_ring(&dir, &Census::default());
    let order = ring.clone();
    let both = ring.exchanging(&Census::default(), None).unwrap();
    assert!(!ring.is_last_holder());
    drop(order);
    assert!(ring.is_last_holder(), "{both:?} is another");
}

#[test]
fn a_credential_is_exchanged_for_its_next() {
    let dir = tempfile::tempdir().unwrap();
    let source = || KeySource::Credential("kek".into());
    std::fs::write(dir.path().join("kek"), [1; 32]).unwrap();
    let ring = KeyRing::open(source(), Some(dir.path()));
    let none = ring.exchanging(&Census::default(), None).unwrap_err();
    assert!(matches!(none, KeyFileError::NoNextCredential { .. }), "{none}");

    std::fs::write(dir.path().join("kek.next"), [2; 32]).unwrap();
    let (new, _) = ring.exchanging(&Census::default(), None).unwrap().exchanged();
    let (address, key) = wallet();
    let record = seal(new.key().unwrap(), address, OWNER, &key).unwrap();
    let again = KeyRing::open_for(source(), Some(dir.path()), &census(&[record]));
    assert_eq!(again.key_id(), new.key_id());
    let early = again.exchanging(&Census::default(), None).unwrap_err();
    assert!(matches!(early, KeyFileError::CredentialNotMoved { .. }), "{early}");
}

#[test]
fn a_passphrase_is_set_once_asked_for_and_opens_again() {
    let dir = tempfile::tempdir().unwrap();
    let source = || KeySource::Passphrase(dir.path().join("kek.passphrase"));
    let (right, wrong) = (Secret::new("right one".into()), Secret::new("wrong one".into()));
    let ring = KeyRing::open(source(), None);
    assert!(ring.wants_a_passphrase());
    let unset = ring.unlocked(&right, false).unwrap_err();
    assert!(matches!(unset, KeyFileError::PassphraseUnset), "{unset}");
    let first = ring.unlocked(&right, true).unwrap();

    let ring = KeyRing::open(source(), None);
    assert!(reason(&ring).contains("keys unlock"), "{}", reason(&ring));
    let again = ring.unlocked(&right, true).unwrap_err();
    assert!(matches!(again, KeyFileError::PassphraseIsSet), "{again}");
    let refused = ring.unlocked(&wrong, false).unwrap_err();
    assert!(matches!(refused, KeyFileError::WrongPassphrase), "{refused}");
    assert_eq!(ring.unlocked(&right, false).unwrap().key_id(), first.key_id());
}

#[test]
fn a_passphrase_file_that_is_missed_is_not_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let (address, key) = wallet();
    let record = seal(&KeyEncryptionKey::generate().unwrap(), address, OWNER, &key).unwrap();
    let source = KeySource::Passphrase(dir.path().join("kek.passphrase"));
    let ring = KeyRing::open_for(source, None, &census(&[record]));
    assert!(!ring.wants_a_passphrase());
    assert!(reason(&ring).contains("restore it"), "{}", reason(&ring));
}
