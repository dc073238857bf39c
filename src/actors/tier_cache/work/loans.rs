//! Seats that other machines have lent to this one: what they entitle to, and what one that was brought is worth.
//!
//! A loan is no wallet of anybody here: nothing is looked for on the chain for it, nothing it proves is recorded for a look, and
//! no receipt is made of it.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;

use super::flight::Scene;
use crate::actors::ownership_ledger::TakeLoan;
use crate::actors::tier_cache::messages::{CheckError, ImportLoan, LoanCount, LoanError};
use crate::actors::tier_cache::{Parts, TierCache};
use crate::products::Installed;
use entitled_core::domain::consensus::objection;
use entitled_core::domain::entitlement::{Step, Verdict};
use entitled_core::domain::ids::{ChainId, CustomerId, ProductId, Timestamp};
use entitled_core::domain::ownership::Target;
use entitled_core::domain::product::{Product, parse};
use entitled_core::domain::publisher::PublisherKey;
use entitled_core::loan::{LoanFault, TakenLoan, verify_loan};
use entitled_core::receipt::{ReceiptFault, Verified, Vouched, grant_of};

const LEDGER_TIME: Duration = Duration::from_secs(5);

impl Scene {
    fn signed(&self) -> Option<(&Product, &PublisherKey)> {
        let installed = self.installed.as_deref()?;
        Some((&installed.product, installed.publisher.as_ref()?))
    }

    /// How late it is for loans, when it is `now` for everything else; and what is by that time, by this one.
    fn loans_time(&self, now: Timestamp) -> (Timestamp, impl Fn(Timestamp) -> Timestamp + use<>) {
        let for_loans = self.loans_now.max(now);
        let ahead = for_loans.duration_since(now);
        (for_loans, move |at: Timestamp| at.checked_sub(ahead).unwrap_or(at))
    }

    /// The loans that entitle to something now, each with what it entitles to by the time for loans.
    fn standing_loans(&self, now: Timestamp) -> impl Iterator<Item = (&TakenLoan, Verdict)> {
        let signed = self.signed();
        let in_force = |it: &&TakenLoan| match &it.sighting.target {
            Target::Token(token) => !self.facts.suspended.contains(token),
            Target::Rest { .. } => false,
        };
        let customer = self.key.customer;
        let loans = self.facts.loans.iter().filter(|it| it.product == self.key.product);
        let verdict = move |it: &TakenLoan| it.verdict(signed?, customer, now);
        loans.filter(in_force).filter_map(move |it| Some((it, verdict(it)?)))
    }

    /// The better of a verdict and those by loans. A customer that is deactivated is entitled to nothing by these either.
    pub(super) fn or_by_loan(&self, own: Verdict, now: Timestamp) -> Verdict {
        if self.question().is_deactivated() {
            return own;
        }
        let product = self.installed.as_deref().map(|it| &it.product);
        let rank = |it: &Verdict| {
            let tier = product.zip(it.tier.as_ref()).and_then(|(product, tier)| product.tier(tier));
            tier.filter(|_| it.is_valid()).map(|it| it.rank)
        };
        let (for_loans, by_this) = self.loans_time(now);
        let lent = self.standing_loans(for_loans).map(|(_, verdict)| verdict);
        let Some(lent) = lent.max_by_key(|it| (rank(it), it.changes_at)) else { return own };
        if rank(&own) >= rank(&lent) {
            return own;
        }
        let changes_at = own.changes_at.into_iter().chain(lent.changes_at.map(by_this)).min();
        Verdict { changes_at, ..lent }
    }

    /// Why each of them does. Nobody who is deactivated is entitled by any.
    pub(in crate::actors::tier_cache) fn loan_steps(&self, now: Timestamp) -> Vec<Step> {
        let Some(signed) = self.signed().filter(|_| !self.question().is_deactivated()) else {
            return Vec::new();
        };
        let (customer, (for_loans, _)) = (self.key.customer, self.loans_time(now));
        let standing = self.standing_loans(for_loans);
        standing.flat_map(|(it, _)| it.explain(signed, customer, for_loans)).collect()
    }

