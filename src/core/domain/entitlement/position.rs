//! What each wallet holds under each grant, as far as sightings tell. Nothing here depends on the time.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, U256};

use super::amount::{Short, short};
use super::{Holder, Question};
use crate::domain::consensus::objection;
use crate::domain::ids::{CustomerId, Timestamp, Token};
use crate::domain::ownership::{Anchor, Cause, Finality, Finding, Sighting, Target, Trust, Via};
use crate::domain::precedence::Newest;
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
    /// How many of it count, as far as is known; for rule `balance` only.
    pub(super) amount: Option<U256>,
    /// How many the vault has that delegated them, where that is more.
    pub(super) whole: Option<U256>,
    /// Under which rule, and through whom.
    pub(super) grant: &'a Grant,
    pub(super) via: Vec<Via>,
    pub(super) proof: Proof,
    /// When a look can tell more: once the proof is stale, or what was seen at the product's own finality is.
    pub(super) look_due: Timestamp,
    /// The end of the holding or of the tier, whichever comes first.
    pub(super) until: Option<Timestamp>,
    /// A renewal that is not settled yet counts from the end of what is.
    pub(super) from: Option<Timestamp>,
    /// The time of the newest block that tells of its end.
    pub(super) seen_to: Timestamp,
    /// Seen before the finality the product asks for, and not at it: held there neither, or not for as long.
    pub(super) before_final: bool,
    /// More of it were seen before that finality than at it.
    pub(super) more_before_final: bool,
    /// So seen, which the product allows.
    pub(super) provisional: bool,
    /// Seen only at a trust or finality below what the product asks for.
    pub(super) too_low: bool,
    /// At a block that is not trusted as far as the product asks.
    pub(super) is_unaccepted: bool,
    /// Of trust `consensus`, but from a checkpoint that the product does not vouch for.
    pub(super) unvouched: bool,
    /// What else keeps it from counting, though the proof itself would do.
    pub(super) doubt: Option<Doubt>,
    pub(super) suspended: bool,
    /// Why the newest attempt to prove it again found nothing out.
    pub(super) failing: Option<Cause>,
}

/// What of less trust than the product asks for stands between a proof and a yes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doubt {
    /// The wallet is a contract, and was seen to accept its link only there.
    Link,
    /// A newer look of less trust took the place of what was seen since: of each class only the newest word is kept.
    Replaced,
}

impl Candidate<'_> {
    /// The end, if it is over at `now`: by the clock, or by the blocks that tell of it.
    pub(super) fn ended(&self, now: Timestamp) -> Option<Timestamp> {
        self.until.filter(|end| *end <= now.max(self.seen_to))
    }
}

/// A proof that something is not held, or that no such proof exists.
#[derive(Debug, Clone)]
pub(super) struct Absence {
    pub(super) proof: Option<Proof>,
    pub(super) failing: Option<Cause>,
    /// Proven only at less trust than the product asks for.
    pub(super) too_low: bool,
    /// Some of a token is held, and that is too little.
    pub(super) short: Option<Short>,
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
                let wallet_grant = WalletGrant { product, grant, holder, wallet, suspended };
                positions.push(wallet_grant.position(&of_wallet));
            }
        }
    }
    positions
}

/// One wallet and one grant.
struct WalletGrant<'a> {
    product: &'a Product,
    grant: &'a Grant,
    holder: &'a Holder,
    wallet: Address,
    suspended: &'a BTreeSet<Token>,
}

/// What counts on one target: proven at the product's finality or a more settled one, and proven at a less
/// settled but higher block. Beside them the newest attempts of the product's own looks that found nothing out.
struct Word<'s> {
    settled: Option<&'s Sighting>,
    early: Option<&'s Sighting>,
    settled_failure: Option<&'s Sighting>,
    early_failure: Option<&'s Sighting>,
    /// The newest attempt at the product's own finality. Looks of other products may be at the head alone, and keep
    /// what is seen there fresh for ever.
    own_attempt: Option<&'s Sighting>,
    /// The newest look whose block the product does not accept.
    unaccepted: Option<u64>,
}

