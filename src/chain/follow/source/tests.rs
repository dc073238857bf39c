use super::*;

#[test]
fn a_chain_is_lost_with_the_first_source_too_many_and_found_with_the_same() {
    let reach = Reach { spare: 1, lost: AtomicUsize::new(0) };
    let lost = [(); 3].map(|()| reach.is_lost_by_one_more());
    assert_eq!(lost, [false, true, false]);
    let found = [(); 3].map(|()| reach.is_found_by_one_less());
    assert_eq!(found, [false, true, false]);
}
