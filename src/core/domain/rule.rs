//! The terms under which a holding counts: which question the contract is asked, and on whose behalf else.
//!
//! Asked by: products, which name them; sightings, which answer to them. Never: asks anything itself.

use std::fmt;

use alloy_primitives::{Address, B256, U256, address};
use serde::{Deserialize, Serialize};

/// The question a contract is asked to learn whether a wallet holds a token, and until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    /// `ownerOf(id)` of ERC-721 answers the wallet.
    Owner,
    /// `balanceOf(wallet, id)` of ERC-1155 answers at least `min`.
    Balance { min: U256 },
    /// `userOf(id)` of ERC-4907 answers the wallet, until `userExpires(id)`.
    User,
    /// The wallet owns the token, until `expiresAt(id)` of ERC-5643. Zero has ended, not never begun.
    Subscription,
    /// The wallet owns the token, from `startTime(id)` to `endTime(id)` of ERC-7858. Zero is no end.
    Expiry,
    /// The wallet owns a key of an Unlock PublicLock which the lock calls valid.
    Unlock,
}

impl Rule {
    /// The word of product files and of the public API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Balance { .. } => "balance",
            Self::User => "user",
            Self::Subscription => "subscription",
            Self::Expiry => "expiry",
            Self::Unlock => "unlock",
        }
    }

    /// How many of a token it takes. Never none.
    pub fn least(&self) -> U256 {
        match self {
            Self::Balance { min } => (*min).max(U256::ONE),
            Self::Owner | Self::User | Self::Subscription | Self::Expiry | Self::Unlock => {
                U256::ONE
            }
        }
    }
}

/// Where delegations are written down: the registry of delegate.xyz, version 2, is at one address on each
/// chain, and nobody can change it.
pub const DELEGATE_REGISTRY: Address = address!("0x00000000000000447e69651d841bD8D104Bed493");

/// Whose holding counts for a wallet besides its own.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Reach {
    /// That of vaults which delegated to the wallet with these rights, or with all (delegate.xyz, version
    /// 2). All zero: with all rights only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegation: Option<B256>,
    /// That of accounts bound to a token the wallet owns (ERC-6551).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub token_bound: bool,
}

impl Reach {
    /// Nobody's: the wallet itself has to hold the token.
    pub fn is_direct(&self) -> bool {
        *self == Self::default()
    }

    /// Whether everybody whose holding counts under `other` counts here as well.
    pub fn covers(&self, other: &Self) -> bool {
        let delegation = match (self.delegation, other.delegation) {
            (_, None) => true,
            // Who delegated with all rights delegated with any.
            (Some(own), Some(others)) => own == others || others.is_zero(),
            (None, Some(_)) => false,
        };
        delegation && (self.token_bound || !other.token_bound)
    }
}

/// What it takes for a token to count as held by a wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Terms {
    pub rule: Rule,
    pub reach: Reach,
}

impl Terms {
    /// That the wallet itself holds it by `rule`.
    pub fn direct(rule: Rule) -> Self {
        Self { rule, reach: Reach::default() }
    }
}

/// Who stands between a wallet and a token that counts as held by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Via {
    /// Delegated to the wallet.
    Vault(Address),
    /// Bound to a token that the wallet, or the one before in the list, owns.
    Account(Address),
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vault(address) => write!(f, "vault {address}"),
            Self::Account(address) => write!(f, "token-bound account {address}"),
        }
    }
}

#[cfg(test)]
mod tests;
