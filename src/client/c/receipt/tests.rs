use super::*;
use crate::abi::{Question, State};
use crate::entitled_receipt_verify;
use crate::text;

const KEY: &std::ffi::CStr = c"RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
const NOW: i64 = 1_795_341_600;

fn question() -> Question {
    Question { product: c"acme-cad".as_ptr(), publisher: KEY.as_ptr(), now: NOW, ..Question::INIT }
}

fn judged(receipt: &str, question: &Question) -> Verdict {
    let mut verdict = Verdict { state: State::Yes, ..Verdict::INIT };
    // SAFETY: whole structures, and as many bytes as are said.
    let state = unsafe {
        entitled_receipt_verify(receipt.as_ptr().cast(), receipt.len(), question, &raw mut verdict)
    };
    assert_eq!(state, verdict.state);
    verdict
}

#[test]
fn what_is_no_receipt_proves_nothing() {
    for text in
        ["", "yes", "-----BEGIN ENTITLED RECEIPT-----\nAAAA\n-----END ENTITLED RECEIPT-----\n"]
    {
        let verdict = judged(text, &question());
        assert_eq!((verdict.state, verdict.error), (State::NotKnown, Failure::Receipt), "{text}");
        assert_eq!(verdict.proof, Proof::Unproven);
        assert!(text::of_field(&verdict.detail).contains("receipt"));
    }
}

#[test]
fn a_question_that_is_none_is_the_programs_fault() {
    let long = [0_u8; 65];
    let wrong = [
        Question { product: std::ptr::null(), ..question() },
        Question { publisher: std::ptr::null(), ..question() },
        Question { publisher: c"no key".as_ptr(), ..question() },
        Question { nonce: long.as_ptr().cast(), nonce_length: long.len(), ..question() },
        // A nonce that was not made, or that lost its length: none at all would ask for less.
        Question { nonce: long.as_ptr().cast(), nonce_length: 0, ..question() },
        Question { nonce: std::ptr::null(), nonce_length: 32, ..question() },
        Question { now: 0, ..question() },
        Question { now: i64::MAX, ..question() },
        Question { reserved: 1, ..question() },
        Question { size: 1, ..question() },
    ];
    for question in wrong {
        let verdict = judged("a receipt", &question);
        assert_eq!((verdict.state, verdict.error), (State::NotKnown, Failure::Argument));
        assert!(!text::of_field(&verdict.detail).is_empty());
    }
}

#[test]
fn no_two_nonces_are_the_same() {
    assert_ne!(fresh_nonce().unwrap(), fresh_nonce().unwrap());
}
