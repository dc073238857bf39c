//! Every table of the ledger, and how its keys are written.
//!
//! All keys and values are opaque bytes to redb, so that neither a new redb nor a new domain type can
//! change what is on disk behind our back. Keys are fixed-width big-endian parts, in an order that makes
//! every question a lookup or one range. What grows with time is keyed by its number: appending to the
//! end of a tree touches few pages. Values are described in `records`.
//!
//! | table | key | value |
//! |---|---|---|
//! | `meta` | name | `schema` (u32), `last_look` (u64), `audit_head` (number, hash), `notices` (list of Notice), `machine_key` (address), `loan_time` (time), `head` with chain (u64) and finality (KeptHead), `publisher` with a product's id (Pin) |
//! | `customers` | customer | Customer |
//! | `customer_uids` | uid (u32) | customer |
//! | `external_ids` | text | customer |
//! | `wallets` | address, customer | Wallet |
//! | `customer_wallets` | customer, address | nothing |
//! | `sealed_keys` | address, customer | form byte, sealed bytes |
//! | `challenges` | nonce | Challenge |
//! | `challenge_expiries` | time, nonce | customer |
//! | `sightings` | collection, wallet, target, terms, finality, known or not | KeptSighting, or Confirmed |
//! | `confirmations` | collection, wallet | Confirmations |
//! | `scans` | collection, wallet | KeptScan |
//! | `ownerships` | number (u64) | Ownership |
//! | `token_ownerships` | token, number | nothing |
//! | `wallet_ownerships` | wallet, number | nothing |
//! | `active_ownerships` | wallet, token | number |
//! | `suspensions` | token | Suspension |
//! | `floors` | chain (u64) | time |
//! | `audit` | number (u64) | AuditEntry |
//! | `light_clients` | 0, chain (u64) | form byte, slot (u64), time, bytes of `chain` |
//! | `link_proofs` | address, customer | LinkProof |
//! | `evidence` | customer, product's id | form byte, time, bytes of `entitled_core::receipt` |
//! | `loans` | given or taken (u8), over or not (u8), nonce | GivenLoan, or TakenLoan |

use std::ops::Bound;

use alloy_primitives::{Address, B256, keccak256};
use redb::TableDefinition;

use entitled_core::domain::ids::{
    ChainId, Collection, CustomerId, ProductId, Standard, Timestamp, Token,
};
use entitled_core::domain::ownership::{Finality, Rule, Target, Terms};

/// The schema this program writes. See `migrations`.
pub const SCHEMA: u32 = 8;

pub(super) type Definition<'a> = TableDefinition<'a, &'static [u8], &'static [u8]>;

/// One table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    Meta,
    Customers,
    CustomerUids,
    ExternalIds,
    Wallets,
    CustomerWallets,
    SealedKeys,
    Challenges,
    ChallengeExpiries,
    Sightings,
    Scans,
    Ownerships,
    TokenOwnerships,
    WalletOwnerships,
    ActiveOwnerships,
    Suspensions,
    Floors,
    Audit,
    LightClients,
    Confirmations,
    LinkProofs,
    Evidence,
    Loans,
}

impl Table {
    /// In the order of the variants, so that `table as usize` is its place.
    pub(super) const ALL: [Self; 23] = [
        Self::Meta,
        Self::Customers,
        Self::CustomerUids,
        Self::ExternalIds,
        Self::Wallets,
        Self::CustomerWallets,
        Self::SealedKeys,
        Self::Challenges,
        Self::ChallengeExpiries,
        Self::Sightings,
        Self::Scans,
        Self::Ownerships,
        Self::TokenOwnerships,
        Self::WalletOwnerships,
        Self::ActiveOwnerships,
        Self::Suspensions,
        Self::Floors,
        Self::Audit,
        Self::LightClients,
        Self::Confirmations,
        Self::LinkProofs,
        Self::Evidence,
        Self::Loans,
    ];

    pub(super) fn definition(self) -> Definition<'static> {
        TableDefinition::new(match self {
            Self::Meta => "meta",
            Self::Customers => "customers",
            Self::CustomerUids => "customer_uids",
            Self::ExternalIds => "external_ids",
            Self::Wallets => "wallets",
            Self::CustomerWallets => "customer_wallets",
            Self::SealedKeys => "sealed_keys",
            Self::Challenges => "challenges",
            Self::ChallengeExpiries => "challenge_expiries",
            Self::Sightings => "sightings",
            Self::Scans => "scans",
            Self::Ownerships => "ownerships",
            Self::TokenOwnerships => "token_ownerships",
            Self::WalletOwnerships => "wallet_ownerships",
            Self::ActiveOwnerships => "active_ownerships",
            Self::Suspensions => "suspensions",
            Self::Floors => "floors",
            Self::Audit => "audit",
            Self::LightClients => "light_clients",
            Self::Confirmations => "confirmations",
            Self::LinkProofs => "link_proofs",
            Self::Evidence => "evidence",
            Self::Loans => "loans",
        })
    }
}

