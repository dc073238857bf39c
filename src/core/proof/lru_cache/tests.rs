use super::*;

#[test]
fn what_is_used_stays_and_what_is_not_goes() {
    let mut cache = LruCache::new(20);
    for number in 0..100 {
        cache.put(number, (), 1);
        assert!(cache.get(&0).is_some(), "after {number}");
    }
    assert!(cache.get(&99).is_some() && cache.get(&95).is_some());
    assert!(cache.get(&50).is_none());
}

#[test]
fn it_never_holds_more_than_it_has_room_for() {
    let mut cache = LruCache::new(20);
    for number in 0..1_000_u32 {
        cache.put(number % 37, (), 1 + number as usize % 7);
        let held = |of: &HashMap<u32, ((), usize)>| of.values().map(|it| it.1).sum::<usize>();
        assert_eq!(held(&cache.young), cache.young_bytes);
        assert!(held(&cache.young) <= 10 && held(&cache.old) <= 10);
    }
}

#[test]
fn what_does_not_fit_at_all_takes_nobodys_place() {
    let mut cache = LruCache::new(20);
    cache.put(1, (), 5);
    cache.put(2, (), 11);
    assert!(cache.get(&1).is_some() && cache.get(&2).is_none());
}
