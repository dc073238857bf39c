use super::*;
use crate::domain::ids::Timestamp;
use crate::standards::words::tests::said;
use alloy_primitives::hex;

fn asked(unit: Unit, start: u64, end: u64, expired: bool) -> Result<Term, Cause> {
    let at = crate::standards::tests::anchor();
    let word = |it: u64| said(&[U256::from(it)]);
    term(unit, &[word(start), word(end), word(u64::from(expired))], &at)
}

fn until(second: i64) -> Term {
    Term::Until(Timestamp::from_second(second).unwrap())
}

#[test]
fn the_selectors_are_those_of_the_standard() {
    let id = U256::from_be_slice(
        &[
            expiryTypeCall::SELECTOR,
            isTokenExpiredCall::SELECTOR,
            startTimeCall::SELECTOR,
            endTimeCall::SELECTOR,
        ]
        .iter()
        .fold([0; 4], |sum, it| std::array::from_fn(|at| sum[at] ^ it[at])),
    );
    // The interface's own id is the selectors taken together (ERC-165).
    assert_eq!(id, U256::from_be_slice(&hex!("3ebdfa31")));
}

#[test]
fn an_end_in_seconds_is_told_in_time() {
    use Unit::Seconds;
    for (start, end, expired, term) in [
        (0, 0, false, Term::Open),
        (500, 0, false, Term::Open),
        (500, 1_001, false, until(1_001)),
        (500, 1_000, false, until(1_000)),
        (500, 900, true, until(900)),
        (1_001, 2_000, false, Term::NotBegun),
        // It contradicts itself.
        (500, 900, false, until(900)),
        (500, 2_000, true, Term::OVER),
        (0, 0, true, Term::OVER),
    ] {
        assert_eq!(asked(Seconds, start, end, expired), Ok(term), "{start} {end} {expired}");
    }
}

#[test]
fn an_end_in_blocks_has_come_or_has_not() {
    use Unit::Blocks;
    for (start, end, expired, term) in [
        (0, 0, false, Term::Open),
        (50, 101, false, Term::Open),
        (50, 100, true, Term::OVER),
        (50, 100, false, Term::OVER),
        (101, 200, false, Term::NotBegun),
        (50, 200, true, Term::OVER),
    ] {
        assert_eq!(asked(Blocks, start, end, expired), Ok(term), "{start} {end} {expired}");
    }
}

#[test]
fn a_third_unit_is_no_answer() {
    assert_eq!(unit(&said(&[U256::from(2)])), Err(Cause::Contract));
    assert_eq!(unit(&Outcome::Reverted([].into())), Err(Cause::Contract));
}
