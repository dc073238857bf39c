use super::*;
use crate::standards::words::tests::said;

const AT: Address = Address::repeat_byte(0xcc);

#[test]
fn only_who_differs_from_contract_to_contract_is_asked_first() {
    for (rule, asked) in [
        (Rule::Owner, false),
        (Rule::User, false),
        (Rule::Subscription, false),
        (Rule::Expiry, true),
        (Rule::Unlock, true),
    ] {
        assert_eq!(Dialect::ask_first(rule, AT).is_some(), asked, "{rule:?}");
        assert_eq!(Dialect::learn(rule, None).is_ok(), !asked, "{rule:?}");
    }
}

#[test]
fn a_contract_that_is_not_there_holds_nothing_for_anybody() {
    for rule in [Rule::Owner, Rule::User, Rule::Subscription, Rule::Expiry, Rule::Unlock] {
        let dialect = Dialect::learn(rule, Some(&Outcome::NoCode)).unwrap();
        assert_eq!(dialect.count(&Outcome::NoCode), Ok(U256::ZERO), "{rule:?}");
        assert_eq!(dialect.holder(U256::ONE, &Outcome::NoCode), Ok(None), "{rule:?}");
    }
}

#[test]
fn one_key_at_most_goes_by_an_address() {
    let old = Dialect::learn(Rule::Unlock, Some(&said(&[U256::from(9)]))).unwrap();
    let new = Dialect::learn(Rule::Unlock, Some(&said(&[U256::from(15)]))).unwrap();
    let seven = said(&[U256::from(7)]);
    assert_eq!((old.count(&seven), new.count(&seven)), (Ok(U256::ONE), Ok(U256::from(7))));
    assert_eq!(old.count(&said(&[U256::ZERO])), Ok(U256::ZERO));
}

#[test]
fn each_question_has_an_answer_of_its_own() {
    let dialects = [
        (Rule::User, None),
        (Rule::Subscription, None),
        (Rule::Expiry, Some(said(&[U256::ONE]))),
        (Rule::Unlock, Some(said(&[U256::from(9)]))),
        (Rule::Unlock, Some(said(&[U256::from(13)]))),
    ];
    for (rule, first) in dialects {
        let dialect = Dialect::learn(rule, first.as_ref()).unwrap();
        let asked = dialect.ask_term(AT, U256::ONE, AT).len();
        assert!(asked > 0, "{rule:?}");
        let halted = vec![Outcome::Halted; asked];
        let anchor = crate::standards::tests::anchor();
        let term = dialect.term(U256::ONE, &halted, &anchor);
        assert_eq!(term, Err(Cause::Contract), "{rule:?}");
        assert_eq!(dialect.term(U256::ONE, &[], &anchor), Err(Cause::Contract), "{rule:?}");
    }
}
