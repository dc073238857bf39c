//! How calls ended before, and what that rested on, so that a call is not executed again for nothing. Pure.
//!
//! Filled and read by: `executor`; read by: `run_loop`. Never: gives an outcome that executing now would not.
//!
//! Invariant: an execution is a function of its call, the rules of its fork, the block's fields and what it
//! read of the state. Where a call read the same accounts and slots with the same values, and nothing of its
//! block, it ends the same. An account whose storage root is the same has the same value in every slot.

use std::collections::BTreeSet;
use std::sync::Arc;

use alloy_primitives::{Address, B256, U256};
use alloy_trie::TrieAccount;

use super::limits::ACCOUNTS;
use entitled_core::evm::execute::{Attempt, Call, Outcome};
use entitled_core::evm::pinned::Pinned;
use entitled_core::evm::rules::Rules;
use entitled_core::proof::lru_cache::LruCache;
use entitled_core::proof::state::{Facts, Need, locked};

/// How one call ended, and everything that decided it.
#[derive(Debug)]
pub(in crate::chain) struct CachedOutcome {
    rules: Rules,
    /// The one block it holds for, if the contract asked for anything of it.
    only_at: Option<B256>,
    accounts: Box<[(Address, Option<TrieAccount>)]>,
    slots: Box<[(Address, U256, U256)]>,
    outcome: Outcome,
}

#[derive(Debug)]
pub(in crate::chain) struct OutcomeCache(LruCache<Call, Arc<CachedOutcome>>);

impl Default for OutcomeCache {
    fn default() -> Self {
        Self(LruCache::new(Self::MOST_BYTES))
    }
}

impl OutcomeCache {
    /// Some forty thousand calls of the common kind.
    const MOST_BYTES: usize = 32 * 1024 * 1024;
    /// No one call takes more.
    const MOST_OF_ONE: usize = 64 * 1024;

    pub(in crate::chain) fn get(&mut self, call: &Call) -> Option<Arc<CachedOutcome>> {
        self.0.get(call).cloned()
    }

    fn put(&mut self, call: Call, cached: CachedOutcome) {
        let bytes = cached.bytes() + call.data.len();
        if bytes <= Self::MOST_OF_ONE {
            self.0.put(call, Arc::new(cached), bytes);
        }
    }
}

/// Remembers how `call` ended at `block`, unless something it read is no longer there to be told, or it looked
/// at more than a call may.
pub(in crate::chain) fn cache_outcome(
    outcomes: &std::sync::Mutex<OutcomeCache>,
    block: &Pinned,
    call: &Call,
    of: &Attempt,
) {
    let Ok(outcome) = &of.ended else { return };
    let accounts = of.touched.iter().filter(|it| matches!(it, Need::Account(_))).count();
    if accounts > ACCOUNTS {
        return;
    }
    let only_at = of.reads_block.then_some(block.hash);
    let seen = {
        let mut facts = block.facts();
        CachedOutcome::new(&mut facts, &of.touched, (block.rules, only_at), outcome)
    };
    if let Some(seen) = seen {
        locked(outcomes).put(call.clone(), seen);
    }
}

impl CachedOutcome {
    fn new(
        facts: &mut Facts,
        touched: &BTreeSet<Need>,
        (rules, only_at): (Rules, Option<B256>),
        outcome: &Outcome,
    ) -> Option<Self> {
        let (mut accounts, mut slots) = (Vec::new(), Vec::new());
        for need in touched {
            match *need {
                Need::Account(address) => accounts.push((address, facts.account(address)?)),
                Need::Slot(address, slot) => {
                    slots.push((address, slot, facts.slot(address, slot)?));
                }
                // Code follows from its account; the hash of a block was refused.
                Need::Code(..) => {}
                Need::BlockHash(_) => return None,
            }
        }
        let (accounts, slots) = (accounts.into(), slots.into());
        Some(Self { rules, only_at, accounts, slots, outcome: outcome.clone() })
    }

    /// How it would end at `block`, as far as that is known without executing.
    pub(in crate::chain) fn recall(&self, block: &Pinned) -> Option<Outcome> {
        if self.rules != block.rules || self.only_at.is_some_and(|it| it != block.hash) {
            return None;
        }
        let mut facts = block.facts();
        let same = |&(address, before): &(Address, Option<TrieAccount>)| {
            facts.account(address).is_some_and(|now| is_as_before(before, now))
        };
        if !self.accounts.iter().all(same) {
            return None;
        }
        let same = |&(address, slot, before): &(Address, U256, U256)| {
            self.keeps_storage_of(&mut facts, address) || facts.slot(address, slot) == Some(before)
        };
        self.slots.iter().all(same).then(|| self.outcome.clone())
    }

    /// What has to be proven before it can be told whether it still holds: its accounts, and the slots of
    /// those whose storage has changed or is not known.
    pub(in crate::chain) fn wants(
        &self,
        facts: &mut Facts,
    ) -> (Vec<Address>, Vec<(Address, U256)>) {
        let slots =
            self.slots.iter().filter(|(address, _, _)| !self.keeps_storage_of(facts, *address));
        let slots = slots.map(|(address, slot, _)| (*address, *slot)).collect();
        let unknown = |it: &&(Address, Option<TrieAccount>)| facts.account(it.0).is_none();
        (self.accounts.iter().filter(unknown).map(|it| it.0).collect(), slots)
    }

    fn keeps_storage_of(&self, facts: &mut Facts, address: Address) -> bool {
        let root = |it: Option<TrieAccount>| it.map(|it| it.storage_root);
        let before = self.accounts.iter().find(|it| it.0 == address);
        let now = facts.account(address);
        before.zip(now).is_some_and(|(before, now)| root(before.1) == root(now))
    }

    fn bytes(&self) -> usize {
        let outcome = match &self.outcome {
            Outcome::Returned(data) | Outcome::Reverted(data) => data.len(),
            Outcome::Halted | Outcome::NoCode => 0,
        };
        320 + outcome + size_of_val(&*self.accounts) + size_of_val(&*self.slots)
    }
}

/// Whether a contract that looks at an account, and not into its storage, sees the same.
fn is_as_before(before: Option<TrieAccount>, now: Option<TrieAccount>) -> bool {
    let seen = |it: TrieAccount| (it.nonce, it.balance, it.code_hash);
    before.map(seen) == now.map(seen)
}

#[cfg(test)]
mod tests;
