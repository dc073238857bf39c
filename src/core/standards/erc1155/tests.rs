use super::*;
use alloy_primitives::hex;

#[test]
fn the_selector_is_that_of_the_standard() {
    assert_eq!(balanceOfCall::SELECTOR, hex!("00fdd58e"));
}
