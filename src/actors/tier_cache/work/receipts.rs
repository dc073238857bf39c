//! What a receipt is made of, and what one that was brought is worth.
//!
//! Does: [`DraftReceipt`] and [`ImportReceipt`]. Asked by: `rpc`. Asks: OwnershipLedger for what is kept, ChainVerifier for what
//! has to be proven. Never: drafts a receipt of anything but a yes, or takes from one more than it proves.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;

use super::flight::{Scene, gather};
use crate::actors::chain_verifier::{Holding, ProofFault, Prove, TakeSighting, VerifierError};
use crate::actors::cpu_pool::Turn;
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
    Demands, Evidence, Link, Receipt, ReceiptFault, SignedProduct, Verified, Vouched, grant_of,
    verify,
};

const LEDGER_TIME: Duration = Duration::from_secs(5);
/// Longer than the verifier's own bound, so that it is the one that answers.
const PROOF_TIME: Duration = Duration::from_secs(70);

/// What a yes rests on.
struct Basis {
    product: ProductId,
    installed: Arc<Installed>,
    publisher: PublisherKey,
    wallet: Wallet,
    token: Token,
    terms: Terms,
    via: Vec<Via>,
}

/// A basis, how its wallet was linked, and when it was.
struct Ground {
    basis: Basis,
    link: Option<LinkProof>,
    /// Whether it is what the verdict rests on, of which alone the proof is kept.
    is_the_verdicts: bool,
    now: Timestamp,
}

impl Scene {
    fn basis(&self, verdict: &Verdict) -> Result<Basis, ReceiptError> {
        let no_yes = || ReceiptError::NoYes { verdict: verdict.clone().into() };
        let installed = self.installed.clone().filter(|_| verdict.is_valid()).ok_or_else(no_yes)?;
        let (Some(token), Some(account)) = (verdict.token, verdict.wallet) else {
            return Err(no_yes());
        };
        let publisher = installed.publisher.clone().ok_or(ReceiptError::Unsigned)?;
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
        let (terms, via, product) = (seen.terms(), seen.via.clone(), verdict.product.clone());
        Ok(Basis { product, installed, publisher, wallet, token, terms, via })
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

    fn signed(&self) -> Result<SignedProduct, ReceiptError> {
        let signed = self.installed.signed.as_ref().ok_or(ReceiptError::Unsigned)?;
        let product = SignedProduct::new(&signed.text, &signed.signature);
        product.ok_or(ReceiptError::UnfitSignature)
    }

    /// What is kept, if it is of the same file, token and way of holding it.
    fn read(&self, bytes: &[u8]) -> Option<Evidence> {
        let evidence = Evidence::from_bytes(bytes).ok()?;
        let (grant, _) = grant_of(&self.installed.product, &self.token, self.terms)?;
        let same = evidence.product == self.signed().ok()?
            && (evidence.token, evidence.grant) == (self.token, grant)
            && evidence.via == self.via;
        same.then_some(evidence)
    }
}

impl Ground {
    async fn prove(&self, parts: &Parts, uid: u32) -> Result<Evidence, ReceiptError> {
        let verifier = parts.verifier.get().ok_or(ReceiptError::BrokenOff)?;
        let basis = &self.basis;
        let holding = Holding {
            token: basis.token,
            terms: basis.terms,
            wallet: basis.wallet.address,
            via: basis.via.clone(),
            link: self.link.as_ref().and_then(|it| self.by_contract(it)),
        };
        let ask = Prove { product: Arc::clone(&basis.installed), holding, uid };
        let proof = match verifier.send(ask).timeout(PROOF_TIME).await {
            Ok(proof) => proof?,
            Err(_) => return Err(ReceiptError::BrokenOff),
        };
        let grant = grant_of(&basis.installed.product, &basis.token, basis.terms);
        let (grant, _) = grant.ok_or(ReceiptError::BrokenOff)?;
        Ok(Evidence {
            product: basis.signed()?,
            token: basis.token,
            grant,
            via: basis.via.clone(),
            block: proof.block,
            header: proof.header,
            nodes: proof.nodes,
            codes: proof.codes,
        })
    }

    /// The link as its contract has to judge it; none where a key made the signature.
    fn by_contract(&self, link: &LinkProof) -> Option<Link> {
        let wallet = &self.basis.wallet;
        let hash = personal_message_hash(link.message.as_bytes());
        let by_key = is_signed_by(hash, &link.signature.to_string(), wallet.address);
        let chain = wallet.chain.unwrap_or(self.basis.token.collection.chain);
        let signature = link.signature.clone();
        (by_key != Ok(true)).then_some(Link { chain, hash, signature })
    }

