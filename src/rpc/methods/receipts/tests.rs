use super::*;

#[test]
fn a_nonce_is_one_to_sixty_four_bytes() {
    assert_eq!(nonce(None), Ok(None));
    let read = |text: &str| nonce(Some(text)).unwrap().unwrap();
    assert_eq!(read("00ff"), read("0x00FF"));
    assert_eq!(read(&"ab".repeat(64)).len(), 64);
    for wrong in ["", "0x", "0", "xy", &"ab".repeat(65)] {
        assert!(nonce(Some(wrong)).is_err(), "{wrong}");
    }
}
