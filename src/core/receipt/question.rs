//! What a chain is asked for a receipt: whether one wallet holds one token in one way, until when, and whether a contract
//! stands for the wallet. Pure.
//!
//! The calls are those of a look (`standards`), and so is what their answers mean; a look also has to find the token, and to
//! prove that there is no other. Asked by: `verify`, over what is in a receipt; and by whoever makes one, who fetches what
//! is lacking and asks again. So the two can never ask different questions.

use alloy_primitives::{Address, B256, Bytes, U256};

use crate::domain::ids::{ChainId, Timestamp, Token};
use crate::domain::ownership::{Anchor, Cause, Rule, Terms, Via};
use crate::domain::product::{Grant, Product};
use crate::domain::wallet_proof::SignedBy;
use crate::evm::erc6551;
use crate::evm::execute::{Call, Outcome};
use crate::evm::session::Session;
use crate::evm::signature::{SignedHash, Stop};
use crate::standards::dialect::Dialect;
use crate::standards::words::Term;
use crate::standards::{delegation, erc721, erc1155};

/// How many accounts may stand one in the other, as for a look.
const DEEPEST: usize = 3;

/// A signature by which a wallet was linked, for its contract to judge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// On which the contract is.
    pub chain: ChainId,
    pub hash: B256,
    pub signature: Bytes,
}

/// What a chain is asked.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    pub token: Token,
    pub terms: Terms,
    pub wallet: Address,
    /// Through whom the wallet holds it, beginning at the wallet.
    pub via: &'a [Via],
    /// Where no key stands for the wallet.
    pub link: Option<&'a Link>,
}

/// A yes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// When the holding itself ends.
    pub until: Option<Timestamp>,
    /// By rule `balance`: how many count.
    pub amount: Option<U256>,
}

/// Why there is no yes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unanswered {
    /// It is not told, or not proven yet.
    Stopped(Stop),
    /// It is a no.
    NotHeld,
    /// The contract that is the wallet does not stand for its link.
    NotLinked,
}

impl From<Stop> for Unanswered {
    fn from(stop: Stop) -> Self {
        Self::Stopped(stop)
    }
}

/// An answer that is none.
impl From<Cause> for Unanswered {
    fn from(_: Cause) -> Self {
        Self::Stopped(Stop::Doubt)
    }
}

/// The first grant of a product about a token that has these terms: of all with the same terms it stands for all.
pub fn grant_of<'p>(product: &'p Product, token: &Token, terms: Terms) -> Option<(u32, &'p Grant)> {
    let mut grants = product.grants.iter().enumerate();
    let (index, grant) = grants.find(|(_, it)| it.grants(token) && it.terms() == terms)?;
    Some((u32::try_from(index).ok()?, grant))
}

