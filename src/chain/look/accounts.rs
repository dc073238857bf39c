//! From an account that holds a token to who owns the token it is bound to, and on from there.
//!
//! Owns: how far, that a circle ends, and how long it may take. Never: runs an account's code or believes its words;
//! whether it is one is told by its code and address (`erc6551`).
//!
//! The contracts that are asked here were chosen by strangers: whoever has one token of the collection may put it into an
//! account bound to a token of any contract. So each may cost little, all are asked side by side, and when their time is
//! over there is time left for what does not depend on them. What fails leaves open that token only.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, U256};
use tokio::time::Instant;

use super::attribution::{Holding, Way};
use super::{Look, Survey, batches};
use crate::chain::evm::executor::Asker;
use entitled_core::domain::ownership::{Cause, Via};
use entitled_core::evm::erc6551;
use entitled_core::standards::erc721;

/// How many accounts may stand one in the other.
const DEEPEST: usize = 3;

/// The person at the end and the accounts on the way, beginning there; `None` if there is nobody who counts.
type End = Result<Option<(Address, Vec<Via>)>, Cause>;

/// How each token's way ended, and the owners on the way of whom it is not known that they count.
type Climbed = (BTreeMap<U256, End>, Vec<Way>);

/// On the way from one token.
struct Climber {
    id: U256,
    at: Address,
    /// The accounts passed, the token's holder first.
    passed: Vec<Address>,
}

/// Who are at accounts bound to the same token, by its contract and id.
type Bound = BTreeMap<(Address, U256), Vec<Climber>>;

/// Accounts whose code is read together.
const ACCOUNTS: usize = 256;

/// Of each vault, whether it is bound to a token.
#[derive(Default)]
pub(super) struct BoundVaults(BTreeMap<Address, Result<bool, Cause>>);

impl BoundVaults {
    /// # Errors
    /// Why it is not known.
    pub(super) fn contains(&self, vault: &Address) -> Result<bool, Cause> {
        self.0.get(vault).copied().unwrap_or(Ok(false))
    }
}

impl Survey<'_> {
    /// Whether the wallet is an account itself. What it holds is whoever's who owns the token it is bound to at the time, and
    /// not his to whom the account was linked once.
    pub(super) async fn is_account(&self) -> Result<bool, Cause> {
        let Look { wallet, by_contract, .. } = *self.look;
        if !by_contract {
            return Ok(false);
        }
        let codes = self.chain.codes(self.block, BTreeSet::from([wallet]), self.deadline).await?;
        Ok(codes.get(&wallet).is_some_and(|code| erc6551::is_account(wallet, code)))
    }

    /// Which of some vaults are such accounts. They delegate nothing: what one's owner of before had it delegate would stay
    /// when the token is sold that it is bound to.
    pub(super) async fn bound_vaults(&self, vaults: impl Iterator<Item = Address>) -> BoundVaults {
        let vaults: Vec<Address> = vaults.collect::<BTreeSet<_>>().into_iter().collect();
        let mut found = BoundVaults::default();
        for part in vaults.chunks(ACCOUNTS) {
            let codes = self.chain.codes(self.block, part.iter().copied().collect(), self.deadline);
            match codes.await {
                Ok(codes) => found.0.extend(
                    codes.iter().map(|(at, code)| (*at, Ok(erc6551::is_account(*at, code)))),
                ),
                Err(cause) => found.0.extend(part.iter().map(|it| (*it, Err(cause)))),
            }
        }
        found
    }

    /// For those whose holder is nobody that counts: known tokens first, so that no others can use up the
    /// time there is.
    pub(super) async fn climb_all(&self, strangers: Vec<Holding>) -> Climbed {
        let (known, others): (Vec<_>, Vec<_>) =
            strangers.into_iter().partition(|(id, _)| self.look.known.contains_key(id));
        let mut climbed = Climbed::default();
        self.climb(known, &mut climbed).await;
        self.climb(others, &mut climbed).await;
        climbed
    }

    /// In half of the time there still is.
    async fn climb(&self, holdings: Vec<Holding>, climbed: &mut Climbed) {
        let now = Instant::now();
        let until = now + self.deadline.saturating_duration_since(now) / 2;
        let start = |(id, at): Holding| Climber { id, at, passed: Vec::new() };
        let mut climbers: Vec<Climber> = holdings.into_iter().map(start).collect();
        for _ in 0..DEEPEST {
            let bound = self.bound(std::mem::take(&mut climbers), climbed, until).await;
            climbers = self.step(bound, climbed, until).await;
        }
    }

    /// Those who are at an account, by the token it is bound to; the others are at their end.
    async fn bound(
        &self,
        climbers: Vec<Climber>,
        (ends, _): &mut Climbed,
        until: Instant,
    ) -> Bound {
        let places: BTreeSet<Address> = climbers.iter().map(|it| it.at).collect();
        let places: Vec<Address> = places.into_iter().collect();
        let (mut codes, mut failure) = (BTreeMap::new(), Cause::AccountOwner);
        for part in places.chunks(ACCOUNTS) {
            match self.chain.codes(self.block, part.iter().copied().collect(), until).await {
                Ok(it) => codes.extend(it),
                Err(cause) => failure = of_strangers(cause, until),
            }
        }
        let mut bound = Bound::new();
        for it in climbers {
            let Some(code) = codes.get(&it.at) else {
                ends.insert(it.id, Err(failure));
                continue;
            };
            if let Some(token) = erc6551::bound(it.at, code, self.chain.id()) {
                bound.entry(token).or_default().push(it);
            }
        }
        bound
    }

    /// One step up. Returns who has to go on; who arrived, or cannot go on, is `climbed`.
    async fn step(
        &self,
        bound: Bound,
        (ends, owners): &mut Climbed,
        until: Instant,
    ) -> Vec<Climber> {
        let calls: Vec<_> =
            bound.keys().map(|(contract, id)| erc721::ask_owner(*contract, *id)).collect();
        let mut outcomes = Vec::with_capacity(calls.len());
        for batch in batches(&calls) {
            let calls = (batch.to_vec(), Asker::OfStranger);
            outcomes.extend(self.chain.run(self.block, calls, until).await);
        }
        let mut further = Vec::new();
        for (((_, id), climbers), outcome) in bound.into_iter().zip(outcomes) {
            let owner = outcome.and_then(|it| erc721::owner(id, &it));
            let owner = owner.map_err(|cause| of_strangers(cause, until));
            for mut it in climbers {
                it.passed.push(it.at);
                let accounts = || it.passed.iter().rev().map(|at| Via::Account(*at));
                if let Ok(Some(owner)) = owner
                    && self.people.through(owner).is_none()
                {
                    let via = std::iter::once(Via::Vault(owner)).chain(accounts());
                    owners.push((it.id, owner, via.collect()));
                }
                match owner {
                    Err(cause) => {
                        ends.insert(it.id, Err(cause));
                    }
                    Ok(Some(owner)) if self.people.through(owner).is_some() => {
                        ends.insert(it.id, Ok(Some((owner, accounts().collect()))));
                    }
                    Ok(Some(owner)) if !it.passed.contains(&owner) => {
                        further.push(Climber { at: owner, ..it });
                    }
                    Ok(_) => {
                        ends.insert(it.id, Ok(None));
                    }
                }
            }
        }
        further
    }
}

/// Why it is not known, where `until` was all the time for what strangers chose.
fn of_strangers(cause: Cause, until: Instant) -> Cause {
    let late = cause == Cause::Unreachable && Instant::now() >= until;
    if late || cause == Cause::Contract { Cause::AccountOwner } else { cause }
}
