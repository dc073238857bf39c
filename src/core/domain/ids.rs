//! Names of things: customers, products, chains, accounts, collections and tokens.
//!
//! Each has one written form (CAIP-2, CAIP-10, CAIP-19, or our own short text), and one type here.
//! Parsing is strict: what these types hold is always valid.

use std::fmt;
use std::str::FromStr;

use alloy_primitives::{Address, U256};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The instant something happened, in UTC. Written as RFC 3339 with `Z`.
pub type Timestamp = jiff::Timestamp;

/// A text that is not a name of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    #[error(
        "`{text}` is not a product id: use 1 to 64 of a-z, 0-9, `.`, `_` and `-`, beginning with a letter or digit"
    )]
    Product { text: String },
    #[error(
        "`{text}` is not a tier name: use 1 to 64 of a-z, 0-9, `.`, `_` and `-`, beginning with a letter or digit"
    )]
    Tier { text: String },
    #[error("`{text}` is not a customer id: use `machine`, `uid:NUMBER` or `customer:NUMBER`")]
    Customer { text: String },
    #[error("`{text}` is not a chain: use CAIP-2, such as `eip155:1`")]
    Chain { text: String },
    #[error("`{text}` is not an address: use 0x and 40 hexadecimal digits")]
    Address { text: String },
    #[error("`{text}` has a wrong EIP-55 checksum: it should read `{right}`")]
    Checksum { text: String, right: String },
    #[error("`{text}` is not an account: use CAIP-10, such as `eip155:1:0x…`")]
    Account { text: String },
    #[error("`{text}` is not a token: use CAIP-19, such as `eip155:1/erc721:0x…/7`")]
    Token { text: String },
    #[error(
        "`{text}` is not a token collection: use CAIP-19 without the id, such as `eip155:1/erc721:0x…`"
    )]
    Collection { text: String },
    #[error("`{text}` is not a token id: use a decimal number below 2^256")]
    TokenId { text: String },
}

/// Reads an address in any case. A mixed-case text must carry the right EIP-55 checksum.
///
/// # Errors
/// When it is not 0x and 40 hexadecimal digits, or the checksum is wrong.
pub fn parse_address(text: &str) -> Result<Address, IdError> {
    let wrong = || IdError::Address { text: clip(text) };
    let digits = text.strip_prefix("0x").ok_or_else(wrong)?;
    if digits.len() != 40 || !digits.bytes().all(|it| it.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    let address = Address::from_str(text).map_err(|_| wrong())?;
    let mixed = digits.bytes().any(|it| it.is_ascii_lowercase())
        && digits.bytes().any(|it| it.is_ascii_uppercase());
    let right = address.to_checksum(None);
    if mixed && right != text {
        return Err(IdError::Checksum { text: clip(text), right });
    }
    Ok(address)
}

/// Reads a token id: decimal digits, below 2^256.
///
/// # Errors
/// When it is anything else.
pub(crate) fn parse_token_id(text: &str) -> Result<U256, IdError> {
    let wrong = || IdError::TokenId { text: clip(text) };
    if text.is_empty() || text.len() > 78 || !text.bytes().all(|it| it.is_ascii_digit()) {
        return Err(wrong());
    }
    U256::from_str_radix(text, 10).map_err(|_| wrong())
}

/// What a vendor sells, as named in its product file: `acme-cad`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProductId(std::sync::Arc<str>);

/// A level of a product: `pro`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TierName(std::sync::Arc<str>);

fn is_name(text: &str) -> bool {
    let allowed = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || b"._-".contains(&it);
    (1..=64).contains(&text.len())
        && text.bytes().all(allowed)
        && !text.starts_with(['.', '_', '-'])
}

impl FromStr for ProductId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        if is_name(text) {
            Ok(Self(text.into()))
        } else {
            Err(IdError::Product { text: clip(text) })
        }
    }
}

impl FromStr for TierName {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        if is_name(text) { Ok(Self(text.into())) } else { Err(IdError::Tier { text: clip(text) }) }
    }
}

