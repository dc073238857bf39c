//! WalletKeeper against a ledger that keeps everything in memory.

mod contracts;
mod fairness;
mod loans;
mod rotation;

use std::collections::BTreeMap;
use std::path::Path;

use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use serde_json::json;

use super::*;
use crate::actors::chain_verifier::VerifierError;
use crate::actors::ownership_ledger::{
    AddWallet, Asked, FindChallenge, FindSealedKeys, FindWallet, KeepChallenge, LedgerError,
    NewWallet, NoteAudit, Origin, RemoveWallet, ReplaceSealedKeys, SealedKey,
};
use crate::keys::{Census, KeySource};
use entitled_core::domain::audit::AuditEntry;
use entitled_core::domain::customer::Custody;
use entitled_core::domain::ids::{ChainId, CustomerId, Timestamp};
use entitled_core::domain::ownership::Cause;
use entitled_core::domain::secret::Secret;
use entitled_core::domain::wallet_proof::{Method, NotSigned, Payload, SignedBy};

/// A ledger in memory, as far as WalletKeeper needs one.
#[derive(Default)]
struct MemoryLedger {
    wallets: BTreeMap<Address, (Wallet, Option<Vec<u8>>)>,
    challenges: BTreeMap<String, Challenge>,
    notes: Vec<String>,
    refuses_replacements: bool,
    machine: Option<(Address, Vec<u8>)>,
}

impl Actor for MemoryLedger {
    type Context = Context<Self>;
}

impl Handler<AddWallet> for MemoryLedger {
    type Result = Result<Wallet, LedgerError>;
    fn handle(&mut self, order: AddWallet, _: &mut Self::Context) -> Self::Result {
        let NewWallet { address, customer, label, origin } = order.new;
        let known = self.wallets.get(&address);
        if known.is_some_and(|(it, _)| it.active && it.customer != customer) {
            return Err(LedgerError::Conflict { why: "another's".to_owned() });
        }
        if let Origin::Linked { nonce: Some(nonce), .. } = &origin {
            self.challenges.remove(nonce).ok_or(LedgerError::ChallengeSpent)?;
        }
        let (before, kept) = self.wallets.remove(&address).unzip();
        let (sealed_key, contract) = match origin {
            Origin::Created { sealed_key } | Origin::Imported { sealed_key } => {
                (Some(sealed_key), None)
            }
            Origin::Linked { contract, .. } => (kept.flatten(), contract),
        };
        let is_managed = sealed_key.is_some();
        let wallet = Wallet {
            address,
            customer,
            custody: if is_managed { Custody::Managed } else { Custody::Linked },
            label: label.or(before.and_then(|it| it.label)),
            active: true,
            added_at: order.asked.at,
            removed_at: None,
            chain: contract.as_ref().map(|it| it.chain),
            accepted_at: contract.as_ref().map(|_| order.asked.at),
            accepted: contract,
        };
        self.wallets.insert(address, (wallet.clone(), sealed_key));
        Ok(wallet)
    }
}

impl Handler<NoteAudit> for MemoryLedger {
    type Result = Result<AuditEntry, LedgerError>;
    fn handle(&mut self, order: NoteAudit, _: &mut Self::Context) -> Self::Result {
        let NoteAudit { action, subject, detail, asked } = order;
        self.notes.push(format!("{} {} {subject} {detail}", asked.by, action.as_str()));
        let nothing = alloy_primitives::B256::ZERO;
        let (at, by, action) = (asked.at, asked.by, action.as_str().to_owned());
        let (previous, hash) = (nothing, nothing);
        Ok(AuditEntry { number: 1, at, by, action, subject, detail, previous, hash })
    }
}

