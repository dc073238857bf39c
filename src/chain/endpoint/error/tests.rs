use super::*;

#[test]
fn what_nodes_say_is_sorted() {
    for (code, message, cause) in [
        (-32601, "the method eth_getProof does not exist/is not available", Cause::Unsupported),
        (-32004, "Method eth_createAccessList is not supported", Cause::Unsupported),
        (-32602, "distance to target block exceeds maximum proof window", Cause::Pruned),
        (-32000, "missing trie node 12ab (path ) state 0x12 is not available", Cause::Pruned),
        (-32000, "header not found", Cause::Pruned),
        (-32001, "Resource not found", Cause::Pruned),
        (-32602, "BlockOutOfRangeError: block height is 4 but requested was 9", Cause::Pruned),
        (-32005, "limit exceeded", Cause::RateLimited),
        (429, "Your app has exceeded its compute units per second", Cause::RateLimited),
        (-32000, "Too Many Requests", Cause::RateLimited),
        (-32602, "argument must be a string", Cause::Unsupported),
    ] {
        assert_eq!(classify(code, message).cause(), cause, "{message}");
    }
}

#[test]
fn a_range_that_is_too_wide_is_not_a_rate_limit() {
    for (code, message) in [
        (-32005, "query returned more than 10000 results"),
        (-32602, "block range is too wide"),
        (-32000, "logs response size exceeded"),
    ] {
        assert!(matches!(classify(code, message), EndpointError::TooMuch { .. }), "{message}");
    }
}

#[test]
fn how_long_to_wait_is_read_from_the_data_or_the_words() {
    let infura = r#"{"rate":{"allowed_rps":1,"backoff_seconds":30,"current_rps":1.1}}"#;
    for (data, message, wait_ms) in [
        (infura, "daily request count exceeded", Some(30_000)),
        (r#"{"rate":{"backoff_seconds":-1}}"#, "", None),
        ("", "Too many requests, try again in 250ms", Some(250)),
        ("", "Rate limit: retry after 2 s", Some(2_000)),
        ("", "rate limit, try again in 3 minutes", Some(180_000)),
        ("", "rate limit, try again in a while", None),
        ("", "rate limit", None),
    ] {
        assert_eq!(wait_in(data, message), wait_ms.map(Duration::from_millis), "{message}");
    }
}

#[test]
fn an_endpoints_words_are_cut() {
    let error = classify(1, &"x".repeat(10_000));
    assert!(error.to_string().len() < 400);
}

#[test]
fn of_several_failures_the_most_telling_is_named() {
    assert_eq!(more_telling(Cause::Unreachable, Cause::Refuted), Cause::Refuted);
    assert_eq!(more_telling(Cause::WrongChain, Cause::RateLimited), Cause::WrongChain);
}