impl ProductId {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TierName {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A person, an organisation or the machine itself, to whom wallets belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CustomerId {
    /// The machine: what it holds counts for everybody on it. Made at first start.
    Machine,
    /// Made for a Unix user that no other customer claims, when it first makes or links a wallet.
    Uid(u32),
    /// Made by an administrator.
    Numbered(u64),
}

impl FromStr for CustomerId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let wrong = || IdError::Customer { text: clip(text) };
        match text.split_once(':') {
            None if text == "machine" => Ok(Self::Machine),
            Some(("uid", number)) => canonical(number).map(Self::Uid).ok_or_else(wrong),
            Some(("customer", number)) => canonical(number).map(Self::Numbered).ok_or_else(wrong),
            _ => Err(wrong()),
        }
    }
}

/// A number in its one decimal form: no sign, no leading zero.
fn canonical<N: FromStr + ToString>(text: &str) -> Option<N> {
    text.parse().ok().filter(|it: &N| it.to_string() == text)
}

/// A chain by its EIP-155 chain id. Written in CAIP-2: `eip155:1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChainId(pub u64);

impl FromStr for ChainId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        text.strip_prefix("eip155:")
            .and_then(canonical)
            .filter(|it| *it > 0)
            .map(Self)
            .ok_or_else(|| IdError::Chain { text: clip(text) })
    }
}

/// A wallet on a chain. Written in CAIP-10: `eip155:1:0x…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Account {
    pub chain: ChainId,
    pub address: Address,
}

impl FromStr for Account {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let wrong = || IdError::Account { text: clip(text) };
        let (chain, address) = text.rsplit_once(':').ok_or_else(wrong)?;
        Ok(Self { chain: chain.parse().map_err(|_| wrong())?, address: parse_address(address)? })
    }
}

/// The token standard a contract follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standard {
    Erc721,
    Erc1155,
}

/// All tokens of one contract. Written in CAIP-19 without the id: `eip155:1/erc721:0x…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Collection {
    pub chain: ChainId,
    pub standard: Standard,
    pub contract: Address,
}

impl Collection {
    /// The token of this id.
    pub fn token(self, id: U256) -> Token {
        Token { collection: self, id }
    }
}

impl FromStr for Collection {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let wrong = || IdError::Collection { text: clip(text) };
        let (chain, asset) = text.split_once('/').ok_or_else(wrong)?;
        let (standard, contract) = asset.split_once(':').ok_or_else(wrong)?;
        let standard = match standard {
            "erc721" => Standard::Erc721,
            "erc1155" => Standard::Erc1155,
            _ => return Err(wrong()),
        };
        let chain = chain.parse().map_err(|_| wrong())?;
        Ok(Self { chain, standard, contract: parse_address(contract)? })
    }
}

/// One token. Written in CAIP-19: `eip155:1/erc721:0x…/7`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token {
    pub collection: Collection,
    pub id: U256,
}

impl FromStr for Token {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let wrong = || IdError::Token { text: clip(text) };
        let (collection, id) = text.rsplit_once('/').ok_or_else(wrong)?;
        let collection = match collection.parse() {
            Ok(collection) => collection,
            Err(error @ (IdError::Checksum { .. } | IdError::Address { .. })) => return Err(error),
            Err(_) => return Err(wrong()),
        };
        Ok(Self { collection, id: parse_token_id(id)? })
    }
}

impl fmt::Display for ProductId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for TierName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for CustomerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Machine => f.write_str("machine"),
            Self::Uid(uid) => write!(f, "uid:{uid}"),
            Self::Numbered(number) => write!(f, "customer:{number}"),
        }
    }
}

impl fmt::Display for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "eip155:{}", self.0)
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.chain, self.address)
    }
}

impl fmt::Display for Standard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Erc721 => "erc721",
            Self::Erc1155 => "erc1155",
        })
    }
}

impl fmt::Display for Collection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}:{}", self.chain, self.standard, self.contract)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.collection, self.id)
    }
}

/// Text from outside, cut to a length that is safe to repeat in an error.
pub fn clip(text: &str) -> String {
    clip_to(text, 80)
}

/// Text from outside, cut to `longest` characters.
pub fn clip_to(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

macro_rules! written_as_text {
    ($($name:ty),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}
written_as_text!(ProductId, TierName, CustomerId, ChainId, Account, Collection, Token);

#[cfg(test)]
mod tests;
