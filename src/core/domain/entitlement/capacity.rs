//! How many tokens of each holder are proven and good, for each grant: what floating seats are counted from.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::decide::{Eligibility, eligibility, is_open};
use super::position::{self, Candidate, Position};
use super::{Question, Timestamp};
use crate::domain::ids::{CustomerId, Token};
use crate::domain::product::Grant;

/// What one holder has by one grant.
#[derive(Debug, Clone, PartialEq)]
pub struct GrantCapacity<'a> {
    /// Whose tokens: of each there is one count, whoever asks.
    pub holder: CustomerId,
    pub grant: &'a Grant,
    pub rank: u32,
    /// Seats of each token; `None`: as many as anybody wants.
    pub seats: Option<u32>,
    pub tokens: Tokens,
    /// Those that were counted, each once.
    pub counted: Vec<Token>,
}

/// How many tokens there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tokens {
    /// Not proven, and that there are none is not proven either.
    NotKnown,
    Proven {
        count: u32,
        /// When nothing of it holds any more: the end of the evidence's grace, or of the licence.
        until: Option<Timestamp>,
        /// Whether there are certainly no more of them.
        complete: bool,
        /// When the count is to be made anew, because time alone may change it.
        changes_at: Option<Timestamp>,
    },
}

/// What the facts in `question` come to at `now`, for its customer first, and then for every other holder; the grants in
/// the order of the product. A token counts once for a holder, by the best of the grants it leads to.
///
/// `now` must not be below the chain-time floor of the product's chains. An ERC-1155 id counts once, whatever its balance.
pub fn capacities<'a>(question: &'a Question<'a>, now: Timestamp) -> Vec<GrantCapacity<'a>> {
    let Some(product) = question.definition else { return Vec::new() };
    let positions = position::take(question, product);
    let mut holders = vec![question.customer];
    holders.extend(question.holders.iter().map(|it| it.customer));
    let mut seen = Vec::new();
    holders.retain(|it| {
        !seen.contains(it) && {
            seen.push(*it);
            true
        }
    });
    let mut capacities = Vec::new();
    for holder in holders {
        let own: Vec<&Position<'_>> = positions.iter().filter(|it| it.customer == holder).collect();
        let leads = best_grants(&own, now);
        for grant in &product.grants {
            let Some(tier) = product.tier(&grant.tier) else { continue };
            let count = match question.is_deactivated() {
                true => Count::default(),
                false => count(&own, grant, &leads, now),
            };
            let counted = count.good.keys().copied().collect();
            capacities.push(GrantCapacity {
                holder,
                grant,
                rank: tier.rank,
                seats: tier.seats,
                tokens: count.tokens(),
                counted,
            });
        }
    }
    capacities
}

/// Which grant each good token counts for: the one of the highest rank, and of those the first of the product.
fn best_grants<'p>(
    positions: &[&'p Position<'p>],
    now: Timestamp,
) -> BTreeMap<Token, (Reverse<u32>, &'p Grant)> {
    let mut best: BTreeMap<Token, (Reverse<u32>, &Grant)> = BTreeMap::new();
    let candidates = positions.iter().flat_map(|it| &it.candidates);
    for it in candidates.filter(|it| matches!(eligibility(it, now), Eligibility::Good(_))) {
        let rank = Reverse(it.tier.rank);
        let entry = best.entry(it.token).or_insert((rank, it.grant));
        if rank < entry.0 {
            *entry = (rank, it.grant);
        }
    }
    best
}

/// What is found of one grant.
#[derive(Debug, Default)]
struct Count {
    /// The good tokens, and when each holds no more.
    good: BTreeMap<Token, Timestamp>,
    /// Something could still turn out to be a good token.
    open: bool,
    /// Of some token the evidence has run out, and nothing was learned since.
    lapsed: bool,
    changes_at: Option<Timestamp>,
}

fn count(
    positions: &[&Position<'_>],
    grant: &Grant,
    leads: &BTreeMap<Token, (Reverse<u32>, &Grant)>,
    now: Timestamp,
) -> Count {
    let mut count = Count::default();
    for position in positions.iter().filter(|it| std::ptr::eq(it.grant, grant)) {
        count.open |= position.absences.iter().any(|it| it.too_low || is_open(it, now));
        for candidate in &position.candidates {
            count.add(candidate, leads, now);
        }
    }
    // A renewal goes on where what was paid before ends.
    for candidate in positions.iter().flat_map(|it| &it.candidates) {
        if let (true, Some(until)) =
            (std::ptr::eq(candidate.grant, grant), count.good.get_mut(&candidate.token))
            && !candidate.suspended
            && candidate.ended(now).is_none()
        {
            *until = (*until).max(end(candidate));
        }
    }
    count
}

impl Count {
    fn add(
        &mut self,
        candidate: &Candidate<'_>,
        leads: &BTreeMap<Token, (Reverse<u32>, &Grant)>,
        now: Timestamp,
    ) {
        let moments = [Some(candidate.proof.grace_until), candidate.until, candidate.from];
        let next = moments.into_iter().flatten().filter(|it| *it > now).min();
        self.changes_at = [self.changes_at, next].into_iter().flatten().min();
        match eligibility(candidate, now) {
            Eligibility::Good(_) => {
                let here = leads
                    .get(&candidate.token)
                    .is_some_and(|(_, it)| std::ptr::eq(*it, candidate.grant));
                if here {
                    let until = self.good.entry(candidate.token).or_insert(end(candidate));
                    *until = (*until).max(end(candidate));
                }
            }
            Eligibility::Lapsed => self.lapsed = true,
            // Held, but not proven as the product asks: it may be, and it may have been.
            Eligibility::Bad(super::Code::TrustTooLow) => self.open = true,
            Eligibility::Bad(_) | Eligibility::Ahead => {}
        }
    }

    fn tokens(self) -> Tokens {
        let count = u32::try_from(self.good.len()).unwrap_or(u32::MAX);
        if count == 0 && (self.open || self.lapsed) {
            return Tokens::NotKnown;
        }
        let until = self.good.into_values().max();
        Tokens::Proven { count, until, complete: !self.open, changes_at: self.changes_at }
    }
}

/// When a good token counts no more.
fn end(candidate: &Candidate<'_>) -> Timestamp {
    let grace = candidate.proof.grace_until;
    candidate.until.map_or(grace, |it| it.min(grace))
}
