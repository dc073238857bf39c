//! Every byte of a receipt, altered one at a time: in the text as it is, and in the content with its checksum made right
//! again, as somebody does who means it.

use super::scene::{Custody, Scene};
use crate::domain::ids::Timestamp;
use crate::domain::ownership::Trust;
use crate::domain::publisher::PublisherKey;
use crate::receipt::armour::{self, Kind};
use crate::receipt::format::Receipt;
use crate::receipt::{Demands, verify};

fn sha256(bytes: &[u8]) -> Vec<u8> {
    ring::digest::digest(&ring::digest::SHA256, bytes).as_ref().to_vec()
}

fn is_yes(text: &[u8], publisher: &PublisherKey, now: Timestamp) -> bool {
    let demands = Demands { accept_maker: true, ..Demands::new(publisher, now) };
    verify(text, &demands).is_ok()
}

#[test]
fn no_character_of_the_text_can_be_altered() {
    let scene = Scene::new(Trust::Single, Custody::Managed);
    let (publisher, now) = (scene.publisher(), scene.now());
    let text = scene.receipt().to_text().into_bytes();
    assert!(is_yes(&text, &publisher, now));
    for at in 0..text.len() {
        for bit in 0..8 {
            let mut altered = text.clone();
            altered[at] ^= 1 << bit;
            assert!(!is_yes(&altered, &publisher, now), "bit {bit} of character {at}");
        }
    }
    for at in [0, 1, text.len() / 2, text.len() - 1] {
        let mut shorter = text.clone();
        shorter.remove(at);
        assert!(!is_yes(&shorter, &publisher, now), "without character {at}");
        let mut longer = text.clone();
        longer.insert(at, b'\n');
        assert!(!is_yes(&longer, &publisher, now), "with a line more at {at}");
    }
    let windows: Vec<u8> = String::from_utf8(text).unwrap().replace('\n', "\r\n").into_bytes();
    assert!(!is_yes(&windows, &publisher, now));
}

#[test]
fn no_byte_of_what_validators_signed_for_can_be_altered() {
    for custody in [Custody::Key, Custody::Managed] {
        let scene = Scene::new(Trust::Consensus, custody);
        let (publisher, now) = (scene.publisher(), scene.now());
        let bytes = armour::read(Kind::Receipt, scene.receipt().to_text().as_bytes()).unwrap();
        let (content, _) = bytes.split_last_chunk::<32>().unwrap();
        let sealed =
            |content: &[u8]| armour::write(Kind::Receipt, &[content, &sha256(content)].concat());
        assert!(is_yes(sealed(content).as_bytes(), &publisher, now));
        for at in 0..content.len() {
            let mut altered = content.to_vec();
            altered[at] ^= 1 << (at % 8);
            assert!(!is_yes(sealed(&altered).as_bytes(), &publisher, now), "byte {at}");
        }
        assert!(content.len() > 10_000, "{}", content.len());
    }
}

#[test]
fn what_is_read_is_written_again_to_the_byte() {
    for (trust, custody) in [
        (Trust::Single, Custody::Key),
        (Trust::Consensus, Custody::Contract),
        (Trust::Consensus, Custody::Managed),
    ] {
        let receipt = Scene::new(trust, custody).receipt();
        let text = receipt.to_text();
        let read = Receipt::from_text(text.as_bytes()).unwrap();
        assert_eq!(read, receipt);
        assert_eq!(read.to_text(), text);
        let evidence = crate::receipt::Evidence::from_bytes(&read.evidence.to_bytes()).unwrap();
        assert_eq!(evidence, receipt.evidence);
    }
}
