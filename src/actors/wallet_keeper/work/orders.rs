//! What WalletKeeper does for each order, from the question to the ledger's answer.

use alloy_primitives::{Address, Bytes, hex};

use super::ledger::ask;
use super::tools::{Prover, Tools, failed, hash, record_of, worked};
use crate::actors::ownership_ledger::{
    AddWallet, Asked, FindChallenge, FindWallet, KeepChallenge, NewWallet, Origin, RemoveWallet,
};
use crate::actors::wallet_keeper::messages::{
    CreateWallet, IssueChallenge, KeeperError, LinkWallet, SPENT, SignMessage, UnlinkWallet,
};
use crate::keys::{self, KeyEncryptionKey, PrivateKey};
use entitled_core::domain::customer::{Challenge, LinkProof, Wallet};
use entitled_core::domain::ids::{Account, CustomerId};
use entitled_core::domain::ownership::Anchor;
use entitled_core::domain::wallet_proof::{self, Payload, ProofFault, SignInMessage};
use entitled_core::loan::is_statement as is_loan;
use entitled_core::receipt::is_statement as is_receipt;

/// A challenge that was answered, and may be spent.
pub(in crate::actors::wallet_keeper) struct Proven {
    challenge: Challenge,
    /// The block at which a contract answered; none if a key did.
    contract: Option<Anchor>,
    proof: LinkProof,
    asked: Asked,
}

impl Proven {
    pub(in crate::actors::wallet_keeper) fn address(&self) -> Address {
        self.challenge.address
    }
}

impl Prover {
    /// Whether `order` answers a challenge of its customer.
    pub(in crate::actors::wallet_keeper) async fn prove(
        self,
        order: LinkWallet,
    ) -> Result<Proven, KeeperError> {
        let LinkWallet { message, signature, customer, uid, asked } = order;
        let reading = self.cpu.run(uid, move || match message.parse::<SignInMessage>() {
            Ok(read) => Ok((read.nonce, message)),
            Err(fault) => Err(KeeperError::SignatureInvalid { why: fault.to_string() }),
        });
        let (nonce, message) = worked("read a message", reading.await)?;
        let found = ask(&self.ledger.find_challenge, FindChallenge { nonce }).await?;
        // Somebody else's challenge is answered like one that never was.
        let challenge = found
            .filter(|it| it.customer == customer)
            .ok_or(KeeperError::NotFound { what: SPENT })?;
        let (domain, at) = (self.machine.as_str().to_owned(), asked.at);
        let checking = self.cpu.run(uid, move || {
            let answered = wallet_proof::answer(&challenge, &domain, &message, &signature, at);
            Ok((answered.map(drop), challenge, signature))
        });
        let (answered, challenge, signature) = worked("check a signature", checking.await)?;
        let message = challenge.message.clone();
        let contract = match answered {
            Ok(()) => None,
            Err(fault) if fault.is_about_signature() => {
                self.accepted_by_contract((uid, &challenge), &signature, &fault).await?
            }
            Err(fault) => return Err(refused(fault)),
        };
        let proof = LinkProof { message, signature: to_show(&signature, contract.is_none()) };
        Ok(Proven { challenge, contract, proof, asked })
    }
}

impl Tools {
    pub(in crate::actors::wallet_keeper) async fn create(
        self,
        order: CreateWallet,
    ) -> Result<Wallet, KeeperError> {
        let CreateWallet { customer, label, uid, asked } = order;
        // Who is locked is told so before any work.
        self.key()?;
        let tools = self.clone();
        let making = self.cpu.run(uid, move || new_sealed_key(tools.key()?, customer));
        let (address, sealed_key) = worked("make a key", making.await)?;
        let new = NewWallet { address, customer, label, origin: Origin::Created { sealed_key } };
        ask(&self.ledger.add_wallet, AddWallet { new, asked }).await
    }

    pub(in crate::actors::wallet_keeper) async fn issue(
        self,
        order: IssueChallenge,
    ) -> Result<Challenge, KeeperError> {
        let IssueChallenge { address, chain, customer, asked } = order;
        let nonce = keys::nonce().map_err(failed("make a nonce"))?;
        let wallet = Account { chain, address };
        let domain = self.machine.as_str();
        let challenge = wallet_proof::challenge(domain, nonce, wallet, customer, asked.at);
        let order = KeepChallenge { challenge: challenge.clone(), asked };
        ask(&self.ledger.keep_challenge, order).await?;
        Ok(challenge)
    }

