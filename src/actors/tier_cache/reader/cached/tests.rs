//! The two readings of a verdict.

use super::Rendered;

#[test]
fn both_readings_are_written_from_what_they_share() {
    for (fresh, stale) in [
        (r#"{"a":"fresh","b":1"#, r#"{"a":"stale","b":1"#),
        (r#"{"a":"x","b":1"#, r#"{"a":"xx","b":1"#),
        ("aa", "aaa"),
        ("aaa", "aa"),
        ("", ""),
        ("", "stale"),
        ("fresh", ""),
        ("same", "same"),
    ] {
        let rendered = Rendered::new(fresh.as_bytes(), stale.as_bytes());
        assert_eq!(&*rendered.fresh, fresh.as_bytes());
        let mut written = Vec::new();
        rendered.write_stale(&mut written);
        assert_eq!(written, stale.as_bytes(), "beside {fresh}");
    }
}
