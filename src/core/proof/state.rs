//! Proven state: accounts, slots and code, and the view of them a contract runs on. Pure.
//!
//! Filled by: `chain/evm/proof_fetch`, with what a proof proved. Read by: `execute`. Never: holds or makes up anything
//! unproven; what is not there is a `Miss`.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use alloy_trie::{EMPTY_ROOT_HASH, TrieAccount};
use revm::Database;
use revm::database_interface::DBErrorMarker;
use revm::state::{AccountInfo, Bytecode};

use super::account_proof::ProvenAccount;
use super::trie_nodes::{Nodes, Walk};

/// One piece of state that an execution needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Need {
    Account(Address),
    Slot(Address, U256),
    Code(Address, B256),
    /// Hashes of earlier blocks are not proven here; whoever needs one gets no answer.
    BlockHash(u64),
}

/// Execution stopped because this is not proven yet.
#[derive(Debug, thiserror::Error)]
#[error("not proven yet: {0:?}")]
pub(crate) struct Miss(pub(crate) Need);

impl DBErrorMarker for Miss {}

/// Everything proven at one block: by proofs of this block, or by walks from its state root over nodes that
/// proofs of whatever block brought.
#[derive(Debug, Default)]
pub struct Facts {
    state_root: B256,
    nodes: Arc<Mutex<Nodes>>,
    accounts: HashMap<Address, Option<TrieAccount>>,
    slots: HashMap<(Address, U256), U256>,
}

/// What is known of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotLookup {
    Value(U256),
    /// Its account is not proven.
    NoAccount,
    /// The way to it ends at this node, so many nibbles below the storage root.
    EndsAt {
        node: B256,
        depth: usize,
    },
}

impl Facts {
    /// Above this everything is forgotten, to be proven again where it is needed.
    const MOST: usize = 200_000;

    /// At a block with this state root. Nothing is proven but what `nodes` lead to.
    pub fn at(state_root: B256, nodes: Arc<Mutex<Nodes>>) -> Self {
        Self { state_root, nodes, ..Self::default() }
    }

    /// Keeps what a proof of this account proved. `proven` must come from a proof against this state root.
    pub fn learn(&mut self, address: Address, proven: ProvenAccount) {
        if self.accounts.len() + self.slots.len() + proven.slots.len() > Self::MOST {
            self.accounts.clear();
            self.slots.clear();
        }
        self.accounts.insert(address, proven.account);
        self.slots.extend(proven.slots.into_iter().map(|(slot, value)| ((address, slot), value)));
    }

    /// `Some(None)`: proven that there is no such account.
    pub fn account(&mut self, address: Address) -> Option<Option<TrieAccount>> {
        if let Some(account) = self.accounts.get(&address) {
            return Some(*account);
        }
        let account = match locked(&self.nodes).walk(self.state_root, keccak256(address)) {
            Walk::Found(value) => Some(alloy_rlp::decode_exact(value).ok()?),
            Walk::Absent => None,
            Walk::Unknown { .. } => return None,
        };
        if self.accounts.len() < Self::MOST {
            self.accounts.insert(address, account);
        }
        Some(account)
    }

    /// The hash of an account's code; `None` when the account is not proven either way.
    pub fn code_hash(&mut self, address: Address) -> Option<B256> {
        let account = self.account(address)?;
        Some(account.map_or(KECCAK256_EMPTY, |it| it.code_hash))
    }

    /// The value of a storage slot; `None` when it is not proven.
    pub fn slot(&mut self, address: Address, slot: U256) -> Option<U256> {
        match self.look_for(address, slot, || keccak256(B256::from(slot))) {
            SlotLookup::Value(value) => Some(value),
            SlotLookup::NoAccount | SlotLookup::EndsAt { .. } => None,
        }
    }

    /// `path` is the hash of the slot's key.
    pub fn look_for(
        &mut self,
        address: Address,
        slot: U256,
        path: impl FnOnce() -> B256,
    ) -> SlotLookup {
        if let Some(value) = self.slots.get(&(address, slot)) {
            return SlotLookup::Value(*value);
        }
        // Proven to have no storage at all, every slot is proven to be zero.
        let root = match self.account(address) {
            None => return SlotLookup::NoAccount,
            Some(None) => return SlotLookup::Value(U256::ZERO),
            Some(Some(account)) if account.storage_root == EMPTY_ROOT_HASH => {
                return SlotLookup::Value(U256::ZERO);
            }
            Some(Some(account)) => account.storage_root,
        };
        match locked(&self.nodes).walk(root, path()) {
            Walk::Absent => SlotLookup::Value(U256::ZERO),
            Walk::Unknown { node, depth } => SlotLookup::EndsAt { node, depth },
            // What is no number is for the verifier of proofs to refuse.
            Walk::Found(value) => alloy_rlp::decode_exact(value)
                .map_or(SlotLookup::EndsAt { node: root, depth: 0 }, SlotLookup::Value),
        }
    }

    /// Whether a piece of state is proven, or the code of a proven hash is here.
    pub fn has(&mut self, need: &Need, library: &Library) -> bool {
        match need {
            Need::Account(address) => self.account(*address).is_some(),
            Need::Slot(address, slot) => self.slot(*address, *slot).is_some(),
            Need::Code(_, hash) => library.code(*hash).is_some(),
            Need::BlockHash(_) => false,
        }
    }
}

