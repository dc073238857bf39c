//! Whose holdings count for a wallet: its own, and those of vaults that may have delegated to it.
//!
//! Owns: nothing beyond one look. Never: takes the registry's list for a delegation. It only says whom to
//! look at; each token is confirmed by itself (`attribution`). Nor takes a part of the list for all of it: anybody can
//! make it as long as they pay for, so of a long one each look reads another part.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use alloy_primitives::{Address, B256, U256};
use tokio::time::Instant;

use super::Survey;
use super::parts::part;
use entitled_core::domain::ownership::{Cause, Rule, Via};
use entitled_core::evm::execute::{Call, Outcome};
use entitled_core::standards::delegation;
use entitled_core::standards::delegation::{Entry, Mandate, Sought};

/// Delegations read in one look; each takes two or three slots.
const DELEGATIONS: u64 = 4_096;
/// No longer than this for them, so that there is time left for what the wallet itself holds.
const PATIENCE: Duration = Duration::from_secs(15);

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

    /// The wallet, and whoever else is found to hold something and asked after by name.
    pub(super) fn unlisted(wallet: Address) -> Self {
        Self { complete: Err(Cause::Undiscovered), ..Self::alone(wallet) }
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
    /// Who there is. When not all of the registry's list is read, those who delegated before are still asked after.
    pub(super) async fn people(&self) -> People {
        let wallet = self.look.wallet;
        let Some(rights) = self.look.terms.reach.delegation else { return People::alone(wallet) };
        let (mut vaults, complete) = self.incoming(rights).await;
        if complete.is_err() {
            for (vault, mandate) in self.earlier_vaults() {
                join(&mut vaults, vault, mandate);
            }
        }
        People { wallet, vaults, complete }
    }

    /// The vaults that are listed as having delegated, as far as the list is read.
    async fn incoming(&self, rights: B256) -> (BTreeMap<Address, Mandate>, Result<(), Cause>) {
        let until = self.deadline.min(Instant::now() + PATIENCE);
        let sought = Sought { to: self.look.wallet, collection: self.look.collection, rights };
        let length = self.read(vec![delegation::ask_count(sought.to)], until).await.pop();
        let length = length.unwrap_or(Err(Cause::Contract)).and_then(|it| delegation::count(&it));
        let made = match length {
            Ok(made) => made,
            Err(cause) => return (BTreeMap::new(), Err(cause)),
        };
        let mut all = Ok(());
        if made > DELEGATIONS {
            let by_token = !matches!(self.look.terms.rule, Rule::Balance { .. });
            all = Err(Cause::Delegations { made, by_token });
        }
        let indexes = part(made, DELEGATIONS, self.look.number);
        let calls = indexes.map(|it| delegation::ask_entry(sought.to, it)).collect();
        let standard = sought.collection.standard;
        let hashes = self.read(calls, until).await.into_iter();
        let entries: Vec<Entry> =
            known(hashes.map(|it| it.and_then(|it| Entry::read(standard, &it))), &mut all);

        let calls = entries.iter().map(Entry::ask_vault).collect();
        let vaults = entries.into_iter().zip(self.read(calls, until).await);
        let vault = |(entry, outcome): (Entry, Result<Outcome, Cause>)| {
            let vault = outcome.and_then(|it| entry.vault(&sought, &it))?;
            Ok(vault.map(|vault| (entry, vault)))
        };
        let entries: Vec<(Entry, Address)> = known(vaults.map(vault), &mut all);

        let calls = entries.iter().filter_map(|(entry, _)| entry.ask_token()).collect();
        let mut tokens = self.read(calls, until).await.into_iter();
        let mandates = entries.into_iter().map(|(entry, vault)| {
            let token = entry.ask_token().and_then(|_| tokens.next()).transpose()?;
            let mandate = entry.mandate(&sought, vault, token.as_ref())?;
            Ok(mandate.map(|mandate| (vault, mandate)))
        });
        let mut vaults = BTreeMap::new();
        for (vault, mandate) in known(mandates, &mut all) {
            join(&mut vaults, vault, mandate);
        }
        (vaults, all)
    }

    async fn read(&self, calls: Vec<Call>, until: Instant) -> Vec<Result<Outcome, Cause>> {
        self.chain.run(self.block, (calls, self.asker), until).await
    }

    /// Through whom something was held when it was last seen.
    pub(super) fn earlier_vaults(&self) -> BTreeMap<Address, Mandate> {
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

/// What there is of some answers; what is not known leaves open whether that is `all`.
fn known<T>(
    answers: impl Iterator<Item = Result<Option<T>, Cause>>,
    all: &mut Result<(), Cause>,
) -> Vec<T> {
    let mut found = Vec::new();
    for answer in answers {
        match answer {
            Ok(it) => found.extend(it),
            Err(cause) => *all = all.and(Err(cause)),
        }
    }
    found
}

fn join(vaults: &mut BTreeMap<Address, Mandate>, vault: Address, mandate: Mandate) {
    match vaults.get_mut(&vault) {
        Some(known) => known.join(mandate),
        None => {
            vaults.insert(vault, mandate);
        }
    }
}
