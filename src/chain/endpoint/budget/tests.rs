use super::*;
use proptest::prelude::*;

fn limiter(units_per_second: u32, burst: u32) -> RateLimiter {
    RateLimiter::new(Some(Budget { units_per_second, burst }), BTreeMap::new())
}

#[test]
fn a_burst_is_free_and_then_units_have_to_be_earned() {
    let (mut limiter, now) = (limiter(100, 200), Instant::now());
    assert_eq!(limiter.spend(200, now), Ok(Duration::ZERO));
    assert!(!limiter.has_room(now));
    assert_eq!(limiter.spend(50, now), Ok(Duration::from_millis(500)));
    assert_eq!(limiter.spend(200, now), Err(Duration::from_millis(2_500)));
    // What was refused was not spent.
    assert_eq!(limiter.spend(50, now), Ok(Duration::from_secs(1)));
    assert!(limiter.has_room(now + Duration::from_secs(4)));
    assert_eq!(limiter.spend(200, now + Duration::from_secs(4)), Ok(Duration::ZERO));
}

#[test]
fn what_is_dearer_than_a_burst_is_paid_for_afterwards() {
    let (mut limiter, now) = (limiter(10, 20), Instant::now());
    assert_eq!(limiter.spend(1_000, now), Ok(Duration::ZERO));
    assert!(limiter.spend(1, now).is_err());
}

#[test]
fn without_a_budget_nothing_waits() {
    let mut limiter = RateLimiter::default();
    let now = Instant::now();
    assert_eq!(limiter.spend(u64::MAX, now), Ok(Duration::ZERO));
    assert!(limiter.has_room(now));
}

#[test]
fn costs_are_those_set_then_those_listed_then_the_usual() {
    let costs = BTreeMap::from([("eth_getProof".to_owned(), 400)]);
    let limiter = RateLimiter::new(None, costs);
    assert_eq!(limiter.cost("eth_getProof"), 400);
    assert_eq!(limiter.cost("eth_getLogs"), 60);
    assert_eq!(limiter.cost("eth_unheardOf"), u64::from(USUAL));
}

proptest! {
    #[test]
    fn over_any_time_no_more_is_spent_than_burst_and_rate_allow(
        rate in 1_u32..1_000,
        burst in 1_u32..2_000,
        asked in prop::collection::vec((1_u64..50, 0_u64..500), 1..200),
    ) {
        let mut limiter = limiter(rate, burst);
        let begun = Instant::now();
        let mut now = begun;
        let mut spent = Vec::new();
        for (units, pause) in asked {
            now += Duration::from_millis(pause);
            if let Ok(wait) = limiter.spend(units, now) {
                spent.push((now + wait, units));
            }
        }
        let last = spent.iter().map(|(at, _)| *at).max().unwrap_or(begun);
        let total: u64 = spent.iter().map(|(_, units)| units).sum();
        let earned = last.duration_since(begun).as_secs_f64() * f64::from(rate);
        // The last question may be dearer than what is left.
        let allowed = f64::from(burst) + earned + 51.0;
        prop_assert!((total as f64) <= allowed, "{total} of {allowed}");
    }
}
