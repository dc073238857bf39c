//! Seats that machines lend each other: what is signed for them, by the machine's own key and by the wallet's.
//!
//! Never: hands out a loan that does not pass everything that the other machine will hold it against.

use std::time::Duration;

use actix::prelude::*;
use alloy_primitives::{Address, B256};
use jiff::SignedDuration;

use super::ledger::ask;
use super::orders::new_sealed_key;
use super::tools::{Tools, failed, record_of, worked};
use crate::actors::ownership_ledger::{FindMachineKey, FindWallet, KeepMachineKey};
use crate::actors::wallet_keeper::WalletKeeper;
use crate::actors::wallet_keeper::messages::loans::{
    OpenMachineKey, SignLoan, SignRequest, SignReturn, SignedLoan, SignedRequest,
};
use crate::actors::wallet_keeper::messages::{KeeperError, Reply};
use crate::keys::{self, PrivateKey, fill_random};
use entitled_core::domain::entitlement::Verdict;
use entitled_core::domain::ids::{CustomerId, Timestamp};
use entitled_core::domain::wallet_proof::personal_message_hash;
use entitled_core::loan::{
    Loan, LoanFault, LoanTerms, SHORTEST, SeatRequest, SeatReturn, verify_loan,
};
use entitled_core::receipt::ReceiptFault;

/// Under whom the machine's key is sealed.
const MACHINE: CustomerId = CustomerId::Machine;

impl Tools {
    /// The sealed key of the machine, made where there is none.
    async fn machine_key(&self, uid: u32) -> Reply<(Address, Vec<u8>)> {
        self.check_open()?;
        if let Some(kept) = ask(&self.ledger.find_machine_key, FindMachineKey).await? {
            return Ok(kept);
        }
        let tools = self.clone();
        let making = self.cpu.run(uid, move || new_sealed_key(tools.key()?, MACHINE));
        let (address, sealed) = worked("make a key", making.await)?;
        ask(&self.ledger.keep_machine_key, KeepMachineKey { address, sealed }).await
    }

    async fn request(self, order: SignRequest) -> Reply<SignedRequest> {
        let SignRequest { product, time, label, uid, now } = order;
        let (machine, record) = self.machine_key(uid).await?;
        let mut nonce = [0; 32];
        fill_random(&mut nonce).map_err(failed("make a nonce"))?;
        let (nonce, issued_at) = (B256::from(nonce), whole(now));
        let request = SeatRequest { product, machine, nonce, time, label, issued_at };
        let tools = self.clone();
        let signing = self.cpu.run(uid, move || {
            let signature = tools.sign_as_machine((machine, &record), &request.statement())?;
            Ok(SignedRequest { text: request.write(&signature), request })
        });
        worked("sign", signing.await)
    }

    async fn give_back(self, order: SignReturn) -> Reply<String> {
        let SignReturn { loan, uid, now } = order;
        self.check_open()?;
        let own = |it: &(Address, Vec<u8>)| it.0 == loan.terms.machine;
        let kept = ask(&self.ledger.find_machine_key, FindMachineKey).await?;
        let (machine, record) = kept.filter(own).ok_or(NO_MACHINE_KEY)?;
        let (nonce, returned_at) = (loan.terms.nonce, whole(now));
        let returned = SeatReturn { machine, nonce, loan: loan.id, returned_at };
        let tools = self.clone();
        let signing = self.cpu.run(uid, move || {
            let signature = tools.sign_as_machine((machine, &record), &returned.statement())?;
            Ok(returned.write(&signature))
        });
        worked("sign", signing.await)
    }

    async fn open_machine_key(self, uid: u32) -> Reply<Address> {
        self.check_open()?;
        let kept = ask(&self.ledger.find_machine_key, FindMachineKey).await?;
        let (machine, record) = kept.ok_or(NO_MACHINE_KEY)?;
        let tools = self.clone();
        let opening = self.cpu.run(uid, move || {
            keys::with_clean_stack(|| tools.unseal(machine, MACHINE, &record).map(drop))
        });
        worked("open a key", opening.await)?;
        Ok(machine)
    }

    fn sign_as_machine(&self, (machine, record): (Address, &[u8]), text: &str) -> Reply<[u8; 65]> {
        keys::with_clean_stack(|| sign(&self.unseal(machine, MACHINE, record)?, text))
    }