impl Handler<RemoveWallet> for MemoryLedger {
    type Result = Result<Wallet, LedgerError>;
    fn handle(&mut self, order: RemoveWallet, _: &mut Self::Context) -> Self::Result {
        let found = self.wallets.get_mut(&order.address);
        let (wallet, key) = found
            .filter(|(it, _)| it.customer == order.customer && it.active)
            .ok_or(LedgerError::NotFound { what: "wallet" })?;
        wallet.active = false;
        if order.destroy_key {
            *key = None;
        }
        Ok(wallet.clone())
    }
}

impl Handler<KeepChallenge> for MemoryLedger {
    type Result = Result<(), LedgerError>;
    fn handle(&mut self, order: KeepChallenge, _: &mut Self::Context) -> Self::Result {
        self.challenges.insert(order.challenge.nonce.clone(), order.challenge);
        Ok(())
    }
}

impl Handler<FindWallet> for MemoryLedger {
    type Result = Result<Option<(Wallet, Option<Vec<u8>>)>, LedgerError>;
    fn handle(&mut self, question: FindWallet, _: &mut Self::Context) -> Self::Result {
        Ok(self.wallets.get(&question.address).cloned())
    }
}

impl Handler<FindChallenge> for MemoryLedger {
    type Result = Result<Option<Challenge>, LedgerError>;
    fn handle(&mut self, question: FindChallenge, _: &mut Self::Context) -> Self::Result {
        Ok(self.challenges.get(&question.nonce).cloned())
    }
}

impl Handler<FindSealedKeys> for MemoryLedger {
    type Result = Result<Vec<SealedKey>, LedgerError>;
    fn handle(&mut self, _: FindSealedKeys, _: &mut Self::Context) -> Self::Result {
        let sealed = |(address, (wallet, key)): (&Address, &(Wallet, Option<Vec<u8>>))| {
            let (address, customer) = (*address, wallet.customer);
            Some(SealedKey { address, customer, record: key.clone()? })
        };
        Ok(self.wallets.iter().filter_map(sealed).collect())
    }
}

impl Handler<ReplaceSealedKeys> for MemoryLedger {
    type Result = Result<u64, LedgerError>;
    fn handle(&mut self, order: ReplaceSealedKeys, _: &mut Self::Context) -> Self::Result {
        if self.refuses_replacements {
            return Err(LedgerError::Conflict { why: "the disk is full".to_owned() });
        }
        let mut count = 0;
        for it in order.replacements {
            let key = &mut self.wallets.get_mut(&it.before.address).unwrap().1;
            if *key == Some(it.before.record) {
                *key = Some(it.record);
                count += 1;
            }
        }
        Ok(count)
    }
}

/// Puts a sealed key of one wallet into another's place, as somebody with the disk could.
#[derive(Message)]
#[rtype(result = "()")]
struct Swap(Address, Address);

impl Handler<Swap> for MemoryLedger {
    type Result = ();
    fn handle(&mut self, Swap(from, to): Swap, _: &mut Self::Context) {
        let key = self.wallets[&from].1.clone();
        self.wallets.get_mut(&to).unwrap().1 = key;
    }
}

/// Stops the ledger for good.
#[derive(Message)]
#[rtype(result = "()")]
struct Stop;

impl Handler<Stop> for MemoryLedger {
    type Result = ();
    fn handle(&mut self, _: Stop, context: &mut Self::Context) {
        context.stop();
    }
}

const OWNER: CustomerId = CustomerId::Uid(1000);
const OTHER: CustomerId = CustomerId::Uid(1001);
const UID: u32 = 1000;

fn asked(at: &str) -> Asked {
    Asked { by: "uid:1000".into(), at: at.parse::<Timestamp>().unwrap() }
}

fn noon() -> Asked {
    asked("2026-11-22T12:00:00Z")
}

struct House {
    keeper: Addr<WalletKeeper>,
    ledger: Addr<MemoryLedger>,
    dir: tempfile::TempDir,
}

