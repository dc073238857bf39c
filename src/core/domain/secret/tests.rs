use super::*;

#[test]
fn a_secret_is_read_and_never_shown() {
    let secret: Secret = serde_json::from_str(r#""hunter2""#).unwrap();
    assert_eq!(secret.expose(), "hunter2");
    assert_eq!(format!("{secret:?} {secret:#?}"), "Secret Secret");
}

#[test]
fn a_secret_that_is_missing_is_named() {
    #[derive(Debug, Deserialize)]
    struct Ask {
        #[allow(dead_code, reason = "it is never there")]
        passphrase: Secret,
    }
    let error = serde_json::from_str::<Ask>("{}").unwrap_err();
    assert!(error.to_string().contains("`passphrase`"), "{error}");
}

#[test]
fn a_secret_of_a_wrong_kind_is_not_repeated() {
    for wrong in ["314159", "-314159", "3.14159", "true", "null", "[314159]", "{\"a\":314159}"] {
        let error = serde_json::from_str::<Secret>(wrong).unwrap_err();
        assert!(error.to_string().starts_with("a text is expected here"), "{wrong}: {error}");
    }
}
