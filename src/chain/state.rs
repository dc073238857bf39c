//! Proven state: accounts, slots and code, and the view of them a contract runs on. Pure.
//!
//! Filled by: `gather`, with what a proof proved. Read by: `execute`. Never: holds or makes up anything
//! unproven; what is not there is a [`Miss`].

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::Bytes;
use alloy_primitives::KECCAK256_EMPTY;
use alloy_primitives::U256;
use alloy_trie::EMPTY_ROOT_HASH;
use alloy_trie::TrieAccount;
use revm::Database;
use revm::database_interface::DBErrorMarker;
use revm::state::AccountInfo;
use revm::state::Bytecode;

use super::proof::ProvenAccount;

/// One piece of state that an execution needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Need {
    Account(Address),
    Slot(Address, U256),
    Code(Address, B256),
    /// Hashes of earlier blocks are not proven here; whoever needs one gets no answer.
    BlockHash(u64),
}

/// Execution stopped because this is not proven yet.
#[derive(Debug, thiserror::Error)]
#[error("not proven yet: {0:?}")]
pub(super) struct Miss(pub(super) Need);

impl DBErrorMarker for Miss {}

/// Everything proven at one block.
#[derive(Debug, Default)]
pub(super) struct Facts {
    accounts: HashMap<Address, Option<TrieAccount>>,
    slots: HashMap<(Address, U256), U256>,
}

impl Facts {
    /// Above this everything is forgotten, to be proven again where it is needed.
    const MOST: usize = 200_000;

    pub(super) fn learn(&mut self, address: Address, proven: ProvenAccount) {
        if self.accounts.len() + self.slots.len() + proven.slots.len() > Self::MOST {
            self.accounts.clear();
            self.slots.clear();
        }
        self.accounts.insert(address, proven.account);
        self.slots.extend(proven.slots.into_iter().map(|(slot, value)| ((address, slot), value)));
    }

    /// The hash of an account's code; `None` when the account is not proven either way.
    pub(super) fn code_hash(&self, address: Address) -> Option<B256> {
        let account = self.accounts.get(&address)?;
        Some(account.map_or(KECCAK256_EMPTY, |it| it.code_hash))
    }

    fn slot(&self, address: Address, slot: U256) -> Option<U256> {
        if let Some(value) = self.slots.get(&(address, slot)) {
            return Some(*value);
        }
        // Proven to have no storage at all, every slot is proven to be zero.
        match self.accounts.get(&address)? {
            None => Some(U256::ZERO),
            Some(account) if account.storage_root == EMPTY_ROOT_HASH => Some(U256::ZERO),
            Some(_) => None,
        }
    }

    pub(super) fn has(&self, need: &Need, library: &Library) -> bool {
        match need {
            Need::Account(address) => self.accounts.contains_key(address),
            Need::Slot(address, slot) => self.slot(*address, *slot).is_some(),
            Need::Code(_, hash) => library.code(*hash).is_some(),
            Need::BlockHash(_) => false,
        }
    }
}

/// Code by its hash, which proves it at every block.
#[derive(Debug, Default)]
pub(super) struct Library {
    codes: HashMap<B256, Bytecode>,
    bytes: usize,
    /// Which code an address had when it was last seen, so as not to fetch it in vain.
    seen: HashMap<Address, B256>,
}

impl Library {
    const MOST_BYTES: usize = 16 * 1024 * 1024;
    const MOST_ADDRESSES: usize = 10_000;

    /// `code` must have been checked against `hash`.
    pub(super) fn learn(&mut self, address: Address, hash: B256, code: Bytes) {
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

    pub(super) fn code(&self, hash: B256) -> Option<Bytecode> {
        if hash == KECCAK256_EMPTY || hash.is_zero() {
            return Some(Bytecode::default());
        }
        self.codes.get(&hash).cloned()
    }

    /// Whether the code of an address is here, as far as known before its account is proven.
    pub(super) fn probably_has_code_of(&self, address: Address) -> bool {
        self.seen.get(&address).is_some_and(|hash| self.code(*hash).is_some())
    }
}

/// Nothing here is left half done when somebody who holds the lock panics.
pub(super) fn locked<T>(it: &Mutex<T>) -> MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a contract sees, and a note of everything it looked at. It holds no lock for longer than one look:
/// contracts take their time, and others need these too.
pub(super) struct View<'a> {
    pub(super) facts: &'a Mutex<Facts>,
    pub(super) library: &'a Mutex<Library>,
    pub(super) touched: BTreeSet<Need>,
}

impl Database for View<'_> {
    type Error = Miss;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Miss> {
        self.touched.insert(Need::Account(address));
        let account = locked(self.facts).accounts.get(&address).copied();
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use alloy_primitives::keccak256;

    /// State in which one account is proven to have some code, and storage of which nothing is proven.
    pub(in crate::chain) fn having(at: Address, code: &[u8]) -> (Mutex<Facts>, Mutex<Library>) {
        let (mut facts, mut library) = (Facts::default(), Library::default());
        let (code_hash, storage_root) = (keccak256(code), B256::repeat_byte(9));
        let account = TrieAccount { code_hash, storage_root, ..TrieAccount::default() };
        facts.learn(at, ProvenAccount { account: Some(account), slots: Vec::new() });
        library.learn(at, code_hash, Bytes::copy_from_slice(code));
        (Mutex::new(facts), Mutex::new(library))
    }

    /// As if a proof had said that a slot is zero.
    pub(in crate::chain) fn prove_zero(facts: &Mutex<Facts>, at: Address, slot: U256) {
        locked(facts).slots.insert((at, slot), U256::ZERO);
    }

    #[test]
    fn an_account_without_storage_has_only_zeros() {
        let (facts, _) = having(Address::ZERO, &[0]);
        assert_eq!(locked(&facts).slot(Address::ZERO, U256::ZERO), None);
        locked(&facts).learn(Address::ZERO, ProvenAccount { account: None, slots: Vec::new() });
        assert_eq!(locked(&facts).slot(Address::ZERO, U256::ZERO), Some(U256::ZERO));
    }
}
