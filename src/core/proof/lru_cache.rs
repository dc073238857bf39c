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
mod tests;
