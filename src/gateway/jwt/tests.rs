use super::*;

#[test]
fn base64_for_addresses_has_one_text_for_one_value() {
    assert_eq!(decode("").unwrap(), b"");
    assert_eq!(decode("eyJhIjoxfQ").unwrap(), b"{\"a\":1}");
    assert_eq!(decode("-_8").unwrap(), [0xfb, 0xff]);
    for wrong in ["eyJhIjoxfQ==", "a", "ab+/", "-_9", "é"] {
        assert_eq!(decode(wrong), None, "{wrong}");
    }
}

#[test]
fn a_token_has_three_parts() {
    let parts = Parts::of("h.c.s").unwrap();
    assert_eq!((parts.header, parts.claims, parts.signature), ("h", "c", "s"));
    assert_eq!(parts.signed, "h.c");
    for wrong in ["", "h", "h.c", "h.c.s.t"] {
        assert!(Parts::of(wrong).is_none(), "{wrong}");
    }
}
