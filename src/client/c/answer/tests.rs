use std::io;
use std::time::Duration;

use serde_json::json;

use super::*;

const KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
const OTHER: &str = "RWRCSwAAAABVN5lr2JViGBN8DhX3/Qb/0g0wBdsNAR/APRW2qy9Fjsfr";

fn said(code: &str, valid: bool, publisher: Option<&str>) -> Said {
    serde_json::from_value(json!({
        "product": "acme-cad", "valid": valid, "code": code, "detail": "so it is", "tier": "pro", "rank": 20,
        "features": {"export": true}, "seats": 5, "publisher": publisher,
        "token": "eip155:1/erc721:0x0000000000000000000000000000000000000001/7", "freshness": "fresh", "trust": "quorum",
        "verified_at": "2026-11-22T10:00:00Z", "expires_at": null, "seconds_until_change": 600,
    }))
    .unwrap()
}

fn state(code: &str, valid: bool) -> State {
    of(Ok(said(code, valid, None)), None).state
}

#[test]
fn there_are_three_answers() {
    assert_eq!(state("VALID", true), State::Yes);
    assert_eq!(state("GRACE", true), State::Yes);
    assert_eq!(state("OF_THE_FUTURE", true), State::Yes);
    for code in ["NOT_HELD", "EXPIRED", "NO_PRODUCT", "OF_THE_FUTURE"] {
        assert_eq!(state(code, false), State::No, "{code}");
    }
    assert_eq!(state("UNDETERMINED", false), State::NotKnown);
    assert_eq!(state("UNDETERMINED", true), State::NotKnown, "what contradicts itself");
}

#[test]
fn a_verdict_keeps_what_was_said() {
    let verdict = of(Ok(said("VALID", true, Some(KEY))), None);
    assert_eq!(verdict.error, Failure::None);
    assert_eq!((verdict.rank, verdict.seats, verdict.seconds_until_change), (20, 5, 600));
    assert_eq!((verdict.verified_at, verdict.expires_at), (1_795_341_600, 0));
    let texts =
        [&verdict.code[..], &verdict.tier, &verdict.trust, &verdict.publisher, &verdict.detail];
    assert_eq!(texts.map(text::of_field), ["VALID", "pro", "quorum", KEY, "so it is"]);
    assert!(text::of_field(&verdict.token).ends_with("/7"));
}

#[test]
fn only_the_publisher_that_was_named_is_taken_at_its_word() {
    let key: PublisherKey = KEY.parse().unwrap();
    let asked = |code: &str, valid, publisher| of(Ok(said(code, valid, publisher)), Some(&key));
    assert_eq!(asked("VALID", true, Some(KEY)).state, State::Yes);
    for publisher in [None, Some(OTHER)] {
        for (code, valid) in [("VALID", true), ("UNDETERMINED", false), ("NOT_HELD", false)] {
            let verdict = asked(code, valid, publisher);
            assert_eq!(verdict.state, State::No, "{code} of {publisher:?}");
            assert_eq!(text::of_field(&verdict.code), "PUBLISHER_MISMATCH");
            assert_eq!(text::of_field(&verdict.tier), "", "whatever else it says is not told");
            assert_eq!(text::of_field(&verdict.features), "");
        }
    }
    assert_eq!(text::of_field(&asked("NO_PRODUCT", false, None).code), "NO_PRODUCT");
}

#[test]
fn no_answer_is_not_known_and_says_why() {
    let path = std::path::PathBuf::from("/run/s");
    let source = io::Error::from(io::ErrorKind::NotFound);
    let data = Some(json!({"code": "LIMIT_EXCEEDED", "detail": "at most 64"}));
    let errors = [
        (
            ClientError::Unreachable { path: path.clone(), source },
            Failure::Unreachable,
            "/run/s: entity",
        ),
        (ClientError::Untrusted { path, uid: 7 }, Failure::Untrusted, "uid 7"),
        (ClientError::Timeout { after: Duration::from_secs(5) }, Failure::Timeout, "5s"),
        (
            ClientError::Refused { code: 1, message: "full".into(), data },
            Failure::Refused,
            "full: at most 64",
        ),
        (ClientError::Protocol { reason: "noise", source: None }, Failure::Protocol, "noise"),
    ];
    for (error, failure, words) in errors {
        let verdict = of(Err(error), None);
        assert_eq!((verdict.state, verdict.error), (State::NotKnown, failure));
        let detail = text::of_field(&verdict.detail);
        assert!(detail.contains(words), "{detail}");
    }
}
