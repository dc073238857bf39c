use std::time::{Duration, Instant};

use super::*;

#[test]
fn who_comes_and_goes_is_told_apart() {
    let change = |add: &[u32], remove: &[u32]| edit_of_uids(None, add.to_vec(), remove.to_vec());
    let both = change(&[7, 8], &[9, 8]).unwrap_err();
    assert!(both.detail.contains("uid 8 cannot"), "{both:?}");
    let change = change(&[7, 7], &[8]).unwrap();
    assert_eq!(change, Some(UidsEdit::Change { add: vec![7, 7], remove: vec![8] }));
    assert_eq!(edit_of_uids(None, Vec::new(), Vec::new()).unwrap(), None);
    assert!(edit_of_uids(Some(Vec::new()), vec![7], Vec::new()).is_err());
}

/// As many as a request has room for: their product would be minutes.
#[test]
fn very_many_users_are_compared_in_no_time() {
    let begun = Instant::now();
    let (add, remove) = ((0..200_000).collect(), (200_000..400_000).collect());
    assert!(edit_of_uids(None, add, remove).unwrap().is_some());
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}
