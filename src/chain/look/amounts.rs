//! Rule `balance`: of a token of ERC-1155 nobody is the holder, but everybody has an amount.
//!
//! Each id is asked for the wallet, then for all vaults together. Amounts are not added up: the wallet or one vault
//! has to have enough, and of a vault's only what it delegated counts.

use std::collections::BTreeMap;

use alloy_primitives::{Address, U256};

use super::parts::part;
use super::{Found, Survey};
use entitled_core::domain::ids::Standard;
use entitled_core::domain::ownership::{Cause, Via};
use entitled_core::standards::delegation::Mandate;
use entitled_core::standards::{delegation, erc721, erc1155};

/// Amounts of vaults that are asked for in one look.
const PAIRS: usize = 100_000;

/// Somebody, and an id.
type Pair = (Address, U256);

impl Survey<'_> {
    /// `Ok`: of the ids asked for, nobody who counts has enough of any but those found.
    pub(super) async fn all_amounts(&mut self, min: U256) -> Result<(), Cause> {
        let (listed, all) = self.listed();
        let mut ids = self.known_ids();
        ids.extend(&listed);
        let ids: Vec<U256> = ids.into_iter().collect();
        self.amounts_of(&ids, min).await;
        let failure = listed.iter().find_map(|id| match self.found.get(id) {
            Some(Found::Unknown(cause)) => Some(*cause),
            Some(_) => None,
            None => Some(Cause::Undiscovered),
        });
        let rest = all.and(failure.map_or(Ok(()), Err));
        // What failed of ids nobody knew of is batch of the rest, and need not be told one by one.
        let known = self.look.known;
        self.found.retain(|id, it| !matches!(it, Found::Unknown(_)) || known.contains_key(id));
        rest
    }

    /// Whether anybody who counts has at least `min` of each.
    pub(super) async fn amounts_of(&mut self, ids: &[U256], min: U256) {
        let mut pairs = self.of_vaults_each(ids);
        if pairs.len() > PAIRS {
            pairs.truncate(PAIRS);
            self.people.complete = self.people.complete.and(Err(Cause::Undiscovered));
        }
        let own: Vec<Pair> = ids.iter().map(|id| (self.look.wallet, *id)).collect();
        for ((_, id), amount) in own.iter().zip(self.amounts(&own).await) {
            let counted = |amount| Found::Counted {
                amount,
                whole: None,
                enough: amount >= min,
                via: Vec::new(),
            };
            let found = match (amount, self.people.complete) {
                (Ok(amount), _) if amount >= min => counted(amount),
                (Ok(_), Err(cause)) | (Err(cause), _) => Found::Unknown(cause),
                // That somebody has none goes without saying.
                (Ok(amount), Ok(())) if amount.is_zero() => Found::NotHeld,
                (Ok(amount), Ok(())) => counted(amount),
            };
            self.found.insert(*id, found);
        }
        pairs.retain(|(_, id)| !self.is_enough(id));
        self.amounts_of_vaults(pairs, min).await;
    }

    /// Each vault with each of these ids that it may have delegated; no more than one too many. Those come first
    /// through whom something was held before, then from look to look others.
    fn of_vaults_each(&self, ids: &[U256]) -> Vec<Pair> {
        let before = self.earlier_vaults();
        let (mut vaults, mut others): (Vec<_>, Vec<_>) =
            self.people.vaults().partition(|(vault, _)| before.contains_key(vault));
        let first = part(others.len() as u64, 1, self.look.number).next();
        others.rotate_left(first.and_then(|it| usize::try_from(it).ok()).unwrap_or_default());
        vaults.append(&mut others);
        let pairs = vaults.into_iter().flat_map(|(vault, mandate)| {
            let included = move |id: &&U256| match mandate {
                Mandate::Everything => true,
                Mandate::Tokens(some) => some.contains(*id),
            };
            ids.iter().filter(included).map(move |id| (vault, *id))
        });
        pairs.take(PAIRS + 1).collect()
    }

    fn is_enough(&self, id: &U256) -> bool {
        matches!(self.found.get(id), Some(Found::Counted { enough: true, .. }))
    }

    async fn amounts_of_vaults(&mut self, pairs: Vec<Pair>, min: U256) {
        let (mut enough, mut unknown) = (Vec::new(), BTreeMap::new());
        let amounts = self.amounts(&pairs).await;
        for ((vault, id), amount) in pairs.into_iter().zip(amounts) {
            match amount {
                Ok(amount) if amount >= min => enough.push((vault, id, amount)),
                Ok(_) => {}
                Err(cause) => {
                    unknown.insert(id, cause);
                }
            }
        }
        let (collection, wallet) = (self.look.collection, self.look.wallet);
        let rights = self.look.terms.reach.delegation.unwrap_or_default();
        let ask = |(vault, id, _): &(Address, U256, U256)| {
            delegation::ask_delegated(collection.token(*id), (*vault, wallet), rights)
        };
        let outcomes = self.run_in_batches(enough.iter().map(ask).collect()).await;
        let bound = self.bound_vaults(enough.iter().map(|it| it.0)).await;
        for ((vault, id, has), outcome) in enough.into_iter().zip(outcomes) {
            let delegated = outcome.and_then(|it| delegation::delegated(Standard::Erc1155, &it));
            let delegated = delegated.and_then(|it| match it >= min && bound.contains(&vault)? {
                true => Ok(U256::ZERO),
                false => Ok(it),
            });
            match delegated {
                Ok(delegated) if delegated >= min && !self.is_enough(&id) => {
                    // A vault may delegate more than it has.
                    let (amount, via) = (has.min(delegated), vec![Via::Vault(vault)]);
                    let whole = Some(has).filter(|it| *it > amount);
                    self.found.insert(id, Found::Counted { amount, whole, enough: true, via });
                }
                Ok(_) => {}
                Err(cause) => {
                    unknown.insert(id, cause);
                }
            }
        }
        for (id, cause) in unknown {
            if !self.is_enough(&id) {
                self.found.insert(id, Found::Unknown(cause));
            }
        }
    }

    /// How many of an id somebody has, of each.
    async fn amounts(&self, of: &[Pair]) -> Vec<Result<U256, Cause>> {
        let contract = self.look.collection.contract;
        let ask = |(who, id): &Pair| erc1155::ask_balance(contract, *who, *id);
        let outcomes = self.run_in_batches(of.iter().map(ask).collect()).await;
        outcomes.into_iter().map(|it| it.and_then(|it| erc721::number(&it))).collect()
    }
}
