//! One look at a wallet: which tokens of a collection it holds at a block, and whether that is all.
//!
//! Asked by: `mod`. Asks: `gather` for every fact, `logs` for hints. Never: says "not held" of anything
//! that was not proven; what failed is unknown, with its cause, and only that.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::time::Duration;

use alloy_primitives::Address;
use alloy_primitives::U256;
use tokio::time::Instant;

use super::Block;
use super::Chain;
use super::erc721;
use super::execute::Call;
use super::execute::Outcome;
use super::executor::Asker;
use super::logs::Reading;
use crate::domain::ids::Collection;
use crate::domain::ids::Standard;
use crate::domain::ids::Timestamp;
use crate::domain::ownership::Cause;
use crate::domain::ownership::Finding;
use crate::domain::ownership::IdRanges;
use crate::domain::ownership::Rule;
use crate::domain::ownership::Scan;
use crate::domain::ownership::Sighting;
use crate::domain::ownership::Target;
use crate::domain::product::TokensOf;

/// No longer than this for one look.
const DEADLINE: Duration = Duration::from_secs(60);
/// Tokens proven in one look, beyond those the ledger knows.
const TOKENS: u64 = 10_000;
/// Calls that advance together at first, to learn whether the contract answers at all.
const AT_FIRST: usize = 256;
/// And after that: as many as there may be, so that they share their requests.
const TOGETHER: usize = 10_000;

/// What to look for.
#[derive(Debug, Clone)]
pub struct Look<'a> {
    pub wallet: Address,
    pub collection: Collection,
    /// The ids that matter.
    pub ids: &'a IdRanges,
    /// How other tokens of the wallet are found.
    pub tokens_of: TokensOf,
    /// Where the collection's events begin.
    pub from_block: u64,
    /// Ids the ledger believes the wallet holds; each is sighted by itself.
    pub known: &'a BTreeSet<U256>,
    /// How far events were read in earlier looks.
    pub scan: Option<Scan>,
    /// Goes into [`Sighting::look`].
    pub number: u64,
    /// Goes into [`Sighting::seen_at`].
    pub seen_at: Timestamp,
}

/// What a look found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// One for each token that is known or held, and one for the rest of the ids asked for.
    pub sightings: Vec<Sighting>,
    /// How far events are read now; `None` when none were ever read.
    pub scan: Option<Scan>,
}

/// What is known so far of the wallet's tokens.
struct Survey<'a> {
    chain: &'a Chain,
    block: &'a Block,
    look: &'a Look<'a>,
    deadline: Instant,
    /// Proven: held or not; or why that could not be found out.
    tokens: BTreeMap<U256, Result<bool, Cause>>,
}

pub(super) async fn look(chain: &Chain, block: &Block, look: &Look<'_>) -> Looked {
    let deadline = Instant::now() + DEADLINE;
    let mut survey = Survey { chain, block, look, deadline, tokens: BTreeMap::new() };
    let mut scan = look.scan.clone();
    let rest = match survey.fits() {
        Ok(()) => survey.all(&mut scan).await,
        Err(cause) => Err(cause),
    };
    Looked { sightings: survey.sightings(rest), scan }
}

