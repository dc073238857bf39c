//! What wallets sign besides link messages, and whether a signature of it is an account's.

use alloy_primitives::{Address, B256};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::signature::{SignatureFault, parse_signature, personal_message_hash, recover};
use super::typed_data::{TypedDataFault, typed_data_hash};

/// The longest text signed or verified, in bytes.
pub const TEXT_LIMIT: usize = 64 * 1024;

/// Something to sign.
#[derive(Debug, Clone, PartialEq)]
pub enum Payload {
    /// Signed as EIP-191, version 0x45, over its UTF-8 bytes.
    Text(String),
    /// Signed as EIP-712: the JSON object `eth_signTypedData_v4` takes.
    TypedData(Value),
}

/// Under which rule a payload was hashed, or a signature of it accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    Eip191,
    Eip712,
    /// By the contract that is the wallet.
    Eip1271,
    /// By the contract that is or will be the wallet, in an envelope that says how it is deployed.
    Erc6492,
}

/// Who stands for a signature that only a chain can judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedBy {
    /// The key of the account; the same on every chain.
    Key,
    /// The account's contract, by ERC-1271: on its own chain.
    Contract,
    /// The account's contract, by ERC-6492: it may not be deployed yet.
    Counterfactual,
    /// The account's contract, where that is an account bound to a token (ERC-6551): for whoever owns that token at the
    /// time, and for somebody else when it is sold. Not `deployed` yet: by ERC-6492.
    BoundAccount { deployed: bool },
}

/// Why nobody stands for a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotSigned {
    /// It is proven: neither a key nor a contract does.
    ByNobody,
    /// The contract is not deployed, and the call that would deploy it changes what is there already. That is neither a
    /// yes nor a no, and stays so until it is deployed.
    DeployFirst,
}

/// Why a payload cannot be hashed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadFault {
    #[error("the message is longer than {TEXT_LIMIT} bytes")]
    TextTooLong,
    #[error(transparent)]
    TypedData(#[from] TypedDataFault),
}

impl Payload {
    pub fn method(&self) -> Method {
        match self {
            Self::Text(_) => Method::Eip191,
            Self::TypedData(_) => Method::Eip712,
        }
    }

    /// The hash a wallet signs.
    ///
    /// # Errors
    /// [`PayloadFault`].
    pub fn hash(&self) -> Result<B256, PayloadFault> {
        match self {
            Self::Text(text) if text.len() > TEXT_LIMIT => Err(PayloadFault::TextTooLong),
            Self::Text(text) => Ok(personal_message_hash(text.as_bytes())),
            Self::TypedData(json) => Ok(typed_data_hash(json)?),
        }
    }
}

/// Whether the account at `address` made `signature` of `hash`. A signature that is well formed but of
/// somebody else, or of nobody, is `false`.
///
/// # Errors
/// When the text is not a signature at all: that is not an answer about the account.
pub fn is_signed_by(hash: B256, signature: &str, address: Address) -> Result<bool, SignatureFault> {
    match recover(hash, &parse_signature(signature)?) {
        Ok(signer) => Ok(signer == address),
        Err(SignatureFault::Unrecoverable) => Ok(false),
        Err(fault) => Err(fault),
    }
}

#[cfg(test)]
mod tests;
