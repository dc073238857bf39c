//! How a store of an older schema becomes one of ours. Forward only.
//!
//! Step N takes schema N to N + 1 in one transaction, together with the number in `meta`, so a crash
//! leaves one or the other. Before each step on a store that holds anything, a backup is kept. A step
//! names its tables and types itself: what it once did must not change when the rest of the program does.
//! A schema newer than ours is refused before anything is written.

use std::sync::Arc;

use redb::{Database, ReadableTable, TableDefinition, TableError, TableHandle, WriteTransaction};
use serde_json::Value;

use super::database;
use crate::store::error::StoreError;
use crate::store::schema::Definition;

type Step = fn(&WriteTransaction) -> Result<(), StoreError>;

/// Invariant: as many as `schema::SCHEMA`, and none of them ever changes.
pub(in crate::store) const STEPS: &[Step] = &[
    begin,
    more_terms,
    add_light_clients,
    forget_agreements,
    add_confirmations,
    add_receipts,
    add_loans,
    end_links_by_envelopes,
];

const META: Definition<'static> = TableDefinition::new("meta");
const SCHEMA_KEY: &[u8] = b"schema";

/// The schema of a store; 0 for one in which there is nothing yet.
pub(in crate::store) fn schema_of(database: &Database) -> Result<u32, StoreError> {
    let wrong = || StoreError::Form { what: "schema" };
    let snapshot = database::begin_read(database)?.0;
    let meta = match snapshot.open_table(META) {
        Ok(meta) => meta,
        Err(TableError::TableDoesNotExist(_)) => {
            let mut tables = snapshot.list_tables().map_err(StoreError::database("list tables"))?;
            return if tables.next().is_none() { Ok(0) } else { Err(wrong()) };
        }
        Err(error) => return Err(StoreError::database("read the schema")(error)),
    };
    let value = meta.get(SCHEMA_KEY).map_err(StoreError::database("read the schema"))?;
    let bytes: [u8; 4] = value.and_then(|it| it.value().try_into().ok()).ok_or_else(wrong)?;
    Ok(u32::from_be_bytes(bytes))
}

/// Takes the store through the steps it has not seen; calls `before` ahead of each one that changes
/// something there is.
pub(in crate::store) fn run(
    database: &Database,
    steps: &[Step],
    mut before: impl FnMut(&Database) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let found = schema_of(database)?;
    for (from, step) in (0_u32..).zip(steps).skip_while(|it| it.0 < found) {
        // A store that is only now being made holds nothing to back up.
        if found > 0 {
            before(database)?;
            tracing::info!(event = "store_migrated", from, to = from + 1, "migrating the store");
        }
        let transaction = database::begin_write(database)?;
        step(&transaction)?;
        write_schema(&transaction, from + 1)?;
        transaction.commit().map_err(StoreError::database("migrate the store"))?;
    }
    Ok(())
}

fn write_schema(transaction: &WriteTransaction, schema: u32) -> Result<(), StoreError> {
    let doing = "write the schema";
    let mut meta = transaction.open_table(META).map_err(StoreError::database(doing))?;
    meta.insert(SCHEMA_KEY, schema.to_be_bytes().as_slice())
        .map_err(StoreError::database(doing))?;
    Ok(())
}

/// 0 → 1: the first tables.
fn begin(transaction: &WriteTransaction) -> Result<(), StoreError> {
    const TABLES: [&str; 18] = [
        "meta",
        "customers",
        "customer_uids",
        "external_ids",
        "wallets",
        "customer_wallets",
        "sealed_keys",
        "challenges",
        "challenge_expiries",
        "sightings",
        "scans",
        "ownerships",
        "token_ownerships",
        "wallet_ownerships",
        "active_ownerships",
        "suspensions",
        "floors",
        "audit",
    ];
    for name in TABLES {
        let definition: Definition = TableDefinition::new(name);
        let table = transaction.open_table(definition);
        let table = table.map_err(StoreError::database("begin the tables of the store"))?;
        debug_assert_eq!(table.name(), name);
    }
    Ok(())
}

/// 1 → 2: nothing moves. From now on a sighting may have terms that a program of schema 1 does not know, and
/// would take for plain ownership: it has to refuse the file.
#[expect(clippy::unnecessary_wraps, reason = "a step may fail")]
fn more_terms(_: &WriteTransaction) -> Result<(), StoreError> {
    Ok(())
}

