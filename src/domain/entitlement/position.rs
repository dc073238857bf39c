//! What each wallet holds under each grant, as far as sightings tell. Nothing here depends on the time.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::Address;

use super::{Holder, Question};
use crate::domain::consensus::objection;
use crate::domain::ids::{CustomerId, Timestamp, Token};
use crate::domain::ownership::{Anchor, Cause, Finality, Finding, Sighting, Target, Trust, Via};
use crate::domain::product::{Grant, Product, Tier};

/// When a proof counts as fresh, and until when it may be used at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Proof {
    pub(super) anchor: Anchor,
    pub(super) look: u64,
    pub(super) verified_at: Timestamp,
    pub(super) stale_after: Timestamp,
    pub(super) grace_until: Timestamp,
}

/// A token some wallet was proven to hold.
#[derive(Debug, Clone)]
pub(super) struct Candidate<'a> {
    pub(super) tier: &'a Tier,
    pub(super) token: Token,
    pub(super) wallet: Address,
    pub(super) customer: CustomerId,
    /// Under which rule, and through whom.
    pub(super) grant: &'a Grant,
    pub(super) via: Vec<Via>,
    pub(super) proof: Proof,
    /// The end of the holding or of the tier, whichever comes first.
    pub(super) until: Option<Timestamp>,
    /// Seen before the finality the product asks for, which the product allows.
    pub(super) provisional: bool,
    /// Seen only at a trust or finality below what the product asks for.
    pub(super) too_low: bool,
    /// Of trust `consensus`, but from a checkpoint that the product does not vouch for.
    pub(super) unvouched: bool,
    pub(super) suspended: bool,
    /// Why the newest attempt to prove it again found nothing out.
    pub(super) failing: Option<Cause>,
}

/// A proof that something is not held, or that no such proof exists.
#[derive(Debug, Clone)]
pub(super) struct Absence {
    pub(super) proof: Option<Proof>,
    pub(super) failing: Option<Cause>,
}

/// What one wallet holds under one grant.
#[derive(Debug, Clone)]
pub(super) struct Position<'a> {
    pub(super) grant: &'a Grant,
    pub(super) wallet: Address,
    pub(super) customer: CustomerId,
    pub(super) candidates: Vec<Candidate<'a>>,
    /// For every other token of the grant.
    pub(super) absences: Vec<Absence>,
}

/// The position of every wallet under every grant on a chain it counts on, in the order of the holders and the grants.
pub(super) fn take<'a>(question: &'a Question<'a>, product: &'a Product) -> Vec<Position<'a>> {
    let mut positions = Vec::new();
    for holder in question.holders {
        let wallets: BTreeSet<_> = holder.wallets.iter().copied().collect();
        for wallet in wallets {
            let of_wallet: Vec<_> =
                question.sightings.iter().filter(|it| it.wallet == wallet).collect();
            let own = |it: &&Grant| holder.counts_on(wallet, it.collection.chain);
            for grant in product.grants.iter().filter(own) {
                let suspended = question.suspended;
                let desk = Desk { product, grant, holder, wallet, suspended };
                positions.push(desk.position(&of_wallet));
            }
        }
    }
    positions
}

/// One wallet and one grant.
struct Desk<'a> {
    product: &'a Product,
    grant: &'a Grant,
    holder: &'a Holder,
    wallet: Address,
    suspended: &'a BTreeSet<Token>,
}

/// The newest word on one target: proven at the product's finality, proven before it, and not found out.
#[derive(Default)]
struct Word<'s> {
    settled: Option<&'s Sighting>,
    early: Option<&'s Sighting>,
    settled_failure: Option<&'s Sighting>,
    early_failure: Option<&'s Sighting>,
}