impl Survey<'_> {
    fn fits(&self) -> Result<(), Cause> {
        if self.look.collection.chain != self.chain.id()
            || self.block.anchor.chain != self.chain.id()
        {
            return Err(Cause::NotConfigured);
        }
        match self.look.collection.standard {
            Standard::Erc721 => Ok(()),
            Standard::Erc1155 => Err(Cause::Unsupported),
        }
    }

    /// Proves what can be proven. `Ok`: of the ids asked for, the wallet holds no others than those found.
    async fn all(&mut self, scan: &mut Option<Scan>) -> Result<(), Cause> {
        let balance = match self.balance().await {
            Ok(balance) => Some(balance),
            // The contract does not say how many; one by one it may still say which.
            Err(Cause::Contract) => None,
            Err(cause) => return Err(cause),
        };
        if balance.is_some_and(|it| it.is_zero()) {
            self.tokens = self.look.known.iter().map(|id| (*id, Ok(false))).collect();
            return Ok(());
        }
        self.prove(self.look.known.iter().copied().collect(), None).await;
        match (balance, self.look.tokens_of) {
            (Some(balance), _) if self.held() == balance => Ok(()),
            (balance, TokensOf::Ids) => self.listed(balance).await,
            (None, _) => Err(Cause::Contract),
            (Some(balance), TokensOf::Enumerable) => {
                let (ids, found) = self.enumerated(balance).await;
                self.prove(ids, Some(balance)).await;
                self.complete(balance, found)
            }
            (Some(balance), TokensOf::Logs) => self.announced(balance, scan).await,
        }
    }

    /// Whether the tokens proven to be held are all the wallet has; else why that is not known.
    fn complete(&self, balance: U256, found: Result<(), Cause>) -> Result<(), Cause> {
        if self.held() == balance {
            return Ok(());
        }
        found?;
        self.failure().map_or(Err(Cause::Undiscovered), Err)
    }

    fn held(&self) -> U256 {
        U256::from(self.tokens.values().filter(|it| matches!(it, Ok(true))).count())
    }

    fn failure(&self) -> Option<Cause> {
        self.tokens.values().find_map(|it| it.err())
    }

    /// How many tokens the wallet has, and who owns those the ledger knows: asked together, they share their
    /// requests.
    async fn balance(&mut self) -> Result<U256, Cause> {
        let contract = self.look.collection.contract;
        let known: Vec<U256> = self.look.known.iter().take(TOGETHER).copied().collect();
        let mut calls = vec![erc721::ask_balance(contract, self.look.wallet)];
        calls.extend(known.iter().map(|id| erc721::ask_owner(contract, *id)));
        let mut outcomes = self.run(calls).await.into_iter();
        let balance = outcomes.next().unwrap_or(Err(Cause::Contract));
        self.note(&known, outcomes);
        balance.and_then(|it| erc721::number(&it))
    }

    /// Who owns each id. `true`: the contract answered for at least one.
    fn note(
        &mut self,
        ids: &[U256],
        outcomes: impl Iterator<Item = Result<Outcome, Cause>>,
    ) -> bool {
        let mut answered = false;
        for (id, outcome) in ids.iter().zip(outcomes) {
            let owner = outcome.and_then(|it| erc721::owner(*id, &it));
            answered |= owner.is_ok();
            self.tokens.insert(*id, owner.map(|it| it == Some(self.look.wallet)));
        }
        answered
    }

    /// Proves the owner of each id, until as many are held as the balance says.
    async fn prove(&mut self, ids: Vec<U256>, balance: Option<U256>) {
        let ids: Vec<U256> = ids.into_iter().filter(|id| !self.tokens.contains_key(id)).collect();
        for part in parts(&ids) {
            if balance.is_some_and(|it| self.held() == it) {
                return;
            }
            let contract = self.look.collection.contract;
            let calls = part.iter().map(|id| erc721::ask_owner(contract, *id)).collect();
            let outcomes = self.run(calls).await;
            // A contract that answers none of so many will answer none of the others either.
            if !self.note(part, outcomes.into_iter()) {
                return;
            }
        }
    }

    /// Every id the grant lists, as far as that is bounded.
    async fn listed(&mut self, balance: Option<U256>) -> Result<(), Cause> {
        let count = self.look.ids.count();
        let most = usize::try_from(TOKENS).unwrap_or(usize::MAX);
        let ids: Vec<U256> = self.look.ids.iter().take(most).collect();
        self.prove(ids.clone(), balance).await;
        if balance.is_some_and(|it| self.held() == it) {
            return Ok(());
        }
        if count.is_none_or(|it| it > TOKENS) {
            return Err(Cause::Undiscovered);
        }
        let failure = ids.iter().find_map(|id| match self.tokens.get(id) {
            Some(Ok(_)) => None,
            Some(Err(cause)) => Some(*cause),
            None => Some(Cause::Undiscovered),
        });
        failure.map_or(Ok(()), Err)
    }

    /// The ids the contract lists for the wallet, and whether that is all of the list.
    async fn enumerated(&self, balance: U256) -> (Vec<U256>, Result<(), Cause>) {
        let count = u64::try_from(balance).unwrap_or(u64::MAX);
        let mut found = if count > TOKENS { Err(Cause::Undiscovered) } else { Ok(()) };
        let (contract, wallet) = (self.look.collection.contract, self.look.wallet);
        let indices: Vec<u64> = (0..count.min(TOKENS)).collect();
        let mut ids = BTreeSet::new();
        for part in parts(&indices) {
            let calls = part.iter().map(|it| erc721::ask_token_at(contract, wallet, *it)).collect();
            for outcome in self.run(calls).await {
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
        }
        (ids.into_iter().collect(), found)
    }

    /// The ids that events name, by one endpoint after the other until nothing is missing. What still is
    /// came without an event, or several left it out; the next look reads again from the start.
    async fn announced(&mut self, balance: U256, scan: &mut Option<Scan>) -> Result<(), Cause> {
        let before = (self.look.from_block, scan.take().unwrap_or_default());
        let whose = (self.look.collection.contract, self.look.wallet);
        let (pool, block) = (self.chain.pool(), self.block.pinned());
        let mut reading = Reading::new(pool, block, whose, before, self.deadline);
        loop {
            let found = reading.read().await;
            self.prove(reading.ids(), Some(balance)).await;
            let complete = self.complete(balance, found);
            let missing = complete.is_err() && found.is_ok();
            if !missing || !reading.doubt() {
                *scan = Some(reading.end(missing));
                return complete;
            }
        }
    }

    async fn run(&self, calls: Vec<Call>) -> Vec<Result<Outcome, Cause>> {
        self.chain.run(self.block, (calls, Asker::Ourselves), self.deadline).await
    }

    /// In words of the ledger. `rest` is what is known of the ids that are not sighted by themselves.
    fn sightings(self, rest: Result<(), Cause>) -> Vec<Sighting> {
        let look = self.look;
        let mut sightings = Vec::new();
        let sighting = |target: Target, held: Result<bool, Cause>| Sighting {
            look: look.number,
            seen_at: look.seen_at,
            wallet: look.wallet,
            rule: Rule::Owner,
            target,
            finding: finding(self.block, held),
        };
        for id in look.known {
            // Not even reached: what stopped the look stopped this.
            let unreached = || Err(rest.err().unwrap_or(Cause::Undiscovered));
            let held = self.tokens.get(id).cloned().unwrap_or_else(unreached);
            sightings.push(sighting(Target::Token(look.collection.token(*id)), held));
        }
        for (id, held) in self.tokens {
            if held == Ok(true) && look.ids.contains(id) && !look.known.contains(&id) {
                sightings.push(sighting(Target::Token(look.collection.token(id)), held));
            }
        }
        let target = Target::Rest { collection: look.collection, ids: look.ids.clone() };
        sightings.push(sighting(target, rest.map(|()| false)));
        sightings
    }
}

/// Few at first, then many.
fn parts<T>(all: &[T]) -> impl Iterator<Item = &[T]> {
    let (first, others) = all.split_at(all.len().min(AT_FIRST));
    [first].into_iter().chain(others.chunks(TOGETHER)).filter(|it| !it.is_empty())
}

/// Held or not at the block; or unknown.
pub(super) fn finding(block: &Block, held: Result<bool, Cause>) -> Finding {
    let anchor = block.anchor;
    match held {
        Ok(true) => Finding::Held { until: None, anchor },
        Ok(false) => Finding::NotHeld { anchor },
        Err(cause) => Finding::Unknown { cause, finality: anchor.finality },
    }
}