pub(super) const META_LAST_LOOK: &[u8] = b"last_look";
pub(super) const META_AUDIT_HEAD: &[u8] = b"audit_head";
/// By whose address the machine's own key is called.
pub(super) const META_MACHINE_KEY: &[u8] = b"machine_key";
/// How late it was when a loan was seen last.
pub(super) const META_LOAN_TIME: &[u8] = b"loan_time";
pub(super) const META_NOTICES: &[u8] = b"notices";
/// How the keys of publishers begin.
pub(super) const META_PUBLISHER: &[u8] = b"publisher";
/// How the keys of heads begin.
pub(super) const META_HEAD: &[u8] = b"head";

/// Puts fixed-width parts one after another.
fn join<const N: usize>(parts: &[&[u8]]) -> [u8; N] {
    let mut key = [0; N];
    let mut rest = key.as_mut_slice();
    for part in parts {
        let (here, after) = rest.split_at_mut(part.len().min(rest.len()));
        here.copy_from_slice(&part[..here.len()]);
        rest = after;
    }
    debug_assert!(rest.is_empty());
    key
}

/// Sorts as [`CustomerId`] does.
pub(super) fn customer(id: CustomerId) -> [u8; 9] {
    let (kind, number) = match id {
        CustomerId::Machine => (0_u8, 0),
        CustomerId::Uid(uid) => (1, u64::from(uid)),
        CustomerId::Numbered(number) => (2, number),
    };
    join(&[&[kind], &number.to_be_bytes()])
}

/// The last key that a numbered customer can have begins with this.
pub(super) const NUMBERED_CUSTOMERS: [u8; 1] = [2];

pub(super) fn customer_of(key: &[u8]) -> Option<CustomerId> {
    let (kind, number) = key.split_first()?;
    let number = u64::from_be_bytes(number.try_into().ok()?);
    match kind {
        0 => Some(CustomerId::Machine),
        1 => u32::try_from(number).ok().map(CustomerId::Uid),
        2 => Some(CustomerId::Numbered(number)),
        _ => None,
    }
}

pub(super) fn wallet(address: Address, id: CustomerId) -> [u8; 29] {
    join(&[address.as_slice(), &customer(id)])
}

pub(super) fn customer_wallet(id: CustomerId, address: Address) -> [u8; 29] {
    join(&[&customer(id), address.as_slice()])
}

pub(super) fn chain(id: ChainId) -> [u8; 8] {
    id.0.to_be_bytes()
}

/// How keys of light clients begin. Up to schema 3 there were others, of checkpoints found to agree.
pub(super) const CLIENTS: [u8; 1] = [0];

pub(super) fn light_client(id: ChainId) -> [u8; 9] {
    join(&[&CLIENTS, &chain(id)])
}

pub(super) fn light_client_of(key: &[u8]) -> Option<ChainId> {
    u64_of(key.strip_prefix(&CLIENTS)?).map(ChainId)
}

pub(super) fn collection(it: Collection) -> [u8; 29] {
    let standard = match it.standard {
        Standard::Erc721 => 0_u8,
        Standard::Erc1155 => 1,
    };
    join(&[&chain(it.chain), &[standard], it.contract.as_slice()])
}

pub(super) fn token(it: Token) -> [u8; 61] {
    join(&[&collection(it.collection), &it.id.to_be_bytes::<32>()])
}

pub(super) fn active(wallet: Address, it: Token) -> [u8; 81] {
    join(&[wallet.as_slice(), &token(it)])
}

pub(super) fn holder(it: Collection, wallet: Address) -> [u8; 49] {
    join(&[&collection(it), wallet.as_slice()])
}

/// Where keys of sightings of single tokens, and of rests, part.
pub(super) const OWN_TARGET: u8 = 0;
const REST_TARGET: u8 = 1;

