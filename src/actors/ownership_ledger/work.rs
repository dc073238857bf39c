//! What OwnershipLedger does with each message: hands it to the store, and puts the answer in its words.
//!
//! Changes wait for their durable commit without holding up the mailbox. Reads are answered at once from
//! a snapshot, long ones beside the actor. No handler decides anything.

pub(super) mod unwritten;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use actix::prelude::*;
use alloy_primitives::Address;
use tokio::sync::oneshot;

use super::messages::{
    AcknowledgeNotices, AddWallet, BackUp, CreateCustomer, CustomerOf, CustomersOf,
    CustomersWithWallets, FindChallenge, FindCustomer, FindFacts, FindFigures, FindProgress,
    FindReceiptParts, FindSealedKeys, FindWallet, ForgetChain, HistoryOf, KeepChallenge,
    KeepEvidence, KeepPins, KeepSynced, LedgerError, ListAudit, ListCustomers, ListOwnerships,
    LooksRecorded, NoteAudit, RaiseFloor, RecordClaim, RecordSightings, RemoveWallet, Reply,
    SetSuspension, StoreFigures, UpdateCustomer, VerifyAudit, WalletsOf,
};
use super::{
    AuditState, BackedUp, Facts, Notice, OwnershipLedger, Progress, ReceiptParts, SealedKey, Whose,
};
use crate::store::schema::SCHEMA;
use crate::store::tables::{
    audit, challenges, claims, customers, facts, light_clients, notices, ownerships, publishers,
    receipts, sealed_keys, sightings, wallets,
};
use crate::store::{Changes, Snapshot, StoreError};
use entitled_core::domain::audit::{AuditAction, AuditEntry};
use entitled_core::domain::customer::{Challenge, Customer, Wallet};
use entitled_core::domain::ids::CustomerId;
use entitled_core::domain::ownership::{Ownership, Sighting};

/// The answer to a change, when its commit is durable.
pub(super) type Change<T> = ResponseActFuture<OwnershipLedger, Reply<T>>;

fn failed(doing: &'static str) -> impl FnOnce(StoreError) -> LedgerError {
    move |error| match error {
        StoreError::NotFound { what } => LedgerError::NotFound { what },
        StoreError::Conflict { why } => LedgerError::Conflict { why },
        StoreError::Full { why } => LedgerError::Full { why },
        StoreError::Exists { path } => {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            LedgerError::Conflict { why: format!("a file named {name} exists already") }
        }
        error @ StoreError::BackingUp => LedgerError::Busy { why: error.to_string() },
        StoreError::ChallengeSpent => LedgerError::ChallengeSpent,
        trouble => LedgerError::Store { doing, source: Arc::new(trouble) },
    }
}

impl OwnershipLedger {
    fn read<T>(
        &self,
        doing: &'static str,
        question: impl Fn(&Snapshot) -> Result<T, StoreError>,
    ) -> Reply<T> {
        self.store.read(question).map_err(failed(doing))
    }

    fn write<T: Send + 'static>(
        &self,
        doing: &'static str,
        operation: impl FnOnce(&mut Changes<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Change<T> {
        answer(doing, self.store.write(operation))
    }
}

pub(super) fn answer<T: 'static>(
    doing: &'static str,
    outcome: impl Future<Output = Result<T, StoreError>> + 'static,
) -> Change<T> {
    Box::pin(actix::fut::wrap_future(async move { outcome.await.map_err(failed(doing)) }))
}

/// A handler of a change: how it is called in an error, and the operation.
macro_rules! changes {
    ($($message:ident -> $answer:ty, $doing:literal, |$it:ident, $changes:ident| $operation:expr;)*) => {$(
        impl Handler<$message> for OwnershipLedger {
            type Result = Change<$answer>;
            fn handle(&mut self, $it: $message, _: &mut Self::Context) -> Self::Result {
                self.write($doing, move |$changes| $operation)
            }
        }
    )*};
}

/// A handler of a change that entitlements rest on: how it is called in an error, the operation, and whom what
/// it answers concerns.
macro_rules! revisions {
    ($($message:ident -> $answer:ty, $doing:literal, $whose:expr, |$it:ident, $changes:ident| $operation:expr;)*) => {$(
        impl Handler<$message> for OwnershipLedger {
            type Result = Change<$answer>;
            fn handle(&mut self, $it: $message, _: &mut Self::Context) -> Self::Result {
                let whose: fn(&$answer) -> Whose = $whose;
                self.revise($doing, whose, move |$changes| $operation)
            }
        }
    )*};
}

