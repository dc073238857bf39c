//! WalletKeeper: wallets come into the house here, and here their keys are used.
//!
//! Owns: the key-encryption key while the daemon runs, and the proofs of control.
//! Asked by: `rpc`. Asks: OwnershipLedger, for everything that lasts; ChainVerifier, about signatures that
//! no key of the address made.
//! Never: gives a private key out, reads the clock (`asked.at` is the time), touches the network.
//!
//! Invariant: a private key is in the clear only inside one piece of work on the CPU pool, in a type that wipes
//! itself. Hashing, recovering and opening run there, at the cost of who asked (`uid`), never on the actors' thread.

mod contracts;
mod custody;
mod ledger;
mod orders;
mod rotation;
mod transfer;

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;

use actix::prelude::*;
use alloy_primitives::Address;

use self::custody::Custody;
use self::ledger::Ledger;
use self::orders::Tools;
use crate::actors::chain_verifier::CheckSignature;
use crate::actors::cpu_pool::{CpuPool, CpuPoolError, PoolLimits};
use crate::actors::ownership_ledger::{
    AddWallet, Asked, FindChallenge, FindSealedKeys, FindWallet, ImportWallet, KeepChallenge,
    LedgerError, NoteAudit, RemoveWallet, ReplaceSealedKeys,
};
use crate::keys::{KeyRing, MachineName};
use entitled_core::domain::customer::{Challenge, Wallet};
use entitled_core::domain::ids::{ChainId, CustomerId};
use entitled_core::domain::ownership::Cause;
use entitled_core::domain::wallet_proof::{Method, Payload};

pub use self::custody::{
    FindKeysStatus, KeysStatus, RotateKeys, RotationState, RotationStatus, UnlockKeys,
};
pub use crate::keys::KeyRingState;

pub use self::transfer::{ExportKey, ForeignKey, ImportKey};

type Reply<T> = Result<T, KeeperError>;

// ---- orders ----

/// Make a managed wallet: a new key, sealed for this customer.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<Wallet>")]
pub struct CreateWallet {
    pub customer: CustomerId,
    /// At most 64 characters, none of them a control character.
    pub label: Option<String>,
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// `false`: a well-formed signature, but not of this account over this payload.
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
            LedgerError::Full { why } => Self::Full { why },
            source @ (LedgerError::Store { .. } | LedgerError::Busy { .. }) => {
                Self::Ledger { source }
            }
        }
    }
}

/// What a piece of work on the CPU pool came to.
fn worked<T>(doing: &'static str, done: Result<Reply<T>, CpuPoolError>) -> Reply<T> {
    done.unwrap_or_else(|error| match error {
        CpuPoolError::Full { .. } => Err(KeeperError::Crowded),
        CpuPoolError::BrokenOff { .. } => {
            Err(KeeperError::BrokenOff { doing, source: Arc::new(error) })
        }
    })
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
            + Handler<ImportWallet>
            + Handler<NoteAudit>
            + Handler<RemoveWallet>
            + Handler<KeepChallenge>
            + Handler<FindWallet>
            + Handler<FindChallenge>
            + Handler<FindSealedKeys>
            + Handler<ReplaceSealedKeys>,
    {
        let ledger = Ledger::of(ledger);
        // A keystore costs up to a second and 256 MiB: one at a time, and of each user one to wait.
        let keystores =
            CpuPool::new(PoolLimits { threads: 1, running_per_uid: 1, places_per_uid: 1 });
        let cpu = CpuPool::default();
        let tools = Tools { ledger, keys, machine, cpu, keystores, chains: None };
        Self { tools, under_way: BTreeSet::new(), custody: Custody::default() }
    }

    /// Has contract wallets spoken for by `chains`, the ChainVerifier. Without it, none is.
    #[must_use]
    pub fn with_chains(mut self, chains: Recipient<CheckSignature>) -> Self {
        self.tools.chains = Some(chains);
        self
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
        // The chain is asked before the wallet is held: a slow contract must not keep others out.
        let proof = self.tools.prover().prove(order).into_actor(self);
        Box::pin(proof.then(|proven, keeper, _| match proven {
            Ok(proven) => {
                let address = proven.address();
                let work = keeper.tools.clone().link(proven);
                keeper.alone(address, work)
            }
            Err(error) => Box::pin(actix::fut::err(error)),
        }))
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
    type Result = ResponseActFuture<Self, Reply<Verified>>;

    fn handle(&mut self, question: VerifyMessage, _: &mut Self::Context) -> Self::Result {
        Box::pin(self.tools.prover().verify(question).into_actor(self))
    }
}

#[cfg(test)]
mod tests;
