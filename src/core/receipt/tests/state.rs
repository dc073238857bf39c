//! A chain's state, small but of real tries: accounts, slots, and every node of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_trie::proof::ProofRetainer;
use alloy_trie::{EMPTY_ROOT_HASH, HashBuilder, KECCAK_EMPTY, Nibbles, TrieAccount};

use crate::domain::ownership::Anchor;
use crate::evm::gas_meter::Limits;
use crate::evm::rules::{Named, Rules};
use crate::evm::session::Session;
use crate::proof::state::{Facts, Library, Need, locked};
use crate::proof::trie_nodes::{Nodes, named};
use crate::proof::witness::Witness;
use crate::receipt::{Question, Unanswered};

#[derive(Default)]
pub(crate) struct State {
    codes: BTreeMap<Address, Bytes>,
    slots: BTreeMap<Address, BTreeMap<U256, U256>>,
    nodes: Vec<Bytes>,
}

/// Every node of a trie that has a name, and the root.
fn trie(leaves: &BTreeMap<B256, Vec<u8>>, nodes: &mut Vec<Bytes>) -> B256 {
    if leaves.is_empty() {
        return EMPTY_ROOT_HASH;
    }
    let targets = leaves.keys().map(|it| Nibbles::unpack(*it)).collect();
    let mut builder = HashBuilder::default().with_proof_retainer(ProofRetainer::new(targets));
    for (path, value) in leaves {
        builder.add_leaf(Nibbles::unpack(*path), value);
    }
    let root = builder.root();
    for (at, (_, node)) in builder.take_proof_nodes().into_nodes_sorted().into_iter().enumerate() {
        if at == 0 || node.len() >= 32 {
            nodes.push(node);
        }
    }
    root
}

impl State {
    pub(super) fn contract(&mut self, at: Address, code: &[u8], slots: &[(U256, U256)]) {
        self.codes.insert(at, Bytes::copy_from_slice(code));
        self.slots.entry(at).or_default().extend(slots.iter().copied());
    }

    /// Its root, among accounts of others.
    pub(super) fn root(&mut self) -> B256 {
        let mut accounts = BTreeMap::new();
        for number in 0..60_u8 {
            let other = TrieAccount { nonce: number.into(), ..TrieAccount::default() };
            accounts.insert(keccak256([number; 20]), alloy_rlp::encode(other));
        }
        for (at, code) in &self.codes {
            let slots = self.slots.get(at).into_iter().flatten();
            let leaves: BTreeMap<B256, Vec<u8>> = slots
                .map(|(slot, value)| (keccak256(B256::from(*slot)), alloy_rlp::encode(value)))
                .collect();
            let storage_root = trie(&leaves, &mut self.nodes);
            let code_hash = if code.is_empty() { KECCAK_EMPTY } else { keccak256(code) };
            let account = TrieAccount { nonce: 1, balance: U256::ZERO, storage_root, code_hash };
            accounts.insert(keccak256(at), alloy_rlp::encode(account));
        }
        trie(&accounts, &mut self.nodes)
    }

    /// Asks a question where everything is known, as whoever makes a receipt does in the end: the nodes and codes that it
    /// took.
    pub(super) fn evidence(
        &self,
        header: &Header,
        (question, at): (&Question<'_>, &Anchor),
    ) -> Result<(Vec<Bytes>, Vec<Bytes>), Unanswered> {
        let mut asked = Ok(());
        let pieces = self.pieces(header, |state| {
            let rules = (at.chain.0, Rules::at(at.chain, header, Named::default()));
            let limits = Limits { gas: 30_000_000, go_on: &|| true };
            let mut session = Session::new(rules, header, state, limits);
            asked = question.ask(&mut session, at).map(drop);
            session.touched().clone()
        });
        asked.map(|()| pieces)
    }

    /// The nodes and codes of what somebody looks at who has everything.
    pub(super) fn pieces(
        &self,
        header: &Header,
        look: impl FnOnce((&Mutex<Facts>, &Mutex<Library>)) -> BTreeSet<Need>,
    ) -> (Vec<Bytes>, Vec<Bytes>) {
        let mut nodes = Nodes::default();
        nodes.learn(named(&self.nodes));
        let nodes = Arc::new(Mutex::new(nodes));
        let mut library = Library::default();
        for (at, code) in &self.codes {
            library.learn(*at, keccak256(code), code.clone());
        }
        let facts = Mutex::new(Facts::at(header.state_root, Arc::clone(&nodes)));
        let library = Mutex::new(library);
        let touched = look((&facts, &library));
        let witness = Witness::of(&mut locked(&nodes), header.state_root, &touched);
        let witness = witness.unwrap();
        let codes = witness.codes_in(&locked(&library)).into_values().collect();
        (witness.nodes.into_values().collect(), codes)
    }
}
