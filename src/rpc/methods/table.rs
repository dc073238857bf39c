//! The table of methods: the whole surface of the daemon. Who may ask each, what it takes, what it answers, and what
//! happens before and after it runs.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use jsonrpsee::types::ErrorObjectOwned;
use jsonrpsee::{Extensions, RpcModule};
use schemars::SchemaGenerator;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tokio::sync::watch;

use super::api::Api;
use super::parse::parse;
use super::{
    chains, customers, entitlements, fleet, keys, loans, ownerships, pages, products, receipts,
    seats, system, transfer, wallets,
};
use crate::actors::seat_keeper::Presence;
use crate::rpc::error::{Code, RpcError};
use crate::rpc::socket::reply::Flight;
use crate::rpc::wire;
use entitled_core::domain::ids::CustomerId;
use entitled_core::domain::peer::{Access, Peer, Permit};

/// One row of the table, for documents.
pub struct Row {
    pub name: &'static str,
    pub access: Access,
    /// Whether each call may make the ledger grow, and so has a rate of its own.
    pub writes: bool,
    /// Whether something is done by it, here or elsewhere, that is not undone when its reply is lost.
    pub changes: bool,
    pub summary: &'static str,
    pub params: fn(&mut SchemaGenerator) -> schemars::Schema,
    pub result: fn(&mut SchemaGenerator) -> schemars::Schema,
}

/// Of what a row says of its effect: whether the method writes, and whether it changes anything.
macro_rules! effect {
    () => {
        (false, false)
    };
    (changes) => {
        (false, true)
    };
    (writes) => {
        (true, true)
    };
}

macro_rules! methods {
    ($($access:ident $([$effect:ident])? $name:ident($params:ty) -> $reply:ty = $function:path, $summary:literal;)*) => {
        /// The methods in the order of the documents.
        pub const ROWS: &[Row] = &[$(Row {
            name: stringify!($name),
            access: Access::$access,
            writes: effect!($($effect)?).0,
            changes: effect!($($effect)?).1,
            summary: $summary,
            params: SchemaGenerator::subschema_for::<$params>,
            result: SchemaGenerator::subschema_for::<$reply>,
        }),*];

        /// Adds every method of the table to `module`.
        ///
        /// # Errors
        /// When two have the same name.
        fn register_table(
            module: &mut RpcModule<Api>,
        ) -> Result<(), jsonrpsee::core::RegisterMethodError> {
            $(module.register_async_method(stringify!($name), |params, api, extensions| async move {
                let writes = effect!($($effect)?).0;
                let terms = Terms { name: stringify!($name), access: Access::$access, writes };
                serve::<$params, $reply, _, _>(api, params, extensions, terms, $function).await
            })?;)*
            Ok(())
        }

        /// Adds every method of the table to `module`, each answered by `answer`. Its parameters are read as those of
        /// the method first, so that what is wrong with them is told in the same words.
        ///
        /// # Errors
        /// When two have the same name.
        pub(in crate::rpc) fn register_shapes<C: Send + Sync + 'static>(
            module: &mut RpcModule<C>,
            answer: fn(Arc<C>, Request) -> BoxFuture<'static, Result<Box<RawValue>, RpcError>>,
        ) -> Result<(), jsonrpsee::core::RegisterMethodError> {
            $(module.register_async_method(stringify!($name), move |params, context, extensions| async move {
                let given: $params = parse(params.as_str())?;
                let request = Request {
                    name: stringify!($name),
                    access: Access::$access,
                    writes: effect!($($effect)?).0,
                    customer: wire::Params::customer(&given),
                    params: params.as_str().map(str::to_owned),
                    peer: extensions.get::<Peer>().cloned(),
                };
                answer(context, request).await.map_err(ErrorObjectOwned::from)
            })?;)*
            Ok(())
        }
    };
}

/// A call of a method whose parameters have the form they should.
pub(in crate::rpc) struct Request {
    pub(in crate::rpc) name: &'static str,
    pub(in crate::rpc) access: Access,
    pub(in crate::rpc) writes: bool,
    /// The customer it names.
    pub(in crate::rpc) customer: Option<CustomerId>,
    pub(in crate::rpc) params: Option<String>,
    /// Who asks.
    pub(in crate::rpc) peer: Option<Peer>,
}

