//! What positions come to at a moment.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::amount::Short;
use super::position::{Absence, Candidate, Position, Proof};
use super::verdict::{Code, Freshness};
use crate::domain::ids::Timestamp;
use crate::domain::ownership::Cause;

/// The answer at one moment, and what it rests on.
#[derive(Debug)]
pub(super) struct Decision<'p> {
    pub(super) code: Code,
    pub(super) freshness: Freshness,
    /// The token that decided, for every code that rests on one.
    pub(super) candidate: Option<&'p Candidate<'p>>,
    /// The proof of an answer that rests on no token: the one that goes stale first.
    pub(super) absence: Option<&'p Proof>,
    /// Why it is not determined; `None` if nobody has looked yet.
    pub(super) cause: Option<Cause>,
    /// For `NOT_HELD`: what comes nearest to a yes, and where.
    pub(super) nearest: Option<(&'p Position<'p>, Short)>,
    /// For `UNDETERMINED`: when it was last proven, if that is too long ago.
    pub(super) lapsed: Option<&'p Proof>,
}

impl Decision<'_> {
    /// Whether a program would see another answer. Freshness alone is none.
    pub(super) fn differs(&self, other: &Self) -> bool {
        let key = |it: &Self| {
            let told = |held: &Candidate<'_>| {
                (held.tier.rank, held.token, held.wallet, held.provisional, held.until)
            };
            (it.code, it.candidate.map(told))
        };
        key(self) != key(other)
    }
}

/// How one token stands at a moment.
pub(super) enum Eligibility {
    Good(Freshness),
    /// A renewal whose time has not come.
    Ahead,
    Bad(Code),
    Lapsed,
}

/// The answer at `now`.
pub(super) fn decide<'p>(positions: &'p [Position<'p>], now: Timestamp) -> Decision<'p> {
    let candidates: Vec<(&Candidate<'_>, Eligibility)> = positions
        .iter()
        .flat_map(|it| &it.candidates)
        .map(|it| (it, eligibility(it, now)))
        .collect();
    let best = candidates
        .iter()
        .filter_map(|(it, eligibility)| match eligibility {
            Eligibility::Good(freshness) => Some((*it, *freshness)),
            _ => None,
        })
        .max_by_key(|(it, _)| preference(it));
    if let Some((candidate, freshness)) = best {
        let code = if freshness == Freshness::Grace { Code::Grace } else { Code::Valid };
        return by_token(code, freshness, candidate);
    }
    if let Some(open) = undetermined(positions, &candidates, now) {
        return open;
    }
    let refused = candidates
        .iter()
        .filter_map(|(it, eligibility)| match eligibility {
            Eligibility::Bad(code) => Some((*it, *code)),
            _ => None,
        })
        .max_by_key(|(it, code)| (severity(*code), preference(it)));
    if let Some((candidate, code)) = refused {
        return by_token(code, freshness_of(&candidate.proof, now), candidate);
    }
    // Seen at less trust than the product asks for, it is no reason to buy what could not be proven here either.
    if positions.iter().flat_map(|it| &it.absences).any(|it| it.too_low) {
        return not_known(Some(Cause::TrustOutOfReach), None);
    }
    let weakest = proofs_of_absence(positions).min_by_key(|it| (it.stale_after, it.look));
    let freshness = weakest.map_or(Freshness::Fresh, |it| freshness_of(it, now));
    Decision {
        code: Code::NotHeld,
        freshness,
        candidate: None,
        absence: weakest,
        cause: None,
        nearest: nearest(positions),
        lapsed: None,
    }
}

/// Of all tokens of which too few are held, the one of which the fewest are lacking.
fn nearest<'p>(positions: &'p [Position<'p>]) -> Option<(&'p Position<'p>, Short)> {
    let short =
        |it: &'p Position<'p>| it.absences.iter().filter_map(move |none| Some((it, none.short?)));
    positions.iter().flat_map(short).min_by_key(|(it, short)| {
        let lacking = it.grant.rule.least().saturating_sub(short.amount);
        (lacking, short.token, it.wallet, it.customer)
    })
}

/// Every moment at which [`decide`] may change from `decision` to another answer.
pub(super) fn boundaries(
    positions: &[Position<'_>],
    decision: &Decision<'_>,
) -> BTreeSet<Timestamp> {
    // With time a token's eligibility only ever gets worse, unless it is renewed, so that none can take the place of
    // one that holds before that one's own time is over: of thousands, each with its own end, one is looked at.
    if let (Code::Valid | Code::Grace, Some(held)) = (decision.code, decision.candidate) {
        let renewals = positions.iter().flat_map(|it| &it.candidates).filter_map(|it| it.from);
        return moments_of(held).chain(renewals).collect();
    }
    let mut moments = BTreeSet::new();
    for position in positions {
        moments.extend(position.candidates.iter().flat_map(moments_of));
        for proof in position.absences.iter().filter_map(|it| it.proof.as_ref()) {
            moments.extend([proof.stale_after, proof.grace_until]);
        }
    }
    moments
}

fn moments_of(candidate: &Candidate<'_>) -> impl Iterator<Item = Timestamp> + use<> {
    let Proof { stale_after, grace_until, .. } = candidate.proof;
    [stale_after, grace_until].into_iter().chain(candidate.until).chain(candidate.from)
}

fn by_token<'p>(code: Code, freshness: Freshness, candidate: &'p Candidate<'p>) -> Decision<'p> {
    Decision {
        code,
        freshness,
        candidate: Some(candidate),
        absence: None,
        cause: candidate.failing,
        nearest: None,
        lapsed: None,
    }
}

pub(super) fn eligibility(candidate: &Candidate<'_>, now: Timestamp) -> Eligibility {
    let proof = &candidate.proof;
    if candidate.from.is_some_and(|it| now < it) {
        Eligibility::Ahead
    } else if candidate.suspended {
        Eligibility::Bad(Code::Suspended)
    } else if candidate.ended(now).is_some() {
        Eligibility::Bad(Code::Expired)
    } else if candidate.too_low {
        Eligibility::Bad(Code::TrustTooLow)
    } else if proof.grace_until <= now {
        Eligibility::Lapsed
    } else if proof.stale_after <= now && candidate.failing.is_some() {
        Eligibility::Good(Freshness::Grace)
    } else {
        Eligibility::Good(freshness_of(proof, now))
    }
}

/// The answer while anything that could still turn out to be a yes is not known.
fn undetermined<'p>(
    positions: &'p [Position<'p>],
    candidates: &[(&'p Candidate<'p>, Eligibility)],
    now: Timestamp,
) -> Option<Decision<'p>> {
    let lapsed = candidates.iter().find(|(_, it)| matches!(it, Eligibility::Lapsed));
    let open = positions.iter().flat_map(|it| &it.absences).find(|it| is_open(it, now));
    let cause = match (lapsed, open) {
        (Some((candidate, _)), _) => candidate.failing,
        (None, Some(absence)) => absence.failing,
        (None, None) => return None,
    };
    Some(not_known(cause, lapsed.map(|(it, _)| &it.proof)))
}

