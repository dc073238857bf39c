//! Which proofs to ask for, in requests of a size that endpoints answer. Pure.
//!
//! Asked by: `run_loop`. Never: decides what is true; whatever it leaves out is asked for later.
//!
//! Of many slots that were proven before, most still are: their way from the new storage root soon comes to
//! nodes that are here. Where it does not, one slot brings the missing node for all that lie below it.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, B256, U256, keccak256};
use serde_json::{Value, json};

use crate::chain::endpoint::transport::BODY;
use entitled_core::proof::state::{Facts, Library, Need, SlotLookup};

/// Slots in one `eth_getProof`; geth allows no more.
const SLOTS: usize = 1_024;
/// An answer is meant to stay below this, far enough from what is refused as too large.
const ANSWER: usize = BODY * 3 / 8;
/// What the proof of an account takes, and what code does.
const ACCOUNT_BYTES: usize = 12 * 1024;
const CODE_BYTES: usize = 48 * 1024;
/// Questions in one body; some providers allow no more.
const TOGETHER: usize = 10;
/// Slots that go along with an account of which nothing is known, and below one missing node: one for each
/// of its children.
const SAMPLE: usize = 16;
/// So few slots, in all or below each missing node, are all asked for rather than a sample of them: that
/// costs bytes and saves a request.
const FEW: usize = 256;
const FEW_EACH: usize = 8;

/// A slot that was looked at before, and has to be proven again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::chain) struct Wanted {
    pub(in crate::chain) address: Address,
    pub(in crate::chain) slot: U256,
    /// The hash of its key: its way down the trie.
    path: B256,
    /// An event gives reason to believe that it changed.
    hinted: bool,
}

impl Wanted {
    pub(in crate::chain) fn new(address: Address, slot: U256, hinted: bool) -> Self {
        Self { address, slot, path: keccak256(B256::from(slot)), hinted }
    }

    fn nibble(&self, depth: usize) -> Option<u8> {
        let byte = self.path.get(depth / 2)?;
        Some(if depth.is_multiple_of(2) { byte >> 4 } else { byte & 15 })
    }
}

/// Wanted slots whose ways end at one node.
#[derive(Debug, Default)]
struct Group {
    depth: usize,
    wanted: Vec<Wanted>,
}

/// Takes out of `wanted` what is known by now. Of the rest: which to ask for next, so that few requests
/// bring the nodes they lack. Nothing when nothing is left.
pub(in crate::chain) fn choose(
    wanted: &mut Vec<Wanted>,
    facts: &mut Facts,
    library: &Library,
) -> BTreeSet<Need> {
    let mut missing = BTreeMap::<Address, BTreeMap<Option<B256>, Group>>::new();
    wanted.retain(|it| {
        let (node, depth) = match facts.look_for(it.address, it.slot, || it.path) {
            SlotLookup::Value(_) => return false,
            SlotLookup::NoAccount => (None, 0),
            SlotLookup::EndsAt { node, depth } => (Some(node), depth),
        };
        let group = missing.entry(it.address).or_default().entry(node).or_default();
        group.depth = depth;
        group.wanted.push(*it);
        true
    });
    let mut needs = BTreeSet::new();
    for (address, groups) in missing {
        let hinted = groups.values().flat_map(|it| &it.wanted).filter(|it| it.hinted);
        let hinted: Vec<Wanted> = hinted.copied().collect();
        let count: usize = groups.values().map(|it| it.wanted.len()).sum();
        let (unknown, most) = (groups.contains_key(&None), slots_in_one(address, library));
        let all = if unknown { SAMPLE } else { most.min(FEW.max(groups.len() * FEW_EACH)) };
        let each = if groups.len() > SAMPLE { 1 } else { SAMPLE };
        let chosen: Vec<Wanted> = if count <= all {
            groups.into_values().flat_map(|it| it.wanted).collect()
        } else if !unknown && (1..=most).contains(&hinted.len()) {
            // Perhaps that is all that changed; the next round tells.
            hinted
        } else {
            groups.into_values().flat_map(|it| it.sample(each)).collect()
        };
        needs.extend(chosen.into_iter().map(|it| Need::Slot(it.address, it.slot)));
    }
    needs
}

impl Group {
    /// One for each child of the missing node, and no more than `most`.
    fn sample(mut self, most: usize) -> Vec<Wanted> {
        self.wanted.sort_unstable_by_key(|it| it.path);
        self.wanted.dedup_by_key(|it| it.nibble(self.depth));
        self.wanted.truncate(most);
        self.wanted
    }
}