methods! {
    Anybody entitlement_check(wire::EntitlementCheck) -> wire::Verdict = entitlements::check,
        "What is the caller's customer entitled to?";
    Anybody entitlement_list(wire::EntitlementList) -> wire::Listed<wire::Verdict> = entitlements::list,
        "The verdicts for the products the customer holds, or may hold as far as is known; on the admin socket for all products.";
    Anybody entitlement_explain(wire::OfProduct) -> wire::Explanation = entitlements::explain,
        "What is known now, and every step that leads to it.";
    SelfService entitlement_receipt(wire::EntitlementReceipt) -> wire::Receipt = receipts::make,
        "A file that proves the verdict to anybody who has the publisher's key. Only a yes has one.";
    Anybody [changes] entitlement_page(wire::EntitlementPage) -> wire::AnswerPage = pages::page,
        "A slot of a page of memory that says the verdict from now on: read there without asking anybody. On raw connections.";
    SelfService [changes] entitlement_revisions(wire::EntitlementRevisions) -> wire::RevisionPage = pages::revisions,
        "A page of memory that shows when an answer may have become another one, for those who keep answers of many customers. On raw connections, for delegates.";
    SelfService [writes] wallet_create(wire::WalletCreate) -> wire::Wallet = wallets::create,
        "Make a wallet whose key is kept sealed here.";
    SelfService wallet_list(wire::Page) -> wire::Listed<wire::Wallet> = wallets::list,
        "The customer's wallets, unlinked ones too, oldest first.";
    SelfService [writes] wallet_challenge(wire::WalletChallenge) -> wire::Challenge = wallets::challenge,
        "A text to sign with a wallet, to prove control of it. Single use, ten minutes.";
    SelfService [writes] wallet_link(wire::WalletLink) -> wire::Wallet = wallets::link,
        "Link a wallet by a signed challenge.";
    Owner [writes] wallet_import(wire::WalletImport) -> wire::Wallet = transfer::import,
        "Take a key in that was made elsewhere, and keep it sealed here.";
    Owner [writes] wallet_export(wire::WalletExport) -> serde_json::Value = transfer::export,
        "The key of a managed wallet, sealed under a passphrase: a keystore of Web3 Secret Storage, version 3.";
    Owner wallet_sign(wire::WalletSign) -> wire::Signature = wallets::sign,
        "Sign a text or typed data with a managed wallet.";
    Anybody wallet_verify(wire::WalletVerify) -> wire::Verified = wallets::verify,
        "Whether a signature over a text or typed data was made by a wallet.";
    Owner [writes] wallet_unlink(wire::WalletUnlink) -> wire::Wallet = wallets::unlink,
        "Take a wallet away from its customer. It stays in the history.";
    Anybody token_verify(wire::TokenVerify) -> wire::Sighting = ownerships::verify,
        "Who holds a token, or whether a wallet does, proven now at the head of its chain.";
    SelfService token_list(wire::TokenList) -> wire::Listed<wire::HeldToken> = ownerships::tokens,
        "The tokens the ledger knows the customer to hold, and the tiers they lead to.";
    Anybody tier_list(wire::TierList) -> wire::Listed<wire::Tier> = products::tiers,
        "The tiers of the installed products, lowest rank first.";
    Anybody product_list(wire::ProductList) -> wire::Listed<wire::Product> = products::list,
        "The installed products.";
    SelfService ownership_list(wire::OwnershipList) -> wire::Listed<wire::Ownership> = ownerships::list,
        "The customer's ownerships, newest first; on the admin socket everybody's unless one is named.";
    SelfService [writes] ownership_record(wire::OwnershipRecord) -> wire::Ownership = ownerships::record,
        "Record that one of the customer's wallets holds a token, once the chain has confirmed it.";
    SelfService ownership_history(wire::OwnershipHistory) -> wire::Listed<wire::Ownership> = ownerships::history,
        "Every interval in which a wallet of the caller's customer held a token; on the admin socket anybody's.";
    SelfService customer_get(wire::OfCustomer) -> wire::Customer = customers::get,
        "The caller's customer.";
    Anybody customer_tier(wire::OfProduct) -> Option<wire::CustomerTier> = entitlements::tier,
        "The tier the customer is entitled to, or null.";
    SelfService [changes] seat_acquire(wire::SeatAcquire) -> wire::Seat = seats::acquire,
        "Take a floating seat, or wait for one. Ends with the process.";
    SelfService [changes] seat_adopt(wire::SeatAdopt) -> wire::Seat = seats::adopt,
        "Take a session over from another process of the same user, once.";
    SelfService seat_list(wire::SeatList) -> wire::SeatListed = seats::list,
        "The seats of one's own user, and how many are used of each pool; on the admin socket everybody's. Needs no seat.";
    SelfService [writes] seat_borrow(wire::SeatBorrow) -> wire::Seat = seats::borrow,
        "Take a floating seat out of its pool for a time, whether or not anything runs. It stands in the audit.";
    SelfService [writes] seat_request(wire::SeatRequest) -> wire::SeatRequested = loans::request,
        "A file by which this machine, which may be offline, asks another one for a seat.";
    Owner [writes] seat_lend(wire::SeatLend) -> wire::SeatLoan = loans::lend,
        "Take a floating seat out of its pool for the machine that wrote a request, which has it for a time. Answers with the file for it; it stands in the audit.";
    SelfService [changes] seat_release(wire::SeatRelease) -> wire::SeatReleased = seats::release,
        "Give a seat of one's own user back; on the admin socket anybody's.";
    Anybody system_health(wire::Nothing) -> wire::Health = system::health,
        "How the daemon's parts fare.";
    Anybody system_version(wire::Nothing) -> wire::Version = system::version,
        "What runs here.";
    Anybody rpc_discover(wire::Nothing) -> wire::Document = system::discover,
        "This API as an OpenRPC document.";
    Admin [changes] customer_create(wire::CustomerCreate) -> wire::Customer = customers::create,
        "Make a customer.";
    Admin [changes] customer_update(wire::CustomerUpdate) -> wire::Customer = customers::update,
        "Change what is given of a customer, and leave the rest.";
    Admin customer_list(wire::Page) -> wire::Listed<wire::Customer> = customers::list,
        "All customers.";
    Admin [changes] customer_deactivate(wire::CustomerDeactivate) -> wire::Customer = customers::deactivate,
        "Entitle a customer to nothing any more, through the machine's wallets neither. Its history stays.";
    Admin [changes] product_install(wire::ProductInstall) -> wire::Installed = products::install,
        "Install a product file.";
    Admin product_check(wire::ProductCheck) -> wire::ProductChecked = products::check,
        "Whether the chains have what a product file names, and answer its rules; changes nothing.";
    Admin [changes] product_trust(wire::ProductTrust) -> wire::Trusted = products::trust,
        "Say whose files a product takes from now on, whoever signed the last one.";
    Admin [changes] product_remove(wire::ProductRemove) -> wire::Removed = products::remove,
        "Remove a product file that was installed here.";
    Admin [changes] receipt_import(wire::ReceiptImport) -> wire::ReceiptImported = receipts::import,
        "Take what a receipt proves for a look at the chain.";
    Admin [changes] ownership_suspend(wire::OwnershipSuspend) -> wire::Listed<wire::Ownership> = ownerships::suspend,
        "Take a token out of force.";
    Admin [changes] ownership_reinstate(wire::OwnershipSuspend) -> wire::Listed<wire::Ownership> = ownerships::reinstate,
        "Put a suspended token back into force.";
    Admin keys_status(wire::Nothing) -> wire::KeysStatus = keys::status,
        "How the key-encryption key fares, and what to do.";
    Admin [changes] keys_unlock(wire::KeysUnlock) -> wire::KeysStatus = keys::unlock,
        "Open the keys with the passphrase, or choose it.";
    Admin [changes] keys_rotate(wire::KeysRotate) -> wire::KeysStatus = keys::rotate,
        "Exchange the key-encryption key for a new one; keys_status says how far it is.";
    Admin audit_list(wire::AuditList) -> wire::Listed<wire::AuditEntry> = system::audit,
        "The changes to the ledger, oldest first.";
    Admin audit_verify(wire::Nothing) -> wire::AuditState = system::verify_audit,
        "Recompute the hash chain of the audit.";
    Admin [changes] seat_revoke(wire::SeatRevoke) -> wire::SeatRevoked = seats::revoke,
        "Take a seat away. It stands in the audit.";
    Admin [changes] seat_import(wire::SeatImport) -> wire::SeatImported = loans::import,
        "Take a seat that another machine has lent to this one, or take back one that this one has lent. It stands in the audit.";
    Admin [changes] seat_return(wire::SeatReturn) -> wire::SeatReturned = loans::give_back,
        "Give a seat that another machine has lent to this one back: here it ends at once and for good. Answers with the file for the other machine.";
    Admin fleet_status(wire::Nothing) -> wire::Fleet = fleet::status,
        "The machines that share seats, and how this one stands with them.";
    Admin [changes] fleet_evict(wire::FleetEvict) -> wire::FleetEvicted = fleet::evict,
        "Put a machine out of the fleet, and say when it is certain that it uses nothing any more.";
    Admin [changes] fleet_drain(wire::FleetDrain) -> wire::Fleet = fleet::drain,
        "Give no new seats on this machine, or give them again. What is held goes on.";
    Admin [changes] fleet_restored(wire::Nothing) -> wire::FleetRestored = fleet::restored,
        "Say that the store of the fleet was restored from a backup, and that this was meant.";
    Admin store_stats(wire::Nothing) -> wire::StoreFigures = system::store_stats,
        "Figures about the store.";
    Admin [changes] store_backup(wire::StoreBackup) -> wire::StoreBackedUp = system::back_up,
        "Write a backup of the store into the state directory, while everything goes on.";
    Admin [changes] store_acknowledge(wire::Nothing) -> wire::StoreAcknowledged = system::acknowledge,
        "Have it known that the store was lost, set aside, begun afresh or restored; system_health tells it no more.";
    Admin chain_status(wire::Nothing) -> Vec<wire::ChainStatus> = system::chains,
        "Each chain's head, and how each of its endpoints fares: what it can do, what it cost, what went wrong.";
    Admin [changes] chain_sync(wire::ChainSync) -> wire::ChainSynced = chains::sync,
        "Have a chain's light client take what was brought from elsewhere, or go on at once.";
    Admin [changes] system_reload(wire::Nothing) -> wire::Reload = system::reload,
        "Read configuration and product files again.";
}