    fn draft(self, evidence: Evidence, turn: Turn) -> Draft {
        let Basis { product, publisher, wallet, .. } = self.basis;
        let (wallet, customer) = (wallet.address, wallet.customer);
        let (link, _turn) = (self.link, Arc::new(turn));
        Draft { evidence, product, publisher, wallet, customer, link, _turn }
    }
}

/// What is kept of a yes, if it is as young as it has to be; else what is to be proven.
enum Kept {
    Draft(Box<Draft>),
    Ground(Box<Ground>),
}

/// Looks for what is kept, in a turn of its own, which goes on with the draft.
async fn kept(parts: &Parts, ask: &DraftReceipt, of_any_age: bool) -> Result<Kept, ReceiptError> {
    let turn = parts.turns.receipts.turn(ask.uid).await.map_err(|_| CheckError::Busy)?;
    let scene = gather(parts, &ask.key).await?;
    let now = scene.now(&parts.clock);
    let verdict = scene.verdict(&parts.clock);
    let by_own_key = ask.by_own_key.then(|| scene.verdict_by_own_keys(&parts.clock));
    let basis = match by_own_key.filter(Verdict::is_valid) {
        Some(other) => scene.basis(&other)?,
        None => scene.basis(&verdict)?,
    };
    basis.signed()?;
    let is_the_verdicts = verdict.wallet.map(|it| it.address) == Some(basis.wallet.address)
        && verdict.token == Some(basis.token);
    let find = FindReceiptParts {
        wallet: basis.wallet.address,
        customer: basis.wallet.customer,
        product: ask.key.product.clone(),
    };
    let found = match parts.ledger.send(find).timeout(LEDGER_TIME).await {
        Ok(found) => found.map_err(|source| CheckError::Ledger { source })?,
        Err(_) => return Err(CheckError::Busy.into()),
    };
    let link = basis.link(&found)?;
    let ground = Ground { basis, link, is_the_verdicts, now };
    let refresh = ground.basis.installed.product.refresh.min(parts.settings.refresh);
    let is_young = |made_at: Timestamp| {
        now >= made_at
            && Duration::try_from(now.duration_since(made_at)).is_ok_and(|it| it < refresh)
    };
    let fits = |it: &KeptEvidence| {
        is_the_verdicts
            && it.wallet == ground.basis.wallet.address
            && (of_any_age || is_young(it.made_at))
    };
    let Some(evidence) = found.evidence.filter(fits) else {
        return Ok(Kept::Ground(ground.into()));
    };
    // As long as it is large: not on the thread of the actors.
    let reading = tokio::task::spawn_blocking(move || {
        let read = ground.basis.read(&evidence.bytes);
        (ground, read)
    });
    let (ground, read) = reading.await.map_err(|_| ReceiptError::BrokenOff)?;
    Ok(match read {
        Some(evidence) => Kept::Draft(ground.draft(evidence, turn).into()),
        None => Kept::Ground(ground.into()),
    })
}

async fn draft(parts: Parts, ask: DraftReceipt) -> Result<Draft, ReceiptError> {
    let ground = match kept(&parts, &ask, false).await? {
        Kept::Draft(draft) => return Ok(*draft),
        Kept::Ground(ground) => ground,
    };
    let failed = match ground.prove(&parts, ask.uid).await {
        Ok(evidence) => {
            if !ground.is_the_verdicts || !keep(&parts, &ground, &evidence).await {
                let turn =
                    parts.turns.receipts.turn(ask.uid).await.map_err(|_| CheckError::Busy)?;
                return Ok(ground.draft(evidence, turn));
            }
            None
        }
        Err(error) if is_passing(&error) => Some(error),
        Err(error) => return Err(error),
    };
    // What was proven is taken up again in turn; and what was made before is shown as long as it holds: that is for whoever
    // completes it to find out.
    match (kept(&parts, &ask, true).await?, failed) {
        (Kept::Draft(draft), None) => Ok(*draft),
        (Kept::Draft(draft), Some(error)) => {
            tracing::info!(product = %draft.product, %error, "an earlier proof is shown");
            Ok(*draft)
        }
        (Kept::Ground(_), failed) => Err(failed.unwrap_or(ReceiptError::BrokenOff)),
    }
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

/// Whether it could be kept.
async fn keep(parts: &Parts, ground: &Ground, evidence: &Evidence) -> bool {
    let Ground { basis: Basis { product, wallet, .. }, now, .. } = ground;
    let (made_at, of) = (*now, wallet.address);
    let evidence = KeptEvidence { made_at, wallet: of, bytes: evidence.to_bytes() };
    let order = KeepEvidence { customer: wallet.customer, product: product.clone(), evidence };
    let failed = match parts.ledger.send(order).timeout(LEDGER_TIME).await {
        Ok(Ok(())) => return true,
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    // The receipt is as good; only the next one has to be proven anew.
    tracing::warn!(%product, error = failed, "a proof was not kept");
    false
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
    // That nobody vouched for its block is told below, in words of its own.
    let demands = Demands { accept_maker: true, ..Demands::new(&publisher, now) };
    let verified = verify(receipt.as_bytes(), &demands).map_err(refused)?;
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
        Box::pin(work.then(move |imported, cache, context| {
            let (verified, customer) = match imported {
                Ok(imported) => imported,
                Err(error) => return Box::pin(actix::fut::err(error)) as Self::Result,
            };
            // What was answered before rests on less than is known now.
            cache.parts.reader.forget(Whose::Customer(customer));
            cache.heed(context);
            cache.set_alarm(context);
            let said = format!("{} for {customer}", verified.verdict.detail);
            let noted = cache.note(AuditAction::ReceiptImported, said, asked);
            Box::pin(noted.map(move |(), _, _| Ok(verified)))
        }))
    }
}
