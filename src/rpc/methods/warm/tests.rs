use super::*;
use entitled_core::domain::ids::{CustomerId, Timestamp};

#[test]
fn what_was_looked_up_is_current_for_its_product_its_revision_and_a_moment() {
    let question = entitled_core::domain::entitlement::Question {
        product: &"acme".parse().unwrap(),
        definition: None,
        publisher: None,
        customer: CustomerId::Uid(7),
        holders: &[],
        sightings: &[],
        suspended: &std::collections::BTreeSet::new(),
    };
    let now = Timestamp::UNIX_EPOCH;
    let verdict = entitled_core::domain::entitlement::evaluate(&question, now);
    let until = Duration::from_secs(10);
    let last = Remembered {
        key: Key { customer: CustomerId::Uid(7), product: "acme".parse().unwrap() },
        cached: Arc::new(Cached::new(verdict, |_| Vec::new())),
        row: None,
        revision: 5,
        until,
    };
    let at = |monotonic| Moment { now, monotonic };
    let before = at(until - Duration::from_nanos(1));
    assert!(last.is_current(b"acme", 5, before));
    assert!(!last.is_current(b"acme", 5, at(until)));
    assert!(!last.is_current(b"acme", 6, before));
    assert!(!last.is_current(b"acme-cad", 5, before));
}
