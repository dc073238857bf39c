//! What an evaluation, a start and the figures ask of the whole store at once, from one snapshot.

use std::collections::BTreeSet;

use alloy_primitives::Address;

use super::{customers, light_clients, loans, ownerships, sightings, wallets};
use crate::store::error::StoreError;
use crate::store::schema::Table;
use crate::store::tables::kept_rows::SightingRows;
use crate::store::view::View;
use entitled_core::domain::consensus::Synced;
use entitled_core::domain::customer::{Customer, Wallet};
use entitled_core::domain::ids::{ChainId, Collection, CustomerId, Timestamp, Token};
use entitled_core::domain::kept;
use entitled_core::domain::ownership::{Anchor, Scan, Sighting, Via};
use entitled_core::loan::TakenLoan;

/// What the ledger knows. Customers that do not exist are left out.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    pub customers: Vec<Customer>,
    /// Active wallets of those customers.
    pub wallets: Vec<Wallet>,
    /// The newest sightings of those wallets in those collections: per wallet, target and finality the
    /// newest that proves something, and the newest that found nothing out if it came later.
    pub sightings: Vec<Sighting>,
    /// Tokens whose ownership is suspended.
    pub suspended: Vec<Token>,
    /// How far events were read, per collection and wallet.
    pub scans: Vec<(Collection, Address, Scan)>,
    /// Per chain, the newest finalized block time ever proven.
    pub floors: Vec<(ChainId, Timestamp)>,
    /// Seats in those collections that another machine has lent to this one, as far as they are not over.
    pub loans: Vec<TakenLoan>,
    /// How many looks the daemon had recorded when these were read; `store` does not count them.
    pub looks: u64,
}

/// What the evaluator and the verifier need when the daemon starts.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// The greatest look ever recorded.
    pub last_look: u64,
    pub floors: Vec<(ChainId, Timestamp)>,
    /// Per chain and finality, the newest block that was known.
    pub heads: Vec<Anchor>,
    /// What is kept of each chain's light client.
    pub light_clients: Vec<Synced>,
    /// How late it was when a loan was seen last that is not over.
    pub loan_time: Option<Timestamp>,
}

/// How many rows the store holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub customers: u64,
    pub wallets: u64,
    pub ownerships: u64,
    pub sightings: u64,
    pub audit_entries: u64,
}

/// Everything an evaluation needs to know of some customers and collections.
///
/// # Errors
/// When the store fails.
pub fn facts(
    view: &impl View,
    customers: &[CustomerId],
    collections: &[Collection],
) -> Result<Facts, StoreError> {
    let loans = loans::open(view)?;
    let is_asked = |it: &TakenLoan| collections.contains(&it.sighting.target.collection());
    let loans = loans.into_iter().filter(is_asked).collect();
    let mut facts = Facts { floors: sightings::floors(view)?, loans, ..Facts::default() };
    for id in distinct(customers) {
        let Some(customer) = customers::find(view, id)? else { continue };
        let wallets = wallets::of_customer(view, id)?;
        facts.wallets.extend(wallets.into_iter().filter(|it| it.active));
        facts.customers.push(customer);
    }
    for collection in distinct(collections) {
        facts.suspended.extend(ownerships::suspended_in(view, collection)?);
        for wallet in &facts.wallets {
            let seen = kept::of_wallet(&SightingRows::new(view), collection, wallet.address)?;
            let between = seen.iter().flat_map(|it| &it.via).map(|via| match via {
                Via::Vault(address) | Via::Account(address) => *address,
            });
            for address in between.chain([wallet.address]).collect::<BTreeSet<_>>() {
                let scan = sightings::scan_of(view, collection, address)?;
                facts.scans.extend(scan.map(|it| (collection, address, it)));
            }
            facts.sightings.extend(seen);
        }
    }
    Ok(facts)
}

/// In the order given, each once.
fn distinct<T: Copy + PartialEq>(items: &[T]) -> Vec<T> {
    let mut found = Vec::with_capacity(items.len());
    for item in items {
        if !found.contains(item) {
            found.push(*item);
        }
    }
    found
}

/// # Errors
/// When the store fails.
pub fn progress(view: &impl View) -> Result<Progress, StoreError> {
    let has_loans = !loans::open(view)?.is_empty();
    Ok(Progress {
        last_look: sightings::last_look(view)?,
        floors: sightings::floors(view)?,
        heads: sightings::heads(view)?,
        light_clients: light_clients::all(view)?,
        loan_time: loans::time(view)?.filter(|_| has_loans),
    })
}

/// # Errors
/// When the store fails.
pub fn counts(view: &impl View) -> Result<Counts, StoreError> {
    Ok(Counts {
        customers: view.count(Table::Customers)?,
        wallets: view.count(Table::Wallets)?,
        ownerships: view.count(Table::Ownerships)?,
        sightings: view.count(Table::Sightings)?,
        audit_entries: view.count(Table::Audit)?,
    })
}
