use super::*;

#[test]
fn a_secret_keeps_its_blanks_and_loses_its_line_end() {
    for (given, read) in [(" a b \n", " a b "), ("a\r\nrest", "a"), ("a", "a")] {
        assert_eq!(line(given.as_bytes()).unwrap().expose(), read);
    }
}

#[test]
fn what_is_no_secret_is_refused() {
    let long = "x".repeat(usize::try_from(LONGEST).unwrap() + 1);
    for given in [b"" as &[u8], b"\n", b"\xff\n", long.as_bytes()] {
        assert!(matches!(line(given), Err(Failure::Usage(_))), "{given:?}");
    }
}