impl Question<'_> {
    /// Asks, at the block of `at`.
    ///
    /// # Errors
    /// [`Unanswered`]
    pub fn ask(&self, session: &mut Session<'_>, at: &Anchor) -> Result<Answer, Unanswered> {
        if let Some(link) = self.link {
            let (account, hash, signature) = (self.wallet, link.hash, link.signature.clone());
            let signed = SignedHash { account, hash, signature };
            match session.judge(&signed)? {
                // What it holds is whoever's who has the token that it is bound to.
                Ok(SignedBy::BoundAccount { .. }) | Err(_) => return Err(Unanswered::NotLinked),
                Ok(_) => {}
            }
        }
        let chain = self.token.collection.chain;
        match self.terms.rule {
            Rule::Balance { min } => self.amount(session, min),
            rule => self.holding(session, rule, (chain, at)),
        }
    }

    /// A token of ERC-1155 has no holder, but everybody has an amount.
    fn amount(&self, session: &mut Session<'_>, min: U256) -> Result<Answer, Unanswered> {
        let (contract, id) = (self.token.collection.contract, self.token.id);
        let person = match self.via {
            [] => self.wallet,
            [Via::Vault(vault)] => *vault,
            _ => return Err(Unanswered::NotHeld),
        };
        let has = session.ask(&erc1155::ask_balance(contract, person, id))?;
        let mut amount = erc721::number(&has)?;
        if amount < min {
            return Err(Unanswered::NotHeld);
        }
        if person != self.wallet {
            amount = amount.min(self.delegated(session, person, min)?);
        }
        Ok(Answer { until: None, amount: Some(amount) })
    }

    fn holding(
        &self,
        session: &mut Session<'_>,
        rule: Rule,
        (chain, at): (ChainId, &Anchor),
    ) -> Result<Answer, Unanswered> {
        let (contract, id) = (self.token.collection.contract, self.token.id);
        let first = match Dialect::ask_first(rule, contract) {
            Some(call) => Some(session.ask(&call)?),
            None => None,
        };
        let dialect = Dialect::learn(rule, first.as_ref())?;
        let holder = session.ask(&dialect.ask_holder(contract, id))?;
        let holder = dialect.holder(id, &holder)?.ok_or(Unanswered::NotHeld)?;
        let (person, accounts) = match self.via.split_first() {
            Some((Via::Vault(vault), accounts)) => (*vault, accounts),
            _ => (self.wallet, self.via),
        };
        self.climb(session, chain, (holder, person, accounts))?;
        if person != self.wallet {
            self.delegated(session, person, U256::ONE)?;
        }
        let calls = dialect.ask_term(contract, id, holder);
        let ask = |call: &Call| session.ask(call);
        let answers: Vec<Outcome> = calls.iter().map(ask).collect::<Result<_, _>>()?;
        match dialect.term(id, &answers, at)? {
            Term::Until(end) => Ok(Answer { until: Some(end), amount: None }),
            Term::Open => Ok(Answer { until: None, amount: None }),
            Term::NotBegun => Err(Unanswered::NotHeld),
        }
    }

    /// From whoever holds the token up to the person: each account on the way is bound to a token which the one before it
    /// owns.
    fn climb(
        &self,
        session: &mut Session<'_>,
        chain: ChainId,
        (holder, person, accounts): (Address, Address, &[Via]),
    ) -> Result<(), Unanswered> {
        let is_allowed = accounts.is_empty() || self.terms.reach.token_bound;
        if !is_allowed || accounts.len() > DEEPEST {
            return Err(Unanswered::NotHeld);
        }
        let mut at = holder;
        for account in accounts.iter().rev() {
            let Via::Account(account) = account else { return Err(Unanswered::NotHeld) };
            if *account != at {
                return Err(Unanswered::NotHeld);
            }
            let code = session.code(at)?;
            let bound = erc6551::bound(at, &code, chain).ok_or(Unanswered::NotHeld)?;
            let (contract, id) = bound;
            let owner = session.ask(&erc721::ask_owner(contract, id))?;
            at = erc721::owner(id, &owner)?.ok_or(Unanswered::NotHeld)?;
        }
        if at == person { Ok(()) } else { Err(Unanswered::NotHeld) }
    }

    /// That a vault delegated the token, or at least so many of it; and how many.
    fn delegated(
        &self,
        session: &mut Session<'_>,
        vault: Address,
        min: U256,
    ) -> Result<U256, Unanswered> {
        let rights = self.terms.reach.delegation.ok_or(Unanswered::NotHeld)?;
        // Such an account is sold with a token, and what its owner of before had it delegate would stay.
        if erc6551::is_account(vault, &session.code(vault)?) {
            return Err(Unanswered::NotHeld);
        }
        let call = delegation::ask_delegated(self.token, (vault, self.wallet), rights);
        let amount = session.ask(&call)?;
        let amount = delegation::delegated(self.token.collection.standard, &amount)?;
        if amount >= min { Ok(amount) } else { Err(Unanswered::NotHeld) }
    }
}
