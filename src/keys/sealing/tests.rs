use super::*;

fn kek(byte: u8) -> KeyEncryptionKey {
    KeyEncryptionKey::from_bytes(&[byte; 32]).unwrap()
}

fn wallet() -> (PrivateKey, Address) {
    let key = PrivateKey::generate().unwrap();
    let address = key.address().unwrap();
    (key, address)
}

const OWNER: CustomerId = CustomerId::Uid(1000);

#[test]
fn what_was_sealed_opens_to_the_same_key() {
    let (key, address) = wallet();
    let record = seal(&kek(1), address, OWNER, &key).unwrap();
    assert_eq!(record.len(), RECORD_LENGTH);
    let opened = open(&kek(1), address, OWNER, &record).unwrap();
    assert_eq!(opened.expose(), key.expose());
}

#[test]
fn a_record_does_not_contain_the_key_and_is_never_the_same_twice() {
    let (key, address) = wallet();
    let one = seal(&kek(1), address, OWNER, &key).unwrap();
    let two = seal(&kek(1), address, OWNER, &key).unwrap();
    assert_ne!(one[9..], two[9..]);
    assert!(!one.windows(8).any(|it| key.expose().windows(8).any(|secret| it == secret)));
}

#[test]
fn any_bit_flipped_anywhere_refuses() {
    let (key, address) = wallet();
    let record = seal(&kek(1), address, OWNER, &key).unwrap();
    for bit in 0..record.len() * 8 {
        let mut bent = record.clone();
        bent[bit / 8] ^= 1 << (bit % 8);
        assert!(open(&kek(1), address, OWNER, &bent).is_err(), "bit {bit}");
    }
}

#[test]
fn any_other_length_refuses() {
    let (key, address) = wallet();
    let mut record = seal(&kek(1), address, OWNER, &key).unwrap();
    for length in 0..record.len() {
        assert!(open(&kek(1), address, OWNER, &record[..length]).is_err(), "{length}");
    }
    record.push(0);
    assert_eq!(open(&kek(1), address, OWNER, &record).unwrap_err(), OpenError::Broken);
}

#[test]
fn a_record_does_not_open_in_anothers_place() {
    let ((key, address), (other_key, other)) = (wallet(), wallet());
    let record = seal(&kek(1), address, OWNER, &key).unwrap();
    let other_record = seal(&kek(1), other, OWNER, &other_key).unwrap();
    let broken = OpenError::Broken;
    assert_eq!(open(&kek(1), other, OWNER, &record).unwrap_err(), broken);
    assert_eq!(open(&kek(1), address, OWNER, &other_record).unwrap_err(), broken);
    for customer in [CustomerId::Machine, CustomerId::Uid(100), CustomerId::Numbered(1000)] {
        assert_eq!(open(&kek(1), address, customer, &record).unwrap_err(), broken);
    }
}

#[test]
fn halves_of_two_records_do_not_make_one() {
    let (key, address) = wallet();
    let one = seal(&kek(1), address, OWNER, &key).unwrap();
    let two = seal(&kek(1), address, OWNER, &key).unwrap();
    let mixed = [&one[..69], &two[69..]].concat();
    assert_eq!(open(&kek(1), address, OWNER, &mixed).unwrap_err(), OpenError::Broken);
    let turned = [&one[..9], &one[69..], &one[9..69]].concat();
    assert_eq!(open(&kek(1), address, OWNER, &turned).unwrap_err(), OpenError::Broken);
}

#[test]
fn a_wrong_key_is_told_apart_from_a_broken_record() {
    let (key, address) = wallet();
    let record = seal(&kek(1), address, OWNER, &key).unwrap();
    assert_eq!(open(&kek(2), address, OWNER, &record).unwrap_err(), OpenError::WrongKey);
}

#[test]
fn a_record_of_a_later_version_is_named_as_such() {
    let (key, address) = wallet();
    let mut record = seal(&kek(1), address, OWNER, &key).unwrap();
    record[0] = 3;
    let error = open(&kek(1), address, OWNER, &record).unwrap_err();
    assert_eq!(error, OpenError::Version { version: 3 });
}

#[test]
fn a_key_sealed_under_an_address_it_does_not_control_does_not_open() {
    let ((key, _), (_, other)) = (wallet(), wallet());
    let record = seal(&kek(1), other, OWNER, &key).unwrap();
    assert_eq!(open(&kek(1), other, OWNER, &record).unwrap_err(), OpenError::Broken);
}

#[test]
fn a_rewrapped_record_opens_under_the_new_key_only_and_its_private_key_was_not_touched() {
    let (key, address) = wallet();
    let record = seal(&kek(1), address, OWNER, &key).unwrap();
    let made = rewrap(&kek(1), &kek(2), address, OWNER, &record).unwrap();
    assert_eq!(open(&kek(2), address, OWNER, &made).unwrap().expose(), key.expose());
    assert_eq!(open(&kek(1), address, OWNER, &made).unwrap_err(), OpenError::WrongKey);
    assert_eq!(made[69..], record[69..]);
    assert_eq!(sealed_under(&made), kek(2).name());
}

#[test]
fn what_does_not_open_is_not_rewrapped() {
    let (key, address) = wallet();
    let record = seal(&kek(1), address, OWNER, &key).unwrap();
    let other = Address::repeat_byte(1);
    let refused = |from, address, record: &[u8]| {
        rewrap(&kek(from), &kek(2), address, OWNER, record).unwrap_err()
    };
    assert_eq!(refused(3, address, &record), RewrapError::Open(OpenError::WrongKey));
    assert_eq!(refused(1, other, &record), RewrapError::Open(OpenError::Broken));
    assert_eq!(refused(1, address, &record[..128]), RewrapError::Open(OpenError::Broken));
}

/// A record written by an earlier build must open for ever.
#[test]
fn a_record_of_version_one_still_opens() {
    let text = include_str!("../../../tests/vectors/sealed_key.json");
    let vector: serde_json::Value = serde_json::from_str(text).unwrap();
    let bytes = |name: &str| alloy_primitives::hex::decode(vector[name].as_str().unwrap()).unwrap();
    let kek = KeyEncryptionKey::from_bytes(&bytes("key_encryption_key")).unwrap();
    let address = Address::from_slice(&bytes("address"));
    let customer = vector["customer"].as_str().unwrap().parse().unwrap();
    let key = open(&kek, address, customer, &bytes("record")).unwrap();
    assert_eq!(key.expose().as_slice(), bytes("private_key"));

    let new = KeyEncryptionKey::from_bytes(&[9; 32]).unwrap();
    let made = rewrap(&kek, &new, address, customer, &bytes("record")).unwrap();
    assert_eq!(made[0], VERSION);
    let key = open(&new, address, customer, &made).unwrap();
    assert_eq!(key.expose().as_slice(), bytes("private_key"));
}