/// 2 → 3: what light clients know.
fn add_light_clients(transaction: &WriteTransaction) -> Result<(), StoreError> {
    let table: Definition = TableDefinition::new("light_clients");
    transaction
        .open_table(table)
        .map(drop)
        .map_err(StoreError::database("add a table to the store"))
}

/// 3 → 4: that two checkpoints agree is no fact beside the light client any more. What was kept of it was bound to
/// no specification and no time, so that nothing may rest on it.
fn forget_agreements(transaction: &WriteTransaction) -> Result<(), StoreError> {
    const AGREED: std::ops::Range<&[u8]> = &[1]..&[2];
    let doing = "forget which checkpoints agree";
    let clients: Definition = TableDefinition::new("light_clients");
    let mut clients = transaction.open_table(clients).map_err(StoreError::database(doing))?;
    clients.retain_in(AGREED, |_, _| false).map_err(StoreError::database(doing))
}

/// 4 → 5: which look confirmed the rows of a wallet in a collection. Rows of schema 4 have their own, and are read as
/// they stand; a later program writes others, which one of schema 4 could not read.
fn add_confirmations(transaction: &WriteTransaction) -> Result<(), StoreError> {
    let table: Definition = TableDefinition::new("confirmations");
    transaction
        .open_table(table)
        .map(drop)
        .map_err(StoreError::database("add a table to the store"))
}

/// 5 → 6: how control of linked wallets was shown, and what receipts are made of.
fn add_receipts(transaction: &WriteTransaction) -> Result<(), StoreError> {
    for name in ["link_proofs", "evidence"] {
        let table: Definition = TableDefinition::new(name);
        let opened = transaction.open_table(table);
        opened.map(drop).map_err(StoreError::database("add a table to the store"))?;
    }
    Ok(())
}

/// 6 → 7: seats that were lent to another machine, and by one.
fn add_loans(transaction: &WriteTransaction) -> Result<(), StoreError> {
    let table: Definition = TableDefinition::new("loans");
    transaction
        .open_table(table)
        .map(drop)
        .map_err(StoreError::database("add a table to the store"))
}

/// 7 → 8: contract wallets that were linked by an envelope (ERC-6492) are unlinked, and those of which nobody kept by what: such
/// an envelope could link what is somebody else's, and only its block of then could tell. They are to be linked again.
fn end_links_by_envelopes(transaction: &WriteTransaction) -> Result<(), StoreError> {
    const JSON: u8 = 1;
    const CUSTOMER: std::ops::Range<usize> = 20..29;
    let doing = "unlink what envelopes linked";
    let open = |name: &'static str| {
        let table: Definition = TableDefinition::new(name);
        transaction.open_table(table).map_err(StoreError::database(doing))
    };
    let read = |bytes: &[u8]| match bytes.split_first() {
        Some((&JSON, json)) => serde_json::from_slice::<Value>(json)
            .map_err(|source| StoreError::Record { what: doing, source: Arc::new(source) }),
        _ => Err(StoreError::Form { what: doing }),
    };
    let (mut wallets, mut proofs) = (open("wallets")?, open("link_proofs")?);
    let mut evidence = open("evidence")?;
    let envelope = "6492".repeat(16);
    let mut ended = Vec::new();
    for row in wallets.iter().map_err(StoreError::database(doing))? {
        let (key, value) = row.map_err(StoreError::database(doing))?;
        let mut wallet = read(value.value())?;
        if wallet["active"] != true || wallet["chain"].is_null() {
            continue;
        }
        let proof = proofs.get(key.value()).map_err(StoreError::database(doing))?;
        let proof = proof.map(|it| read(it.value())).transpose()?;
        let signature = proof.as_ref().and_then(|it| it["signature"].as_str());
        if signature.is_none_or(|it| it.ends_with(&envelope)) {
            wallet["active"] = false.into();
            // Nothing that it held was ever known to be the customer's.
            wallet["removed_at"] = wallet["added_at"].clone();
            ended.push((key.value().to_vec(), wallet));
        }
    }
    for (key, wallet) in ended {
        let bytes = [&[JSON], wallet.to_string().as_bytes()].concat();
        wallets.insert(&*key, &*bytes).map_err(StoreError::database(doing))?;
        proofs.remove(&*key).map_err(StoreError::database(doing))?;
        let customer = key.get(CUSTOMER).unwrap_or_default();
        evidence.retain(|it, _| !it.starts_with(customer)).map_err(StoreError::database(doing))?;
        let address = wallet["address"].as_str().unwrap_or_default();
        tracing::warn!(event = "link_ended", address, "the wallet is to be linked again");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
