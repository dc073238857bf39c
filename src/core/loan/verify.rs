//! What a loan is worth, to the machine that it was made for.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256};
use serde::{Deserialize, Serialize};

use super::fault::LoanFault;
use super::terms::{Loan, LoanTerms};
use crate::domain::entitlement::{Holder, LoanReason, Step, Verdict, explain_loan};
use crate::domain::ids::{CustomerId, ProductId, Timestamp};
use crate::domain::ownership::{Finding, Sighting};
use crate::domain::product::{GrantName, Product};
use crate::domain::publisher::PublisherKey;
use crate::receipt::control::{Controlled, is_by_key, not_later};
use crate::receipt::verify::{decide, of_one_sighting, prove};
use crate::receipt::{ReceiptFault, Verified};
use crate::seats::{Claimant, SeatId, TokenKey};

/// A loan as the machine that has it keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenLoan {
    pub id: B256,
    pub product: ProductId,
    pub terms: LoanTerms,
    /// What its evidence proves, for no longer than it lasts.
    pub sighting: Sighting,
    /// With what it was given back, for good.
    pub returned: Option<String>,
}

/// A loan as its lender keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenLoan {
    pub id: B256,
    pub product: ProductId,
    pub terms: LoanTerms,
    /// The seat that left its pool.
    pub seat: SeatId,
    pub grant: GrantName,
    pub claimant: Claimant,
    /// Which places of which tokens it takes: for as long as it lasts, whoever has them meanwhile.
    #[serde(default)]
    pub places: Vec<(TokenKey, u32)>,
    /// Who was entitled to it.
    pub entitled: CustomerId,
    /// The file; empty once it is of no use any more.
    pub text: String,
    pub returned_at: Option<Timestamp>,
}

impl GivenLoan {
    /// Whether the machine may still use it.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.returned_at.is_none() && now < self.terms.until
    }
}

impl TakenLoan {
    /// Whether the seat is there to be used.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.returned.is_none() && now < self.terms.until
    }

    /// What it entitles a customer of this machine to, by the product as it is installed.
    pub fn verdict(
        &self,
        (product, publisher): (&Product, &PublisherKey),
        customer: CustomerId,
        now: Timestamp,
    ) -> Option<Verdict> {
        let anchor = self.sighting.finding.anchor().filter(|_| self.is_open(now))?;
        let seen = (&self.sighting, anchor);
        let verdict = decide((product, publisher), (customer, &self.holder()), seen, now);
        verdict.is_valid().then_some(verdict)
    }

    /// Why it does, step by step; nothing, if it does not.
    pub fn explain(
        &self,
        (product, publisher): (&Product, &PublisherKey),
        customer: CustomerId,
        now: Timestamp,
    ) -> Vec<Step> {
        let Some(anchor) = self.sighting.finding.anchor() else { return Vec::new() };
        if self.verdict((product, publisher), customer, now).is_none() {
            return Vec::new();
        }
        let LoanTerms { nonce, wallet: lender, until, .. } = self.terms;
        let (holder, loan) = (self.holder(), LoanReason { nonce, lender, until });
        let about = ((product, publisher), (customer, &holder));
        of_one_sighting(about, (&self.sighting, anchor), |it| explain_loan(it, &loan, now))
    }

    /// A loan is for whoever uses the machine.
    fn holder(&self) -> Holder {
        Holder {
            customer: CustomerId::Machine,
            active: true,
            wallets: vec![self.terms.wallet],
            contracts: BTreeMap::new(),
        }
    }
}

/// What a loan proves to `machine`, which has the key of the product's publisher, at `now`: that a wallet holds a licence, and
/// that its key lends a seat of it to that machine, and until when.
///
/// # Errors
/// [`LoanFault`], the first that is found.
pub fn verify_loan(
    loan: &Loan,
    (publisher, machine): (&PublisherKey, Address),
    now: Timestamp,
) -> Result<(TakenLoan, Verified), LoanFault> {
    let Loan { evidence, terms, signature } = loan;
    if terms.machine != machine {
        return Err(LoanFault::OtherMachine { machine: terms.machine });
    }
    if !is_by_key(&terms.statement(evidence.digest()), signature, terms.wallet) {
        return Err(LoanFault::Loan);
    }
    not_later(terms.from, now).map_err(|_| LoanFault::Future { at: terms.from })?;
    if now >= terms.until {
        return Err(LoanFault::Over { until: terms.until });
    }
    let control = |_: &ProductId| -> Result<Controlled, ReceiptFault> {
        let (wallet, customer) = (terms.wallet, terms.customer);
        Ok(Controlled { wallet, customer, contract: None, is_managed: true })
    };
    let verified = prove(evidence, publisher, control, now)?;
    let taken = TakenLoan {
        id: loan.id(),
        product: verified.verdict.product.clone(),
        terms: terms.clone(),
        sighting: ending(verified.sighting.clone(), terms.until),
        returned: None,
    };
    Ok((taken, verified))
}

/// A holding that ends with the loan, if not before.
fn ending(mut sighting: Sighting, end: Timestamp) -> Sighting {
    if let Finding::Held { until, .. } = &mut sighting.finding {
        *until = Some(until.map_or(end, |it| it.min(end)));
    }
    sighting
}
