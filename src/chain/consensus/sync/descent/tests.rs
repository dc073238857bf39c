use super::*;

fn root(byte: u8) -> B256 {
    B256::repeat_byte(byte)
}

fn seconds(it: u64) -> Duration {
    Duration::from_secs(it)
}

fn roots(descent: &Descent, period: u64) -> Vec<u8> {
    descent.claimed_in(period).iter().map(|it| it.root[0]).collect()
}

#[test]
fn an_agreement_says_nothing_of_what_was_signed_before_it() {
    let mut descent = Descent::begin(root(1), seconds(9));
    descent.agree(root(2), seconds(7), 30);
    descent.agree(root(3), seconds(8), 40);
    assert_eq!(roots(&descent, 29), [1]);
    assert_eq!(roots(&descent, 30), [1, 2]);
    assert_eq!(roots(&descent, 39), [1, 2]);
    assert_eq!(roots(&descent, 40), [1, 2, 3]);
}

#[test]
fn once_found_an_agreement_is_not_moved() {
    let mut descent = Descent::begin(root(1), seconds(9));
    descent.agree(root(2), seconds(7), 30);
    descent.agree(root(2), seconds(1), 20);
    descent.agree(root(1), seconds(1), 20);
    assert_eq!(roots(&descent, 29), [1]);
    assert_eq!(descent.claimed_in(30)[1].age_s, 7);
}

#[test]
fn a_rest_counts_for_those_it_came_after() {
    let mut descent = Descent::begin(root(1), seconds(9));
    descent.rest(seconds(500));
    descent.agree(root(2), seconds(7), 30);
    descent.rest(seconds(100));
    let rests: Vec<u64> = descent.claimed_in(30).iter().map(|it| it.rest_s).collect();
    assert_eq!(rests, [500, 100]);
}

#[test]
fn what_is_kept_reads_back_and_nothing_else_does() {
    let mut descent = Descent::begin(root(1), seconds(9));
    descent.agree(root(2), seconds(7), 30);
    descent.rest(seconds(100));
    let bytes = [descent.save(), b"the light client".to_vec()].concat();
    assert_eq!(Descent::restore(&bytes), Some((descent, &b"the light client"[..])));
    for other in [&[][..], &[0][..], &[0, 0][..], &[0, 0, 1, 2][..], &bytes[..60]] {
        assert_eq!(Descent::restore(other), None, "{other:?}");
    }
}

#[test]
fn the_newest_agreements_are_kept() {
    let mut descent = Descent::begin(root(1), seconds(9));
    for number in 0..300_u64 {
        descent.agree(B256::from(alloy_primitives::U256::from(number)), seconds(1), number);
    }
    let (again, _) = Descent::restore(&descent.save()).unwrap();
    assert_eq!(again, descent);
    assert_eq!(again.claimed_in(300).len(), MOST_AGREED + 1);
    assert!(again.agreed().all(|it| it >= B256::from(alloy_primitives::U256::from(44))));
}
