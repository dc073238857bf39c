//! What one question may cost: state, accounts, gas and processor time. A contract that takes more gets no answer. Pure.
//!
//! Asked by: `run_loop`, `signature`, `outcome_cache`.

use std::time::Duration;

/// No more pieces of state than this fetched for one call.
pub(in crate::chain) const MISSES: usize = 256;
/// And for one call of a contract that a stranger chose: an honest one takes about ten, some thirty where it has to search.
/// Each is a request that waits for the one before.
pub(in crate::chain) const MISSES_OF_STRANGERS: usize = 32;
/// No more accounts than this looked at by one call.
pub(in crate::chain) const ACCOUNTS: usize = 64;
/// No more gas than this for one call, over all its attempts. Each begins at the start again: 256 misses at
/// some 2,300 gas add up to 75 million.
pub(in crate::chain) const GAS: u64 = 100_000_000;
/// And for one call of a contract that a stranger chose: some tenth of a second, where an honest one takes a few thousand at
/// a time.
pub(in crate::chain) const GAS_OF_STRANGERS: u64 = 10_000_000;
/// No more of a processor than this for calls that were asked for together, over all their attempts: enough for
/// thousands of honest ones, or a few that burn all the gas they have.
pub(in crate::chain) const BUSY: Duration = Duration::from_secs(8);
