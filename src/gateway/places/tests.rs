use super::*;
use std::time::Duration;

fn name(text: &str) -> Arc<str> {
    text.into()
}

fn share(by: &Arc<str>, among: usize) -> Share<'_> {
    Share { by, part: 1, among }
}

/// As many as `by` gets, one after the other.
fn all_of(places: &Places, by: &str, among: usize) -> Vec<Place> {
    let by = name(by);
    std::iter::from_fn(|| places.take(share(&by, among)).ok()).collect()
}

#[test]
fn who_is_the_only_one_has_all_and_two_have_half_each() {
    let alone = all_of(&Places::new(14), "a", 1);
    assert_eq!(alone.len(), 14);
    let places = Places::new(14);
    let both = ["a", "b"].map(|it| all_of(&places, it, 2));
    assert_eq!(both.map(|it| it.len()), [7, 7]);
}

#[test]
fn of_very_many_who_may_come_the_first_ones_leave_some() {
    let places = Places::new(14);
    let held = ["a", "b", "c", "d", "e"].map(|it| all_of(&places, it, 1_000));
    assert_eq!(held.map(|it| it.len()), [5, 3, 2, 2, 1]);
    assert_eq!(all_of(&places, "z", 1_000).len(), 5, "they are given back");
}

#[test]
fn a_part_that_was_promised_is_there_and_may_be_larger_than_anothers() {
    let places = Places::new(32);
    let (large, small) = (name("large"), name("small"));
    let ask = |by, part| places.take(Share { by, part, among: 32 });
    let mut held: Vec<Place> = (0..24).map(|_| ask(&large, 24).unwrap()).collect();
    assert_eq!(ask(&large, 24).err(), Some(Full::Own));
    held.extend((0..8).map(|_| ask(&small, 8).unwrap()));
    assert_eq!(ask(&name("another"), 1).err(), Some(Full::All));
}

#[tokio::test]
async fn who_waits_has_the_place_that_becomes_free() {
    let places = Places::new(1);
    let (one, other) = (name("one"), name("other"));
    let held = places.take(share(&one, 2)).unwrap();
    let begun = Instant::now();
    let soon = places.wait(share(&other, 2), begun + Duration::from_millis(5)).await;
    assert_eq!(soon.err(), Some(Full::All));
    let waiting = places.wait(share(&other, 2), begun + Duration::from_secs(600));
    let free = async {
        tokio::task::yield_now().await;
        drop(held);
    };
    let (waited, ()) = tokio::join!(waiting, free);
    assert!(waited.is_ok());
}
