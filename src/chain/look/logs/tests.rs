use super::*;

#[test]
fn the_width_grows_by_half_and_halves_down_to_one_block() {
    assert_eq!(Width(2_000).grown().0, 3_000);
    assert_eq!(Width(1).grown().0, 2);
    assert_eq!(Width(WIDEST).grown().0, WIDEST);
    let mut width = Width(FIRST_WIDTH);
    let mut steps = 0;
    while let Some(narrower) = width.halved() {
        width = narrower;
        steps += 1;
    }
    assert_eq!((width.0, steps), (1, 10));
}

#[test]
fn a_rate_limit_is_not_answered_with_more_requests() {
    assert!(!may_be_the_width(&Cause::RateLimited));
    assert!(may_be_the_width(&Cause::Unsupported));
}