/// A handler of a question: how it is called in an error, and where the answer is.
macro_rules! questions {
    ($($message:ident -> $answer:ty, $doing:literal, |$it:ident, $view:ident| $question:expr;)*) => {$(
        impl Handler<$message> for OwnershipLedger {
            type Result = Reply<$answer>;
            fn handle(&mut self, $it: $message, _: &mut Self::Context) -> Self::Result {
                self.read($doing, |$view| $question)
            }
        }
    )*};
}

mod exchange;
mod loans;

revisions! {
    CreateCustomer -> Customer, "make a customer", |it| Whose::Users(it.id), |it, changes| {
        customers::create(changes, it.new, &it.asked)
    };
    UpdateCustomer -> Customer, "change a customer", |it| Whose::Users(it.id), |it, changes| {
        customers::update(changes, it.id, it.edit, &it.asked)
    };
    // A contract's may have gone over from somebody else.
    AddWallet -> Wallet, "add a wallet", |it| it.chain.map_or(Whose::Customer(it.customer), |_| Whose::Everybody), |it, changes| {
        wallets::add(changes, it.new, &it.asked)
    };
    SetSuspension -> Vec<Ownership>, "suspend or reinstate an ownership", |_| Whose::Everybody, |it, changes| {
        ownerships::set_suspension(changes, it.token, it.suspension.as_ref(), &it.asked)
    };
}

changes! {
    AcknowledgeNotices -> Vec<Notice>, "acknowledge what became of the store", |it, changes| {
        notices::acknowledge(changes, &it.asked)
    };
    KeepChallenge -> (), "keep a challenge", |it, changes| {
        challenges::keep(changes, &it.challenge, &it.asked)
    };
    RaiseFloor -> (), "raise the floor under a chain's time", |it, changes| {
        sightings::raise_floor(changes, it.chain, it.time)
    };
    KeepSynced -> bool, "keep what a light client knows", |it, changes| {
        light_clients::keep(changes, &it.synced, it.seconds_per_slot)
    };
    KeepPins -> (), "keep who publishes the products", |it, changes| {
        publishers::keep(changes, &it.pins, &it.asked)
    };
    KeepEvidence -> (), "keep what a receipt is made of", |it, changes| {
        receipts::keep(changes, (it.customer, &it.product), &it.evidence)
    };
    NoteAudit -> AuditEntry, "note a change in the audit", |it, changes| {
        audit::note(changes, it.action, &it.subject, &it.detail, &it.asked)
    };
}

impl Handler<BackUp> for OwnershipLedger {
    type Result = Change<BackedUp>;

    /// Copies on a thread of its own: reads and changes go on meanwhile.
    fn handle(&mut self, it: BackUp, _: &mut Self::Context) -> Self::Result {
        let store = self.store.clone();
        answer("back the store up", async move {
            let copied = store.clone();
            let copy = move || copied.backup_beside(it.name.as_deref());
            let made =
                tokio::task::spawn_blocking(copy).await.unwrap_or(Err(StoreError::Panicked))?;
            let shown = made.path.display().to_string();
            let note = move |changes: &mut Changes<'_>| {
                audit::note(changes, AuditAction::StoreBackedUp, &shown, "", &it.asked)
            };
            store.write(note).await?;
            Ok(made)
        })
    }
}

impl Handler<RemoveWallet> for OwnershipLedger {
    type Result = Change<Wallet>;

    /// A destroyed key goes in two commits: the first writes zeros in its place, the second frees them.
    fn handle(&mut self, it: RemoveWallet, _: &mut Self::Context) -> Self::Result {
        let RemoveWallet { address, customer, destroy_key, asked } = it;
        let unlink = move |changes: &mut Changes<'_>| {
            wallets::remove(changes, address, customer, destroy_key, &asked)
        };
        let whose = |it: &Wallet| Whose::Customer(it.customer);
        let unlinked = self.revise("unlink a wallet", whose, unlink);
        if !destroy_key {
            return unlinked;
        }
        Box::pin(unlinked.then(move |unlinked, actor, _| {
            let store = actor.store.clone();
            let forget = async move {
                let wallet = unlinked?;
                let forget = move |changes: &mut Changes<'_>| {
                    wallets::forget_key(changes, address, customer)
                };
                store.write(forget).await.map_err(failed("destroy a key"))?;
                Ok(wallet)
            };
            forget.into_actor(actor)
        }))
    }
}