    async fn lend(self, order: SignLoan) -> Reply<SignedLoan> {
        let (address, customer) = (order.draft.wallet, order.draft.customer);
        let found = ask(&self.ledger.find_wallet, FindWallet { address }).await?;
        let own = found.filter(|(it, _)| it.active && it.customer == customer);
        let none = KeeperError::NotFound { what: "wallet of this customer" };
        let (wallet, sealed) = own.ok_or(none)?;
        if order.draft.link.is_some() {
            let why = format!(
                "a loan is signed by the key of the wallet that holds the licence, and that of {address} is not kept here: \
                 import its key, or give the token to a wallet that was made here"
            );
            return Err(KeeperError::Conflict { why });
        }
        let record = record_of(&wallet, sealed)?;
        let tools = self.clone();
        let signing = self.cpu.run(order.uid, move || {
            let from = whole(order.now);
            let terms = |until| LoanTerms {
                wallet: address,
                customer,
                machine: order.request.machine,
                nonce: order.request.nonce,
                label: order.request.label.clone(),
                fence: order.fence,
                from,
                until,
            };
            let made = |until| tools.signed(&order, terms(until), &record);
            let wanted = after(from, order.time);
            let signed = made(wanted)?;
            match proven_until(&signed.verified.verdict, wanted) {
                until if until == wanted => Ok(signed),
                until if until < after(from, SHORTEST) => {
                    let why = format!("what proves the licence holds until {until} only");
                    Err(KeeperError::Conflict { why })
                }
                until => made(until),
            }
        });
        worked("sign a loan", signing.await)
    }

    fn signed(&self, order: &SignLoan, terms: LoanTerms, record: &[u8]) -> Reply<SignedLoan> {
        let evidence = order.draft.evidence.clone();
        let statement = terms.statement(evidence.digest());
        let (wallet, customer) = (terms.wallet, terms.customer);
        let signature =
            keys::with_clean_stack(|| sign(&self.unseal(wallet, customer, record)?, &statement))?;
        let machine = terms.machine;
        let loan = Loan { evidence, terms, signature };
        let by = (&order.draft.publisher, machine);
        let (taken, verified) = verify_loan(&loan, by, order.now).map_err(unfit)?;
        Ok(SignedLoan { text: loan.write(), taken, verified })
    }
}

const NO_MACHINE_KEY: KeeperError =
    KeeperError::NotFound { what: "key of this machine: it has asked for no seat yet" };

fn sign(key: &PrivateKey, text: &str) -> Reply<[u8; 65]> {
    let hash = personal_message_hash(text.as_bytes());
    key.sign(hash).map(|it| it.as_bytes()).map_err(failed("sign"))
}

fn unfit(fault: LoanFault) -> KeeperError {
    match fault {
        LoanFault::Evidence(source) => KeeperError::Receipt { source: source.into() },
        _ => KeeperError::Receipt { source: ReceiptFault::Signature.into() },
    }
}

/// Until when a verdict would go on without the chain, no later than `at`.
fn proven_until(verdict: &Verdict, at: Timestamp) -> Timestamp {
    let ends = [verdict.grace_until, verdict.expires_at.filter(|it| *it < at)];
    ends.into_iter().flatten().fold(at, |at, end| at.min(whole(end)))
}

fn whole(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

fn after(at: Timestamp, time: Duration) -> Timestamp {
    let time = SignedDuration::try_from(time).unwrap_or(SignedDuration::ZERO);
    at.checked_add(time).unwrap_or(at)
}

impl Handler<SignRequest> for WalletKeeper {
    type Result = ResponseActFuture<Self, Reply<SignedRequest>>;

    fn handle(&mut self, order: SignRequest, _: &mut Self::Context) -> Self::Result {
        Box::pin(self.tools.clone().request(order).into_actor(self))
    }
}

impl Handler<SignLoan> for WalletKeeper {
    type Result = ResponseActFuture<Self, Reply<SignedLoan>>;

    fn handle(&mut self, order: SignLoan, _: &mut Self::Context) -> Self::Result {
        Box::pin(self.tools.clone().lend(order).into_actor(self))
    }
}

impl Handler<SignReturn> for WalletKeeper {
    type Result = ResponseActFuture<Self, Reply<String>>;

    fn handle(&mut self, order: SignReturn, _: &mut Self::Context) -> Self::Result {
        Box::pin(self.tools.clone().give_back(order).into_actor(self))
    }
}

impl Handler<OpenMachineKey> for WalletKeeper {
    type Result = ResponseActFuture<Self, Reply<Address>>;

    fn handle(&mut self, ask: OpenMachineKey, _: &mut Self::Context) -> Self::Result {
        Box::pin(self.tools.clone().open_machine_key(ask.uid).into_actor(self))
    }
}
