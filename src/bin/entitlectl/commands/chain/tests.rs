use serde_json::json;

use super::*;

fn told(status: &Value) -> String {
    super::told(&View::whole(), status)
}

fn endpoint(url: &str) -> Value {
    json!({
        "url": url, "state": "rate_limited", "breaker": "open", "head": 222_789_250_u64,
        "retry_at": "2026-12-06T10:00:05Z",
        "abilities": {"proofs": true, "finalized_proofs": true, "finalized": true,
            "block_hashes": true, "access_lists": true, "synced": true, "batch": 10,
            "oldest_proof": null},
        "cost": {"requests": 1_234_567, "units": 98_765_432, "bytes": 1_000, "beside": 3},
        "latency": {"p50_ms": 1_234, "p95_ms": 12_345},
        "faults": {"down": 999, "lying": 1},
        "last_fault": {"kind": "down", "at": "2026-12-06T10:00:00Z", "asked": "eth_getProof",
            "message": "the endpoint did not answer: cannot connect"},
        "evidence": {"at": "2026-12-05T10:00:00Z", "asked": "eth_getProof of 0xA",
            "finding": "it does not follow", "proof": "value mismatch"},
    })
}

fn status(endpoints: &[Value]) -> Value {
    json!([{"id": "eip155:1", "status": "degraded", "trust": "quorum", "head": 222_789_250_u64,
            "head_age_s": 12, "finalized": 222_789_186_u64, "available": 1, "endpoints": endpoints}])
}

#[test]
fn the_table_fits_into_a_hundred_columns_whatever_the_address() {
    let long = format!("https://{}.example", "a".repeat(60));
    let text = told(&status(&[endpoint(&long), endpoint("http://127.0.0.1:8545")]));
    let rows = text.lines().skip(2).take(3);
    for line in rows {
        assert!(line.chars().count() <= 100, "{}: {line}", line.chars().count());
    }
    assert!(text.contains(&long), "in full below it");
}

#[test]
fn what_went_wrong_is_told_with_its_time_and_evidence() {
    let text = told(&status(&[endpoint("https://a.example")]));
    for part in [
        "eip155:1: degraded, trust quorum, head 222789250 (12 seconds old)",
        "1 of 1 endpoints available",
        "1234/12345",
        "prove what is finalized, access lists, batches of 10",
        "until 2026-12-06 10:00:05, breaker open",
        "down 999, lying 1",
        "2026-12-06 10:00:00, eth_getProof\n",
        "it does not follow",
        "value mismatch",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[test]
fn an_endpoint_that_was_never_asked_is_shown_too() {
    let untried = json!({"url": "/run/node.ipc", "state": "untried", "abilities": {}});
    let text = told(&status(&[untried]));
    assert!(text.contains("/run/node.ipc  untried"), "{text}");
    assert!(text.contains("not examined yet"), "{text}");
    assert_eq!(told(&json!([])), "no chain is configured");
}

#[test]
fn numbers_are_short() {
    for (number, text) in
        [(0, "0"), (999, "999"), (1_234, "1.2k"), (123_456, "123k"), (98_765_432, "98.7M")]
    {
        assert_eq!(short(number), text);
    }
}
