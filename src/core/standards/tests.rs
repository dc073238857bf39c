use alloy_primitives::{B256, U256};

use super::dialect::Dialect;
use super::{delegation, erc721, words};
use crate::domain::ids::{ChainId, Standard, Timestamp};
use crate::domain::ownership::{Anchor, Cause, Finality, Rule, Trust};
use crate::evm::execute::Outcome;

/// Block 100, a thousand seconds after 1970.
pub(crate) fn anchor() -> Anchor {
    Anchor {
        chain: ChainId(1),
        number: 100,
        hash: B256::ZERO,
        time: Timestamp::from_second(1_000).unwrap(),
        finality: Finality::Latest,
        trust: Trust::Single,
        attestation: None,
    }
}

/// What each reader of answers makes of bytes that a contract returned, in words. `None`: it is not known.
fn readings(data: &[u8]) -> Vec<(&'static str, Option<String>)> {
    let outcome = Outcome::Returned(data.to_vec().into());
    let (id, whole) = (U256::from(7), std::slice::from_ref(&outcome));
    let told = |it: Result<String, Cause>| it.ok();
    let term = |rule: Rule, first: Option<&Outcome>, answers: &[Outcome]| {
        let dialect = Dialect::learn(rule, first).unwrap();
        told(dialect.term(id, answers, &anchor()).map(|it| format!("{it:?}")))
    };
    let (one, long) = (words::tests::said(&[U256::ONE]), words::tests::said(&[U256::from(11)]));
    let number = words::tests::said(&[U256::from(5_000)]);
    let owner = |it| Dialect::learn(it, None).unwrap().holder(id, &outcome);
    let delegated = |it| told(delegation::delegated(it, &outcome).map(|it| it.to_string()));
    vec![
        ("an owner", told(owner(Rule::Owner).map(|it| format!("{it:?}")))),
        ("a user", told(owner(Rule::User).map(|it| format!("{it:?}")))),
        ("whether it was delegated", delegated(Standard::Erc721)),
        ("whether it is over", {
            let answers = [one.clone(), number.clone(), outcome.clone()];
            term(Rule::Expiry, Some(&one), &answers)
        }),
        ("whether a key is valid", {
            term(Rule::Unlock, Some(&long), &[outcome.clone(), number.clone()])
        }),
        ("an end of 64 bits", term(Rule::Subscription, None, whole)),
        ("the unit of time", told(Dialect::learn(Rule::Expiry, Some(&outcome)).map(debug))),
        ("a version", told(Dialect::learn(Rule::Unlock, Some(&outcome)).map(debug))),
        ("a balance", told(erc721::number(&outcome).map(|it| it.to_string()))),
        ("how many were delegated", delegated(Standard::Erc1155)),
        ("when a user's time is over", term(Rule::User, None, whole)),
    ]
}

fn debug(it: Dialect) -> String {
    format!("{it:?}")
}

/// Solidity's decoder reverts where a value is not of its type or the data is too short. More after it, it passes over;
/// here that is no answer either: no contract that means one says it so.
#[test]
fn what_is_not_written_as_the_abi_wants_it_is_known_to_nobody() {
    let word = |at: usize, byte: u8| {
        let mut word = [0; 32];
        (word[31], word[at]) = (1, byte);
        word
    };
    let lengths = [0, 1, 4, 20, 31, 33, 36, 63, 64, 96];
    let not_a_word = lengths.map(|it| [word(31, 1).to_vec(), vec![0; 96]].concat()[..it].to_vec());
    for data in not_a_word {
        for (what, said) in readings(&data) {
            assert_eq!(said, None, "{what} of {} bytes", data.len());
        }
    }
    // All but the last three are narrower than a word: a bool has one bit, an address 160.
    let narrow = readings(&[0; 32]).len() - 3;
    for (at, byte) in [(0, 1), (0, 0x80), (0, 0xff), (5, 1), (11, 1)] {
        for (what, said) in &readings(&word(at, byte))[..narrow] {
            assert_eq!(*said, None, "{what} with byte {at} of {byte}");
        }
    }
    for (what, said) in readings(&word(31, 2)) {
        let is_flag = what.starts_with("whether") || what == "the unit of time";
        assert!(!is_flag || said.is_none(), "{what}: {said:?}");
    }
    for (what, said) in readings(&word(31, 1)) {
        assert!(said.is_some() || what == "a version", "{what}: a one is an answer");
    }
}