fn keeper_at(dir: &Path, ledger: &Addr<MemoryLedger>, kek: &str) -> Addr<WalletKeeper> {
    let keys = KeyRing::open(KeySource::File(dir.join(kek)), None);
    let machine = MachineName::read_or_make(&dir.join("machine-id")).unwrap();
    WalletKeeper::new(ledger, keys, machine).start()
}

fn house() -> House {
    let dir = tempfile::tempdir().unwrap();
    let ledger = MemoryLedger::default().start();
    House { keeper: keeper_at(dir.path(), &ledger, "kek"), ledger, dir }
}

impl House {
    async fn create(&self) -> Reply<Wallet> {
        let order =
            CreateWallet { customer: OWNER, label: "main".parse().ok(), uid: UID, asked: noon() };
        self.keeper.send(order).await.unwrap()
    }

    async fn sign(&self, address: Address, customer: CustomerId, text: &str) -> Reply<String> {
        let payload = Payload::Text(text.to_owned());
        let order = SignMessage { address, customer, payload, uid: UID, asked: noon() };
        self.keeper.send(order).await.unwrap()
    }

    async fn challenge(&self, address: Address) -> Challenge {
        let order = IssueChallenge { address, chain: ChainId(1), customer: OWNER, asked: noon() };
        self.keeper.send(order).await.unwrap().unwrap()
    }

    async fn link(&self, message: &str, signature: &str, at: &str) -> Reply<Wallet> {
        let (message, signature) = (message.to_owned(), signature.to_owned());
        let order = LinkWallet { message, signature, customer: OWNER, uid: UID, asked: asked(at) };
        self.keeper.send(order).await.unwrap()
    }

    async fn unlink(&self, address: Address, destroy_key: bool) -> Reply<Wallet> {
        let order = UnlinkWallet { address, customer: OWNER, destroy_key, asked: noon() };
        self.keeper.send(order).await.unwrap()
    }
}

fn outside_key() -> PrivateKeySigner {
    PrivateKeySigner::from_slice(&[7; 32]).unwrap()
}

fn signed(text: &str) -> String {
    outside_key().sign_message_sync(text.as_bytes()).unwrap().to_string()
}

const IN_TIME: &str = "2026-11-22T12:05:00Z";

#[actix::test]
async fn a_managed_wallet_signs_and_its_signature_verifies() {
    let house = house();
    let wallet = house.create().await.unwrap();
    assert_eq!((wallet.custody, wallet.customer), (Custody::Managed, OWNER));
    let signature = house.sign(wallet.address, OWNER, "hello").await.unwrap();
    assert!(signature.ends_with("1b") || signature.ends_with("1c"), "v is 27 or 28");
    for (text, valid) in [("hello", true), ("hallo", false)] {
        let payload = Payload::Text(text.into());
        let signature = signature.clone();
        let question =
            VerifyMessage { address: wallet.address, payload, signature, chain: None, uid: UID };
        let verified = house.keeper.send(question).await.unwrap().unwrap();
        assert_eq!(verified, Verified { valid, method: Method::Eip191, anchor: None });
    }
}

#[actix::test]
async fn a_managed_wallet_signs_typed_data() {
    let house = house();
    let address = house.create().await.unwrap().address;
    let payload = Payload::TypedData(json!({
        "types": {"EIP712Domain": [], "Note": [{"name": "text", "type": "string"}]},
        "primaryType": "Note", "domain": {}, "message": {"text": "hello"}
    }));
    let order =
        SignMessage { address, customer: OWNER, payload: payload.clone(), uid: UID, asked: noon() };
    let signature = house.keeper.send(order).await.unwrap().unwrap();
    let verified = house
        .keeper
        .send(VerifyMessage { address, payload, signature, chain: None, uid: UID })
        .await
        .unwrap();
    assert_eq!(verified.unwrap(), Verified { valid: true, method: Method::Eip712, anchor: None });
}

