use super::*;

#[test]
fn a_signature_of_nobody_is_false_and_no_signature_is_an_error() {
    let nobody = format!("0x{:064x}{:064x}1b", 5, 1);
    assert_eq!(is_signed_by(B256::ZERO, &nobody, Address::ZERO), Ok(false));
    let none = is_signed_by(B256::ZERO, "0x00", Address::ZERO);
    assert_eq!(none, Err(SignatureFault::Length { bytes: 1 }));
}

#[test]
fn a_text_may_be_long_but_not_longer() {
    assert!(Payload::Text("a".repeat(TEXT_LIMIT)).hash().is_ok());
    let fault = Payload::Text("a".repeat(TEXT_LIMIT + 1)).hash();
    assert_eq!(fault, Err(PayloadFault::TextTooLong));
}
