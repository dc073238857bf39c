//! What was used lately, within a bound of bytes. Pure.
//!
//! Used by: `trie_nodes`, `chain/evm/outcome_cache`. Never: holds more than it was given room for.
//!
//! Two generations: what is used moves to the young one; when that is full it becomes the old one, and what
//! was in the old one and not used since is forgotten. So half the room is kept for certain, whatever the
//! order of use, at the price of one map more and nothing to maintain at each look.

use std::borrow::Borrow;
use std::hash::Hash;

use alloy_primitives::map::HashMap;

/// A map that forgets what was not used for longest, within a bound of bytes.
#[derive(Debug)]
pub struct LruCache<K, V> {
    young: HashMap<K, (V, usize)>,
    old: HashMap<K, (V, usize)>,
    young_bytes: usize,
    /// Of each generation.
    room: usize,
}

impl<K: Eq + Hash, V> LruCache<K, V> {
    /// With room for so many bytes in all.
    pub fn new(bytes: usize) -> Self {
        let (young, old) = (HashMap::default(), HashMap::default());
        Self { young, old, young_bytes: 0, room: bytes / 2 }
    }

    /// What is kept under `key`, which counts as used.
    pub fn get<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        if !self.young.contains_key(key) {
            let (key, (value, bytes)) = self.old.remove_entry(key)?;
            self.put(key, value, bytes);
        }
        self.young.get(key).map(|(value, _)| value)
    }

    /// `bytes` is what it takes, about. What takes more than there is room for is not kept.
    pub fn put(&mut self, key: K, value: V, bytes: usize) {
        if bytes > self.room {
            return;
        }
        if self.young_bytes + bytes > self.room {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes += bytes;
        if let Some((_, before)) = self.young.insert(key, (value, bytes)) {
            self.young_bytes -= before;
        }
    }
}

#[cfg(test)]
mod tests {
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
}
