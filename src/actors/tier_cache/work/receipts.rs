//! What a receipt is made of, and what one that was brought is worth.
//!
//! Does: [`DraftReceipt`] and [`ImportReceipt`]. Asked by: `rpc`. Asks: OwnershipLedger for what is kept, ChainVerifier for what
//! has to be proven. Never: drafts a receipt of anything but a yes, or takes from one more than it proves.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;

use super::flight::{Scene, gather};
use crate::actors::chain_verifier::{Holding, ProofFault, Prove, TakeSighting, VerifierError};
use crate::actors::ownership_ledger::{
    AuditAction, FindReceiptParts, FindWallet, KeepEvidence, KeptEvidence, ReceiptParts, Whose,
};
use crate::actors::tier_cache::messages::{
    CheckError, Draft, DraftReceipt, ImportReceipt, ReceiptError,
};
use crate::actors::tier_cache::{Parts, TierCache};
use crate::products::Installed;
use entitled_core::domain::consensus::objection;
use entitled_core::domain::customer::{Custody, LinkProof, Wallet};
use entitled_core::domain::entitlement::Verdict;
use entitled_core::domain::ids::{ChainId, CustomerId, ProductId, Timestamp, Token};
use entitled_core::domain::ownership::{Finding, Sighting, Target, Terms, Via};
use entitled_core::domain::precedence;
use entitled_core::domain::product::parse;
use entitled_core::domain::publisher::PublisherKey;
use entitled_core::domain::wallet_proof::{is_signed_by, personal_message_hash};
use entitled_core::receipt::{
    Evidence, Link, Receipt, ReceiptFault, SignedProduct, Verified, Vouched, grant_of, verify,
};

const LEDGER_TIME: Duration = Duration::from_secs(5);
/// Longer than the verifier's own bound, so that it is the one that answers.
const PROOF_TIME: Duration = Duration::from_secs(70);

/// What a yes rests on.
struct Basis {
    installed: Arc<Installed>,
    publisher: PublisherKey,
    product: SignedProduct,
    wallet: Wallet,
    token: Token,
    terms: Terms,
    via: Vec<Via>,
}

impl Scene {
    fn basis(&self, verdict: &Verdict) -> Result<Basis, ReceiptError> {
        let no_yes = || ReceiptError::NoYes { verdict: verdict.clone().into() };
        let installed = self.installed.clone().filter(|_| verdict.is_valid()).ok_or_else(no_yes)?;
        let (Some(token), Some(account)) = (verdict.token, verdict.wallet) else {
            return Err(no_yes());
        };
        let signed = installed.signed.as_ref().ok_or(ReceiptError::Unsigned)?;
        let publisher = installed.publisher.clone().ok_or(ReceiptError::Unsigned)?;
        let product = SignedProduct::new(&signed.text, &signed.signature);
        let product = product.ok_or(ReceiptError::UnfitSignature)?;
        let own = |it: &&Wallet| {
            (it.address, it.customer) == (account.address, verdict.customer) && it.active
        };
        let wallet = self.facts.wallets.iter().find(own).cloned().ok_or_else(no_yes)?;
        let grants = installed.product.grants.iter();
        let terms: Vec<Terms> = grants
            .filter(|it| it.grants(&token) && Some(&it.tier) == verdict.tier.as_ref())
            .map(|it| it.terms())
            .collect();
        let held = |it: &&Sighting| {
            it.wallet == account.address
                && it.target == Target::Token(token)
                && matches!(it.finding, Finding::Held { .. })
                && terms.contains(&it.terms())
        };
        let seen = self.sightings.iter().filter(held).max_by_key(|it| precedence::block(it));
        let seen = seen.ok_or_else(no_yes)?;
        let (terms, via) = (seen.terms(), seen.via.clone());
        Ok(Basis { installed, publisher, product, wallet, token, terms, via })
    }
}

impl Basis {
    /// How the wallet was linked; none for one whose key is here.
    fn link(&self, parts: &ReceiptParts) -> Result<Option<LinkProof>, ReceiptError> {
        match self.wallet.custody {
            Custody::Managed => Ok(None),
            Custody::Linked => parts.link.clone().map(Some).ok_or(ReceiptError::LinkedBefore),
        }
    }

    /// What is kept, if it is of the same file, token and way of holding it.
    fn kept(&self, parts: &ReceiptParts) -> Option<(Timestamp, Evidence)> {
        let kept = parts.evidence.as_ref()?;
        let evidence = Evidence::from_bytes(&kept.bytes).ok()?;
        let (grant, _) = grant_of(&self.installed.product, &self.token, self.terms)?;
        let same = evidence.product == self.product
            && (evidence.token, evidence.grant) == (self.token, grant)
            && evidence.via == self.via;
        same.then_some((kept.made_at, evidence))
    }