/// Code by its hash, which proves it at every block.
#[derive(Debug, Default)]
pub struct Library {
    codes: HashMap<B256, Bytecode>,
    bytes: usize,
    /// Which code an address had when it was last seen, so as not to fetch it in vain.
    seen: HashMap<Address, B256>,
    /// How many bytes the proof of one of its slots took when several came together.
    slot_bytes: HashMap<Address, usize>,
}

impl Library {
    const MOST_BYTES: usize = 16 * 1024 * 1024;
    const MOST_ADDRESSES: usize = 10_000;
    /// Some seven nodes of 32 bytes sixteen times, in hexadecimal, and not all of them full.
    const SLOT_BYTES: usize = 4_500;

    /// `code` must have been checked against `hash`.
    pub fn learn(&mut self, address: Address, hash: B256, code: Bytes) {
        if self.bytes + code.len() > Self::MOST_BYTES || self.seen.len() >= Self::MOST_ADDRESSES {
            *self = Self::default();
        }
        self.seen.insert(address, hash);
        if hash == KECCAK256_EMPTY || self.codes.contains_key(&hash) {
            return;
        }
        self.bytes += code.len();
        // Code that begins like a delegation (EIP-7702) without being one runs into an invalid opcode.
        let code =
            Bytecode::new_raw_checked(code.clone()).unwrap_or_else(|_| Bytecode::new_legacy(code));
        self.codes.insert(hash, code);
    }

    /// The code of this hash; that of no code is always here.
    pub fn code(&self, hash: B256) -> Option<Bytecode> {
        if hash == KECCAK256_EMPTY || hash.is_zero() {
            return Some(Bytecode::default());
        }
        self.codes.get(&hash).cloned()
    }

    /// How large the answer to the question for so many slots of an address was.
    pub fn weigh(&mut self, address: Address, slots: usize, bytes: usize) {
        // Of a few slots most is the account's own proof.
        if slots < 8 {
            return;
        }
        if self.slot_bytes.len() >= Self::MOST_ADDRESSES {
            self.slot_bytes.clear();
        }
        self.slot_bytes.insert(address, bytes / slots);
    }

    /// How many bytes the proof of a slot may take; of an address never asked, as on a large chain.
    pub fn slot_bytes(&self, address: Address) -> usize {
        self.slot_bytes.get(&address).copied().unwrap_or(Self::SLOT_BYTES)
    }

    /// Whether the code of an address is here, as far as known before its account is proven.
    pub fn probably_has_code_of(&self, address: Address) -> bool {
        self.seen.get(&address).is_some_and(|hash| self.code(*hash).is_some())
    }
}

/// Nothing here is left half done when somebody who holds the lock panics.
pub fn locked<T>(it: &Mutex<T>) -> MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a contract sees, and a note of everything it looked at. It holds no lock for longer than one look:
/// contracts take their time, and others need these too.
pub(crate) struct View<'a> {
    pub(crate) facts: &'a Mutex<Facts>,
    pub(crate) library: &'a Mutex<Library>,
    pub(crate) touched: BTreeSet<Need>,
}

impl Database for View<'_> {
    type Error = Miss;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Miss> {
        self.touched.insert(Need::Account(address));
        let account = locked(self.facts).account(address);
        Ok(account.ok_or(Miss(Need::Account(address)))?.map(|it| {
            AccountInfo {
                balance: it.balance,
                nonce: it.nonce,
                code_hash: it.code_hash,
                ..AccountInfo::default()
            }
            .without_code()
        }))
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, Miss> {
        let code = locked(self.library).code(hash);
        code.ok_or_else(|| {
            let facts = locked(self.facts);
            let owner = facts
                .accounts
                .iter()
                .find(|(_, account)| account.is_some_and(|it| it.code_hash == hash));
            Miss(Need::Code(owner.map(|(address, _)| *address).unwrap_or_default(), hash))
        })
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, Miss> {
        let need = Need::Slot(address, slot);
        self.touched.insert(need);
        locked(self.facts).slot(address, slot).ok_or(Miss(need))
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Miss> {
        Err(Miss(Need::BlockHash(number)))
    }
}

/// State for tests, as if it had been proven.
#[cfg(any(test, feature = "testing"))]
pub mod testing {
    use super::*;

    /// State in which one account is proven to have some code, and storage of which nothing is proven.
    pub fn having(at: Address, code: &[u8]) -> (Mutex<Facts>, Mutex<Library>) {
        let (mut facts, mut library) = (Facts::default(), Library::default());
        let (code_hash, storage_root) = (keccak256(code), B256::repeat_byte(9));
        let account = TrieAccount { code_hash, storage_root, ..TrieAccount::default() };
        facts.learn(at, ProvenAccount { account: Some(account), slots: Vec::new() });
        library.learn(at, code_hash, Bytes::copy_from_slice(code));
        (Mutex::new(facts), Mutex::new(library))
    }

    /// As if a proof had said that a slot is zero.
    pub fn prove_zero(facts: &Mutex<Facts>, at: Address, slot: U256) {
        locked(facts).slots.insert((at, slot), U256::ZERO);
    }
}

#[cfg(test)]
mod tests;
