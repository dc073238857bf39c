//! How a contract is to be asked under a rule, and what its answers come to. Pure.
//!
//! Some rules ask the contract first what kind it is: a lock for its version, an expirable one for its unit.
//! After that each question about a token is the same for all rules: who holds it, and until when. Asked by:
//! `look`. Never: knows rule `balance`, where a token has no holder but everybody has an amount.

use alloy_primitives::{Address, U256};

use super::words::Term;
use super::{erc721, erc4907, erc5643, erc7858, unlock};
use crate::domain::ownership::{Anchor, Cause, Rule};
use crate::evm::execute::{Call, Outcome};

/// A rule, and what of the contract has to be known to ask it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Owner,
    User,
    Subscription,
    Expiry(erc7858::Unit),
    Lock(unlock::Words),
}

impl Dialect {
    /// What has to be asked of the contract before anything else, if anything has.
    pub fn ask_first(rule: Rule, contract: Address) -> Option<Call> {
        match rule {
            Rule::Expiry => Some(erc7858::ask_unit(contract)),
            Rule::Unlock => Some(unlock::ask_version(contract)),
            _ => None,
        }
    }

    /// `first` is how the call of [`Self::ask_first`] ended. A contract that is not there answers every
    /// further question by its absence, whatever the words.
    ///
    /// # Errors
    /// [`Cause::Contract`] when it is none of its kind that we know.
    pub fn learn(rule: Rule, first: Option<&Outcome>) -> Result<Self, Cause> {
        let kind = match (rule, first) {
            (Rule::Owner, _) => Kind::Owner,
            (Rule::User, _) => Kind::User,
            (Rule::Subscription, _) => Kind::Subscription,
            (Rule::Expiry | Rule::Unlock, Some(Outcome::NoCode)) => Kind::Owner,
            (Rule::Expiry, Some(unit)) => Kind::Expiry(erc7858::unit(unit)?),
            (Rule::Unlock, Some(version)) => Kind::Lock(unlock::words(version)?),
            (Rule::Expiry | Rule::Unlock, None) | (Rule::Balance { .. }, _) => {
                return Err(Cause::Contract);
            }
        };
        Ok(Self(kind))
    }

    /// Whether somebody's tokens can be counted, so that it is known when all are found.
    pub fn counts(self) -> bool {
        self.0 != Kind::User
    }

    /// How many tokens somebody has, ended ones too; the answer is read by [`Self::count`].
    pub fn ask_count(self, contract: Address, holder: Address) -> Call {
        match self.0 {
            Kind::Lock(words) => unlock::ask_count(words, contract, holder),
            _ => erc721::ask_balance(contract, holder),
        }
    }

    /// How many tokens an answer to [`Self::ask_count`] says.
    ///
    /// # Errors
    /// [`Cause::Contract`] for everything that is not an answer to the question.
    pub fn count(self, outcome: &Outcome) -> Result<U256, Cause> {
        let number = erc721::number(outcome)?;
        Ok(match self.0 {
            Kind::Lock(words) => unlock::count(words, number),
            _ => number,
        })
    }

    /// Whether what is listed for somebody is all there is, though not all of it be theirs: a lock goes on
    /// counting keys that were taken back.
    pub fn lists_are_complete(self) -> bool {
        matches!(self.0, Kind::Lock(_))
    }

    /// The id of one of somebody's tokens, below their count. The answer is one number.
    pub fn ask_listed(self, contract: Address, who: (Address, u64)) -> Call {
        let (holder, index) = who;
        match self.0 {
            Kind::Lock(unlock::Words::ByAddress) => unlock::ask_only_key(contract, holder),
            _ => erc721::ask_token_at(contract, holder, index),
        }
    }

    /// Who holds a token; the answer is read by [`Self::holder`].
    pub fn ask_holder(self, contract: Address, id: U256) -> Call {
        match self.0 {
            Kind::User => erc4907::ask_user(contract, id),
            _ => erc721::ask_owner(contract, id),
        }
    }

    /// Who holds a token. `None`: proven that nobody does.
    ///
    /// # Errors
    /// [`Cause::Contract`] for everything that is not an answer to the question.
    pub fn holder(self, id: U256, outcome: &Outcome) -> Result<Option<Address>, Cause> {
        erc721::owner(id, outcome)
    }

    /// What has to be asked to learn how long `holder` holds a token: the answers are read by
    /// [`Self::term`], in their order.
    pub fn ask_term(self, contract: Address, id: U256, holder: Address) -> Vec<Call> {
        match self.0 {
            Kind::Owner => Vec::new(),
            Kind::User => vec![erc4907::ask_expires(contract, id)],
            Kind::Subscription => vec![erc5643::ask_expiry(contract, id)],
            Kind::Expiry(_) => erc7858::ask_term(contract, id).to_vec(),
            Kind::Lock(words) => unlock::ask_term(words, contract, id, holder),
        }
    }

    /// How long, at the block of `at`.
    ///
    /// # Errors
    /// [`Cause::Contract`] for everything that is not an answer to the questions.
    pub fn term(self, id: U256, answers: &[Outcome], at: &Anchor) -> Result<Term, Cause> {
        match (self.0, answers) {
            (Kind::Owner, []) => Ok(Term::Open),
            (Kind::User, [expires]) => erc4907::term(expires),
            (Kind::Subscription, [expires]) => erc5643::term(expires),
            (Kind::Expiry(unit), answers) => erc7858::term(unit, answers, at),
            (Kind::Lock(_), answers) => unlock::term(id, answers, at.time),
            _ => Err(Cause::Contract),
        }
    }
}

#[cfg(test)]
mod tests;
