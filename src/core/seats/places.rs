//! What a place is called: by a token, or by what one account has of it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use alloy_primitives::{B256, hex, keccak256};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::domain::entitlement::{Counted, Share};
use crate::domain::ids::{ProductId, Token};

/// A token of a product, or what one account has of it. What is written down for others does not say which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenKey(pub [u8; 16]);

impl fmt::Display for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl FromStr for TokenKey {
    type Err = hex::FromHexError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(text, &mut bytes)?;
        Ok(Self(bytes))
    }
}

impl Serialize for TokenKey {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TokenKey {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

/// How slots are named. Machines that name them differently would each count by themselves, so a store says which it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Naming {
    /// By the token: an ERC-1155 id is one for all who have some of it. So it was before amounts were counted.
    ByToken,
    /// By the token, and of ERC-1155 by the account that has some: what one has is no place of another.
    ByShare,
}

impl TokenKey {
    /// The key of a share, by either naming.
    pub fn of(product: &ProductId, share: &Share, naming: Naming) -> Self {
        match share.account.filter(|_| naming == Naming::ByShare) {
            None => Self::named(product, &share.token, &[]),
            Some(account) => Self::named(product, &share.token, account.as_slice()),
        }
    }

    /// The key of what a loan has brought to this machine, by the number of its request.
    pub fn of_loan(nonce: &B256) -> Self {
        let mut key = [0; 16];
        key.copy_from_slice(&nonce[..16]);
        Self(key)
    }

    fn named(product: &ProductId, token: &Token, account: &[u8]) -> Self {
        let mut text = product.to_string().into_bytes();
        text.push(0);
        text.extend(token.collection.to_string().bytes());
        text.push(0);
        text.extend(token.id.to_be_bytes::<32>());
        text.extend(account);
        let mut key = [0; 16];
        key.copy_from_slice(&keccak256(text)[..16]);
        Self(key)
    }
}

/// What a pool may have of a token, or of what one account has of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Part {
    /// The seats that it is good for here.
    pub own: u32,
    /// Those that all of it is good for, whoever may have them.
    pub of: u32,
}

/// What a machine has proven of a pool: for each key how many seats it is good for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offer(BTreeMap<TokenKey, Part>);

impl FromIterator<(TokenKey, u32)> for Offer {
    /// All of each. Of a key that comes twice the greater number counts.
    fn from_iter<I: IntoIterator<Item = (TokenKey, u32)>>(places: I) -> Self {
        places.into_iter().map(|(key, all)| (key, Part { own: all, of: all })).collect()
    }
}

impl FromIterator<(TokenKey, Part)> for Offer {
    /// Of a key that comes twice the greater numbers count.
    fn from_iter<I: IntoIterator<Item = (TokenKey, Part)>>(parts: I) -> Self {
        let mut offer = BTreeMap::<TokenKey, Part>::new();
        for (key, part) in parts {
            let known = offer.entry(key).or_default();
            known.own = part.own.max(known.own);
            known.of = part.of.max(known.of).max(known.own);
        }
        Self(offer)
    }
}

impl Offer {
    /// The places of what was counted, each good for so many seats as often as it meets its grant's rule. Where slots are
    /// named by the token alone, nobody can tell one account's from another's, and so each token is good for its seats once.
    pub fn of(product: &ProductId, counted: &[Counted], seats: u32, naming: Naming) -> Self {
        let places = |times: u32| {
            let times = if naming == Naming::ByToken { times.min(1) } else { times };
            times.saturating_mul(seats)
        };
        let part = |it: &Counted| Part { own: places(it.times), of: places(it.of) };
        counted.iter().map(|it| (TokenKey::of(product, &it.share, naming), part(it))).collect()
    }

    /// Whether it has places of that name.
    pub fn names(&self, token: &TokenKey) -> bool {
        self.0.contains_key(token)
    }

    /// How many places of that name it has.
    pub fn places(&self, token: &TokenKey) -> u32 {
        self.part(token).own
    }

    pub(super) fn part(&self, token: &TokenKey) -> Part {
        self.0.get(token).copied().unwrap_or_default()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&TokenKey, u32)> + Clone {
        self.0.iter().map(|(key, part)| (key, part.own))
    }

    pub fn keys(&self) -> impl Iterator<Item = &TokenKey> {
        self.0.keys()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn len(&self) -> u64 {
        self.0.values().map(|it| u64::from(it.own)).sum()
    }
}