/// Whether a method changes anything. What is no method changes nothing.
pub(in crate::rpc) fn changes(method: &str) -> bool {
    ROWS.iter().any(|it| it.name == method && it.changes)
}

/// All methods, and the subscriptions.
///
/// # Errors
/// When two have the same name.
pub fn module(api: Arc<Api>) -> Result<RpcModule<Api>, jsonrpsee::core::RegisterMethodError> {
    let mut module = RpcModule::from_arc(api);
    register_table(&mut module)?;
    entitlements::register_subscription(&mut module)?;
    seats::register_subscription(&mut module)?;
    Ok(module)
}

/// What a method is called, who may ask it, and whether it makes the ledger grow.
#[derive(Debug, Clone, Copy)]
struct Terms {
    name: &'static str,
    access: Access,
    writes: bool,
}

/// Methods that change nothing, and whose answers rest on who the caller is and on what is known of its customer.
const QUESTIONS: &[&str] = &[
    "entitlement_check",
    "entitlement_list",
    "entitlement_explain",
    "wallet_list",
    "token_list",
    "ownership_list",
    "ownership_history",
    "customer_get",
    "customer_tier",
];
/// How often a question is asked anew because what its answer rested on had changed meanwhile.
const ASKED_AT_MOST: usize = 8;

/// What a method does once the caller may ask it. The answer to a question is thrown away, and worked out again, when
/// something that it rests on has changed since the question came.
async fn serve<P, R, F, Work>(
    api: Arc<Api>,
    params: jsonrpsee::types::Params<'static>,
    mut extensions: Extensions,
    terms: Terms,
    method: F,
) -> Result<R, ErrorObjectOwned>
where
    P: wire::Params + DeserializeOwned + Clone,
    R: Serialize + Send + 'static,
    F: Fn(Arc<Api>, Permit, P) -> Work,
    Work: Future<Output = Result<R, RpcError>> + Send + 'static,
{
    let mut params: P = parse(params.as_str())?;
    // Gone with this future, which goes when nobody waits for the answer any more.
    let (_hearing, heard) = watch::channel(());
    if let Some(presence) = extensions.get_mut::<Presence>() {
        presence.heard = Some(heard);
    }
    params.meet(&extensions);
    let flight = extensions.get::<Arc<Flight>>().cloned();
    if !QUESTIONS.contains(&terms.name) {
        let permit = api.admit(&extensions, terms.access, params.customer()).await?;
        if terms.writes {
            api.check_write(&extensions, permit.customer())?;
        }
        return Ok(finish(flight, method(api, permit, params)).await?);
    }
    for _ in 0..ASKED_AT_MOST {
        let epoch = api.reader.epoch();
        let permit = api.admit(&extensions, terms.access, params.customer()).await?;
        let customer = permit.customer();
        let work = method(Arc::clone(&api), permit, params.clone());
        let reply = finish(flight.clone(), work).await;
        if api.reader.holds_with_users(epoch, customer) {
            return Ok(reply?);
        }
        // It has waited already.
        params.wait_no_more();
    }
    Err(RpcError::new(Code::Busy, "what the answer rests on keeps changing; ask again").into())
}

/// Runs a method in a task of its own: who hangs up meanwhile must not keep a change from being finished. What waits for
/// somebody else withdraws by itself ([`Presence::unheard`]). The place in
/// flight goes with it, and is not free before.
async fn finish<R: Send + 'static>(
    flight: Option<Arc<Flight>>,
    work: impl Future<Output = Result<R, RpcError>> + Send + 'static,
) -> Result<R, RpcError> {
    let work = async move {
        let done = work.await;
        drop(flight);
        done
    };
    match tokio::spawn(work).await {
        Ok(reply) => reply,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(RpcError::new(Code::Busy, "the daemon is ending")),
    }
}

#[cfg(test)]
mod tests;
