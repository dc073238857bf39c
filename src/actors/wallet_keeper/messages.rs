//! What WalletKeeper can be ordered and asked, and why it may not do it.

pub(super) mod loans;

use std::sync::Arc;

use actix::prelude::*;
use alloy_primitives::{Address, Bytes};
use serde_json::Value;

use crate::actors::cpu_pool::CpuPoolError;
use crate::actors::ownership_ledger::{Asked, LedgerError};
use crate::actors::tier_cache::Draft;
use crate::keys::KeyRingState;
use entitled_core::domain::customer::{Challenge, Wallet};
use entitled_core::domain::ids::{ChainId, CustomerId, Timestamp};
use entitled_core::domain::label::Label;
use entitled_core::domain::ownership::{Anchor, Cause};
use entitled_core::domain::secret::Secret;
use entitled_core::domain::wallet_proof::{Method, Payload};
use entitled_core::receipt::{ReceiptFault, Verified as ReceiptVerified};

pub(super) type Reply<T> = Result<T, KeeperError>;

/// How the lack of a usable challenge is named.
pub(super) const SPENT: &str = "challenge: it is unknown, used or expired; ask for a new one";

// ---- orders ----

/// Make a managed wallet: a new key, sealed for this customer.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<Wallet>")]
pub struct CreateWallet {
    pub customer: CustomerId,
    pub label: Option<Label>,
    /// On whose share of the CPU pool.
    pub uid: u32,
    pub asked: Asked,
}

/// Set the message whose signature will link `address` to `customer`. Single use, ten minutes.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<Challenge>")]
pub struct IssueChallenge {
    pub address: Address,
    pub chain: ChainId,
    pub customer: CustomerId,
    pub asked: Asked,
}

/// Link the wallet that signed a challenge. `message` is the challenge's text, to the letter;
/// `signature` is hexadecimal: 65 bytes by a key, or what a contract on the challenge's chain accepts.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<Wallet>")]
pub struct LinkWallet {
    pub message: String,
    pub signature: String,
    pub customer: CustomerId,
    /// On whose share of the CPU pool.
    pub uid: u32,
    pub asked: Asked,
}

/// Sign with the key of an active managed wallet of this customer. Gives 0x and 65 bytes in
/// hexadecimal, v 27 or 28.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<String>")]
pub struct SignMessage {
    pub address: Address,
    pub customer: CustomerId,
    pub payload: Payload,
    /// On whose share of the CPU pool.
    pub uid: u32,
    pub asked: Asked,
}

/// Take a wallet from its customer. Its history stays. With `destroy_key` its sealed key goes for good.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<Wallet>")]
pub struct UnlinkWallet {
    pub address: Address,
    pub customer: CustomerId,
    pub destroy_key: bool,
    pub asked: Asked,
}

// ---- questions ----

/// Does `address` stand for this signature? Without a chain, its key is all that counts, and nothing is
/// looked up; with one, its contract there may speak for it as well (ERC-1271, ERC-6492).
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<Verified>")]
pub struct VerifyMessage {
    pub address: Address,
    pub payload: Payload,
    pub signature: String,
    pub chain: Option<ChainId>,
    /// On whose share of the CPU pool.
    pub uid: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// `false`: a well-formed signature, but not of this account over this payload.
    pub valid: bool,
    pub method: Method,
    /// The block of which this is true, where a contract had a say. What a key says is true without any.
    pub anchor: Option<Anchor>,
}

/// Complete a receipt: with a signature made now, where the key is here; and hold it against everything that whoever gets it
/// will.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<Completed>")]
pub struct CompleteReceipt {
    pub draft: Draft,
    /// What whoever asks ties it to; at most [`NONCE_LIMIT`](entitled_core::receipt::NONCE_LIMIT) bytes.
    pub nonce: Option<Bytes>,
    /// On whose share of the CPU pool.
    pub uid: u32,
    /// On the chain's time.
    pub now: Timestamp,
}

/// A receipt that passes, and what it proves.
#[derive(Debug, Clone)]
pub struct Completed {
    pub receipt: String,
    pub verified: ReceiptVerified,
}

// ---- keys that come in and go out ----

/// Take a key in that was made elsewhere, and keep it sealed. A wallet that was linked becomes managed. One that
/// is managed already is sealed anew where its key does not open, which mends it when its record or its
/// key-encryption key was lost; where nothing would change, nothing is written.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<Wallet>")]
pub struct ImportKey {
    pub key: ForeignKey,
    pub customer: CustomerId,
    pub label: Option<Label>,
    /// On whose share of the CPU pool.
    pub uid: u32,
    pub asked: Asked,
}

/// A key as somebody brings it.
#[derive(Debug, Clone)]
pub enum ForeignKey {
    /// Web3 Secret Storage: the JSON object, or a text that holds it.
    Keystore { keystore: Value, passphrase: Secret },
    /// 64 hexadecimal digits.
    Digits(Secret),
    /// BIP-39 words, and the path of BIP-32 if it is not the usual one.
    Mnemonic { words: Secret, path: Option<String> },
}