    async fn prove(
        &self,
        parts: &Parts,
        (link, uid): (Option<&LinkProof>, u32),
    ) -> Result<Evidence, ReceiptError> {
        let verifier = parts.verifier.get().ok_or(ReceiptError::BrokenOff)?;
        let holding = Holding {
            token: self.token,
            terms: self.terms,
            wallet: self.wallet.address,
            via: self.via.clone(),
            link: link.and_then(|it| self.by_contract(it)),
        };
        let ask = Prove { product: Arc::clone(&self.installed), holding, uid };
        let proof = match verifier.send(ask).timeout(PROOF_TIME).await {
            Ok(proof) => proof?,
            Err(_) => return Err(ReceiptError::BrokenOff),
        };
        let grant = grant_of(&self.installed.product, &self.token, self.terms);
        let (grant, _) = grant.ok_or(ReceiptError::BrokenOff)?;
        Ok(Evidence {
            product: self.product.clone(),
            token: self.token,
            grant,
            via: self.via.clone(),
            block: proof.block,
            header: proof.header,
            nodes: proof.nodes,
            codes: proof.codes,
        })
    }

    /// The link as its contract has to judge it; none where a key made the signature.
    fn by_contract(&self, link: &LinkProof) -> Option<Link> {
        let hash = personal_message_hash(link.message.as_bytes());
        let by_key = is_signed_by(hash, &link.signature.to_string(), self.wallet.address);
        let chain = self.wallet.chain.unwrap_or(self.token.collection.chain);
        let signature = link.signature.clone();
        (by_key != Ok(true)).then_some(Link { chain, hash, signature })
    }
}

async fn draft(parts: Parts, ask: DraftReceipt) -> Result<Draft, ReceiptError> {
    let scene = gather(&parts, &ask.key).await?;
    let now = scene.now(&parts.clock);
    let verdict = scene.verdict(&parts.clock);
    let by_own_key = ask.by_own_key.then(|| scene.verdict_by_own_keys(&parts.clock));
    let basis = match by_own_key.filter(Verdict::is_valid) {
        Some(other) => scene.basis(&other)?,
        None => scene.basis(&verdict)?,
    };
    // What is kept is of what the verdict rests on.
    let is_the_verdicts = verdict.wallet.map(|it| it.address) == Some(basis.wallet.address)
        && verdict.token == Some(basis.token);
    let (product, customer) = (ask.key.product.clone(), basis.wallet.customer);
    let wallet = basis.wallet.address;
    let find = FindReceiptParts { wallet, customer, product: product.clone() };
    let found = match parts.ledger.send(find).timeout(LEDGER_TIME).await {
        Ok(found) => found.map_err(|source| CheckError::Ledger { source })?,
        Err(_) => return Err(CheckError::Busy.into()),
    };
    let link = basis.link(&found)?;
    let refresh = basis.installed.product.refresh.min(parts.settings.refresh);
    let kept = basis.kept(&found).filter(|_| is_the_verdicts);
    let is_young = |made_at: Timestamp| {
        now >= made_at
            && Duration::try_from(now.duration_since(made_at)).is_ok_and(|it| it < refresh)
    };
    let evidence = match kept {
        Some((made_at, evidence)) if is_young(made_at) => evidence,
        kept => match (basis.prove(&parts, (link.as_ref(), ask.uid)).await, kept) {
            (Ok(evidence), _) => {
                if is_the_verdicts {
                    keep(&parts, (customer, &product), &evidence, now).await;
                }
                evidence
            }
            // What was made before is shown as long as it holds: that is for whoever completes it to find out.
            (Err(error), Some((_, evidence))) if is_passing(&error) => {
                tracing::info!(%product, %error, "an earlier proof is shown");
                evidence
            }
            (Err(error), _) => return Err(error),
        },
    };
    let publisher = basis.publisher;
    Ok(Draft { evidence, product, publisher, wallet, customer, link })
}

/// Whether the chain could not be asked, rather than having said no.
fn is_passing(error: &ReceiptError) -> bool {
    match error {
        ReceiptError::BrokenOff => true,
        ReceiptError::Verifier(VerifierError::NoProof { source }) => {
            matches!(source, ProofFault::Unknown(_) | ProofFault::NoWay { .. })
        }
        ReceiptError::Verifier(error) => {
            matches!(error, VerifierError::Unknown { .. } | VerifierError::BrokenOff)
        }
        _ => false,
    }
}