#[actix::test]
async fn nobody_elses_wallet_signs() {
    let house = house();
    let address = house.create().await.unwrap().address;
    let reply = house.sign(address, OTHER, "hello").await;
    assert!(matches!(reply, Err(KeeperError::NotFound { .. })), "{reply:?}");
    let reply = house.sign(Address::ZERO, OWNER, "hello").await;
    assert!(matches!(reply, Err(KeeperError::NotFound { .. })), "{reply:?}");
}

#[actix::test]
async fn a_malformed_signature_is_an_error_not_a_no() {
    let house = house();
    let question = VerifyMessage {
        address: Address::ZERO,
        payload: Payload::Text(String::new()),
        signature: "0x12".into(),
        chain: None,
        uid: UID,
    };
    let reply = house.keeper.send(question).await.unwrap();
    assert!(matches!(reply, Err(KeeperError::SignatureInvalid { .. })), "{reply:?}");
}

#[actix::test]
async fn a_signed_challenge_links_the_wallet_once() {
    let house = house();
    let address = outside_key().address();
    let set = house.challenge(address).await;
    let wallet = house.link(&set.message, &signed(&set.message), IN_TIME).await.unwrap();
    assert_eq!((wallet.address, wallet.custody), (address, Custody::Linked));
    let again = house.link(&set.message, &signed(&set.message), IN_TIME).await;
    assert!(matches!(again, Err(KeeperError::NotFound { .. })), "{again:?}");
    let second = house.challenge(address).await;
    let second = house.link(&second.message, &signed(&second.message), IN_TIME).await;
    assert!(matches!(second, Err(KeeperError::Conflict { .. })), "{second:?}");
}

#[actix::test]
async fn a_wrong_answer_is_named_and_leaves_the_challenge_open() {
    let house = house();
    let set = house.challenge(outside_key().address()).await;
    let other = PrivateKeySigner::from_slice(&[8; 32]).unwrap();
    let by_other = other.sign_message_sync(set.message.as_bytes()).unwrap().to_string();
    let own_text = set.message.replace("Link this", "Take this");
    for (message, signature) in [
        (set.message.as_str(), by_other.as_str()),
        (&set.message, "0x"),
        (&own_text, &signed(&own_text)),
        ("hello", &signed("hello")),
    ] {
        let reply = house.link(message, signature, IN_TIME).await;
        assert!(matches!(reply, Err(KeeperError::SignatureInvalid { .. })), "{reply:?}");
    }
    assert!(house.link(&set.message, &signed(&set.message), IN_TIME).await.is_ok());
}

#[actix::test]
async fn an_expired_challenge_is_gone() {
    let house = house();
    let set = house.challenge(outside_key().address()).await;
    let late = house.link(&set.message, &signed(&set.message), "2026-11-22T12:10:00Z").await;
    assert!(matches!(late, Err(KeeperError::NotFound { .. })), "{late:?}");
}

#[actix::test]
async fn a_challenge_serves_its_own_customer_only() {
    let house = house();
    let set = house.challenge(outside_key().address()).await;
    let signature = signed(&set.message);
    let order = LinkWallet {
        message: set.message,
        signature,
        customer: OTHER,
        uid: UID,
        asked: asked(IN_TIME),
    };
    let reply = house.keeper.send(order).await.unwrap();
    assert!(matches!(reply, Err(KeeperError::NotFound { .. })), "{reply:?}");
}

#[actix::test]
async fn the_key_of_a_linked_wallet_is_not_here() {
    let house = house();
    let set = house.challenge(outside_key().address()).await;
    house.link(&set.message, &signed(&set.message), IN_TIME).await.unwrap();
    let reply = house.sign(outside_key().address(), OWNER, "hello").await;
    assert!(matches!(reply, Err(KeeperError::BadInput { what: "address", .. })), "{reply:?}");
}

