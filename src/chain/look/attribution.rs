//! Which of the tokens somebody holds count for the wallet, and until when.
//!
//! A token counts when the wallet holds it; when a vault does which delegated it to the wallet; or when an
//! account does that is bound to a token of one of these. Never: takes a delegation for given because the
//! registry listed it, nor for not given because it is not in the part of the list that was read: then whoever holds
//! the token is asked after by name.

use std::collections::BTreeMap;

use alloy_primitives::{Address, U256};

use super::{Found, Survey};
use entitled_core::domain::ownership::{Cause, Rule, Via};
use entitled_core::evm::execute::Outcome;
use entitled_core::standards::delegation;
use entitled_core::standards::dialect::Dialect;
use entitled_core::standards::words::Term;

/// Ways that are asked after by name in one look, where not all who delegated are known.
const BY_NAME: usize = 1_000;

/// A token, and who holds it.
pub(super) type Holding = (U256, Address);

/// Through whom a token counts for the wallet, beginning there; `None` if it does not.
type Attribution = Result<Option<Vec<Via>>, Cause>;

/// A token, who would have to have delegated it, and through whom it would count then.
pub(super) type Way = (U256, Address, Vec<Via>);

impl Survey<'_> {
    /// Turns who holds what into what that comes to. `Ok`: of everything whose holder is known.
    pub(super) async fn settle(&mut self, dialect: Dialect) -> Result<(), Cause> {
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
        let (mut attributed, mut all) = (Vec::new(), Ok(()));
        for (id, holder) in holdings {
            match attribution.get(&id) {
                Some(Ok(Some(via))) => attributed.push((id, holder, via.clone())),
                Some(Err(cause)) => {
                    self.found.insert(id, Found::Unknown(*cause));
                }
                Some(Ok(None)) => {
                    self.found.insert(id, Found::NotHeld);
                }
                // Nobody who delegated, if those are all.
                None => match self.people.complete {
                    Ok(()) => {
                        self.found.insert(id, Found::NotHeld);
                    }
                    Err(cause) if self.look.known.contains_key(&id) => {
                        self.found.insert(id, Found::Unknown(cause));
                    }
                    // Of a token nobody knew of, the rest says as much.
                    Err(cause) => all = Err(cause),
                },
            }
        }
        self.find_terms(dialect, attributed).await;
        if self.look.terms.rule == Rule::User {
            self.find_lapsed(dialect).await;
        }
        all
    }

    async fn attribute(&self, holdings: &[Holding]) -> BTreeMap<U256, Attribution> {
        let mut attribution: BTreeMap<U256, Attribution> = BTreeMap::new();
        let mut delegated: Vec<Way> = Vec::new();
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
        let by_name = |(id, holder): &Holding| (*id, *holder, vec![Via::Vault(*holder)]);
        let mut unlisted: Vec<Way> = strangers.iter().map(by_name).collect();
        if self.look.terms.reach.token_bound {
            let (ends, owners) = self.climb_all(strangers).await;
            unlisted.extend(owners);
            for (id, end) in ends {
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
        if self.people.complete.is_err() {
            self.confirm_by_name(unlisted, &mut attribution).await;
        }
        attribution
    }

    /// Asks the registry of those it was not seen to list, the tokens that are known first.
    async fn confirm_by_name(
        &self,
        mut ways: Vec<Way>,
        attribution: &mut BTreeMap<U256, Attribution>,
    ) {
        ways.sort_by_key(|(id, ..)| !self.look.known.contains_key(id));
        let others = ways.split_off(ways.len().min(BY_NAME));
        self.confirm(ways, attribution).await;
        for (id, ..) in others {
            if attribution.get(&id) == Some(&Ok(None)) {
                attribution.remove(&id);
            }
        }
    }

    /// Asks the registry for each way whether the token was delegated. One that leads to the wallet is enough.
    async fn confirm(&self, ways: Vec<Way>, attribution: &mut BTreeMap<U256, Attribution>) {
        let collection = self.look.collection;
        let rights = self.look.terms.reach.delegation.unwrap_or_default();
        let ask = |(id, vault, _): &Way| {
            let between = (*vault, self.look.wallet);
            delegation::ask_delegated(collection.token(*id), between, rights)
        };
        let outcomes = self.run_in_batches(ways.iter().map(ask).collect()).await;
        let bound = self.bound_vaults(ways.iter().map(|it| it.1)).await;
        for ((id, vault, via), outcome) in ways.into_iter().zip(outcomes) {
            let amount = outcome.and_then(|it| delegation::delegated(collection.standard, &it));
            let way = amount.and_then(|it| match it.is_zero() {
                true => Ok(None),
                false => Ok((!bound.contains(&vault)?).then_some(via)),
            });
            match (attribution.get(&id), &way) {
                (Some(Ok(Some(_))), _) | (Some(Err(_)), Ok(None)) => {}
                _ => {
                    attribution.insert(id, way);
                }
            }
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
