//! What WalletKeeper does for each order, from the question to the ledger's answer.

use std::sync::Arc;

use actix::Recipient;
use alloy_primitives::{Address, B256};

use super::ledger::{Ledger, ask};
use super::{
    CreateWallet, IssueChallenge, KeeperError, LinkWallet, SignMessage, UnlinkWallet, worked,
};
use crate::actors::chain_verifier::CheckSignature;
use crate::actors::cpu_pool::CpuPool;
use crate::actors::ownership_ledger::{
    AddWallet, Asked, FindChallenge, FindWallet, KeepChallenge, RemoveWallet,
};
use crate::keys::{self, KeyEncryptionKey, KeyRing, MachineName, OpenError, PrivateKey};
use entitled_core::domain::customer::{Challenge, Custody, Wallet};
use entitled_core::domain::ids::{Account, CustomerId};
use entitled_core::domain::ownership::Anchor;
use entitled_core::domain::wallet_proof::{self, Payload, PayloadFault, ProofFault, SignInMessage};

/// How the lack of a usable challenge is named.
pub(super) const SPENT: &str = "challenge: it is unknown, used or expired; ask for a new one";

const LABEL_LIMIT: usize = 64;

/// What an order takes with it.
#[derive(Clone)]
pub(super) struct Tools {
    pub(super) ledger: Ledger,
    pub(super) keys: KeyRing,
    pub(super) machine: MachineName,
    /// Where hashing and recovering is done.
    pub(super) cpu: CpuPool,
    /// Where keystores are opened and made.
    pub(super) keystores: CpuPool,
    /// Who can say whether a contract accepts a signature.
    pub(super) chains: Option<Recipient<CheckSignature>>,
}

/// What it takes to ask a chain. Without the keys: who waits for a chain must not hold a rotation up.
pub(super) struct Prover {
    ledger: Ledger,
    machine: MachineName,
    pub(super) cpu: CpuPool,
    pub(super) chains: Option<Recipient<CheckSignature>>,
}

/// A challenge that was answered, and may be spent.
pub(super) struct Proven {
    challenge: Challenge,
    /// The block at which a contract answered; none if a key did.
    contract: Option<Anchor>,
    asked: Asked,
}

impl Proven {
    pub(super) fn address(&self) -> Address {
        self.challenge.address
    }
}

impl Prover {
    /// Whether `order` answers a challenge of its customer.
    pub(super) async fn prove(self, order: LinkWallet) -> Result<Proven, KeeperError> {
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
        let contract = match answered {
            Ok(()) => None,
            Err(fault) if fault.is_about_signature() => {
                self.accepted_by_contract((uid, &challenge), &signature, &fault).await?
            }
            Err(fault) => return Err(refused(fault)),
        };
        Ok(Proven { challenge, contract, asked })
    }
}

impl Tools {
    pub(super) fn prover(&self) -> Prover {
        let Self { ledger, machine, cpu, chains, .. } = self.clone();
        Prover { ledger, machine, cpu, chains }
    }

    pub(super) async fn create(self, order: CreateWallet) -> Result<Wallet, KeeperError> {
        let CreateWallet { customer, label, uid, asked } = order;
        if let Some(label) = &label {
            check_label(label)?;
        }
        // Who is locked is told so before any work.
        self.key()?;
        let tools = self.clone();
        let making = self.cpu.run(uid, move || new_sealed_key(tools.key()?, customer));
        let (address, sealed_key) = worked("make a key", making.await)?;
        let order = AddWallet {
            address,
            customer,
            custody: Custody::Managed,
            label,
            sealed_key: Some(sealed_key),
            nonce: None,
            contract: None,
            asked,
        };
        ask(&self.ledger.add_wallet, order).await
    }

    pub(super) async fn issue(self, order: IssueChallenge) -> Result<Challenge, KeeperError> {
        let IssueChallenge { address, chain, customer, asked } = order;
        let nonce = keys::nonce().map_err(failed("make a nonce"))?;
        let wallet = Account { chain, address };
        let domain = self.machine.as_str();
        let challenge = wallet_proof::challenge(domain, nonce, wallet, customer, asked.at);
        let order = KeepChallenge { challenge: challenge.clone(), asked };
        ask(&self.ledger.keep_challenge, order).await?;
        Ok(challenge)
    }

    pub(super) async fn link(self, proven: Proven) -> Result<Wallet, KeeperError> {
        let Proven { challenge, contract, asked } = proven;
        let Challenge { address, customer, .. } = challenge;
        // Linking must not overwrite a sealed key that is still here. Who proved control takes the
        // wallet up again as it was.
        let known = ask(&self.ledger.find_wallet, FindWallet { address }).await?;
        let (custody, label, sealed_key) = match known {
            Some((wallet, _)) if wallet.active => return Err(taken(&wallet, customer)),
            // Its key stays where it is: written again, it could fall back behind a rotation.
            Some((wallet, Some(_))) if wallet.customer == customer => {
                (wallet.custody, wallet.label, None)
            }
            Some((wallet, None)) if wallet.customer == customer => {
                (Custody::Linked, wallet.label, None)
            }
            _ => (Custody::Linked, None, None),
        };
        let nonce = Some(challenge.nonce);
        let order =
            AddWallet { address, customer, custody, label, sealed_key, nonce, contract, asked };
        ask(&self.ledger.add_wallet, order).await
    }

