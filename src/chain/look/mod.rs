//! One look at a wallet: which tokens of a collection count as held by it at a block, and whether that is all.
//!
//! Asked by: `facade`. Asks: `calls` for every fact, `logs` for hints. Never: says "not held" of anything
//! that was not proven; what failed is unknown, with its cause, and only that.
//!
//! In order: whose holdings count (`people`), who holds which token (`holders`), which of those count for the
//! wallet (`attribution`, with `accounts`), and until when. Rule `balance` goes its own way (`amounts`).

pub(in crate::chain) mod logs;
pub(in crate::chain) mod receipt;

mod accounts;
mod amounts;
mod attribution;
mod holders;
mod parts;
mod people;

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, KECCAK256_EMPTY, U256};
use tokio::time::Instant;

use super::block::Block;
use super::calls::TOKEN_DEADLINE;
use super::evm::executor::Asker;
use super::inner::Chain;
use entitled_core::domain::ids::{Collection, Standard, Timestamp, Token};
use entitled_core::domain::ownership::{
    Cause, Finding, IdRanges, Rule, Scan, Sighting, Target, Terms, Via,
};
use entitled_core::domain::product::TokensOf;
use entitled_core::evm::execute::{Call, Outcome};
use entitled_core::standards::dialect::Dialect;
use people::People;

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
    /// Whether a contract stands for the wallet: then it is looked at what kind of one.
    pub by_contract: bool,
    pub collection: Collection,
    /// The ids that matter.
    pub ids: &'a IdRanges,
    /// What it takes to count as held.
    pub terms: Terms,
    /// How other tokens of the wallet are found.
    pub tokens_of: TokensOf,
    /// Where the collection's events begin.
    pub from_block: u64,
    /// Tokens the ledger believes to be held, by their ids; each is sighted by itself.
    pub known: &'a BTreeMap<U256, Known>,
    /// How far events were read in earlier looks, for the wallet and who stands behind it.
    pub scans: BTreeMap<Address, Scan>,
    /// Goes into [`Sighting::look`].
    pub number: u64,
    /// Goes into [`Sighting::seen_at`].
    pub seen_at: Timestamp,
}

/// How a token was last seen to be held.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    pub until: Option<Timestamp>,
    pub via: Vec<Via>,
}

/// What a look found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// One for each token that is known or held, and one for the rest of the ids asked for.
    pub sightings: Vec<Sighting>,
    /// How far events are read now, for whom they were.
    pub scans: BTreeMap<Address, Scan>,
}

/// What is known of one token.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    Held {
        until: Option<Timestamp>,
        via: Vec<Via>,
    },
    NotHeld,
    /// By rule `balance`: how many, and whether they are enough.
    Counted {
        amount: U256,
        /// How many the vault has, where that is more.
        whole: Option<U256>,
        enough: bool,
        via: Vec<Via>,
    },
    Unknown(Cause),
}

/// What is known so far.
struct Survey<'a> {
    chain: &'a Chain,
    block: &'a Block,
    look: &'a Look<'a>,
    deadline: Instant,
    asker: Asker,
    people: People,
    /// Proven: who holds the token, if anybody; or why that could not be found out.
    holders: BTreeMap<U256, Result<Option<Address>, Cause>>,
    /// What that comes to. A token that is in neither was not reached.
    found: BTreeMap<U256, Found>,
    scans: BTreeMap<Address, Scan>,
}

