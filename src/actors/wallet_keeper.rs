//! WalletKeeper: wallets come into the house here, and here their keys are used.
//!
//! Owns: the key-encryption key while the daemon runs, and the proofs of control.
//! Asked by: `rpc`. Asks: OwnershipLedger, for everything that lasts.
//! Never: gives a private key out, reads the clock (`asked.at` is the time), touches the network.
//!
//! Invariant: a private key is in the clear only inside one call of a handler, in a type that wipes
//! itself.

mod custody;
mod ledger;
mod orders;
mod rotation;

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;

use actix::prelude::*;
use alloy_primitives::Address;

use self::custody::Custody;
use self::ledger::Ledger;
use self::orders::Tools;
use crate::actors::ownership_ledger::{
    AddWallet, Asked, FindChallenge, FindSealedKeys, FindWallet, KeepChallenge, LedgerError,
    RemoveWallet, ReplaceSealedKeys,
};
use crate::domain::customer::{Challenge, Wallet};
use crate::domain::ids::{ChainId, CustomerId};
use crate::domain::wallet_proof::{self, Method, Payload, SignInMessage};
use crate::keys::{KeyRing, MachineName};

pub use self::custody::{
    FindKeysStatus, KeysStatus, Passphrase, RotateKeys, RotationState, RotationStatus, UnlockKeys,
};
pub use crate::keys::KeyRingState;

type Reply<T> = Result<T, KeeperError>;

// ---- orders ----

/// Make a managed wallet: a new key, sealed for this customer.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<Wallet>")]
pub struct CreateWallet {
    pub customer: CustomerId,
    /// At most 64 characters, none of them a control character.
    pub label: Option<String>,
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
/// `signature` is 65 bytes in hexadecimal.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<Wallet>")]
pub struct LinkWallet {
    pub message: String,
    pub signature: String,
    pub customer: CustomerId,
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

/// Did the key of `address` sign this? Any address; nothing is looked up.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<Verified>")]
pub struct VerifyMessage {
    pub address: Address,
    pub payload: Payload,
    pub signature: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// `false`: a well-formed signature, but not of this key over this payload.
    pub valid: bool,
    pub method: Method,
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
    /// A signature or a signed message that is malformed, or proves something else.
    #[error("{why}")]
    SignatureInvalid { why: String },
    #[error("{what}: {why}")]
    BadInput { what: &'static str, why: String },
    /// Another order for the same wallet is under way.
    #[error("another change to this wallet is under way")]
    Busy,
    /// The sealed key is damaged, or was put in another's place.
    #[error("the key of this wallet cannot be opened")]
    KeyUnusable { source: KeyFault },
    /// A key could not be made, sealed or used.
    #[error("cannot {doing}")]
    Key { doing: &'static str, source: KeyFault },
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
            LedgerError::ChallengeSpent => Self::NotFound { what: orders::SPENT },
            source @ LedgerError::Store { .. } => Self::Ledger { source },
        }
    }
}

// ---- the actor ----

pub struct WalletKeeper {
    tools: Tools,
    /// Wallets that are being linked or unlinked. Two orders for one wallet are not mixed: between
    /// looking a wallet up and changing it, nobody else changes it.
    under_way: BTreeSet<Address>,
    custody: Custody,
}

impl WalletKeeper {
    /// `ledger` is the OwnershipLedger; any actor that answers the same messages will do.
    pub fn new<L>(ledger: &Addr<L>, keys: KeyRing, machine: MachineName) -> Self
    where
        L: Actor<Context = Context<L>>
            + Handler<AddWallet>
            + Handler<RemoveWallet>
            + Handler<KeepChallenge>
            + Handler<FindWallet>
            + Handler<FindChallenge>
            + Handler<FindSealedKeys>
            + Handler<ReplaceSealedKeys>,
    {
        let tools = Tools { ledger: Ledger::of(ledger), keys, machine };
        Self { tools, under_way: BTreeSet::new(), custody: Custody::default() }
    }

    /// Answers with `work`, unless another order for `address` is under way.
    fn alone<T: 'static>(
        &mut self,
        address: Address,
        work: impl Future<Output = Reply<T>> + 'static,
    ) -> ResponseActFuture<Self, Reply<T>> {
        if !self.under_way.insert(address) {
            return Box::pin(actix::fut::err(KeeperError::Busy));
        }
        Box::pin(work.into_actor(self).map(move |reply, keeper, _| {
            keeper.under_way.remove(&address);
            reply
        }))
    }
}

impl Actor for WalletKeeper {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.set_mailbox_capacity(256);
    }
}

impl Supervised for WalletKeeper {
    /// What was under way is gone with the old context, so the marks for it must go too.
    fn restarting(&mut self, _: &mut Self::Context) {
        let custody = std::mem::take(&mut self.custody).restarted();
        *self = Self { tools: self.tools.clone(), under_way: BTreeSet::new(), custody };
    }
}

impl Handler<CreateWallet> for WalletKeeper {
    type Result = ResponseActFuture<Self, Reply<Wallet>>;

    fn handle(&mut self, order: CreateWallet, _: &mut Self::Context) -> Self::Result {
        Box::pin(self.tools.clone().create(order).into_actor(self))
    }
}

impl Handler<IssueChallenge> for WalletKeeper {
    type Result = ResponseActFuture<Self, Reply<Challenge>>;

    fn handle(&mut self, order: IssueChallenge, _: &mut Self::Context) -> Self::Result {
        Box::pin(self.tools.clone().issue(order).into_actor(self))
    }
}

impl Handler<LinkWallet> for WalletKeeper {
    type Result = ResponseActFuture<Self, Reply<Wallet>>;

    fn handle(&mut self, order: LinkWallet, _: &mut Self::Context) -> Self::Result {
        match order.message.parse::<SignInMessage>() {
            Ok(read) => self.alone(read.address, self.tools.clone().link(order, read.nonce)),
            Err(fault) => {
                Box::pin(actix::fut::err(KeeperError::SignatureInvalid { why: fault.to_string() }))
            }
        }
    }
}

impl Handler<SignMessage> for WalletKeeper {
    type Result = ResponseActFuture<Self, Reply<String>>;

    fn handle(&mut self, order: SignMessage, _: &mut Self::Context) -> Self::Result {
        Box::pin(self.tools.clone().sign(order).into_actor(self))
    }
}

impl Handler<UnlinkWallet> for WalletKeeper {
    type Result = ResponseActFuture<Self, Reply<Wallet>>;

    fn handle(&mut self, order: UnlinkWallet, _: &mut Self::Context) -> Self::Result {
        self.alone(order.address, self.tools.clone().unlink(order))
    }
}

impl Handler<VerifyMessage> for WalletKeeper {
    type Result = Reply<Verified>;

    fn handle(&mut self, question: VerifyMessage, _: &mut Self::Context) -> Self::Result {
        let VerifyMessage { address, payload, signature } = question;
        let hash = orders::hash(&payload)?;
        let valid = wallet_proof::is_signed_by(hash, &signature, address)
            .map_err(|fault| KeeperError::SignatureInvalid { why: fault.to_string() })?;
        Ok(Verified { valid, method: payload.method() })
    }
}

#[cfg(test)]
mod tests;
