//! WalletKeeper: wallets come into the house here, and here their keys are used.
//!
//! Owns: the key-encryption key while the daemon runs, and the proofs of control.
//! Asked by: `rpc`. Asks: OwnershipLedger, for everything that lasts; ChainVerifier, about signatures that
//! no key of the address made.
//! Never: gives a private key out, reads the clock (`asked.at` is the time), touches the network.
//!
//! Invariant: a private key is in the clear only inside one piece of work on the CPU pool, in a type that wipes
//! itself. Hashing, recovering and opening run there, at the cost of who asked (`uid`), never on the actors' thread.

mod messages;
mod work;

use std::collections::BTreeSet;
use std::future::Future;

use actix::prelude::*;
use alloy_primitives::Address;

use crate::actors::chain_verifier::CheckSignature;
use crate::actors::cpu_pool::{CpuPool, PoolLimits};
use crate::actors::use_log::UseLog;
use crate::keys::{KeyRing, MachineName};
use entitled_core::domain::customer::{Challenge, Wallet};
use messages::Reply;
use work::key_custody::Custody;
use work::ledger::{KeepsWallets, Ledger};
use work::tools::Tools;

pub use crate::keys::KeyRingState;
pub use messages::loans::{
    OpenMachineKey, SignLoan, SignRequest, SignReturn, SignedLoan, SignedRequest,
};
pub use messages::{
    CompleteReceipt, Completed, CreateWallet, ExportKey, FindKeysStatus, ForeignKey, ImportKey,
    IssueChallenge, KeeperError, KeyFault, KeysStatus, LinkWallet, RotateKeys, RotationState,
    RotationStatus, SignMessage, UnlinkWallet, UnlockKeys, Verified, VerifyMessage,
};

pub struct WalletKeeper {
    tools: Tools,
    /// Wallets that are being linked or unlinked. Two orders for one wallet are not mixed: between
    /// looking a wallet up and changing it, nobody else changes it.
    under_way: BTreeSet<Address>,
    custody: Custody,
}

/// Uses of keys by one user that are told to the log one by one, in a minute.
const USES_TOLD: u32 = 10;

impl WalletKeeper {
    /// `ledger` is the OwnershipLedger; any actor that answers the same messages will do.
    pub fn new<L: KeepsWallets>(ledger: &Addr<L>, keys: KeyRing, machine: MachineName) -> Self {
        let ledger = Ledger::of(ledger);
        // A keystore costs up to a second and 256 MiB: one at a time, and of each user one to wait.
        let keystores =
            CpuPool::new(PoolLimits { threads: 1, running_per_uid: 1, places_per_uid: 1 });
        let cpu = CpuPool::default();
        let uses = UseLog::telling(USES_TOLD);
        let tools = Tools { ledger, keys, machine, cpu, keystores, chains: None, uses };
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
