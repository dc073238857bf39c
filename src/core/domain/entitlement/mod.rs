//! The heart: what facts entitle a customer to.
//!
//! [`evaluate`] is total, pure and deterministic: it takes what the ledger knows and the time, and gives
//! a [`Verdict`]. It cannot fail; what is not known makes the answer `UNDETERMINED`, never yes or no.
//!
//! `position` turns sightings into what each wallet holds under each grant, without looking at the time;
//! `decide` applies the time; `capacity` counts tokens for floating seats; `explain` tells the same story step by step.

mod amount;
mod capacity;
mod decide;
mod explain;
mod position;
mod verdict;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::Address;

use super::ids::{ChainId, CustomerId, ProductId, Timestamp, Token};
use super::ownership::{Anchor, Sighting};
use super::product::Product;
use crate::domain::publisher::PublisherKey;

pub use capacity::{Counted, GrantCapacity, Share, Tokens, capacities};
pub use explain::{Count, LoanReason, Outcome, Step, StepKind, explain, explain_loan};
pub use verdict::{Code, Freshness, Verdict};

/// A customer whose wallets count for the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    pub customer: CustomerId,
    /// A deactivated customer's tokens are seen, and entitle to nothing.
    pub active: bool,
    pub wallets: Vec<Address>,
    /// Of those, the contracts.
    pub contracts: BTreeMap<Address, ContractWallet>,
}

/// A wallet for which its contract stood when it was linked, and no key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContractWallet {
    /// The one on which it counts.
    pub chain: ChainId,
    /// The block at which the contract said so. None where nobody recorded it: that is worth one endpoint's word.
    pub accepted: Option<Anchor>,
}

impl Holder {
    fn counts_on(&self, wallet: Address, chain: ChainId) -> bool {
        self.contracts.get(&wallet).is_none_or(|it| it.chain == chain)
    }
}

/// What is asked, and everything the answer may rest on.
#[derive(Debug, Clone)]
pub struct Question<'a> {
    pub product: &'a ProductId,
    /// `None` when no such product is installed.
    pub definition: Option<&'a Product>,
    /// Who signed its file.
    pub publisher: Option<&'a PublisherKey>,
    /// For whom it is asked.
    pub customer: CustomerId,
    /// The customer itself and the machine.
    pub holders: &'a [Holder],
    pub sightings: &'a [Sighting],
    /// Tokens an administrator took out of force.
    pub suspended: &'a BTreeSet<Token>,
}

impl Question<'_> {
    /// Whether it is asked for a deactivated customer: it is entitled to nothing, through the machine's wallets no more
    /// than through its own, whatever is known or not.
    pub fn is_deactivated(&self) -> bool {
        self.holders.iter().any(|it| it.customer == self.customer && !it.active)
    }
}

/// Decides what the facts in `question` entitle its customer to at `now`.
///
/// `now` must not be below the chain-time floor of the product's chains: a clock that was turned back
/// must not make an old proof young.
pub fn evaluate(question: &Question<'_>, now: Timestamp) -> Verdict {
    let Some(product) = question.definition else {
        return verdict::no_product(question);
    };
    if question.is_deactivated() {
        return verdict::deactivated(question);
    }
    if question.holders.iter().all(|it| it.wallets.is_empty()) {
        return verdict::no_wallet(question, product);
    }
    let positions = position::take(question, product);
    let decision = decide::decide(&positions, now);
    let changes_at = decide::boundaries(&positions, &decision)
        .range((std::ops::Bound::Excluded(now), std::ops::Bound::Unbounded))
        .find(|moment| decide::decide(&positions, **moment).differs(&decision))
        .copied();
    verdict::word(question, product, &decision, changes_at)
}

/// Whether a look at the chain could tell more than `question` knows at `now`: something was never
/// looked at, or was looked at too long ago, be it at the product's own finality alone.
pub fn wants_look(question: &Question<'_>, now: Timestamp) -> bool {
    let Some(product) = question.definition else { return false };
    if question.is_deactivated() {
        return false;
    }
    position::take(question, product).iter().any(|it| {
        let candidates = it.candidates.iter().map(|held| Some(held.look_due));
        let absences = it.absences.iter().map(|none| none.proof.as_ref().map(|it| it.stale_after));
        candidates.chain(absences).any(|due| due.is_none_or(|it| it <= now))
    })
}

/// Whether a block that settles what was seen could tell more than `question` knows: a token was seen to be held, or to
/// be held for longer, only before the product's finality. It may be the better licence, or one seat more.
pub fn awaits_finality(question: &Question<'_>) -> bool {
    let Some(product) = question.definition else { return false };
    !question.is_deactivated()
        && position::take(question, product)
            .iter()
            .flat_map(|it| &it.candidates)
            .any(|it| it.before_final || it.more_before_final)
}