/// Give the key of a managed wallet out, sealed under a passphrase: a keystore of Web3 Secret Storage. Also of a
/// wallet that was unlinked, while its key is still here.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<Value>")]
pub struct ExportKey {
    pub address: Address,
    pub customer: CustomerId,
    pub passphrase: Secret,
    /// On whose share of the CPU pool.
    pub uid: u32,
    pub asked: Asked,
}

// ---- the key-encryption key ----

/// How the key-encryption key fares. For administrators: the answer may name files.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<KeysStatus>")]
pub struct FindKeysStatus;

/// Open the keys with the passphrase; with `set`, choose it, where there is none yet.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<KeysStatus>")]
pub struct UnlockKeys {
    pub passphrase: Secret,
    pub set: bool,
    pub asked: Asked,
}

/// Exchange the key-encryption key for a new one. Answered when the new one is durable; the wallets follow,
/// and [`FindKeysStatus`] says how far they are.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<KeysStatus>")]
pub struct RotateKeys {
    /// The new one, where the keys are kept by a passphrase.
    pub passphrase: Option<Secret>,
    pub asked: Asked,
}

#[derive(Debug, Clone)]
pub struct KeysStatus {
    /// As configured, such as `file:/var/lib/entitled/kek`.
    pub source: String,
    pub state: KeyRingState,
    /// The keys are locked because no passphrase was chosen yet.
    pub wants_a_passphrase: bool,
    /// The public name of the key in use: 16 hexadecimal digits.
    pub key: Option<String>,
    /// All wallets with a sealed key.
    pub wallets: u64,
    /// Those sealed under the key in use.
    pub under_key: u64,
    /// The one under way, or the last since the start.
    pub rotation: Option<RotationStatus>,
}

#[derive(Debug, Clone)]
pub struct RotationStatus {
    pub state: RotationState,
    /// Wallets whose data key was wrapped anew, of how many.
    pub done: u64,
    pub total: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RotationState {
    UnderWay,
    Done,
    Failed { why: String },
}

// ---- errors ----

#[derive(Debug, Clone, thiserror::Error)]
pub enum KeeperError {
    /// No usable key-encryption key, or not the one that sealed this wallet. The administrator's to mend.
    #[error("the keys are locked: {why}")]
    Locked { why: &'static str },
    /// They stay locked, for a reason that only administrators are told.
    #[error("the keys are locked: {why}")]
    StillLocked { why: String },
    /// Wrong passphrases, too many of them.
    #[error("too many wrong passphrases: wait a minute")]
    TooManyTries,
    /// The key-encryption key itself is being exchanged or unlocked.
    #[error("the keys are being rotated or unlocked")]
    KeysBusy,
    #[error("no such {what}")]
    NotFound { what: &'static str },
    #[error("{why}")]
    Conflict { why: String },
    /// A quota is used up.
    #[error("{why}")]
    Full { why: String },
    /// A signature or a signed message that is malformed, or proves something else.
    #[error("{why}")]
    SignatureInvalid { why: String },
    #[error("{what}: {why}")]
    BadInput { what: &'static str, why: String },
    /// What only a chain can tell could not be found out: neither a yes nor a no.
    #[error("{why}: {cause}")]
    Unknown { why: String, cause: Cause },
    /// The chain was not asked to the end.
    #[error("the chain was not asked to the end; try again")]
    ChainSilent,
    /// Another order for the same wallet is under way.
    #[error("another change to this wallet is under way")]
    Busy,
    /// All places of this user are taken where such work is done.
    #[error("too much of this is under way for one user")]
    Crowded,
    /// A piece of work that did not come to its end.
    #[error("cannot {doing}")]
    BrokenOff { doing: &'static str, source: Arc<CpuPoolError> },
    /// The sealed key is damaged, or was put in another's place.
    #[error("the key of this wallet cannot be opened")]
    KeyUnusable { source: KeyFault },
    /// A key could not be made, sealed or used.
    #[error("cannot {doing}")]
    Key { doing: &'static str, source: KeyFault },
    /// What was made, or kept, does not show what it should.
    #[error("no receipt can be given now: {source}")]
    Receipt { source: Box<ReceiptFault> },
    #[error("the ledger failed")]
    Ledger { source: LedgerError },
    /// Nothing came back in time: it is not known whether a change was made.
    #[error("the ledger did not answer in time")]
    LedgerSilent { source: MailboxError },
}

/// An error of `keys`, for the log.
pub type KeyFault = Arc<dyn std::error::Error + Send + Sync>;

impl From<LedgerError> for KeeperError {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::NotFound { what } => Self::NotFound { what },
            LedgerError::Conflict { why } => Self::Conflict { why },
            LedgerError::ChallengeSpent => Self::NotFound { what: SPENT },
            LedgerError::Full { why } => Self::Full { why },
            source @ (LedgerError::Store { .. } | LedgerError::Busy { .. }) => {
                Self::Ledger { source }
            }
        }
    }
}
