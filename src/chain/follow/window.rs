//! The blocks a follower remembers, to see which of them are gone. Pure.
//!
//! Owned by: `follow`.

use std::collections::VecDeque;

use alloy_primitives::B256;

/// Blocks remembered, and how deep a reorganisation is followed.
const WINDOW: usize = 64;

/// The last blocks seen: number and hash, oldest first, not necessarily without gaps.
#[derive(Debug, Clone, Default)]
pub(in crate::chain) struct Window(VecDeque<(u64, B256)>);

impl Window {
    pub(in crate::chain) fn newest(&self) -> Option<(u64, B256)> {
        self.0.back().copied()
    }

    /// Forgets every block after `number`.
    pub(in crate::chain) fn cut(&mut self, number: Option<u64>) {
        self.0.retain(|(it, _)| number.is_some_and(|number| *it <= number));
    }

    pub(in crate::chain) fn push(&mut self, number: u64, hash: B256) {
        self.cut(number.checked_sub(1));
        if self.0.len() == WINDOW {
            self.0.pop_front();
        }
        self.0.push_back((number, hash));
    }

    pub(in crate::chain) fn has(&self, number: u64, hash: B256) -> bool {
        self.0.contains(&(number, hash))
    }

    /// The number of the first block that is no longer there, when `common` is the newest that is.
    pub(in crate::chain) fn first_gone(&self, common: Option<u64>) -> Option<u64> {
        let gone = |number: &u64| common.is_none_or(|common| *number > common);
        let first = self.0.iter().map(|(number, _)| *number).find(gone)?;
        // Between the common block and the first one remembered as gone there may be more.
        Some(common.map_or(first, |it| it + 1))
    }

    pub(in crate::chain) fn newest_first(&self) -> impl Iterator<Item = &(u64, B256)> {
        self.0.iter().rev()
    }
}

#[cfg(test)]
mod tests;