impl<'a> Desk<'a> {
    fn position(&self, of_wallet: &[&Sighting]) -> Position<'a> {
        let relevant: Vec<&Sighting> = of_wallet
            .iter()
            .copied()
            .filter(|it| it.terms() == self.grant.terms())
            .filter(|it| it.target.collection() == self.grant.collection)
            .collect();
        // Each token with what speaks of it, rather than all of it searched for each token: a wallet may
        // hold thousands.
        let (mut named, mut rests) = (BTreeMap::<Token, Vec<&Sighting>>::new(), Vec::new());
        for sighting in &relevant {
            match sighting.target {
                Target::Token(token) if self.grant.grants(&token) => {
                    named.entry(token).or_default().push(*sighting);
                }
                Target::Token(_) => {}
                Target::Rest { .. } => rests.push(*sighting),
            }
        }
        let mut candidates = Vec::new();
        let mut absences = vec![self.rest(&rests)];
        for (token, mut about) in named {
            // A rest says nothing of a token that its own look sighted by itself, whatever it found.
            let own: BTreeSet<_> = about.iter().map(|it| answer(it)).collect();
            let speaks = |it: &&&Sighting| it.target.includes(&token) && !own.contains(&answer(it));
            about.extend(rests.iter().filter(speaks));
            let word = self.word(&about, |_| true);
            match self.candidate(token, &word) {
                Some(candidate) => candidates.push(candidate),
                None => absences.push(self.absence(&word)),
            }
        }
        let (wallet, customer) = (self.wallet, self.holder.customer);
        Position { grant: self.grant, wallet, customer, candidates, absences }
    }

    /// The newest sightings that pass `about`. Where two of one look speak of the same token,
    /// the one that names the token counts.
    fn word<'s>(&self, sightings: &[&'s Sighting], about: impl Fn(&Sighting) -> bool) -> Word<'s> {
        let mut word = Word::default();
        for sighting in sightings.iter().copied().filter(|it| about(it)) {
            let settled = sighting.finding.finality() >= self.product.finality;
            let slot = match (&sighting.finding, settled, &sighting.target) {
                // Of "the rest" it can only be proven that nothing of it is held.
                (Finding::Held { .. }, _, Target::Rest { .. }) => continue,
                (Finding::Unknown { .. }, true, _) => &mut word.settled_failure,
                (Finding::Unknown { .. }, false, _) => &mut word.early_failure,
                (_, true, _) => &mut word.settled,
                (_, false, _) => &mut word.early,
            };
            if slot.is_none_or(|held| newness(held) < newness(sighting)) {
                *slot = Some(sighting);
            }
        }
        // What was seen early counts only if it is no older a block than what has settled since.
        if let (Some(settled), Some(early)) = (word.settled, word.early)
            && number(early) < number(settled)
        {
            word.early = None;
        }
        word
    }

    /// The token as held by this wallet, if the newest word on it says so.
    fn candidate(&self, token: Token, word: &Word<'_>) -> Option<Candidate<'a>> {
        let (basis, before_final) = match (word.settled.and_then(held), word.early) {
            (Some(settled), None) => (settled, false),
            (Some(settled), Some(early)) if held(early).is_some() => (settled, false),
            // Seen to have gone, if only early: that ends it.
            (Some(_), Some(_)) => return None,
            (None, early) => (early.and_then(held)?, true),
        };
        let Finding::Held { until, anchor } = &basis.finding else { return None };
        let tier = self.product.tier(&self.grant.tier)?;
        let failure = if before_final { word.early_failure } else { word.settled_failure };
        let unvouched = !self.is_vouched(anchor);
        Some(Candidate {
            tier,
            token,
            wallet: self.wallet,
            customer: self.holder.customer,
            grant: self.grant,
            via: basis.via.clone(),
            proof: self.proof(basis, anchor),
            until: [*until, tier.expires_at].into_iter().flatten().min(),
            provisional: before_final && self.product.provisional,
            too_low: anchor.trust < self.product.trust
                || unvouched
                || (before_final && !self.product.provisional),
            unvouched,
            suspended: !self.holder.active || self.suspended.contains(&token),
            failing: newer_failure(failure, basis),
        })
    }

    /// Whether the product accepts what an anchor of trust `consensus` rests on, if it demands that trust.
    fn is_vouched(&self, anchor: &Anchor) -> bool {
        let demanded = (self.product.trust, anchor.trust) == (Trust::Consensus, Trust::Consensus);
        let checkpoints = &self.product.checkpoints;
        !demanded
            || anchor
                .attestation
                .as_ref()
                .is_some_and(|it| objection(checkpoints, anchor.chain, it).is_none())
    }

    fn absence(&self, word: &Word<'_>) -> Absence {
        let newest = [word.settled, word.early].into_iter().flatten().max_by_key(|it| it.look);
        let failures = [word.settled_failure, word.early_failure];
        let failure = failures.into_iter().flatten().max_by_key(|it| it.look);
        let Some(basis) = newest else {
            return Absence { proof: None, failing: failure.and_then(cause) };
        };
        let proof = basis.finding.anchor().map(|it| self.proof(basis, it));
        // One class failing while the other proves is no failure: the newer look proved it.
        Absence { proof, failing: newer_failure(failure, basis) }
    }

    /// What is known of the tokens nobody sighted one by one.
    fn rest(&self, relevant: &[&Sighting]) -> Absence {
        let word = self.word(relevant, |it| match &it.target {
            Target::Token(_) => false,
            Target::Rest { ids, .. } => ids.covers(&self.grant.ids),
        });
        self.absence(&word)
    }

    fn proof(&self, basis: &Sighting, anchor: &Anchor) -> Proof {
        let oldest = anchor.time.min(basis.seen_at);
        let grace_until = later(oldest, self.product.grace);
        let stale_after = later(basis.seen_at, self.product.refresh).min(grace_until);
        Proof {
            anchor: anchor.clone(),
            look: basis.look,
            verified_at: basis.seen_at,
            stale_after,
            grace_until,
        }
    }
}

/// A total order in which the newest sighting is the greatest, whatever order they are given in.
fn newness(sighting: &Sighting) -> (u64, bool, Finality, &Sighting) {
    let named = matches!(sighting.target, Target::Token(_));
    (sighting.look, named, sighting.finding.finality(), sighting)
}

/// Which of the answers of one look it belongs to.
fn answer(sighting: &Sighting) -> (u64, Finality) {
    (sighting.look, sighting.finding.finality())
}

fn number(sighting: &Sighting) -> Option<u64> {
    sighting.finding.anchor().map(|it| it.number)
}

fn held(sighting: &Sighting) -> Option<&Sighting> {
    matches!(sighting.finding, Finding::Held { .. }).then_some(sighting)
}

fn cause(sighting: &Sighting) -> Option<Cause> {
    match sighting.finding {
        Finding::Unknown { cause, .. } => Some(cause),
        _ => None,
    }
}

fn newer_failure(failure: Option<&Sighting>, basis: &Sighting) -> Option<Cause> {
    failure.filter(|it| it.look > basis.look).and_then(cause)
}

/// `moment` plus `duration`, or the end of time.
pub(super) fn later(moment: Timestamp, duration: std::time::Duration) -> Timestamp {
    moment.checked_add(duration).unwrap_or(Timestamp::MAX)
}
