//! Keys and signatures made by minisign's own library, files that follow each other, and all of it altered.

use std::io::Cursor;

use alloy_primitives::keccak256;
use minisign::KeyPair;
use proptest::prelude::*;

use super::*;

struct Vendor {
    pair: KeyPair,
    key: PublisherKey,
}

impl Vendor {
    fn new() -> Self {
        let pair = KeyPair::generate_unencrypted_keypair().unwrap();
        let key = pair.pk.to_base64().parse().unwrap();
        Self { pair, key }
    }

    fn sign(&self, text: &str) -> String {
        let signed =
            minisign::sign(None, &self.pair.sk, Cursor::new(text), Some("acme-cad.toml"), None);
        signed.unwrap().into_string()
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn file<'a>(
    text: &'a str,
    signature: Option<&'a str>,
    names: Option<&'a PublisherKey>,
    version: u32,
) -> Published<'a> {
    Published { text, signature, names, version, digest: keccak256(text) }
}

/// Takes a signed file, and gives whose it counts as.
fn take(pin: &mut Option<Pin>, file: Published<'_>) -> Result<Option<PublisherKey>, NotTaken> {
    let taken = admit(pin.as_ref(), file, at(1))?;
    let (signer, new) = taken.unzip();
    *pin = new.or(pin.take());
    Ok(signer)
}

#[test]
fn a_key_has_one_text() {
    let vendor = Vendor::new();
    let text = vendor.key.to_string();
    assert_eq!(text.len(), 56);
    for wrong in ["", "RW", &text[1..], &format!("{text}="), &text.replacen("RW", "RX", 1), "RWé"]
    {
        assert_eq!(wrong.parse::<PublisherKey>(), Err(NoPublisherKey), "{wrong}");
    }
}

#[test]
fn only_the_keys_own_signature_of_this_text_is_one() {
    let (vendor, other) = (Vendor::new(), Vendor::new());
    let signature = vendor.sign("product");
    assert_eq!(vendor.key.verify("product", &signature), Ok(()));
    assert_eq!(vendor.key.verify("product.", &signature), Err(SignatureFault::Wrong));
    assert_eq!(other.key.verify("product", &signature), Err(SignatureFault::OtherKey));
    assert_eq!(vendor.key.verify("product", ""), Err(SignatureFault::Unreadable));
    let long = format!("{signature}{}", " ".repeat(LONGEST_SIGNATURE));
    assert_eq!(vendor.key.verify("product", &long), Err(SignatureFault::Unreadable));
    // The trusted comment is signed too.
    let renamed = signature.replace("acme-cad.toml", "acme-cam.toml");
    assert_ne!(renamed, signature);
    assert_eq!(vendor.key.verify("product", &renamed), Err(SignatureFault::Wrong));
}

#[test]
fn what_was_never_signed_needs_no_signature() {
    assert_eq!(admit(None, file("a", None, None, 1), at(1)), Ok(None));
}

#[test]
fn a_file_that_names_a_publisher_is_signed_by_it() {
    let (vendor, other) = (Vendor::new(), Vendor::new());
    let (own, others) = (vendor.sign("a"), other.sign("a"));
    let names = Some(&vendor.key);
    let unsigned = admit(None, file("a", None, names, 1), at(1));
    assert!(matches!(unsigned, Err(NotTaken::Unsigned { .. })));
    let stranger = admit(None, file("a", Some(&others), names, 1), at(1));
    assert!(matches!(stranger, Err(NotTaken::NotByIts { fault: SignatureFault::OtherKey, .. })));
    let nobody = admit(None, file("a", Some(&own), None, 1), at(1));
    assert_eq!(nobody, Err(NotTaken::NoPublisher));
    let (signer, pin) = admit(None, file("a", Some(&own), names, 3), at(1)).unwrap().unwrap();
    assert_eq!((signer, pin.version), (vendor.key.clone(), 3));
    assert_eq!((pin.key, pin.since), (vendor.key, at(1)));
}

#[test]
fn what_was_signed_takes_no_unsigned_file_and_no_other_key() {
    let (vendor, other) = (Vendor::new(), Vendor::new());
    let (own, others) = (vendor.sign("a"), other.sign("b"));
    let mut pin = None;
    take(&mut pin, file("a", Some(&own), Some(&vendor.key), 1)).unwrap();
    let refused = NotTaken::NotByPinned { key: vendor.key.clone() };
    assert_eq!(take(&mut pin, file("b", None, None, 2)), Err(refused.clone()));
    assert_eq!(take(&mut pin, file("b", Some(&others), Some(&other.key), 2)), Err(refused.clone()));
    assert_eq!(take(&mut pin, file("b", Some(&others), Some(&vendor.key), 2)), Err(refused));
}

#[test]
fn versions_of_one_key_do_not_go_back() {
    let vendor = Vendor::new();
    let names = Some(&vendor.key);
    let (old, new) = (vendor.sign("old"), vendor.sign("new"));
    let mut pin = None;
    take(&mut pin, file("new", Some(&new), names, 2)).unwrap();
    let older = take(&mut pin, file("old", Some(&old), names, 1));
    assert_eq!(older, Err(NotTaken::Older { version: 1, taken: 2, key: vendor.key.clone() }));
    assert!(take(&mut pin, file("old", Some(&old), names, 2)).is_ok());
}

#[test]
fn the_old_key_hands_over_to_the_one_its_file_names() {
    let (old, new) = (Vendor::new(), Vendor::new());
    let mut pin = None;
    let first = old.sign("1");
    take(&mut pin, file("1", Some(&first), Some(&old.key), 1)).unwrap();
    let handed = old.sign("2");
    let rotation = file("2", Some(&handed), Some(&new.key), 2);
    // Until the new key has signed something itself, nothing counts as its.
    assert_eq!(take(&mut pin, rotation), Ok(Some(old.key.clone())));
    assert_eq!(take(&mut pin, rotation), Ok(Some(old.key.clone())), "the same file, read again");
    let late = old.sign("3");
    assert!(
        take(&mut pin, file("3", Some(&late), Some(&old.key), 3)).is_err(),
        "it has handed over"
    );
    let own = new.sign("3");
    assert_eq!(take(&mut pin, file("3", Some(&own), Some(&new.key), 3)), Ok(Some(new.key.clone())));
    let back = old.sign("2");
    assert!(take(&mut pin, file("2", Some(&back), Some(&new.key), 2)).is_err());
    // Where nobody pinned the old key, its word is nobody's.
    let fresh = admit(None, rotation, at(1));
    assert!(matches!(fresh, Err(NotTaken::NotByIts { .. })));
}

proptest! {
    #[test]
    fn no_altered_signature_is_taken(at in 0_usize..400, bit in 0_u32..8) {
        let vendor = Vendor::new();
        let signature = vendor.sign("product").into_bytes();
        let place = at % signature.len();
        let mut altered = signature.clone();
        altered[place] ^= 1 << bit;
        let untrusted = signature.iter().position(|it| *it == b'\n').unwrap();
        let Ok(altered) = String::from_utf8(altered) else { return Ok(()) };
        // The first line is for people, and line ends may be either of two.
        let means_the_same = place <= untrusted
            || altered.lines().skip(1).eq(String::from_utf8(signature).unwrap().lines().skip(1));
        prop_assert!(means_the_same || vendor.key.verify("product", &altered).is_err());
    }
}
