//! WalletKeeper's line to the OwnershipLedger: what it says, each with a time limit.

use std::time::Duration;

use actix::prelude::*;

use crate::actors::ownership_ledger::{
    AddWallet, FindChallenge, FindMachineKey, FindSealedKeys, FindWallet, KeepChallenge,
    KeepMachineKey, LedgerError, NoteAudit, RemoveWallet, ReplaceSealedKeys,
};
use crate::actors::wallet_keeper::messages::KeeperError;

/// A commit takes milliseconds. After this long the ledger is being restarted or its disk is stuck.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who answers what WalletKeeper says to the OwnershipLedger: that one, and any actor that takes the same messages.
pub trait KeepsWallets:
    Actor<Context = Context<Self>>
    + Handler<AddWallet>
    + Handler<NoteAudit>
    + Handler<RemoveWallet>
    + Handler<KeepChallenge>
    + Handler<FindWallet>
    + Handler<FindChallenge>
    + Handler<FindSealedKeys>
    + Handler<ReplaceSealedKeys>
    + Handler<FindMachineKey>
    + Handler<KeepMachineKey>
{
}

impl<L> KeepsWallets for L where
    L: Actor<Context = Context<L>>
        + Handler<AddWallet>
        + Handler<NoteAudit>
        + Handler<RemoveWallet>
        + Handler<KeepChallenge>
        + Handler<FindWallet>
        + Handler<FindChallenge>
        + Handler<FindSealedKeys>
        + Handler<ReplaceSealedKeys>
        + Handler<FindMachineKey>
        + Handler<KeepMachineKey>
{
}

#[derive(Clone)]
pub(in crate::actors::wallet_keeper) struct Ledger {
    pub(in crate::actors::wallet_keeper) add_wallet: Recipient<AddWallet>,
    pub(in crate::actors::wallet_keeper) note_audit: Recipient<NoteAudit>,
    pub(in crate::actors::wallet_keeper) remove_wallet: Recipient<RemoveWallet>,
    pub(in crate::actors::wallet_keeper) keep_challenge: Recipient<KeepChallenge>,
    pub(in crate::actors::wallet_keeper) find_wallet: Recipient<FindWallet>,
    pub(in crate::actors::wallet_keeper) find_challenge: Recipient<FindChallenge>,
    pub(in crate::actors::wallet_keeper) find_sealed_keys: Recipient<FindSealedKeys>,
    pub(in crate::actors::wallet_keeper) replace_sealed_keys: Recipient<ReplaceSealedKeys>,
    pub(in crate::actors::wallet_keeper) find_machine_key: Recipient<FindMachineKey>,
    pub(in crate::actors::wallet_keeper) keep_machine_key: Recipient<KeepMachineKey>,
}

impl Ledger {
    pub(in crate::actors::wallet_keeper) fn of<L: KeepsWallets>(address: &Addr<L>) -> Self {
        Self {
            add_wallet: address.clone().recipient(),
            note_audit: address.clone().recipient(),
            remove_wallet: address.clone().recipient(),
            keep_challenge: address.clone().recipient(),
            find_wallet: address.clone().recipient(),
            find_challenge: address.clone().recipient(),
            find_sealed_keys: address.clone().recipient(),
            replace_sealed_keys: address.clone().recipient(),
            find_machine_key: address.clone().recipient(),
            keep_machine_key: address.clone().recipient(),
        }
    }
}

/// Sends and waits, for [`PATIENCE`] at the longest.
pub(in crate::actors::wallet_keeper) async fn ask<M, T>(
    to: &Recipient<M>,
    message: M,
) -> Result<T, KeeperError>
where
    M: Message<Result = Result<T, LedgerError>> + Send,
    T: Send,
{
    ask_within(to, message, PATIENCE).await
}

/// The same with another limit, for what takes longer.
pub(in crate::actors::wallet_keeper) async fn ask_within<M, T>(
    to: &Recipient<M>,
    message: M,
    patience: Duration,
) -> Result<T, KeeperError>
where
    M: Message<Result = Result<T, LedgerError>> + Send,
    T: Send,
{
    match to.send(message).timeout(patience).await {
        Ok(reply) => Ok(reply?),
        Err(source) => Err(KeeperError::LedgerSilent { source }),
    }
}
