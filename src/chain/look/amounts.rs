//! Rule `balance`: of a token of ERC-1155 nobody is the holder, but everybody has an amount.
//!
//! Each id is asked for the wallet, then for each vault. Amounts are not added up: the wallet or one vault
//! has to have enough, and of a vault's only what it delegated counts.

use std::collections::BTreeMap;

use alloy_primitives::{Address, U256};

use super::{Found, Survey};
use entitled_core::domain::ids::Standard;
use entitled_core::domain::ownership::{Cause, Via};
use entitled_core::standards::delegation::Mandate;
use entitled_core::standards::{delegation, erc721, erc1155};

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
        for (id, amount) in self.amounts(self.look.wallet, ids).await {
            let counted =
                |amount| Found::Counted { amount, enough: amount >= min, via: Vec::new() };
            let found = match (amount, self.people.complete) {
                (Ok(amount), _) if amount >= min => counted(amount),
                (Ok(_), Err(cause)) | (Err(cause), _) => Found::Unknown(cause),
                // That somebody has none goes without saying.
                (Ok(amount), Ok(())) if amount.is_zero() => Found::NotHeld,
                (Ok(amount), Ok(())) => counted(amount),
            };
            self.found.insert(id, found);
        }
        let vaults: Vec<_> = self.people.all().into_iter().skip(1).collect();
        for (vault, mandate) in vaults {
            let open = |id: &&U256| {
                let included = match &mandate {
                    Mandate::Everything => true,
                    Mandate::Tokens(some) => some.contains(*id),
                };
                included
                    && !matches!(self.found.get(*id), Some(Found::Counted { enough: true, .. }))
            };
            let open: Vec<U256> = ids.iter().filter(open).copied().collect();
            self.amounts_of_vault(vault, &open, min).await;
        }
    }

    async fn amounts_of_vault(&mut self, vault: Address, ids: &[U256], min: U256) {
        let mut enough = Vec::new();
        for (id, amount) in self.amounts(vault, ids).await {
            match amount {
                Ok(amount) if amount >= min => enough.push((id, amount)),
                Ok(_) => {}
                Err(cause) => {
                    self.found.insert(id, Found::Unknown(cause));
                }
            }
        }
        let (collection, wallet) = (self.look.collection, self.look.wallet);
        let rights = self.look.terms.reach.delegation.unwrap_or_default();
        let ask = |(id, _): &(U256, U256)| {
            delegation::ask_delegated(collection.token(*id), (vault, wallet), rights)
        };
        let outcomes = self.run_in_batches(enough.iter().map(ask).collect()).await;
        for ((id, has), outcome) in enough.into_iter().zip(outcomes) {
            match outcome.and_then(|it| delegation::delegated(Standard::Erc1155, &it)) {
                Ok(delegated) if delegated >= min => {
                    // A vault may delegate more than it has.
                    let (amount, via) = (has.min(delegated), vec![Via::Vault(vault)]);
                    self.found.insert(id, Found::Counted { amount, enough: true, via });
                }
                Ok(_) => {}
                Err(cause) => {
                    self.found.insert(id, Found::Unknown(cause));
                }
            }
        }
    }

    /// How many of each id somebody has.
    async fn amounts(&self, of: Address, ids: &[U256]) -> BTreeMap<U256, Result<U256, Cause>> {
        let contract = self.look.collection.contract;
        let calls = ids.iter().map(|id| erc1155::ask_balance(contract, of, *id)).collect();
        let outcomes = self.run_in_batches(calls).await;
        let amounts = outcomes.into_iter().map(|it| it.and_then(|it| erc721::number(&it)));
        ids.iter().copied().zip(amounts).collect()
    }
}