/// Which of a wallet's sightings in a collection: of one token, or of a rest.
pub(super) fn target(it: &Target) -> [u8; 33] {
    match it {
        Target::Token(token) => join(&[&[OWN_TARGET], &token.id.to_be_bytes::<32>()]),
        Target::Rest { ids, .. } => {
            let ends = ids.ranges().iter().flat_map(|(from, to)| [from, to]);
            let bytes: Vec<u8> = ends.flat_map(|it| it.to_be_bytes::<32>()).collect();
            join(&[&[REST_TARGET], keccak256(bytes).as_slice()])
        }
    }
}

/// All sightings that a wallet has of one token by itself.
pub(super) fn own(wallet: Address, it: Token) -> [u8; 82] {
    join(&[&holder(it.collection, wallet), &target(&Target::Token(it))])
}

/// All sightings that a wallet has of anything but single tokens.
pub(super) fn rests(it: Collection, wallet: Address) -> [u8; 50] {
    join(&[&holder(it, wallet), &[REST_TARGET]])
}

pub(super) fn sighting(wallet: Address, about: &Target, terms: Terms) -> Vec<u8> {
    let mut key = holder(about.collection(), wallet).to_vec();
    key.extend(target(about));
    key.extend(self::terms(terms));
    key
}

/// One byte that names the rule. Where there is more to the terms than that, its high bit is set and a
/// hash of the rest follows: the key is longer then, and no key of the other length.
fn terms(Terms { rule, reach }: Terms) -> Vec<u8> {
    let (code, min) = match rule {
        Rule::Owner => (0_u8, None),
        Rule::Balance { min } => (1, Some(min)),
        Rule::User => (2, None),
        Rule::Subscription => (3, None),
        Rule::Expiry => (4, None),
        Rule::Unlock => (5, None),
    };
    if min.is_none() && reach.is_direct() {
        return vec![code];
    }
    let mut rest = min.unwrap_or_default().to_be_bytes::<32>().to_vec();
    rest.extend([u8::from(reach.delegation.is_some()), u8::from(reach.token_bound)]);
    rest.extend(reach.delegation.unwrap_or_default());
    [&[code | 0x80], keccak256(rest).as_slice()].concat()
}

pub(super) fn kept(sighting: &[u8], finality: Finality, known: bool) -> Vec<u8> {
    [sighting, &[class(finality), u8::from(!known)]].concat()
}

/// What the key's customer can show of a product.
pub(super) fn evidence(id: CustomerId, product: &ProductId) -> Vec<u8> {
    [customer(id).as_slice(), product.as_str().as_bytes()].concat()
}

/// Loans that this machine has given, or taken; those that are over apart, which are many with time.
pub(super) fn loans(taken: bool, over: bool) -> [u8; 2] {
    [u8::from(taken), u8::from(over)]
}

pub(super) fn loan(taken: bool, over: bool, nonce: B256) -> [u8; 34] {
    join(&[&loans(taken, over), nonce.as_slice()])
}

pub(super) fn publisher(product: &ProductId) -> Vec<u8> {
    [META_PUBLISHER, product.as_str().as_bytes()].concat()
}

pub(super) fn publisher_of(key: &[u8]) -> Option<ProductId> {
    let id = key.strip_prefix(META_PUBLISHER)?;
    std::str::from_utf8(id).ok()?.parse().ok()
}

pub(super) fn head(id: ChainId, finality: Finality) -> Vec<u8> {
    [META_HEAD, chain(id).as_slice(), &[class(finality)]].concat()
}

fn class(finality: Finality) -> u8 {
    match finality {
        Finality::Latest => 0,
        Finality::Safe => 1,
        Finality::Finalized => 2,
    }
}

pub(super) fn numbered<const N: usize>(prefix: &[u8], number: u64) -> [u8; N] {
    join(&[prefix, &number.to_be_bytes()])
}

/// Sorts as the time does, before 1970 too.
pub(super) fn time(at: Timestamp) -> [u8; 16] {
    (at.as_nanosecond() ^ i128::MIN).to_be_bytes()
}

pub(super) fn time_of(key: &[u8]) -> Option<Timestamp> {
    let nanoseconds = i128::from_be_bytes(key.try_into().ok()?) ^ i128::MIN;
    Timestamp::from_nanosecond(nanoseconds).ok()
}

pub(super) fn u64_of(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.try_into().ok()?))
}

/// The number at the end of a key.
pub(super) fn number_of(key: &[u8]) -> Option<u64> {
    u64_of(key.last_chunk::<8>()?)
}

/// Where the keys that begin with `prefix` end: the first key after all of them.
pub(super) fn end_of(prefix: &[u8]) -> Bound<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return Bound::Excluded(end);
        }
    }
    Bound::Unbounded
}

#[cfg(test)]
mod tests;
