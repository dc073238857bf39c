use super::*;
use crate::standards::words::tests::said;
use alloy_primitives::hex;

#[test]
fn the_selector_is_that_of_the_standard() {
    assert_eq!(expiresAtCall::SELECTOR, hex!("17c95709"));
}

#[test]
fn zero_has_ended_and_is_not_for_ever() {
    assert_eq!(term(&said(&[U256::ZERO])), Ok(Term::OVER));
    assert_eq!(term(&said(&[U256::from(u64::MAX)])), Ok(Term::Open));
    assert_eq!(term(&said(&[U256::MAX])), Err(Cause::Contract), "more than 64 bits");
    assert_eq!(term(&Outcome::Halted), Err(Cause::Contract));
}