async fn keep(
    parts: &Parts,
    (customer, product): (CustomerId, &ProductId),
    evidence: &Evidence,
    made_at: Timestamp,
) {
    let evidence = KeptEvidence { made_at, bytes: evidence.to_bytes() };
    let order = KeepEvidence { customer, product: product.clone(), evidence };
    match parts.ledger.send(order).timeout(LEDGER_TIME).await {
        Ok(Ok(())) => {}
        // The receipt is as good; only the next one has to be proven anew.
        Ok(Err(error)) => tracing::warn!(%product, %error, "a proof was not kept"),
        Err(error) => tracing::warn!(%product, %error, "a proof was not kept"),
    }
}

/// Reads a receipt and runs everything in it again, under the key of the installed file's publisher.
fn judge(
    receipt: &str,
    installed: impl Fn(&ProductId) -> Option<Arc<Installed>>,
    now: impl Fn(ChainId) -> Timestamp,
) -> Result<Verified, ReceiptError> {
    let refused = |fault| ReceiptError::Refused(Box::new(fault));
    let read = Receipt::from_text(receipt.as_bytes()).map_err(|fault| refused(fault.into()))?;
    let product = parse(&read.evidence.product.text).map_err(|_| ReceiptError::NoProduct)?;
    let installed = installed(&product.id).ok_or(ReceiptError::NoProduct)?;
    let publisher = installed.publisher.clone().ok_or(ReceiptError::NoProduct)?;
    let now = now(read.evidence.token.collection.chain);
    let verified = verify(receipt.as_bytes(), &publisher, None, now).map_err(refused)?;
    let anchor = verified.sighting.finding.anchor();
    let signed = anchor.and_then(|it| Some((it.chain, it.attestation.as_ref()?)));
    let (Vouched::Validators, Some((chain, attestation))) = (verified.vouched, signed) else {
        return Err(ReceiptError::Unvouched);
    };
    // The receipt may hold an older file of the publisher's, which vouched for other checkpoints.
    match objection(&installed.product.checkpoints, chain, attestation) {
        None => Ok(verified),
        Some(objection) => Err(refused(ReceiptFault::Checkpoint(objection))),
    }
}

async fn import(
    parts: Parts,
    order: ImportReceipt,
) -> Result<(Verified, CustomerId), ReceiptError> {
    let ImportReceipt { receipt, asked, .. } = order;
    let (products, clock) = (parts.reader.products(), parts.clock.clone());
    let judging = tokio::task::spawn_blocking(move || {
        let installed = |id: &ProductId| products.products.get(id).cloned();
        judge(&receipt, installed, |chain| clock.now_on([chain]))
    });
    let verified = judging.await.map_err(|_| ReceiptError::BrokenOff)??;
    let sighting = verified.sighting.clone();
    let find = FindWallet { address: sighting.wallet };
    let found = match parts.ledger.send(find).timeout(LEDGER_TIME).await {
        Ok(found) => found.map_err(|source| CheckError::Ledger { source })?,
        Err(_) => return Err(CheckError::Busy.into()),
    };
    let customer = found.filter(|(it, _)| it.active).map(|(it, _)| it.customer);
    let customer = customer.ok_or(ReceiptError::NoWallet)?;
    let verifier = parts.verifier.get().ok_or(ReceiptError::BrokenOff)?;
    let take = TakeSighting { sighting, customer, asked };
    match verifier.send(take).timeout(PROOF_TIME).await {
        Ok(taken) => taken?,
        Err(_) => return Err(ReceiptError::BrokenOff),
    }
    Ok((verified, customer))
}

impl Handler<DraftReceipt> for TierCache {
    type Result = ResponseActFuture<Self, Result<Draft, ReceiptError>>;

    fn handle(&mut self, ask: DraftReceipt, _: &mut Self::Context) -> Self::Result {
        Box::pin(draft(self.parts.clone(), ask).into_actor(self))
    }
}

impl Handler<ImportReceipt> for TierCache {
    type Result = ResponseActFuture<Self, Result<Verified, ReceiptError>>;

    fn handle(&mut self, order: ImportReceipt, _: &mut Self::Context) -> Self::Result {
        let asked = order.asked.clone();
        let work = import(self.parts.clone(), order).into_actor(self);
        Box::pin(work.map(move |imported, cache, context| {
            let (verified, customer) = imported?;
            let said = format!("{} for {customer}", verified.verdict.detail);
            cache.note(AuditAction::ReceiptImported, said, asked);
            // What was answered before rests on less than is known now.
            cache.parts.reader.forget(Whose::Customer(customer));
            cache.heed(context);
            cache.set_alarm(context);
            Ok(verified)
        }))
    }
}