    /// The places that were lent to this machine.
    pub(super) fn loan_counts(&self, now: Timestamp) -> Vec<LoanCount> {
        if self.key.customer != CustomerId::Machine || self.question().is_deactivated() {
            return Vec::new();
        }
        let Some(installed) = self.installed.as_deref() else { return Vec::new() };
        let (for_loans, by_this) = self.loans_time(now);
        let counted = self.standing_loans(for_loans).filter_map(|(loan, verdict)| {
            let Target::Token(token) = &loan.sighting.target else { return None };
            let (grant, _) = grant_of(&installed.product, token, loan.sighting.terms())?;
            let ends = [verdict.grace_until, Some(loan.terms.until)];
            Some(LoanCount {
                nonce: loan.terms.nonce,
                lender: loan.terms.wallet,
                grant: usize::try_from(grant).ok()?,
                until: ends.into_iter().flatten().min().map(&by_this)?,
            })
        });
        counted.collect()
    }
}

/// Reads what is in a loan again, under the key of the installed file's publisher.
fn judge(
    order: &ImportLoan,
    installed: impl Fn(&ProductId) -> Option<Arc<Installed>>,
    now: impl Fn(ChainId) -> Timestamp,
) -> Result<(TakenLoan, Verified), LoanError> {
    let ImportLoan { loan, machine, lender, .. } = order;
    let refused = |fault| LoanError::Refused(Box::new(fault));
    let product = parse(&loan.evidence.product.text).map_err(|_| LoanError::NoProduct)?;
    let installed = installed(&product.id).ok_or(LoanError::NoProduct)?;
    let publisher = installed.publisher.clone().ok_or(LoanError::NoProduct)?;
    let now = now(loan.evidence.token.collection.chain);
    let (taken, verified) = verify_loan(loan, (&publisher, *machine), now).map_err(refused)?;
    let wallet = taken.terms.wallet;
    match lender {
        Some(named) if *named != wallet => return Err(LoanError::OtherLender { wallet }),
        // The lender says itself that its wallet holds the licence: somebody has to have said whose word that is.
        None if verified.vouched == Vouched::Maker => return Err(LoanError::Unvouched { wallet }),
        _ => {}
    }
    let anchor = verified.sighting.finding.anchor();
    if let Some((chain, attestation)) =
        anchor.and_then(|it| Some((it.chain, it.attestation.as_ref()?)))
        && let Some(objection) = objection(&installed.product.checkpoints, chain, attestation)
    {
        let fault = ReceiptFault::Checkpoint(objection);
        return Err(refused(LoanFault::Evidence(fault)));
    }
    match taken.verdict((&installed.product, &publisher), CustomerId::Machine, now) {
        Some(_) => Ok((taken, verified)),
        None => Err(LoanError::NoGrant),
    }
}

async fn import(parts: Parts, order: ImportLoan) -> Result<(TakenLoan, Verified), LoanError> {
    let (products, clock) = (parts.reader.products(), parts.clock.clone());
    let asked = order.asked.clone();
    let judging = tokio::task::spawn_blocking(move || {
        let installed = |id: &ProductId| products.products.get(id).cloned();
        judge(&order, installed, |chain| clock.now_on([chain]).max(clock.loans_now()))
    });
    let (loan, verified) = judging.await.map_err(|_| LoanError::BrokenOff)??;
    let take = TakeLoan { loan: loan.clone(), asked: asked.clone() };
    let standing = match parts.ledger.send(take).timeout(LEDGER_TIME).await {
        Ok(taken) => taken.map_err(|source| CheckError::Ledger { source })?,
        Err(_) => return Err(CheckError::Busy.into()),
    };
    if standing.returned.is_some() || !standing.is_open(asked.at) {
        return Err(LoanError::Spent);
    }
    match standing.id == loan.id {
        true => Ok((standing, verified)),
        false => Err(LoanError::Another),
    }
}

impl Handler<ImportLoan> for TierCache {
    type Result = ResponseActFuture<Self, Result<(TakenLoan, Verified), LoanError>>;

    fn handle(&mut self, order: ImportLoan, _: &mut Self::Context) -> Self::Result {
        Box::pin(import(self.parts.clone(), order).into_actor(self))
    }
}