#[actix::test]
async fn an_unlinked_wallet_signs_no_more() {
    let house = house();
    let address = house.create().await.unwrap().address;
    assert!(!house.unlink(address, false).await.unwrap().active);
    let reply = house.sign(address, OWNER, "hello").await;
    assert!(matches!(reply, Err(KeeperError::Conflict { .. })), "{reply:?}");
    let again = house.unlink(address, true).await;
    assert!(matches!(again, Err(KeeperError::NotFound { .. })), "{again:?}");
}

#[actix::test]
async fn a_key_in_anothers_place_does_not_sign() {
    let house = house();
    let one = house.create().await.unwrap().address;
    let two = house.create().await.unwrap().address;
    house.ledger.send(Swap(one, two)).await.unwrap();
    let reply = house.sign(two, OWNER, "hello").await;
    assert!(matches!(reply, Err(KeeperError::KeyUnusable { .. })), "{reply:?}");
}

#[actix::test]
async fn another_key_encryption_key_is_locked_not_broken() {
    let house = house();
    let address = house.create().await.unwrap().address;
    let keeper = keeper_at(house.dir.path(), &house.ledger, "another");
    let payload = Payload::Text("hello".into());
    let order = SignMessage { address, customer: OWNER, payload, uid: UID, asked: noon() };
    let reply = keeper.send(order).await.unwrap();
    assert!(matches!(reply, Err(KeeperError::Locked { .. })), "{reply:?}");
}

#[actix::test]
async fn locked_keys_stop_managed_wallets_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("kek"), b"short").unwrap();
    let ledger = MemoryLedger::default().start();
    let house = House { keeper: keeper_at(dir.path(), &ledger, "kek"), ledger, dir };
    let status = house.keeper.send(FindKeysStatus).await.unwrap().unwrap();
    assert!(matches!(status.state, KeyRingState::Locked { .. }), "{status:?}");
    let reply = house.create().await;
    assert!(matches!(reply, Err(KeeperError::Locked { .. })), "{reply:?}");
    let set = house.challenge(outside_key().address()).await;
    assert!(house.link(&set.message, &signed(&set.message), IN_TIME).await.is_ok());
}

#[actix::test]
async fn a_managed_wallet_that_is_linked_again_keeps_its_key() {
    let house = house();
    let address = house.create().await.unwrap().address;
    let set = house.challenge(address).await;
    let signature = house.sign(address, OWNER, &set.message).await.unwrap();
    house.unlink(address, false).await.unwrap();
    let wallet = house.link(&set.message, &signature, IN_TIME).await.unwrap();
    assert_eq!(wallet.custody, Custody::Managed);
    assert_eq!(wallet.label, "main".parse().ok());
    assert!(house.sign(address, OWNER, "hello").await.is_ok());
}

#[actix::test]
async fn two_orders_for_one_wallet_are_not_mixed() {
    let house = house();
    let address = house.create().await.unwrap().address;
    let unlink = || house.unlink(address, false);
    let (one, two) = futures_util::join!(unlink(), unlink());
    assert!(one.is_ok(), "{one:?}");
    assert!(matches!(two, Err(KeeperError::Busy)), "{two:?}");
    let three = unlink().await;
    assert!(matches!(three, Err(KeeperError::NotFound { .. })), "{three:?}");
}

#[actix::test]
async fn a_ledger_that_has_stopped_is_said_to_be_silent() {
    let house = house();
    house.ledger.send(Stop).await.unwrap();
    let reply = house.create().await;
    assert!(matches!(reply, Err(KeeperError::LedgerSilent { .. })), "{reply:?}");
}

#[actix::test]
async fn a_restart_forgets_what_was_under_way() {
    let dir = tempfile::tempdir().unwrap();
    let keys = KeyRing::open(KeySource::File(dir.path().join("kek")), None);
    let machine = MachineName::read_or_make(&dir.path().join("machine-id")).unwrap();
    let mut keeper = WalletKeeper::new(&MemoryLedger::default().start(), keys, machine);
    keeper.under_way.insert(Address::ZERO);
    keeper.restarting(&mut Context::new());
    assert!(keeper.under_way.is_empty());
}
