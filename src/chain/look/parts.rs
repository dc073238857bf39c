//! Which part of a list that strangers can lengthen is read in one look. Pure.
//!
//! Asked by: `people`, `holders`.

use alloy_primitives::{U256, keccak256};

/// The indexes to read: all, or `most` that follow on one another, from look to look others. Where the list begins to
/// be too long between two blocks of one look, it is nearly the same part of it.
pub(super) fn part(count: u64, most: u64, look: u64) -> impl Iterator<Item = u64> {
    let draw = u64::try_from(U256::from_be_bytes(keccak256(look.to_be_bytes()).0) >> 192);
    let draw = draw.unwrap_or_default();
    let first = if count > most { (u128::from(draw) * u128::from(count)) >> 64 } else { 0 };
    let at = move |it: u64| (first + u128::from(it)) % u128::from(count);
    (0..count.min(most)).filter_map(move |it| u64::try_from(at(it)).ok())
}

#[cfg(test)]
mod tests;
