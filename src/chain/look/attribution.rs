//! Which of the tokens somebody holds count for the wallet, and until when.
//!
//! A token counts when the wallet holds it; when a vault does which delegated it to the wallet; or when an
//! account does that is bound to a token of one of these. Never: takes a delegation for given because the
//! registry listed it.

use std::collections::BTreeMap;

use alloy_primitives::{Address, U256};

use super::{Found, Survey};
use entitled_core::domain::ownership::{Cause, Rule, Via};
use entitled_core::evm::execute::Outcome;
use entitled_core::standards::delegation;
use entitled_core::standards::dialect::Dialect;
use entitled_core::standards::words::Term;

/// A token, and who holds it.
pub(super) type Holding = (U256, Address);

/// Through whom a token counts for the wallet, beginning there; `None` if it does not.
type Attribution = Result<Option<Vec<Via>>, Cause>;

impl Survey<'_> {
    /// Turns who holds what into what that comes to.
    pub(super) async fn settle(&mut self, dialect: Dialect) {
        let mut holdings: Vec<Holding> = Vec::new();
        for (id, holder) in &self.holders {
            let is_known = self.look.known.contains_key(id);
            match holder {
                Ok(Some(holder)) if is_known || self.look.ids.contains(*id) => {
                    holdings.push((*id, *holder));
                }
                Err(cause) if is_known => {
                    self.found.insert(*id, Found::Unknown(*cause));
                }
                Ok(None) => {
                    self.found.insert(*id, Found::NotHeld);
                }
                Ok(Some(_)) | Err(_) => {}
            }
        }
        let attribution = self.attribute(&holdings).await;
        let mut attributed = Vec::new();
        for (id, holder) in holdings {
            match attribution.get(&id) {
                Some(Ok(Some(via))) => attributed.push((id, holder, via.clone())),
                Some(Err(cause)) => {
                    self.found.insert(id, Found::Unknown(*cause));
                }
                Some(Ok(None)) | None => {
                    let nobody =
                        self.people.complete.map_or_else(Found::Unknown, |()| Found::NotHeld);
                    // Of a token nobody knew of, the rest says as much.
                    if self.look.known.contains_key(&id) || nobody == Found::NotHeld {
                        self.found.insert(id, nobody);
                    }
                }
            }
        }
        self.find_terms(dialect, attributed).await;
        if self.look.terms.rule == Rule::User {
            self.find_lapsed(dialect).await;
        }
    }

    async fn attribute(&self, holdings: &[Holding]) -> BTreeMap<U256, Attribution> {
        let mut attribution: BTreeMap<U256, Attribution> = BTreeMap::new();
        let mut delegated: Vec<(U256, Address, Vec<Via>)> = Vec::new();
        let mut strangers: Vec<Holding> = Vec::new();
        for (id, holder) in holdings {
            match self.people.through(*holder) {
                Some(None) => {
                    attribution.insert(*id, Ok(Some(Vec::new())));
                }
                Some(Some(via)) => delegated.push((*id, *holder, vec![via])),
                None => strangers.push((*id, *holder)),
            }
        }
        if self.look.terms.reach.token_bound {
            for (id, end) in self.climb_all(strangers).await {
                match end {
                    Ok(Some((person, accounts))) => match self.people.through(person) {
                        Some(Some(via)) => {
                            let via = std::iter::once(via).chain(accounts).collect();
                            delegated.push((id, person, via));
                        }
                        _ => {
                            attribution.insert(id, Ok(Some(accounts)));
                        }
                    },
                    Ok(None) => {}
                    Err(cause) => {
                        attribution.insert(id, Err(cause));
                    }
                }
            }
        }
        self.confirm(delegated, &mut attribution).await;
        attribution
    }

    /// Asks the registry for each token whether its vault delegated it.
    async fn confirm(
        &self,
        delegated: Vec<(U256, Address, Vec<Via>)>,
        attribution: &mut BTreeMap<U256, Attribution>,
    ) {
        let collection = self.look.collection;
        let rights = self.look.terms.reach.delegation.unwrap_or_default();
        let ask = |(id, vault, _): &(U256, Address, Vec<Via>)| {
            let between = (*vault, self.look.wallet);
            delegation::ask_delegated(collection.token(*id), between, rights)
        };
        let outcomes = self.run_in_batches(delegated.iter().map(ask).collect()).await;
        for ((id, _, via), outcome) in delegated.into_iter().zip(outcomes) {
            let amount = outcome.and_then(|it| delegation::delegated(collection.standard, &it));
            attribution.insert(id, amount.map(|it| (!it.is_zero()).then_some(via)));
        }
    }

    /// Until when each token that counts does.
    async fn find_terms(&mut self, dialect: Dialect, attributed: Vec<(U256, Address, Vec<Via>)>) {
        let contract = self.look.collection.contract;
        let asked: Vec<_> = attributed
            .iter()
            .map(|(id, holder, _)| dialect.ask_term(contract, *id, *holder))
            .collect();
        let lengths: Vec<usize> = asked.iter().map(Vec::len).collect();
        let mut outcomes =
            self.run_in_batches(asked.into_iter().flatten().collect()).await.into_iter();
        for ((id, _, via), length) in attributed.into_iter().zip(lengths) {
            let answers: Result<Vec<Outcome>, Cause> = outcomes.by_ref().take(length).collect();
            let term = answers.and_then(|it| dialect.term(id, &it, &self.block.anchor));
            let found = match term {
                Ok(Term::Until(end)) => Found::Held { until: Some(end), via },
                Ok(Term::Open) => Found::Held { until: None, via },
                Ok(Term::NotBegun) => Found::NotHeld,
                Err(cause) => Found::Unknown(cause),
            };
            self.found.insert(id, found);
        }
    }

    /// A rental whose time is over has no user any more. As long as the contract remembers the very end that
    /// was seen, nobody came after, and it was this wallet's that ended.
    async fn find_lapsed(&mut self, dialect: Dialect) {
        let (contract, now) = (self.look.collection.contract, self.block.anchor.time);
        let lapsed: Vec<_> = self
            .look
            .known
            .iter()
            .filter(|(id, _)| self.holders.get(*id) == Some(&Ok(None)))
            .filter_map(|(id, known)| Some((*id, known.until.filter(|it| *it <= now)?, known)))
            .collect();
        let ask = |(id, ..): &(U256, _, _)| dialect.ask_term(contract, *id, self.look.wallet);
        let outcomes = self.run_in_batches(lapsed.iter().flat_map(ask).collect()).await;
        for ((id, end, known), outcome) in lapsed.into_iter().zip(outcomes) {
            let term = outcome.and_then(|it| dialect.term(id, &[it], &self.block.anchor));
            if term == Ok(Term::Until(end)) {
                let found = Found::Held { until: Some(end), via: known.via.clone() };
                self.found.insert(id, found);
            }
        }
    }
}