fn slots_in_one(address: Address, library: &Library) -> usize {
    (ANSWER / library.slot_bytes(address).max(1)).clamp(1, SLOTS)
}

/// A question for the proof of an account and some of its slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::chain) struct Asked {
    pub(in crate::chain) address: Address,
    pub(in crate::chain) slots: Vec<U256>,
    /// How large the answer may be.
    bytes: usize,
}

/// Questions that go out together.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(in crate::chain) struct Plan {
    pub(in crate::chain) proofs: Vec<Asked>,
    pub(in crate::chain) codes: Vec<Address>,
}

impl Plan {
    pub(in crate::chain) fn new(needs: &BTreeSet<Need>, library: &Library) -> Self {
        let mut slots = BTreeMap::<Address, Vec<U256>>::new();
        let mut codes = BTreeSet::new();
        for need in needs {
            match *need {
                Need::Account(address) => {
                    slots.entry(address).or_default();
                    // Who is looked at is usually also run; its code comes along if it is not here yet.
                    if !library.probably_has_code_of(address) {
                        codes.insert(address);
                    }
                }
                Need::Slot(address, slot) => slots.entry(address).or_default().push(slot),
                Need::Code(address, _) => {
                    codes.insert(address);
                }
                Need::BlockHash(_) => {}
            }
        }
        let asked = |address, slots: &[U256]| {
            let bytes = ACCOUNT_BYTES + slots.len() * library.slot_bytes(address);
            Asked { address, slots: slots.to_vec(), bytes }
        };
        let mut proofs = Vec::new();
        for (address, slots) in slots {
            if slots.is_empty() {
                proofs.push(asked(address, &slots));
                continue;
            }
            let batches = slots.chunks(slots_in_one(address, library));
            proofs.extend(batches.map(|batch| asked(address, batch)));
        }
        Self { proofs, codes: codes.into_iter().collect() }
    }

    /// In batches whose answers fit into one body each. Code comes after the accounts it belongs to.
    pub(in crate::chain) fn batches(self) -> Vec<Self> {
        let mut batches = Vec::new();
        let (mut batch, mut bytes) = (Self::default(), 0);
        let mut room_for = |batch: &mut Self, more: usize| {
            if bytes > 0 && (bytes + more > ANSWER || batch.questions_count() == TOGETHER) {
                batches.push(std::mem::take(batch));
                bytes = 0;
            }
            bytes += more;
        };
        for proof in self.proofs {
            room_for(&mut batch, proof.bytes);
            batch.proofs.push(proof);
        }
        for code in self.codes {
            room_for(&mut batch, CODE_BYTES);
            batch.codes.push(code);
        }
        batches.push(batch);
        batches
    }

    /// Two plans that come to the same; `None` for a single question that cannot be made smaller.
    pub(in crate::chain) fn halved(mut self) -> Option<(Self, Self)> {
        let mut second = Self::default();
        if let [only] = &mut self.proofs[..]
            && only.slots.len() > 1
        {
            let slots = only.slots.split_off(only.slots.len() / 2);
            only.bytes /= 2;
            second.proofs.push(Asked { address: only.address, slots, bytes: only.bytes });
            second.codes = std::mem::take(&mut self.codes);
            return Some((self, second));
        }
        if self.questions_count() < 2 {
            return None;
        }
        let half = self.questions_count() / 2;
        second.codes =
            self.codes.split_off(half.saturating_sub(self.proofs.len()).min(self.codes.len()));
        second.proofs = self.proofs.split_off(half.min(self.proofs.len()));
        Some((self, second))
    }

    fn questions_count(&self) -> usize {
        self.proofs.len() + self.codes.len()
    }

    pub(in crate::chain) fn slots(&self) -> usize {
        self.proofs.iter().map(|it| it.slots.len()).sum()
    }

    /// Keys are always written with 32 bytes: some nodes refuse shorter ones.
    pub(in crate::chain) fn questions(&self, block: &Value) -> Vec<(&'static str, Value)> {
        let proofs = self.proofs.iter().map(|asked| {
            let keys: Vec<B256> = asked.slots.iter().map(|it| B256::from(*it)).collect();
            ("eth_getProof", json!([asked.address, keys, block]))
        });
        let codes = self.codes.iter().map(|it| ("eth_getCode", json!([it, block])));
        proofs.chain(codes).collect()
    }
}

#[cfg(test)]
mod tests;