fn not_known(cause: Option<Cause>, lapsed: Option<&Proof>) -> Decision<'_> {
    Decision {
        code: Code::Undetermined,
        freshness: Freshness::Stale,
        candidate: None,
        absence: None,
        cause,
        nearest: None,
        lapsed,
    }
}

/// Whether it is not known, or no longer known, that there is nothing.
pub(super) fn is_open(absence: &Absence, now: Timestamp) -> bool {
    match &absence.proof {
        None => true,
        Some(proof) => {
            proof.grace_until <= now || (proof.stale_after <= now && absence.failing.is_some())
        }
    }
}

fn proofs_of_absence<'p>(positions: &'p [Position<'p>]) -> impl Iterator<Item = &'p Proof> {
    positions.iter().flat_map(|it| &it.absences).filter_map(|it| it.proof.as_ref())
}

fn freshness_of(proof: &Proof, now: Timestamp) -> Freshness {
    if now < proof.stale_after { Freshness::Fresh } else { Freshness::Stale }
}

/// The higher rank wins; then the later end; then the lower token id; then an order that is always the
/// same, so that an answer never depends on the order of the facts.
fn preference<'c>(candidate: &'c Candidate<'_>) -> impl Ord + use<'c> {
    let until = candidate.until.unwrap_or(Timestamp::MAX);
    let order = (candidate.token.id, candidate.token.collection, candidate.wallet);
    (candidate.tier.rank, until, Reverse(order), Reverse(candidate.customer))
}

/// Which refusal is named when several tokens are refused: what somebody can mend comes first.
fn severity(code: Code) -> u8 {
    match code {
        Code::Suspended => 3,
        Code::TrustTooLow => 2,
        Code::Expired => 1,
        _ => 0,
    }
}