/// What is not proven at `deadline` is unknown; what was, is kept.
pub(super) async fn look(
    chain: &Chain,
    block: &Block,
    (look, deadline): (&Look<'_>, Instant),
) -> Looked {
    let mut survey = Survey::new(chain, block, look, (deadline, Asker::Ourselves));
    let mut rest = survey.run_all().await;
    if survey.is_without_contract() {
        survey.found.clear();
        rest = Err(Cause::NoContract);
    }
    survey.told(rest)
}

/// Whether one token counts as held, whatever else the wallet may hold.
pub(super) async fn sight(
    chain: &Chain,
    block: &Block,
    (look, token): (&Look<'_>, Token),
) -> Sighting {
    let deadline = Instant::now() + TOKEN_DEADLINE;
    let mut survey = Survey::new(chain, block, look, (deadline, Asker::Caller));
    let found = match survey.one(token.id).await {
        _ if survey.is_without_contract() => Found::Unknown(Cause::NoContract),
        Ok(found) => found,
        Err(cause) => Found::Unknown(cause),
    };
    survey.sighting(Target::Token(token), found)
}

impl<'a> Survey<'a> {
    fn new(
        chain: &'a Chain,
        block: &'a Block,
        look: &'a Look<'a>,
        (deadline, asker): (Instant, Asker),
    ) -> Self {
        Self {
            chain,
            block,
            look,
            deadline,
            asker,
            people: People::alone(look.wallet),
            holders: BTreeMap::new(),
            found: BTreeMap::new(),
            scans: look.scans.clone(),
        }
    }

    /// Proves what can be proven. `Ok`: of the ids asked for, no others than those found count as held.
    async fn run_all(&mut self) -> Result<(), Cause> {
        self.fits()?;
        if self.is_account().await? {
            return Ok(());
        }
        self.people = self.people().await;
        if let Rule::Balance { min } = self.look.terms.rule {
            return self.all_amounts(min).await;
        }
        let dialect = self.dialect().await?;
        let rest = self.all_holders(dialect).await;
        rest.and(self.settle(dialect).await)
    }

    async fn one(&mut self, id: U256) -> Result<Found, Cause> {
        self.fits()?;
        if self.is_account().await? {
            return Ok(Found::NotHeld);
        }
        if let Rule::Balance { min } = self.look.terms.rule {
            self.people = self.people().await;
            self.amounts_of(&[id], min).await;
        } else {
            if self.look.terms.reach.delegation.is_some() {
                // Whoever holds it is asked after by name.
                self.people = People::unlisted(self.look.wallet);
            }
            let dialect = self.dialect().await?;
            self.prove(dialect, vec![id], None).await;
            self.settle(dialect).await?;
        }
        let failure = self.holders.get(&id).and_then(|it| it.err());
        let failure = failure.or(self.people.complete.err()).unwrap_or(Cause::Undiscovered);
        Ok(self.found.remove(&id).unwrap_or(Found::Unknown(failure)))
    }

    /// Proven that there is no code where the contract should be, and nobody was ever seen to hold anything of it:
    /// then the address is wrong rather than everything gone.
    fn is_without_contract(&self) -> bool {
        let contract = self.look.collection.contract;
        let code = self.block.pinned().facts().code_hash(contract);
        self.look.known.is_empty() && code.is_some_and(|it| it == KECCAK256_EMPTY || it.is_zero())
    }

    fn fits(&self) -> Result<(), Cause> {
        let Look { collection, terms, .. } = self.look;
        if collection.chain != self.chain.id() || self.block.anchor.chain != self.chain.id() {
            return Err(Cause::NotConfigured);
        }
        match (collection.standard, terms.rule) {
            (Standard::Erc1155, Rule::Balance { .. }) => Ok(()),
            (Standard::Erc721, Rule::Balance { .. }) | (Standard::Erc1155, _) => {
                Err(Cause::Unsupported)
            }
            (Standard::Erc721, _) => Ok(()),
        }
    }

    /// How the contract is to be asked.
    async fn dialect(&self) -> Result<Dialect, Cause> {
        let rule = self.look.terms.rule;
        let first = match Dialect::ask_first(rule, self.look.collection.contract) {
            Some(call) => Some(self.ask(call).await?),
            None => None,
        };
        Dialect::learn(rule, first.as_ref())
    }

    async fn ask(&self, call: Call) -> Result<Outcome, Cause> {
        self.run(vec![call]).await.into_iter().next().unwrap_or(Err(Cause::Contract))
    }

    async fn run(&self, calls: Vec<Call>) -> Vec<Result<Outcome, Cause>> {
        self.chain.run(self.block, (calls, self.asker), self.deadline).await
    }

    /// All of `calls`, some at a time.
    async fn run_in_batches(&self, calls: Vec<Call>) -> Vec<Result<Outcome, Cause>> {
        let mut outcomes = Vec::with_capacity(calls.len());
        for batch in batches(&calls) {
            outcomes.extend(self.run(batch.to_vec()).await);
        }
        outcomes
    }

    /// In words of the ledger. `rest` is what is known of the ids that are not sighted by themselves.
    fn told(mut self, rest: Result<(), Cause>) -> Looked {
        let look = self.look;
        let mut found = std::mem::take(&mut self.found);
        let mut sightings = Vec::new();
        let mut tell = |id: U256, found: Found| {
            sightings.push(self.sighting(Target::Token(look.collection.token(id)), found));
        };
        for id in look.known.keys() {
            // Not even reached: it is one of the rest, or what stopped the look stopped this.
            let unreached = || rest.map_or_else(Found::Unknown, |()| Found::NotHeld);
            tell(*id, found.remove(id).unwrap_or_else(unreached));
        }
        for (id, found) in found {
            // That a token is not held goes without saying.
            if look.ids.contains(id) && found != Found::NotHeld {
                tell(id, found);
            }
        }
        let target = Target::Rest { collection: look.collection, ids: look.ids.clone() };
        let others = rest.map_or_else(Found::Unknown, |()| Found::NotHeld);
        sightings.push(self.sighting(target, others));
        Looked { sightings, scans: self.scans }
    }

    fn sighting(&self, target: Target, found: Found) -> Sighting {
        let (look, anchor) = (self.look, self.block.anchor.clone());
        let (mut amount, mut whole) = (None, None);
        let (finding, via) = match found {
            Found::Held { until, via } => (Finding::Held { until, anchor }, via),
            Found::NotHeld => (Finding::NotHeld { anchor }, Vec::new()),
            Found::Counted { amount: counted, whole: of, enough, via } => {
                (amount, whole) = (Some(counted), of);
                let held = Finding::Held { until: None, anchor: anchor.clone() };
                (if enough { held } else { Finding::NotHeld { anchor } }, via)
            }
            Found::Unknown(cause) => {
                (Finding::Unknown { cause, finality: anchor.finality }, Vec::new())
            }
        };
        Sighting {
            look: look.number,
            seen_at: look.seen_at,
            wallet: look.wallet,
            rule: look.terms.rule,
            reach: look.terms.reach,
            target,
            finding,
            amount,
            whole,
            via,
        }
    }

    /// The ids to go through where all have to be: those the grant lists, as far as that is bounded.
    fn listed(&self) -> (Vec<U256>, Result<(), Cause>) {
        let most = usize::try_from(TOKENS).unwrap_or(usize::MAX);
        let ids = self.look.ids.iter().take(most).collect();
        let all = self.look.ids.count().is_some_and(|it| it <= TOKENS);
        (ids, if all { Ok(()) } else { Err(Cause::Undiscovered) })
    }

    fn known_ids(&self) -> BTreeSet<U256> {
        self.look.known.keys().copied().collect()
    }
}

/// Few at first, then many.
fn batches<T>(all: &[T]) -> impl Iterator<Item = &[T]> {
    let (first, others) = all.split_at(all.len().min(AT_FIRST));
    [first].into_iter().chain(others.chunks(TOGETHER)).filter(|it| !it.is_empty())
}
