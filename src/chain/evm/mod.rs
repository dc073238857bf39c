//! Calls of contracts: fetching and proving what they look at, until they end.

pub(in crate::chain) mod access_list;
pub(in crate::chain) mod effort;
pub(in crate::chain) mod event_hints;
pub(in crate::chain) mod executor;
pub(in crate::chain) mod limits;
pub(in crate::chain) mod outcome_cache;
pub(in crate::chain) mod proof_fetch;
pub(in crate::chain) mod proof_plan;
pub(in crate::chain) mod run_loop;
pub(in crate::chain) mod signature;
