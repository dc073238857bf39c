use super::*;

#[test]
fn signatures_of_any_length_are_read_up_to_the_limit() {
    assert_eq!(read("0x"), Some(Bytes::new()));
    assert_eq!(read("0x0102"), Some(Bytes::from_static(&[1, 2])));
    let longest = format!("0x{}", "ab".repeat(SIGNATURE_LIMIT));
    assert!(read(&longest).is_some());
    for text in ["", "12", "0x1", "0x0x12", "0xzz", "0x12 ", &format!("{longest}ab")] {
        assert_eq!(read(text), None, "{text:.20}");
    }
}
