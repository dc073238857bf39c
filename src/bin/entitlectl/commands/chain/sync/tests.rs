use super::*;
use serde_json::json;

#[test]
fn the_way_goes_from_the_first_period_to_the_present_one() {
    for (period, done) in [(100, 0), (150, 50), (200, 100), (201, 101)] {
        assert_eq!(way(100, period, 200), (done, 100), "{period}");
    }
    assert_eq!(way(7, 7, 7), (1, 1));
}

#[test]
fn the_status_tells_what_it_rests_on_and_where_it_comes_from() {
    let sync = json!({
        "state": "synced", "period": 9, "present_period": 9, "finalized_slot": 7,
        "finalized_time": "2026-11-22T10:00:00Z", "participation": 503, "checkpoint": "0x01",
        "specification": "mainnet", "trouble": null, "equivocation": null, "disagreeing": [],
        "sources": [{"url": "https://b.example", "state": "ok", "requests": 4, "faults": 0}],
    });
    assert_eq!(
        told(&sync),
        "  validators synced, period 9 of 9, finalized slot 7 of 22 November 2026, 10:00 UTC, 503 signed\n  checkpoint 0x01\n  rules      mainnet\n  source     https://b.example: ok, 4 requests, 0 lies"
    );
}

#[test]
fn what_is_wanted_and_why_is_said_where_it_is_not_synced() {
    let sync = json!({
        "state": "no_checkpoint", "present_period": 9, "wants_bootstrap": ["0x01"],
        "trouble": "none is young enough",
    });
    assert_eq!(
        summary("eip155:1", &sync),
        "eip155:1: no checkpoint\n  none is young enough\n  wanted: bootstrap/0x01.json"
    );
}
