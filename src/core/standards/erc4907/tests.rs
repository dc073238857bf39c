use super::*;
use alloy_primitives::hex;

#[test]
fn the_selectors_are_those_of_the_standard() {
    assert_eq!(userOfCall::SELECTOR, hex!("c2f1f14a"));
    assert_eq!(userExpiresCall::SELECTOR, hex!("8fc88c48"));
}
