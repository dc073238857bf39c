//! How many of a token count, where many have some of it: rule `balance`.

use alloy_primitives::U256;

use super::capacity::Share;
use super::position::Candidate;
use crate::domain::ids::{Standard, Token};
use crate::domain::ownership::{Sighting, Target, Via};

/// So many of a token, of which the grant's rule asks for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Short {
    pub(super) token: Token,
    pub(super) amount: U256,
}

/// What is held where too little is.
pub(super) fn short(none: &Sighting) -> Option<Short> {
    let Target::Token(token) = none.target else { return None };
    let amount = none.amount.filter(|it| !it.is_zero())?;
    Some(Short { token, amount })
}

impl Candidate<'_> {
    /// What is counted once, whichever wallet it was found by.
    pub(super) fn share(&self) -> Share {
        let holder = match self.via.first() {
            Some(Via::Vault(vault)) => *vault,
            Some(Via::Account(_)) | None => self.wallet,
        };
        let is_divided = self.token.collection.standard == Standard::Erc1155;
        Share { token: self.token, account: is_divided.then_some(holder) }
    }

    /// How many count for its wallet.
    pub(super) fn amount(&self) -> U256 {
        self.amount.unwrap_or_else(|| self.grant.rule.least())
    }

    /// How many the account has that they are of.
    pub(super) fn whole(&self) -> U256 {
        self.whole.unwrap_or(U256::ZERO).max(self.amount())
    }

    /// Takes up how many were seen at a later block that is not settled: fewer count at once, more when they are settled,
    /// or as the product allows.
    pub(super) fn recount(&mut self, early: &Self) {
        let (settled, seen) = (self.amount(), early.amount());
        let (settled_whole, seen_whole) = (self.whole(), early.whole());
        self.more_before_final = seen > settled || seen_whole > settled_whole;
        if self.more_before_final {
            self.look_due = self.look_due.min(early.look_due);
        }
        let counts = |settled: U256, seen: U256| {
            seen != settled && !early.is_unaccepted && (seen < settled || early.provisional)
        };
        if counts(settled, seen) {
            self.amount = Some(seen);
        }
        self.whole =
            Some(if counts(settled_whole, seen_whole) { seen_whole } else { settled_whole });
    }
}