impl<'a> WalletGrant<'a> {
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
            let word = self.word(about);
            let held = self.candidates(token, &word);
            if held.is_empty() {
                absences.push(self.absence(&word));
            }
            candidates.extend(held);
        }
        let (wallet, customer) = (self.wallet, self.holder.customer);
        Position { grant: self.grant, wallet, customer, candidates, absences }
    }

    /// What counts of some sightings of one target.
    fn word<'s>(&self, sightings: impl IntoIterator<Item = &'s Sighting>) -> Word<'s> {
        // Of "the rest" it can only be proven that nothing of it is held.
        let says = |it: &&Sighting| held(it).is_none() || matches!(it.target, Target::Token(_));
        let said: Vec<&'s Sighting> = sightings.into_iter().filter(says).collect();
        let refused = |it: &&&Sighting| it.finding.anchor().is_some_and(|at| !self.accepts(at));
        let unaccepted = said.iter().filter(refused).map(|it| it.look).max();
        let newest: Newest<'s> = said.into_iter().collect();
        let finality = self.product.finality;
        let settled = newest.counting(finality..);
        // What was seen early counts only at a block that is not settled yet.
        let number = |it: &Sighting| it.finding.anchor().map(|it| it.number);
        let early = newest
            .counting(..finality)
            .filter(|early| settled.is_none_or(|it| number(it) < number(early)));
        Word {
            settled,
            early,
            settled_failure: newest.unknown(finality),
            early_failure: newest.unknown(Finality::Latest),
            own_attempt: newest.attempt(finality),
            unaccepted,
        }
    }

    /// The token as held by this wallet, if what counts on it says so. Twice where it is renewed, and only the
    /// older term is settled.
    fn candidates(&self, token: Token, word: &Word<'_>) -> Vec<Candidate<'a>> {
        let (settled, early) = (word.settled.and_then(held), word.early.and_then(held));
        let Some(settled) = settled else {
            return early.and_then(|it| self.early(token, it, word)).into_iter().collect();
        };
        if word.early.is_some() && early.is_none() {
            // Seen to have gone, if only early: that ends it.
            return Vec::new();
        }
        let mut candidates: Vec<_> =
            self.candidate(token, settled, (false, word)).into_iter().collect();
        let renewal = early.and_then(|it| self.early(token, it, word));
        if let (Some(settled), Some(mut early)) = (candidates.first_mut(), renewal) {
            settled.seen_to = settled.seen_to.max(early.seen_to);
            settled.recount(&early);
            let never = Timestamp::MAX;
            if early.until.unwrap_or(never) <= settled.until.unwrap_or(never) {
                settled.until = early.until;
            } else {
                early.from = settled.until;
                candidates.push(early);
            }
        }
        candidates
    }

    /// A token held by a proof before the product's finality. That it is not settled yet is known for as long as a look
    /// at the product's own finality is young, however young the proof is.
    fn early(&self, token: Token, basis: &Sighting, word: &Word<'_>) -> Option<Candidate<'a>> {
        let again = |it: &Sighting| later(it.seen_at, self.product.refresh);
        let own_due = word.own_attempt.map_or(Timestamp::MIN, again);
        let candidate = self.candidate(token, basis, (true, word))?;
        Some(Candidate { look_due: candidate.look_due.min(own_due), ..candidate })
    }

    /// A token held by one proof, which was seen before the product's finality or at it.
    fn candidate(
        &self,
        token: Token,
        basis: &Sighting,
        (before_final, word): (bool, &Word<'_>),
    ) -> Option<Candidate<'a>> {
        let Finding::Held { until, anchor } = &basis.finding else { return None };
        let tier = self.product.tier(&self.grant.tier)?;
        let unvouched = !self.is_vouched(anchor);
        let failure = if before_final { word.early_failure } else { word.settled_failure };
        let doubt = match word.unaccepted.filter(|_| self.accepts(anchor)) {
            _ if !self.is_well_linked() => Some(Doubt::Link),
            Some(look) if look > basis.look => Some(Doubt::Replaced),
            _ => None,
        };
        let proof = self.proof(basis, anchor);
        Some(Candidate {
            tier,
            token,
            wallet: self.wallet,
            customer: self.holder.customer,
            amount: basis.amount,
            whole: basis.whole,
            grant: self.grant,
            via: basis.via.clone(),
            look_due: proof.stale_after,
            proof,
            until: [*until, tier.expires_at].into_iter().flatten().min(),
            from: None,
            seen_to: anchor.time,
            before_final,
            more_before_final: false,
            provisional: before_final && self.product.provisional,
            too_low: anchor.trust < self.product.trust
                || unvouched
                || doubt.is_some()
                || (before_final && !self.product.provisional),
            is_unaccepted: !self.accepts(anchor),
            unvouched,
            doubt,
            suspended: !self.holder.active || self.suspended.contains(&token),
            failing: newer_failure(failure, basis),
        })
    }

    /// Whether the wallet is known to be the customer's at the product's trust. A key's signature needs no chain; that a
    /// contract stands for a wallet was seen at a block, on which no more may be built than on any other.
    fn is_well_linked(&self) -> bool {
        let Some(contract) = self.holder.contracts.get(&self.wallet) else { return true };
        match &contract.accepted {
            None => self.product.trust == Trust::Single,
            Some(at) => self.accepts(at),
        }
    }

    /// Whether a block is trusted as far as the product asks.
    fn accepts(&self, anchor: &Anchor) -> bool {
        anchor.trust >= self.product.trust && self.is_vouched(anchor)
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

    /// That it is not held, by the newest look that says so.
    fn absence(&self, word: &Word<'_>) -> Absence {
        let words = [word.settled, word.early].into_iter().flatten();
        let basis = words.filter(|it| held(it).is_none()).max_by_key(|it| it.look);
        let failures = [word.settled_failure, word.early_failure];
        let failure = failures.into_iter().flatten().max_by_key(|it| it.look);
        let Some(basis) = basis else {
            let failing = failure.and_then(cause);
            return Absence { proof: None, failing, too_low: false, short: None };
        };
        let anchor = basis.finding.anchor();
        let too_low = anchor.is_some_and(|it| it.trust < self.product.trust);
        let proof = anchor.map(|it| self.proof(basis, it));
        // One class failing while the other proves is no failure: the newer look proved it.
        Absence { proof, failing: newer_failure(failure, basis), too_low, short: short(basis) }
    }

    /// What is known of the tokens nobody sighted one by one.
    fn rest(&self, rests: &[&Sighting]) -> Absence {
        let covers = |it: &&Sighting| match &it.target {
            Target::Token(_) => false,
            Target::Rest { ids, .. } => ids.covers(&self.grant.ids),
        };
        self.absence(&self.word(rests.iter().copied().filter(covers)))
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

/// Which of the answers of one look it belongs to.
fn answer(sighting: &Sighting) -> (u64, Finality) {
    (sighting.look, sighting.finding.finality())
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
