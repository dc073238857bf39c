//! From an account that holds a token to who owns the token it is bound to, and on from there.
//!
//! Owns: how far, and that a circle ends. Never: runs an account's code or believes its words; whether it is
//! one is told by its code and address (`erc6551`). Accounts bound to tokens of different contracts are
//! asked apart, so that one contract's endless loop costs the others nothing.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, U256};

use super::Survey;
use super::attribution::{Holding, Way};
use entitled_core::domain::ownership::{Cause, Via};
use entitled_core::standards::{erc721, erc6551};

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
type Bound = BTreeMap<Address, BTreeMap<U256, Vec<Climber>>>;

impl Survey<'_> {
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

    async fn climb(&self, holdings: Vec<Holding>, climbed: &mut Climbed) {
        let start = |(id, at): Holding| Climber { id, at, passed: Vec::new() };
        let mut climbers: Vec<Climber> = holdings.into_iter().map(start).collect();
        for _ in 0..DEEPEST {
            let bound = match self.bound(std::mem::take(&mut climbers)).await {
                Ok(bound) => bound,
                Err((stuck, cause)) => {
                    climbed.0.extend(stuck.into_iter().map(|it| (it.id, Err(cause))));
                    break;
                }
            };
            for (contract, tokens) in bound {
                climbers.extend(self.step(contract, tokens, climbed).await);
            }
        }
    }

    /// Those who are at an account, by the token it is bound to; the others are at their end.
    async fn bound(&self, climbers: Vec<Climber>) -> Result<Bound, (Vec<Climber>, Cause)> {
        let places: BTreeSet<Address> = climbers.iter().map(|it| it.at).collect();
        let codes = match self.chain.codes(self.block, places, self.deadline).await {
            Ok(codes) => codes,
            Err(cause) => return Err((climbers, cause)),
        };
        let mut bound = Bound::new();
        for it in climbers {
            let code = codes.get(&it.at).map(AsRef::as_ref).unwrap_or_default();
            if let Some((contract, id)) = erc6551::bound(it.at, code, self.chain.id()) {
                bound.entry(contract).or_default().entry(id).or_default().push(it);
            }
        }
        Ok(bound)
    }

    /// One step up. Returns who has to go on; who arrived, or cannot go on, is `climbed`.
    async fn step(
        &self,
        contract: Address,
        tokens: BTreeMap<U256, Vec<Climber>>,
        (ends, owners): &mut Climbed,
    ) -> Vec<Climber> {
        let calls = tokens.keys().map(|id| erc721::ask_owner(contract, *id)).collect();
        let outcomes = self.run_in_batches(calls).await;
        let mut further = Vec::new();
        for ((id, climbers), outcome) in tokens.into_iter().zip(outcomes) {
            let owner = outcome.and_then(|it| erc721::owner(id, &it));
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
