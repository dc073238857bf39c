use super::*;

#[test]
fn a_source_that_fails_rests_twice_as_long_each_time_and_is_well_after_an_answer() {
    let (mut health, now) = (Health::default(), Instant::now());
    health.failed(&SourceFault::Connect, now);
    assert!(health.rests(now) && !health.rests(now + REST.first));
    health.failed(&SourceFault::Connect, now);
    assert!(health.rests(now + REST.first) && !health.rests(now + REST.first * 2));
    for _ in 0..40 {
        health.failed(&SourceFault::Connect, now);
    }
    assert!(!health.rests(now + REST.longest));
    assert_eq!(health.state(now), SourceState::Down);
    health.answered();
    assert_eq!((health.state(now), health.rests(now)), (SourceState::Ok, false));
}

#[test]
fn a_liar_is_asked_last_and_longer_left_alone_each_time() {
    let (mut liar, now) = (Health::default(), Instant::now());
    let mut tired = Health::default();
    assert_eq!(liar.refuted("a signature", now), QUARANTINE.first);
    tired.failed(&SourceFault::Timeout, now);
    assert!(liar.order(now) > tired.order(now));
    assert_eq!(liar.state(now), SourceState::Quarantined);
    liar.answered();
    assert_eq!(liar.refuted("a signature", now), QUARANTINE.first * 2);
    for _ in 0..40 {
        liar.refuted("again", now);
    }
    assert_eq!(liar.refuted("again", now), QUARANTINE.longest);
}