questions! {
    CustomerOf -> CustomerId, "find a customer", |it, view| customers::of_uid(view, it.uid);
    FindCustomer -> Option<Customer>, "find a customer", |it, view| customers::find(view, it.id);
    ListCustomers -> Vec<Customer>, "list customers", |it, view| {
        customers::list(view, it.after, it.limit)
    };
    WalletsOf -> Vec<Wallet>, "list wallets", |it, view| wallets::of_customer(view, it.customer);
    FindWallet -> Option<(Wallet, Option<Vec<u8>>)>, "find a wallet", |it, view| {
        wallets::find(view, it.address)
    };
    CustomersOf -> Vec<(Address, CustomerId)>, "find whose wallets these are", |it, view| {
        let mut found = Vec::with_capacity(it.wallets.len());
        for address in &it.wallets {
            found.extend(wallets::find(view, *address)?.map(|(it, _)| (*address, it.customer)));
        }
        Ok(found)
    };
    FindReceiptParts -> ReceiptParts, "find what a receipt is made of", |it, view| {
        receipts::parts(view, (it.wallet, it.customer), &it.product)
    };
    FindSealedKeys -> Vec<SealedKey>, "find the sealed keys", |_it, view| sealed_keys::all(view);
    FindChallenge -> Option<Challenge>, "find a challenge", |it, view| {
        challenges::find(view, &it.nonce)
    };
    ListOwnerships -> Vec<Ownership>, "list ownerships", |it, view| {
        ownerships::list(view, it.wallets.as_deref(), it.active, it.after, it.limit)
    };
    HistoryOf -> Vec<Ownership>, "find the history of a token", |it, view| {
        ownerships::history(view, it.token, it.wallets.as_deref(), it.after, it.limit)
    };
    ListAudit -> Vec<AuditEntry>, "list the audit", |it, view| {
        audit::list(view, it.since, (it.after, it.last), it.limit)
    };
    FindProgress -> Progress, "find where things stand", |_it, view| facts::progress(view);
}

impl Handler<RecordSightings> for OwnershipLedger {
    type Result = Change<Vec<Ownership>>;

    fn handle(&mut self, it: RecordSightings, _: &mut Self::Context) -> Self::Result {
        let order = Arc::new(it);
        let (recorded, store) = (order.write(&self.store), self.store.clone());
        let (looks, unwritten) = (Arc::clone(&self.looks), Arc::clone(&self.unwritten));
        // In a task of its own, as in `revise`: others have to learn of it though this actor be restarted meanwhile.
        let (reply, answered) = oneshot::channel();
        actix_rt::spawn(async move {
            let recorded = recorded.await;
            let works = recorded.is_ok();
            unwritten.settle(order, &recorded);
            looks.fetch_add(1, Ordering::Relaxed);
            // Whoever asked may have gone.
            let _ = reply.send(recorded);
            if works {
                unwritten.write_all(&store).await;
            }
        });
        answer("record sightings", async move { answered.await.unwrap_or(Err(StoreError::Closed)) })
    }
}

impl Handler<RecordClaim> for OwnershipLedger {
    type Result = Change<Option<Ownership>>;

    /// A claim is a look as well: it counts though it could not be written, and whoever looks meanwhile reads again.
    fn handle(&mut self, it: RecordClaim, _: &mut Self::Context) -> Self::Result {
        let RecordClaim { customer, wallets, look, asked } = it;
        let order = Arc::new(RecordSightings { look, asked });
        let written = Arc::clone(&order);
        let claimed = self.store.write(move |changes| {
            claims::record(changes, (&written.look, &wallets), &written.asked)
        });
        let (looks, unwritten) = (Arc::clone(&self.looks), Arc::clone(&self.unwritten));
        let settled = async move {
            let claimed = claimed.await;
            unwritten.settle(order, &claimed);
            looks.fetch_add(1, Ordering::Relaxed);
            claimed
        };
        self.tell("record a claim", move |_| Whose::Customer(customer), settled)
    }
}

