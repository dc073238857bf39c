use super::*;

#[test]
fn values_are_left_out_of_a_panics_message() {
    let key = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318";
    for (text, left) in [
        (
            format!("called `Result::unwrap()` on an `Err` value: {key}"),
            "called `Result::unwrap()` on an `Err` value",
        ),
        (format!("bad key {key}"), "bad key …"),
        ("index out of bounds: the len is 3".to_owned(), "index out of bounds"),
        (String::new(), ""),
    ] {
        assert_eq!(without_values(&text), left);
    }
}
