//! What answers are read as, and what they are not.

use super::*;

#[derive(Debug, Deserialize)]
struct Said {
    #[serde(deserialize_with = "number")]
    revision: i64,
}

fn read(text: &str) -> Result<i64, String> {
    serde_json::from_str(text).map(|it: Said| it.revision).map_err(|it| it.to_string())
}

#[test]
fn a_number_is_one_also_as_text() {
    for (text, number) in [("7", 7), ("-7", -7), ("\"7\"", 7), ("\"\\u0037\"", 7)] {
        assert_eq!(read(&format!("{{\"revision\":{text}}}")), Ok(number), "{text}");
    }
}

/// A tree of what stands there in its place would take more memory than the daemon has.
#[test]
fn what_is_no_number_is_not_read_as_anything_else() {
    for text in ["null", "true", "1.5", "\"\"", "\"x\"", "18446744073709551615"] {
        read(&format!("{{\"revision\":{text}}}")).unwrap_err();
    }
    // Refused where it begins, and not where it is found to be cut off.
    for text in ["[{\"\":0},{\"\":0}", "{\"\":[[["] {
        let refused = read(&format!("{{\"revision\":{text}")).unwrap_err();
        assert!(refused.contains("expected a number"), "{refused}");
    }
}
