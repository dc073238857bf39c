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
mod tests {
    use super::*;

    fn call(to: u8, words: &[u8]) -> Call {
        let words = words.iter().flat_map(|it| B256::with_last_byte(*it).0);
        let data = [9; 4].into_iter().chain(words).collect::<Vec<_>>();
        Call { to: Address::repeat_byte(to), data: data.into() }
    }

    #[test]
    fn a_call_is_concerned_by_a_word_it_names_at_its_own_contract() {
        let mut event_hints = EventHints::default();
        event_hints.note(Address::repeat_byte(1), [B256::with_last_byte(7)]);
        assert!(event_hints.concern(&call(1, &[7])) && event_hints.concern(&call(1, &[3, 7])));
        assert!(!event_hints.concern(&call(1, &[8])) && !event_hints.concern(&call(1, &[])));
        assert!(!event_hints.concern(&call(2, &[7])));
        assert!(!event_hints.concern(&Call { to: Address::repeat_byte(1), data: "7".into() }));
    }

    #[test]
    fn the_newest_are_kept_and_no_more_than_there_is_room_for() {
        let mut event_hints = EventHints::default();
        let word = |it: usize| B256::left_padding_from(&it.to_be_bytes());
        event_hints.note(Address::ZERO, (0..3 * EventHints::WORDS).map(word));
        let words = &event_hints.0[&Address::ZERO];
        assert_eq!((words.known.len(), words.order.len()), (EventHints::WORDS, EventHints::WORDS));
        assert!(
            words.known.contains(&word(3 * EventHints::WORDS - 1))
                && !words.known.contains(&word(0))
        );
        for contract in 0..1_000_u64 {
            event_hints.note(Address::left_padding_from(&contract.to_be_bytes()), [B256::ZERO]);
        }
        assert!(event_hints.0.len() <= EventHints::CONTRACTS);
    }
}