    pub(in crate::actors::wallet_keeper) async fn link(
        self,
        proven: Proven,
    ) -> Result<Wallet, KeeperError> {
        let Proven { challenge, contract, proof, asked } = proven;
        let Challenge { address, customer, .. } = challenge;
        let known = ask(&self.ledger.find_wallet, FindWallet { address }).await?;
        let gives_way =
            |it: &Wallet| it.gives_way(customer, contract.as_ref().map(|it| (it, asked.at)));
        if let Some((wallet, _)) = known.filter(|(it, _)| it.active && !gives_way(it)) {
            return Err(taken(&wallet, customer, contract.as_ref()));
        }
        // Who proved control takes the wallet up again as it was: a sealed key that is still here stays where it is.
        let origin =
            Origin::Linked { nonce: Some(challenge.nonce), contract, proof: Some(Box::new(proof)) };
        let new = NewWallet { address, customer, label: None, origin };
        ask(&self.ledger.add_wallet, AddWallet { new, asked }).await
    }

    pub(in crate::actors::wallet_keeper) async fn sign(
        self,
        order: SignMessage,
    ) -> Result<String, KeeperError> {
        let SignMessage { address, customer, payload, uid, asked } = order;
        if let Payload::Text(text) = &payload
            && let Some(why) = of_our_own(text)
        {
            return Err(KeeperError::BadInput { what: "message", why: why.to_owned() });
        }
        let method = payload.method();
        let hash = worked("hash", self.cpu.run(uid, move || hash(&payload)).await)?;
        let none = KeeperError::NotFound { what: "wallet of this customer" };
        let found = ask(&self.ledger.find_wallet, FindWallet { address }).await?;
        let Some((wallet, sealed_key)) = found.filter(|(it, _)| it.customer == customer) else {
            return Err(none);
        };
        if !wallet.active {
            return Err(KeeperError::Conflict { why: "the wallet is unlinked".to_owned() });
        }
        let record = record_of(&wallet, sealed_key)?;
        let tools = self.clone();
        let signing = self.cpu.run(uid, move || {
            keys::with_clean_stack(|| {
                let key = tools.unseal(address, customer, &record)?;
                key.sign(hash).map_err(failed("sign"))
            })
        });
        let signature = worked("sign", signing.await)?;
        // To the log and not to the audit: a caller may sign as often as it likes, and the audit is for ever.
        if let Some(untold) = self.uses.note(uid, asked.at) {
            tracing::info!(event = "message_signed", wallet = %address, by = %asked.by, ?method, untold, "signed");
        }
        Ok(wallet_proof::write_signature(&signature))
    }

    pub(in crate::actors::wallet_keeper) async fn unlink(
        self,
        order: UnlinkWallet,
    ) -> Result<Wallet, KeeperError> {
        let UnlinkWallet { address, customer, destroy_key, asked } = order;
        let order = RemoveWallet { address, customer, destroy_key, asked };
        ask(&self.ledger.remove_wallet, order).await
    }
}

/// The private key lives and dies in here.
pub(super) fn new_sealed_key(
    kek: &KeyEncryptionKey,
    customer: CustomerId,
) -> Result<(Address, Vec<u8>), KeeperError> {
    keys::with_clean_stack(|| {
        let key = PrivateKey::generate().map_err(failed("make a key"))?;
        let address = key.address().map_err(failed("make a key"))?;
        let sealed = keys::seal(kek, address, customer, &key).map_err(failed("seal a key"))?;
        Ok((address, sealed))
    })
}

/// A signature that was found good, as it is shown to others: a key's in its one form, and a contract's as it came.
fn to_show(signature: &str, by_key: bool) -> Bytes {
    match wallet_proof::parse_signature(signature) {
        Ok(signature) if by_key => Bytes::copy_from_slice(&signature.as_bytes()),
        _ => hex::decode(signature).unwrap_or_default().into(),
    }
}

fn taken(wallet: &Wallet, customer: CustomerId, spoke_at: Option<&Anchor>) -> KeeperError {
    let whose = if wallet.customer == customer { "this" } else { "another" };
    let why = format!("the wallet already belongs to {whose} customer");
    let elsewhere = wallet.chain.filter(|it| spoke_at.is_some_and(|here| here.chain != *it));
    KeeperError::Conflict {
        why: match elsewhere {
            Some(chain) => format!(
                "{why}, as a contract on {chain}: a contract is linked on one chain only, since its address may be somebody \
                 else's on another. Once it is unlinked there it can be linked here"
            ),
            None => why,
        },
    }
}

fn refused(fault: ProofFault) -> KeeperError {
    match fault {
        ProofFault::Expired { .. } => KeeperError::NotFound { what: SPENT },
        fault => KeeperError::SignatureInvalid { why: fault.to_string() },
    }
}

/// Why a key here does not sign this text for whoever brings it: it stands for what is only done where it is allowed.
fn of_our_own(text: &str) -> Option<&'static str> {
    if is_loan(text) {
        return Some(
            "it would lend a seat without taking it out of its pool: `seat_lend` does both",
        );
    }
    is_receipt(text).then_some(
        "it would make a receipt without asking whether there is a licence: `entitlement_receipt` does both",
    )
}
