use super::*;

#[test]
fn of_those_that_disagree_the_fewer_are_odd_and_in_a_tie_all() {
    let (one, other) = (B256::repeat_byte(1), B256::repeat_byte(2));
    let two_to_one = [("a", one), ("b", one), ("c", other)];
    assert_eq!([one, other].map(|it| is_odd(&two_to_one, it)), [false, true]);
    let tie = [("a", one), ("b", other)];
    assert_eq!([one, other].map(|it| is_odd(&tie, it)), [true, true]);
    assert!(!is_odd(&[("a", one)], one));
}

#[test]
fn one_late_endpoint_does_not_hold_back_a_quorum() {
    let reached = [("a", 10), ("b", 9), ("c", 1)];
    assert_eq!(reached_by(&reached, 2), Some(9));
    assert_eq!(reached_by(&reached, 3), Some(1));
    assert_eq!(reached_by(&reached, 4), None);
}

#[test]
fn several_endpoints_of_one_domain_are_one_voice() {
    assert_eq!(reached_by(&[("a", 10), ("a", 9)], 2), None);
    let hash = B256::repeat_byte(1);
    let alone = agreed(&[("a", hash), ("a", hash)], 2, Cause::Unreachable);
    assert_eq!(alone, Err(Cause::Unreachable));
    assert_eq!(agreed(&[("a", hash), ("b", hash)], 2, Cause::Unreachable), Ok(()));
}

#[test]
fn one_other_hash_is_a_disagreement_however_many_agree() {
    let (one, other) = (B256::repeat_byte(1), B256::repeat_byte(2));
    let hashes = [("a", one), ("b", one), ("c", other)];
    assert_eq!(agreed(&hashes, 2, Cause::Unreachable), Err(Cause::Disagreement));
}

/// Numbers that stand behind each other in a header may be told as other fields, with the same bytes and so the same name.
#[test]
fn who_agrees_on_a_hash_agrees_on_the_header() {
    let one =
        Header { number: 7, blob_gas_used: Some(1), excess_blob_gas: Some(2), ..Header::default() };
    let other = Header {
        number: 7,
        base_fee_per_gas: Some(1),
        blob_gas_used: Some(2),
        ..Header::default()
    };
    let hash = B256::repeat_byte(7);
    let all = [("a", (hash, one.clone())), ("b", (hash, one)), ("c", (hash, other))];
    assert!(tell_of_one_header(&all[..2]) && tell_of_one_header(&all[..1]));
    assert!(!tell_of_one_header(&all) && !tell_of_one_header(&all[1..]));
}
