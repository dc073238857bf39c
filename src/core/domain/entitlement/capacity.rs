//! How many tokens of each holder are proven and good, for each grant: what floating seats are counted from.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use alloy_primitives::{Address, U256};

use super::decide::{Eligibility, eligibility, is_open};
use super::position::{self, Candidate, Position};
use super::{Code, Question, Timestamp};
use crate::domain::ids::{CustomerId, Token};
use crate::domain::product::Grant;

/// What one holder has by one grant.
#[derive(Debug, Clone, PartialEq)]
pub struct GrantCapacity<'a> {
    /// Whose tokens: of each there is one count, whoever asks.
    pub holder: CustomerId,
    pub grant: &'a Grant,
    pub rank: u32,
    /// Seats of each; `None`: as many as anybody wants.
    pub seats: Option<u32>,
    pub tokens: Tokens,
    /// What was counted, each once.
    pub counted: Vec<Counted>,
}

/// What counts once, whichever wallet it is found by, on whichever machine: a token, or what one account has of it where
/// many have some (ERC-1155).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share {
    pub token: Token,
    /// Who has it on the chain: the wallet, or the vault that delegated to it. `None` of a token that one alone can have.
    pub account: Option<Address>,
}

/// What of it was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    pub share: Share,
    /// How often it meets the grant's rule, and so for how many times the tier's seats it is good.
    pub times: u32,
    /// The same of all that the account has, whoever else counts it: of a balance that a vault delegated in parts, of all parts.
    pub of: u32,
}

/// How many tokens there are, or of ERC-1155 how often as many of one as the grant asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tokens {
    /// Not proven, and that there are none is not proven either.
    NotKnown {
        /// When nothing of what was known last holds any more; `None` of what nothing ever spoke for.
        until: Option<Timestamp>,
    },
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
/// the order of the product. A token counts once for a holder, by the best of the grants it leads to; of an ERC-1155 id what
/// each account has counts by itself, as often as it is as much as the grant asks for.
///
/// `now` must not be below the chain-time floor of the product's chains.
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
            let counted = |(share, it): (&Share, &Good)| Counted {
                share: *share,
                times: it.times(),
                of: it.of(),
            };
            let counted = count.good.iter().map(counted).collect();
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

type Leads<'p> = BTreeMap<Share, (Reverse<u32>, &'p Grant)>;

/// Which grant each good share counts for: the one of the highest rank, and of those the first of the product.
fn best_grants<'p>(positions: &[&'p Position<'p>], now: Timestamp) -> Leads<'p> {
    let mut best = Leads::new();
    let candidates = positions.iter().flat_map(|it| &it.candidates);
    for it in candidates.filter(|it| matches!(eligibility(it, now), Eligibility::Good(_))) {
        let rank = Reverse(it.tier.rank);
        let entry = best.entry(it.share()).or_insert((rank, it.grant));
        if rank < entry.0 {
            *entry = (rank, it.grant);
        }
    }
    best
}

/// What is found of one grant.
#[derive(Debug, Default)]
struct Count {
    /// What is good.
    good: BTreeMap<Share, Good>,
    /// Something could still turn out to be a good token.
    open: bool,
    /// Of some token the evidence has run out, and nothing was learned since.
    lapsed: bool,
    /// The end of the last that does not count, or not any more.
    ended: Option<Timestamp>,
    changes_at: Option<Timestamp>,
}

#[derive(Debug, Clone)]
struct Good {
    /// When it counts no more.
    until: Timestamp,
    /// How many its grant asks for.
    least: U256,
    /// How many count for each wallet: of a vault's, those that it delegated to that one.
    parts: BTreeMap<Address, U256>,
    /// How many the account has.
    whole: U256,
}

impl Good {
    fn new(candidate: &Candidate<'_>) -> Self {
        let (until, least) = (end(candidate), candidate.grant.rule.least());
        Self { until, least, parts: BTreeMap::new(), whole: U256::ZERO }
    }

    fn add(&mut self, candidate: &Candidate<'_>) {
        self.until = self.until.max(end(candidate));
        let part = self.parts.entry(candidate.wallet).or_default();
        *part = candidate.amount().max(*part);
        self.whole = self.whole.max(candidate.whole());
    }

    /// A vault may have delegated to several wallets, and more than it has.
    fn times(&self) -> u32 {
        let parts = self.parts.values().fold(U256::ZERO, |sum, it| sum.saturating_add(*it));
        times(parts.min(self.whole), self.least)
    }

    fn of(&self) -> u32 {
        times(self.whole, self.least)
    }
}

fn times(amount: U256, least: U256) -> u32 {
    u32::try_from(amount / least).unwrap_or(u32::MAX)
}

fn count(positions: &[&Position<'_>], grant: &Grant, leads: &Leads<'_>, now: Timestamp) -> Count {
    let mut count = Count::default();
    for position in positions.iter().filter(|it| std::ptr::eq(it.grant, grant)) {
        count.open |= position.absences.iter().any(|it| it.too_low || is_open(it, now));
        for candidate in &position.candidates {
            count.add(candidate, leads, now);
        }
    }
    // A renewal goes on where what was paid before ends.
    for candidate in positions.iter().flat_map(|it| &it.candidates) {
        if let (true, Some(good)) =
            (std::ptr::eq(candidate.grant, grant), count.good.get_mut(&candidate.share()))
            && !candidate.suspended
            && candidate.ended(now).is_none()
        {
            good.until = good.until.max(end(candidate));
        }
    }
    count
}

impl Count {
    fn add(&mut self, candidate: &Candidate<'_>, leads: &Leads<'_>, now: Timestamp) {
        let moments = [Some(candidate.proof.grace_until), candidate.until, candidate.from];
        let next = moments.into_iter().flatten().filter(|it| *it > now).min();
        self.changes_at = [self.changes_at, next].into_iter().flatten().min();
        match eligibility(candidate, now) {
            Eligibility::Good(_) => {
                let share = candidate.share();
                let here =
                    leads.get(&share).is_some_and(|(_, it)| std::ptr::eq(*it, candidate.grant));
                if here {
                    self.good.entry(share).or_insert_with(|| Good::new(candidate)).add(candidate);
                }
            }
            Eligibility::Ahead => {}
            bad => {
                self.lapsed |= matches!(bad, Eligibility::Lapsed);
                // Held, but not proven as the product asks: it may be, and it may have been.
                self.open |= matches!(bad, Eligibility::Bad(Code::TrustTooLow));
                self.ended = self.ended.max(Some(end(candidate)));
            }
        }
    }

    fn tokens(self) -> Tokens {
        let times = self.good.values().map(Good::times);
        let count = times.fold(0, u32::saturating_add);
        if count == 0 && (self.open || self.lapsed) {
            return Tokens::NotKnown { until: self.ended };
        }
        let until = self.good.into_values().map(|it| it.until).max();
        Tokens::Proven { count, until, complete: !self.open, changes_at: self.changes_at }
    }
}

/// When a good token counts no more.
fn end(candidate: &Candidate<'_>) -> Timestamp {
    let grace = candidate.proof.grace_until;
    candidate.until.map_or(grace, |it| it.min(grace))
}
