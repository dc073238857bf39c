//! What is told of the key-encryption key.

use schemars::JsonSchema;
use serde::Serialize;

use super::sets;
use crate::actors::wallet_keeper::{self, KeyRingState, RotationState};

/// How the key-encryption key fares.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct KeysStatus {
    /// Where it comes from: `file:PATH`, `credential:NAME` or `passphrase`.
    pub source: String,
    /// `OPEN` or `LOCKED`. Locked, no managed wallet can be made or used; everything else works.
    #[schemars(with = "sets::KeysState")]
    pub state: &'static str,
    /// Why it is locked, or what else is not as it should be, and what to do.
    pub advice: Option<String>,
    /// Whether a passphrase is still to be chosen.
    pub wants_a_passphrase: bool,
    /// The public name of the key in use, 16 hexadecimal digits.
    pub key: Option<String>,
    /// All wallets whose key is sealed here, unlinked ones too.
    pub wallets: u64,
    /// Those sealed under the key in use. The others cannot sign.
    pub under_key: u64,
    /// The rotation under way, or the last one since the start.
    pub rotation: Option<KeyRotation>,
}

/// How far a rotation is.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct KeyRotation {
    /// `under_way`, `done` or `failed`.
    #[schemars(with = "sets::RotationState")]
    pub state: &'static str,
    /// Wallets brought under the new key, of `total`; they count together, when all are.
    pub done: u64,
    pub total: u64,
    /// Why it failed.
    pub error: Option<String>,
}

impl From<wallet_keeper::KeysStatus> for KeysStatus {
    fn from(it: wallet_keeper::KeysStatus) -> Self {
        let (state, reason) = match it.state {
            KeyRingState::Open { .. } => ("OPEN", None),
            KeyRingState::Locked { reason } => ("LOCKED", Some(reason)),
        };
        let others = it.wallets.saturating_sub(it.under_key);
        let stray = || {
            let advice = "restore that key and exchange the files, or the ledger from a backup";
            (others > 0).then(|| format!("{others} wallets are sealed under another key: {advice}"))
        };
        Self {
            source: it.source,
            state,
            advice: reason.or_else(stray),
            wants_a_passphrase: it.wants_a_passphrase,
            key: it.key,
            wallets: it.wallets,
            under_key: it.under_key,
            rotation: it.rotation.map(Into::into),
        }
    }
}

impl From<wallet_keeper::RotationStatus> for KeyRotation {
    fn from(it: wallet_keeper::RotationStatus) -> Self {
        let (state, error) = match it.state {
            RotationState::UnderWay => ("under_way", None),
            RotationState::Done => ("done", None),
            RotationState::Failed { why } => ("failed", Some(why)),
        };
        Self { state, done: it.done, total: it.total, error }
    }
}
