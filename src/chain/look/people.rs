//! Whose holdings count for a wallet: its own, and those of vaults that may have delegated to it.
//!
//! Owns: nothing beyond one look. Never: takes the registry's list for a delegation. It only says whom to
//! look at; each token is confirmed by itself (`attribution`).

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, B256, U256};

use super::Survey;
use entitled_core::domain::ownership::{Cause, Via};
use entitled_core::standards::delegation;
use entitled_core::standards::delegation::Mandate;

/// The wallet, and who may stand behind it.
#[derive(Debug)]
pub(super) struct People {
    wallet: Address,
    vaults: BTreeMap<Address, Mandate>,
    /// Whether there are no others.
    pub(super) complete: Result<(), Cause>,
}

impl People {
    pub(super) fn alone(wallet: Address) -> Self {
        Self { wallet, vaults: BTreeMap::new(), complete: Ok(()) }
    }

    /// Through whom this is one of them, if it is one.
    pub(super) fn through(&self, person: Address) -> Option<Option<Via>> {
        if person == self.wallet {
            return Some(None);
        }
        self.vaults.contains_key(&person).then_some(Some(Via::Vault(person)))
    }

    pub(super) fn vaults(&self) -> impl Iterator<Item = (Address, &Mandate)> {
        self.vaults.iter().map(|(address, mandate)| (*address, mandate))
    }

    /// Everybody, the wallet first, with what of theirs may count.
    pub(super) fn all(&self) -> Vec<(Address, Mandate)> {
        let wallet = (self.wallet, Mandate::Everything);
        let vaults = self.vaults().map(|(address, mandate)| (address, mandate.clone()));
        std::iter::once(wallet).chain(vaults).collect()
    }
}

impl Survey<'_> {
    /// Who there is. When the registry does not say, those who delegated before are still asked after.
    pub(super) async fn people(&self) -> People {
        let wallet = self.look.wallet;
        let Some(rights) = self.look.terms.reach.delegation else { return People::alone(wallet) };
        let listed = self.incoming(rights).await;
        let (vaults, complete) = listed.unwrap_or_else(|cause| (self.earlier_vaults(), Err(cause)));
        People { wallet, vaults, complete }
    }

    async fn incoming(&self, rights: B256) -> Result<delegation::Vaults, Cause> {
        let outcome = self.ask(delegation::ask_incoming(self.look.wallet)).await?;
        delegation::vaults(&outcome, self.look.wallet, (self.look.collection, rights))
    }

    fn earlier_vaults(&self) -> BTreeMap<Address, Mandate> {
        let mut vaults: BTreeMap<Address, BTreeSet<U256>> = BTreeMap::new();
        for (id, known) in self.look.known {
            for via in &known.via {
                if let Via::Vault(vault) = via {
                    vaults.entry(*vault).or_default().insert(*id);
                }
            }
        }
        vaults.into_iter().map(|(vault, ids)| (vault, Mandate::Tokens(ids))).collect()
    }
}
