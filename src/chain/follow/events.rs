//! The events that are reasons to look again, and whom each concerns. Pure.
//!
//! Asked by: `follow`. Never: concludes anything. An event that is not known here is made up for by the proof that
//! comes round anyway; one more line here is one less wait.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use alloy_primitives::{Address, B256, Log, keccak256};

/// Where an event names the wallets it concerns: the places among its topics, the first being the event itself.
/// None: everybody who holds, or may hold, something of the contract.
type Wallets = &'static [usize];

/// Signature, number of topics, wallets. With another number of topics it is another event of the same name.
const EVENTS: [(&str, usize, Wallets); 21] = [
    // ERC-721; an ERC-20's has three topics.
    ("Transfer(address,address,uint256)", 4, &[1, 2]),
    // ERC-2309
    ("ConsecutiveTransfer(uint256,uint256,address,address)", 4, &[2, 3]),
    // ERC-1155
    ("TransferSingle(address,address,address,uint256,uint256)", 4, &[2, 3]),
    ("TransferBatch(address,address,address,uint256[],uint256[])", 4, &[2, 3]),
    // ERC-4907. A new user puts out the one before, whom the event does not name.
    ("UpdateUser(uint256,address,uint64)", 3, &[]),
    // ERC-5643
    ("SubscriptionUpdate(uint256,uint64)", 2, &[]),
    // ERC-7858
    ("TokenExpiryUpdated(uint256,uint256,uint256)", 4, &[]),
    // ERC-1967: other code may say something else of everybody.
    ("Upgraded(address)", 2, &[]),
    // PublicLock of Unlock, versions 10 to 15
    ("KeyExtended(uint256,uint256)", 2, &[]),
    ("RenewKeyPurchase(address,uint256)", 2, &[1]),
    ("ExpirationChanged(uint256,uint256,bool)", 2, &[]),
    ("ExpirationChanged(uint256,uint256,uint256,bool)", 2, &[]),
    ("ExpirationChanged(uint256,uint256,uint256)", 2, &[]),
    ("ExpireKey(uint256)", 2, &[]),
    ("CancelKey(uint256,address,address,uint256)", 4, &[2, 3]),
    ("KeysMigrated(uint256)", 1, &[]),
    // The registry of delegate.xyz, version 2
    ("DelegateAll(address,address,bytes32,bool)", 3, &[1, 2]),
    ("DelegateContract(address,address,address,bytes32,bool)", 4, &[1, 2]),
    ("DelegateERC721(address,address,address,uint256,bytes32,bool)", 4, &[1, 2]),
    ("DelegateERC20(address,address,address,bytes32,uint256)", 4, &[1, 2]),
    ("DelegateERC1155(address,address,address,uint256,bytes32,uint256)", 4, &[1, 2]),
];

static BY_TOPIC: LazyLock<BTreeMap<B256, (usize, Wallets)>> = LazyLock::new(|| {
    EVENTS
        .iter()
        .map(|(signature, topics, wallets)| (keccak256(signature), (*topics, *wallets)))
        .collect()
});

/// The first topic of every event that is a reason to look again.
pub(in crate::chain) fn topics() -> Vec<B256> {
    BY_TOPIC.keys().copied().collect()
}

/// Whom an event concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Concerned {
    /// From and to whom something went.
    Wallets(BTreeSet<Address>),
    /// Perhaps anybody who has to do with the contract.
    Everybody,
}

/// Whom the events of some blocks concern, by contract.
///
/// Anybody can have a contract tell of thousands of wallets in one block, so an event costs the same however many there
/// were before it.
#[derive(Debug, Default)]
pub(in crate::chain) struct Changes(BTreeMap<Address, Concerned>);

impl Changes {
    /// Wallets of one contract; more are everybody.
    const WALLETS: usize = 10_000;

    /// Takes note of an event; `false`: it is none of those known here.
    pub(in crate::chain) fn take(&mut self, log: &Log) -> bool {
        let Some(new) = concerned(log) else { return false };
        let known = self.0.entry(log.address).or_insert(Concerned::Wallets(BTreeSet::new()));
        match (&mut *known, new) {
            (Concerned::Wallets(known), Concerned::Wallets(new)) => known.extend(new),
            (known, _) => *known = Concerned::Everybody,
        }
        if matches!(known, Concerned::Wallets(it) if it.len() > Self::WALLETS) {
            *known = Concerned::Everybody;
        }
        true
    }

    pub(in crate::chain) fn into_inner(self) -> BTreeMap<Address, Concerned> {
        self.0
    }
}

/// `None`: the event is none of those known here.
pub(in crate::chain) fn concerned(log: &Log) -> Option<Concerned> {
    let topics = log.topics();
    let (count, wallets) = BY_TOPIC.get(topics.first()?)?;
    if topics.len() != *count {
        return None;
    }
    if wallets.is_empty() {
        return Some(Concerned::Everybody);
    }
    let named = wallets.iter().filter_map(|at| topics.get(*at));
    Some(Concerned::Wallets(named.map(|it| Address::from_word(*it)).collect()))
}

/// The words an event is made of, topics and data, as far as they may be ids and wallets.
pub(in crate::chain) fn words(log: &Log) -> impl Iterator<Item = B256> + '_ {
    /// An event of more words names more tokens than are worth asking for first.
    const MOST: usize = 64;
    let (data, _) = log.data.data.as_chunks::<32>();
    log.topics().iter().skip(1).copied().chain(data.iter().copied().map(B256::from)).take(MOST)
}

#[cfg(test)]
mod tests;
