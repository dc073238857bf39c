//! Texts that are no receipts.

use proptest::prelude::*;

use crate::receipt::armour::{self, Kind, LARGEST, LONGEST_TEXT};
use crate::receipt::{FormatFault, Receipt};

#[test]
fn a_text_has_its_marks_and_its_lines() {
    let text = armour::write(Kind::Receipt, &[1; 100]);
    assert_eq!(armour::read(Kind::Receipt, text.as_bytes()).unwrap(), [1; 100]);
    assert!(text.lines().all(|it| it.len() <= 64));
    for wrong in [
        String::new(),
        text.replace("BEGIN", "START"),
        text.replace("END", "STOP"),
        format!(" {text}"),
        format!("{text}\n"),
        text.trim_end().to_owned(),
        text.replacen('\n', "\n\n", 2),
        armour::write(Kind::Receipt, &[]),
    ] {
        let fault = armour::read(Kind::Receipt, wrong.as_bytes()).unwrap_err();
        assert!(matches!(fault, FormatFault::Armour { .. }), "{wrong}: {fault}");
    }
    assert!(matches!(armour::read(Kind::Receipt, &[0xff; 10]), Err(FormatFault::Armour { .. })));
}

#[test]
fn what_is_left_over_in_the_last_digit_is_zero() {
    let text = armour::write(Kind::Receipt, &[0; 4]);
    assert!(text.contains("AAAAAA=="));
    for wrong in ["AAAAAB==", "AAAAAAA=", "AAAAA===", "AAAAAA=A", "AAAA=AAA", "AAAAAA-="] {
        let altered = text.replace("AAAAAA==", wrong);
        let fault = armour::read(Kind::Receipt, altered.as_bytes());
        // One character more is another text, of other bytes.
        if wrong != "AAAAAAA=" {
            assert_eq!(fault, Err(FormatFault::Base64 { line: 2 }), "{wrong}");
        }
    }
}

#[test]
fn what_is_too_long_is_not_read() {
    let text = armour::write(Kind::Receipt, &vec![7; LARGEST]);
    assert!(text.len() <= LONGEST_TEXT);
    assert!(armour::read(Kind::Receipt, text.as_bytes()).is_ok());
    let text = armour::write(Kind::Receipt, &vec![7; LARGEST + 1]);
    assert!(matches!(
        armour::read(Kind::Receipt, text.as_bytes()),
        Err(FormatFault::TooLong { .. })
    ));
    let fault = Receipt::from_text(&vec![b'A'; LONGEST_TEXT + 1]);
    assert!(matches!(fault, Err(FormatFault::TooLong { .. })));
}

#[test]
fn a_later_format_is_named() {
    let mut bytes = b"ENTR\x02".to_vec();
    bytes.extend(ring::digest::digest(&ring::digest::SHA256, &bytes).as_ref());
    let found = Receipt::from_text(armour::write(Kind::Receipt, &bytes).as_bytes());
    assert_eq!(found, Err(FormatFault::Version { found: 2 }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn bytes_come_back_as_they_were(bytes in proptest::collection::vec(any::<u8>(), 1..300)) {
        prop_assert_eq!(armour::read(Kind::Receipt, armour::write(Kind::Receipt, &bytes).as_bytes()).unwrap(), bytes);
    }

    /// Whatever comes behind a right beginning and before a right checksum: it is read or refused, and takes no room that
    /// is not there.
    #[test]
    fn no_bytes_are_too_much(rest in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut bytes = [b"ENTR\x01".as_slice(), &rest].concat();
        bytes.extend(ring::digest::digest(&ring::digest::SHA256, &bytes).as_ref());
        if let Ok(receipt) = Receipt::from_text(armour::write(Kind::Receipt, &bytes).as_bytes()) {
            prop_assert_eq!(receipt.to_text(), armour::write(Kind::Receipt, &bytes));
        }
    }
}
