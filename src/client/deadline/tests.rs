use super::*;

#[test]
fn nothing_is_left_of_nothing() {
    assert_eq!(Deadline::after(Duration::ZERO).left(), Err(TimeIsUp));
}

#[test]
fn a_limit_too_great_to_count_is_none() {
    assert_eq!(Deadline::after(Duration::MAX).left(), Ok(None));
    assert_eq!(Deadline::never().left(), Ok(None));
}

#[test]
fn what_is_left_is_at_most_what_was_granted() {
    let hour = Duration::from_secs(3600);
    let left = Deadline::after(hour).left().unwrap().unwrap();
    assert!(left <= hour);
}
