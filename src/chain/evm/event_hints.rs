//! What events said was on the move, to look there first. Pure.
//!
//! Told by: `inner`, of what `follow` read. Asked by: `run_loop`. Never: matters for an answer. A hint that is
//! wrong costs a proof, and one that is missing costs a request.

use std::collections::{HashMap, HashSet, VecDeque};

use alloy_primitives::{Address, B256};

use entitled_core::evm::execute::Call;

/// The words of the events of each contract: ids and wallets. The newest stay.
#[derive(Debug, Default)]
pub(in crate::chain) struct EventHints(HashMap<Address, Words>);

#[derive(Debug, Default)]
struct Words {
    known: HashSet<B256>,
    order: VecDeque<B256>,
}

impl EventHints {
    const CONTRACTS: usize = 256;
    const WORDS: usize = 4_096;

    pub(in crate::chain) fn note(
        &mut self,
        contract: Address,
        words: impl IntoIterator<Item = B256>,
    ) {
        if self.0.len() >= Self::CONTRACTS && !self.0.contains_key(&contract) {
            self.0.clear();
        }
        let own = self.0.entry(contract).or_default();
        for word in words {
            if own.known.insert(word) {
                own.order.push_back(word);
            }
            if own.order.len() > Self::WORDS
                && let Some(oldest) = own.order.pop_front()
            {
                own.known.remove(&oldest);
            }
        }
    }

    /// Whether one of the words a call names was in an event of its contract.
    pub(in crate::chain) fn concern(&self, call: &Call) -> bool {
        let Some(own) = self.0.get(&call.to) else { return false };
        let arguments = call.data.get(4..).unwrap_or_default();
        let (words, _) = arguments.as_chunks::<32>();
        words.iter().any(|word| own.known.contains(&B256::from(*word)))
    }
}

#[cfg(test)]
mod tests;
