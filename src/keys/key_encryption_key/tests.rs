use super::*;

#[test]
fn only_thirty_two_bytes_are_a_key() {
    for length in [0, 16, 31, 33, 64] {
        assert!(KeyEncryptionKey::from_bytes(&vec![7; length]).is_none(), "{length}");
    }
    assert!(KeyEncryptionKey::from_bytes(&[7; 32]).is_some());
}

#[test]
fn the_key_does_not_lie_in_memory_but_comes_out_as_it_went_in() {
    let key = KeyEncryptionKey::from_bytes(&[0xAB; 32]).unwrap();
    assert_eq!(*key.expose(), [0xAB; 32]);
    for half in [&key.mask, &key.masked] {
        assert!(!half.windows(4).any(|it| it == [0xAB; 4]), "a half shows the key");
    }
    assert_ne!(**key.mask, **KeyEncryptionKey::from_bytes(&[0xAB; 32]).unwrap().mask);
}

#[test]
fn debug_prints_nothing_of_the_secret() {
    let key = KeyEncryptionKey::from_bytes(&[0xAB; 32]).unwrap();
    assert_eq!(format!("{key:?}"), "KeyEncryptionKey(sealed)");
    assert_eq!(format!("{key:#?}"), "KeyEncryptionKey(sealed)");
}

#[test]
fn the_id_names_the_key_and_is_not_part_of_what_wraps() {
    let one = KeyEncryptionKey::from_bytes(&[1; 32]).unwrap();
    let two = KeyEncryptionKey::from_bytes(&[2; 32]).unwrap();
    assert_eq!(one.id(), KeyEncryptionKey::from_bytes(&[1; 32]).unwrap().id());
    assert_ne!(one.id(), two.id());
    let wrapping = one.wrapping_key().unwrap();
    assert_ne!(*wrapping, [1; 32]);
    assert_ne!(wrapping.get(..KEY_ID_LENGTH), one.id().as_ref().map(|it| it.as_slice()));
}
