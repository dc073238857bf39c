//! Who holds which token: of each person as many as they are said to have, or of everybody.
//!
//! Owns: the argument that nothing was left out. A contract that counts somebody's tokens is believed in the
//! count and asked for each; one that does not, or whose holders have to be looked behind, is asked for every
//! token there is. So it is where not all are known who delegated, and there are few tokens: each is asked for, and
//! then its holder (`attribution`).

use std::collections::BTreeSet;

use alloy_primitives::{Address, U256};

use super::parts::part;
use super::{Survey, TOGETHER, TOKENS};
use crate::chain::look::logs::Reading;
use entitled_core::domain::ownership::Cause;
use entitled_core::domain::product::TokensOf;
use entitled_core::evm::execute::{Call, Outcome};
use entitled_core::standards::delegation::Mandate;
use entitled_core::standards::dialect::Dialect;
use entitled_core::standards::erc721;

/// Those who delegated and hold something, that are gone through in one look; of more, others in the next.
const VAULTS: u64 = 64;
/// A collection of no more is asked for every token where not all vaults are known.
const FEW: u64 = 1_000;

/// Somebody, and how many tokens they have, if the contract says.
type Person = (Address, Option<U256>);

impl Survey<'_> {
    /// `Ok`: nobody who counts holds any of the ids asked for, but those found; of those found it is for
    /// [`Self::settle`] to say for whom they count.
    pub(super) async fn all_holders(&mut self, dialect: Dialect) -> Result<(), Cause> {
        if !dialect.counts() || self.look.terms.reach.token_bound {
            return self.of_everybody(dialect).await;
        }
        let own = self.of_person(dialect, self.look.wallet).await;
        let vaults = self.of_vaults(dialect).await;
        let Err(cause) = self.people.complete.and(vaults) else { return own };
        self.prove(dialect, self.known_ids().into_iter().collect(), None).await;
        let all = self.of_few(dialect).await;
        own.and(all.map_err(|_| cause))
    }

    /// What those hold who are listed as having delegated. Who holds nothing is no vault, and costs no look, however
    /// many delegate something.
    async fn of_vaults(&mut self, dialect: Dialect) -> Result<(), Cause> {
        let contract = self.look.collection.contract;
        let vaults: Vec<_> = self.people.all().into_iter().skip(1).collect();
        let ask = |(vault, _): &(Address, Mandate)| dialect.ask_count(contract, *vault);
        let counts = self.run_in_batches(vaults.iter().map(ask).collect()).await;
        let counts = counts.into_iter().map(|it| it.and_then(|it| dialect.count(&it)));
        let holding: Vec<_> =
            vaults.into_iter().zip(counts).filter(|(_, count)| *count != Ok(U256::ZERO)).collect();
        let many = holding.len() as u64;
        let mut all = if many > VAULTS { Err(Cause::Undiscovered) } else { Ok(()) };
        let looked_at = part(many, VAULTS, self.look.number);
        let looked_at = looked_at.filter_map(|it| holding.get(usize::try_from(it).ok()?).cloned());
        for ((vault, mandate), count) in looked_at {
            let found = match mandate {
                Mandate::Everything => self.of_person(dialect, vault).await,
                Mandate::Tokens(ids) => {
                    let ids: Vec<U256> =
                        ids.into_iter().filter(|it| self.look.ids.contains(*it)).collect();
                    self.prove(dialect, ids.clone(), Some((vault, count.ok()))).await;
                    match count.is_ok_and(|it| self.held_by(vault) == it) {
                        true => Ok(()),
                        false => self.all_proven(&ids),
                    }
                }
            };
            all = all.and(found);
        }
        all
    }

    /// Every token there is, where these are few.
    async fn of_few(&mut self, dialect: Dialect) -> Result<(), Cause> {
        let (mut ids, mut all) = self.listed();
        // A lock does not list all its keys.
        let lists = self.look.tokens_of == TokensOf::Enumerable && !dialect.lists_are_complete();
        if all.is_err() && lists {
            let supply = self.ask(erc721::ask_supply(self.look.collection.contract)).await?;
            if erc721::number(&supply)? <= U256::from(FEW) {
                (ids, all) = self.supply().await;
            }
        }
        all?;
        self.prove(dialect, ids.clone(), None).await;
        self.all_proven(&ids)
    }

    /// Every token there is.
    async fn of_everybody(&mut self, dialect: Dialect) -> Result<(), Cause> {
        self.prove(dialect, self.known_ids().into_iter().collect(), None).await;
        let (ids, all) = match self.look.tokens_of {
            TokensOf::Ids => self.listed(),
            TokensOf::Enumerable => self.supply().await,
            // An event that was left out would be a token left out.
            TokensOf::Logs => (Vec::new(), Err(Cause::Undiscovered)),
        };
        self.prove(dialect, ids.clone(), None).await;
        all.and(self.all_proven(&ids))
    }

    async fn of_person(&mut self, dialect: Dialect, person: Address) -> Result<(), Cause> {
        let found = self.discovered(dialect, person).await;
        if found != Err(Cause::Undiscovered) {
            return found;
        }
        let (ids, all) = self.listed();
        all?;
        // Whoever likes may give somebody more tokens than are gone through. Of those a grant names, it is known.
        self.prove(dialect, ids.clone(), None).await;
        self.all_proven(&ids)
    }

    /// The tokens of somebody, found in the way the grant says.
    async fn discovered(&mut self, dialect: Dialect, person: Address) -> Result<(), Cause> {
        let count = match self.count(dialect, person).await {
            Ok(count) => Some(count),
            // The contract does not say how many; one by one it may still say which.
            Err(Cause::Contract) => None,
            Err(cause) => return Err(cause),
        };
        if count.is_some_and(|it| it.is_zero()) {
            return Ok(());
        }
        let known = self.known_ids().into_iter().collect();
        self.prove(dialect, known, None).await;
        match (count, self.look.tokens_of) {
            (Some(count), _) if self.held_by(person) == count => Ok(()),
            (_, TokensOf::Ids) => {
                let (ids, all) = self.listed();
                self.prove(dialect, ids.clone(), Some((person, count))).await;
                if count.is_some_and(|it| self.held_by(person) == it) {
                    return Ok(());
                }
                all.and(self.all_proven(&ids))
            }
            (None, _) => Err(Cause::Contract),
            (Some(count), TokensOf::Enumerable) => {
                let (ids, found) = self.enumerated(dialect, (person, count)).await;
                self.prove(dialect, ids.clone(), Some((person, Some(count)))).await;
                if dialect.lists_are_complete() {
                    return found.and(self.all_proven(&ids));
                }
                self.complete((person, count), found)
            }
            (Some(count), TokensOf::Logs) => self.announced(dialect, (person, count)).await,
        }
    }

    /// Whether the tokens proven to be held are all the person has; else why that is not known.
    fn complete(
        &self,
        (person, count): (Address, U256),
        found: Result<(), Cause>,
    ) -> Result<(), Cause> {
        if self.held_by(person) == count {
            return Ok(());
        }
        found?;
        let failure = self.holders.values().find_map(|it| it.err());
        failure.map_or(Err(Cause::Undiscovered), Err)
    }

    fn held_by(&self, person: Address) -> U256 {
        let own = self.holders.values().filter(|it| **it == Ok(Some(person)));
        U256::from(own.count())
    }

    /// Whether each of `ids` has an answer; else the first reason why not.
    fn all_proven(&self, ids: &[U256]) -> Result<(), Cause> {
        let failure = ids.iter().find_map(|id| match self.holders.get(id) {
            Some(Ok(_)) => None,
            Some(Err(cause)) => Some(*cause),
            None => Some(Cause::Undiscovered),
        });
        failure.map_or(Ok(()), Err)
    }

    async fn count(&mut self, dialect: Dialect, person: Address) -> Result<U256, Cause> {
        let contract = self.look.collection.contract;
        let known = self.known_ids().into_iter().filter(|it| !self.holders.contains_key(it));
        let known: Vec<U256> = known.take(TOGETHER - 1).collect();
        // Asked together with the tokens the ledger knows, a repeat costs one request for all of them.
        let mut calls = vec![dialect.ask_count(contract, person)];
        calls.extend(known.iter().map(|id| dialect.ask_holder(contract, *id)));
        let mut outcomes = self.run(calls).await.into_iter();
        let count = outcomes.next().unwrap_or(Err(Cause::Contract));
        let count = count.and_then(|it| dialect.count(&it));
        // Who has none has none of those either, and there is nothing to be unsure of.
        if count != Ok(U256::ZERO) {
            self.note(dialect, &known, outcomes);
        }
        count
    }

    /// Who holds each id. `true`: the contract answered for at least one.
    fn note(
        &mut self,
        dialect: Dialect,
        ids: &[U256],
        outcomes: impl Iterator<Item = Result<Outcome, Cause>>,
    ) -> bool {
        let mut answered = false;
        for (id, outcome) in ids.iter().zip(outcomes) {
            let holder = outcome.and_then(|it| dialect.holder(*id, &it));
            answered |= holder.is_ok();
            self.holders.insert(*id, holder);
        }
        answered
    }

    /// Proves the holder of each id, until a person is found to hold as many as they have.
    pub(super) async fn prove(&mut self, dialect: Dialect, ids: Vec<U256>, whose: Option<Person>) {
        let ids: Vec<U256> = ids.into_iter().filter(|id| !self.holders.contains_key(id)).collect();
        let contract = self.look.collection.contract;
        for batch in super::batches(&ids) {
            if let Some((person, Some(count))) = whose
                && self.held_by(person) == count
            {
                return;
            }
            let calls = batch.iter().map(|id| dialect.ask_holder(contract, *id)).collect();
            let outcomes = self.run(calls).await;
            // A contract that answers none of so many will answer none of the others either.
            if !self.note(dialect, batch, outcomes.into_iter()) {
                return;
            }
        }
    }

    /// The ids the contract lists for a person, and whether that is all of the list.
    async fn enumerated(
        &self,
        dialect: Dialect,
        (person, count): (Address, U256),
    ) -> (Vec<U256>, Result<(), Cause>) {
        let contract = self.look.collection.contract;
        self.listing(count, |index| dialect.ask_listed(contract, (person, index))).await
    }

    /// The ids of all tokens there are, as far as they matter, and whether these are all.
    async fn supply(&self) -> (Vec<U256>, Result<(), Cause>) {
        let contract = self.look.collection.contract;
        let supply = self.ask(erc721::ask_supply(contract)).await;
        match supply.and_then(|it| erc721::number(&it)) {
            Ok(count) => self.listing(count, |index| erc721::ask_token(contract, index)).await,
            Err(cause) => (Vec::new(), Err(cause)),
        }
    }

    /// The ids a contract names one after the other, `count` of them. Where only some ids matter and these may be
    /// anywhere in a list that is too long, each look reads another part of it.
    async fn listing(
        &self,
        count: U256,
        ask: impl Fn(u64) -> Call,
    ) -> (Vec<U256>, Result<(), Cause>) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        let mut found = if count > TOKENS { Err(Cause::Undiscovered) } else { Ok(()) };
        let look = if self.look.ids.ranges().is_empty() { None } else { Some(self.look.number) };
        let calls = match look {
            Some(look) => part(count, TOKENS, look).map(ask).collect(),
            None => (0..count.min(TOKENS)).map(ask).collect(),
        };
        let mut ids = BTreeSet::new();
        for outcome in self.run_in_batches(calls).await {
            let id = outcome.and_then(|outcome| match outcome {
                Outcome::NoCode => Err(Cause::Contract),
                other => erc721::number(&other),
            });
            match id {
                Ok(id) => {
                    ids.insert(id);
                }
                Err(cause) => found = Err(cause),
            }
        }
        (ids.into_iter().collect(), found)
    }

    /// The ids that events name, by one endpoint after the other until nothing is missing. What still is
    /// came without an event, or several left it out; the next look reads again from the start. Ids that are proven to be
    /// somebody else's or nobody's are not remembered: whoever names them once would have their way for ever.
    async fn announced(
        &mut self,
        dialect: Dialect,
        (person, count): (Address, U256),
    ) -> Result<(), Cause> {
        let scan = self.scans.remove(&person).unwrap_or_default();
        let whose = (self.look.collection.contract, person);
        let (pool, block) = (self.chain.pool(), self.block.pinned());
        let before = (self.look.from_block, scan);
        let mut reading = Reading::new(pool, block, whose, before, self.deadline);
        loop {
            let found = reading.read().await;
            self.prove(dialect, reading.ids(), Some((person, Some(count)))).await;
            let is_known = |id: &U256| self.holders.get(id).and_then(|it| it.ok());
            reading.forget(|id| is_known(id).is_some_and(|it| it != Some(person)));
            let complete = self.complete((person, count), found);
            let missing = complete.is_err() && found.is_ok();
            let doubtful = missing || (complete.is_err() && reading.overflowed());
            if !doubtful || !reading.doubt() {
                let scan = reading.end(missing, |id| is_known(id) == Some(Some(person)));
                self.scans.insert(person, scan);
                return complete;
            }
        }
    }
}