impl Handler<ForgetChain> for OwnershipLedger {
    type Result = Change<u64>;

    fn handle(&mut self, it: ForgetChain, _: &mut Self::Context) -> Self::Result {
        let chain = it.chain;
        let forget = move |changes: &mut Changes<'_>| sightings::forget(changes, chain);
        let forgotten = self.revise("forget a chain", |_| Whose::Everybody, forget);
        // Whoever looks at the moment has read what is gone now, and has to read again.
        Box::pin(forgotten.map(move |forgotten, actor, _| {
            if forgotten.is_ok() {
                actor.unwritten.forget(chain);
            }
            actor.looks.fetch_add(1, Ordering::Relaxed);
            forgotten
        }))
    }
}

impl Handler<LooksRecorded> for OwnershipLedger {
    type Result = u64;

    fn handle(&mut self, _: LooksRecorded, _: &mut Self::Context) -> Self::Result {
        self.looks.load(Ordering::Relaxed)
    }
}

impl Handler<FindFacts> for OwnershipLedger {
    type Result = Change<Facts>;

    /// A wallet may hold thousands of tokens, so this is read beside the actor and not in it.
    fn handle(&mut self, it: FindFacts, _: &mut Self::Context) -> Self::Result {
        // Counted before they are read: a look that is recorded meanwhile may be in them, or not.
        let (store, looks) = (self.store.clone(), self.looks.load(Ordering::Relaxed));
        // Read before the file, into which it may be written meanwhile.
        let unwritten = self.unwritten.about(&it.collections);
        answer("find the facts", async move {
            let find =
                move || store.read(|view| facts::facts(view, &it.customers, &it.collections));
            let found = tokio::task::spawn_blocking(find).await;
            let mut facts = found.unwrap_or(Err(StoreError::Panicked))?;
            let of_known = |it: &Sighting| facts.wallets.iter().any(|own| own.address == it.wallet);
            facts.sightings.extend(unwritten.into_iter().filter(of_known));
            Ok(Facts { looks, ..facts })
        })
    }
}

impl Handler<CustomersWithWallets> for OwnershipLedger {
    type Result = Change<Vec<CustomerId>>;

    /// Thousands of rows, so they are read beside the actor and not in it.
    fn handle(&mut self, it: CustomersWithWallets, _: &mut Self::Context) -> Self::Result {
        let store = self.store.clone();
        answer("find who has wallets", async move {
            let find = move || store.read(|view| wallets::customers_with_wallets(view, it.limit));
            tokio::task::spawn_blocking(find).await.unwrap_or(Err(StoreError::Panicked))
        })
    }
}

impl Handler<VerifyAudit> for OwnershipLedger {
    type Result = Change<AuditState>;

    /// Reads every entry there is, so it runs beside the actor and not in it. Others' questions need such threads as
    /// well: whoever asks meanwhile is told so.
    fn handle(&mut self, _: VerifyAudit, _: &mut Self::Context) -> Self::Result {
        let Ok(place) = Arc::clone(&self.auditing).try_acquire_owned() else {
            let why = "the audit is being verified for somebody else".to_owned();
            return Box::pin(actix::fut::err(LedgerError::Busy { why }));
        };
        let store = self.store.clone();
        answer("verify the audit", async move {
            // The place is kept for as long as the thread is, whether or not anybody still waits.
            let verify = move || {
                let state = store.read(audit::verify);
                drop(place);
                state
            };
            tokio::task::spawn_blocking(verify).await.unwrap_or(Err(StoreError::Panicked))
        })
    }
}

impl Handler<FindFigures> for OwnershipLedger {
    type Result = Reply<StoreFigures>;

    fn handle(&mut self, _: FindFigures, _: &mut Self::Context) -> Self::Result {
        let doing = "count what is";
        let counts = self.read(doing, facts::counts)?;
        let usage = self.store.usage().map_err(failed(doing))?;
        Ok(StoreFigures {
            schema: SCHEMA,
            file_bytes: usage.file_bytes,
            customers: counts.customers,
            wallets: counts.wallets,
            ownerships: counts.ownerships,
            sightings: counts.sightings,
            audit_entries: counts.audit_entries,
            commits: usage.commits,
            changes: usage.changes,
            notices: self.read(doing, notices::all)?,
        })
    }
}