    pub(super) async fn sign(self, order: SignMessage) -> Result<String, KeeperError> {
        let SignMessage { address, customer, payload, uid, asked } = order;
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
        tracing::info!(event = "message_signed", wallet = %address, by = %asked.by, ?method, "signed");
        Ok(wallet_proof::write_signature(&signature))
    }

    pub(super) async fn unlink(self, order: UnlinkWallet) -> Result<Wallet, KeeperError> {
        let UnlinkWallet { address, customer, destroy_key, asked } = order;
        let order = RemoveWallet { address, customer, destroy_key, asked };
        ask(&self.ledger.remove_wallet, order).await
    }

    /// The key to seal with. Whoever sealed holds these tools until the ledger has answered: a rotation waits
    /// for that.
    pub(super) fn key(&self) -> Result<&KeyEncryptionKey, KeeperError> {
        match self.keys.key() {
            None if self.keys.is_open() => Err(KeeperError::KeysBusy),
            key => key.ok_or(NO_KEY),
        }
    }

    /// Tells who is locked so before any work.
    pub(super) fn check_open(&self) -> Result<(), KeeperError> {
        if self.keys.is_open() { Ok(()) } else { Err(NO_KEY) }
    }

    /// Opens the sealed key of a wallet, also while the key-encryption key is exchanged.
    pub(super) fn unseal(
        &self,
        address: Address,
        customer: CustomerId,
        record: &[u8],
    ) -> Result<PrivateKey, KeeperError> {
        self.keys.unseal(address, customer, record).ok_or(NO_KEY)?.map_err(unopened)
    }
}

/// The sealed key of a wallet, or why there is none.
pub(super) fn record_of(
    wallet: &Wallet,
    sealed_key: Option<Vec<u8>>,
) -> Result<Vec<u8>, KeeperError> {
    match (wallet.custody, sealed_key) {
        (Custody::Managed, Some(record)) => Ok(record),
        (Custody::Managed, None) => Err(KeeperError::NotFound { what: "key: it was destroyed" }),
        (Custody::Linked, _) => {
            let why = "the key of a linked wallet is not here: use the wallet itself";
            Err(KeeperError::BadInput { what: "address", why: why.to_owned() })
        }
    }
}

const NO_KEY: KeeperError = KeeperError::Locked {
    why: "there is no key-encryption key; `entitlectl keys status` says why",
};

/// The hash of what is to be signed or verified.
pub(super) fn hash(payload: &Payload) -> Result<B256, KeeperError> {
    payload.hash().map_err(|fault| {
        let what = match fault {
            PayloadFault::TextTooLong => "message",
            PayloadFault::TypedData(_) => "typed_data",
        };
        KeeperError::BadInput { what, why: fault.to_string() }
    })
}

/// The private key lives and dies in here.
fn new_sealed_key(
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

/// A label is shown in lists and logs, so it must not move the cursor or turn the text around.
pub(super) fn check_label(label: &str) -> Result<(), KeeperError> {
    let turns_text = |it: char| matches!(it, '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    let why = if label.trim().is_empty() {
        "leave it out, or give it a character that can be seen"
    } else if label.chars().count() > LABEL_LIMIT {
        "at most 64 characters"
    } else if label.chars().any(|it| it.is_control() || turns_text(it)) {
        "no control characters"
    } else {
        return Ok(());
    };
    Err(KeeperError::BadInput { what: "label", why: why.to_owned() })
}

fn taken(wallet: &Wallet, customer: CustomerId) -> KeeperError {
    let whose = if wallet.customer == customer { "this" } else { "another" };
    KeeperError::Conflict { why: format!("the wallet already belongs to {whose} customer") }
}

fn refused(fault: ProofFault) -> KeeperError {
    match fault {
        ProofFault::Expired { .. } => KeeperError::NotFound { what: SPENT },
        fault => KeeperError::SignatureInvalid { why: fault.to_string() },
    }
}

pub(super) fn unopened(error: OpenError) -> KeeperError {
    match error {
        OpenError::WrongKey => KeeperError::Locked {
            why: "this wallet was sealed with another key-encryption key than the one in use; restore that one",
        },
        error => KeeperError::KeyUnusable { source: Arc::new(error) },
    }
}

pub(super) fn failed<E>(doing: &'static str) -> impl Fn(E) -> KeeperError
where
    E: std::error::Error + Send + Sync + 'static,
{
    move |error| KeeperError::Key { doing, source: Arc::new(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_short_and_plain() {
        for label in ["main", "Büro, 2. Stock", &"ä".repeat(64)] {
            assert!(check_label(label).is_ok(), "{label}");
        }
        for label in ["", "  ", &"a".repeat(65), "a\nb", "a\u{1b}[2J", "a\u{202E}b", "a\u{7f}"] {
            assert!(check_label(label).is_err(), "{label:?}");
        }
    }
}
