use super::*;

#[test]
fn what_was_written_is_read_again() {
    for (bytes, text) in [
        (&b""[..], ""),
        (b"f", "Zg=="),
        (b"fo", "Zm8="),
        (b"foo", "Zm9v"),
        (b"foobar", "Zm9vYmFy"),
        (&[0xff, 0xfe, 0xfb], "//77"),
    ] {
        assert_eq!(encode(bytes), text);
        assert_eq!(decode(text).as_deref(), Some(bytes));
    }
    for wrong in ["Zg", "Zg=", "Z===", "Zm9\u{e9}", "====", "Zg==Zg=="] {
        assert_eq!(decode(wrong), None, "{wrong}");
    }
}
