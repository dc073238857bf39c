use redb::ReadableTableMetadata;

use super::*;
use crate::store::Progress;
use crate::store::file::database::{Check, open, open_private};
use crate::store::schema::{SCHEMA, Table};
use entitled_core::domain::customer::Wallet;

fn fresh() -> (tempfile::TempDir, Database) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.redb");
    let file = open_private(&path).unwrap();
    let database = open(file, &path, (1 << 20, Check::Every), &Progress::default()).unwrap();
    (dir, database)
}

fn no_backup(_: &Database) -> Result<(), StoreError> {
    panic!("there is nothing to back up")
}

fn add_colour(transaction: &WriteTransaction) -> Result<(), StoreError> {
    let table: Definition = TableDefinition::new("colours");
    let mut table = transaction.open_table(table).unwrap();
    table.insert(b"sky".as_slice(), b"blue".as_slice()).unwrap();
    Ok(())
}

fn fail(transaction: &WriteTransaction) -> Result<(), StoreError> {
    add_colour(transaction)?;
    Err(StoreError::Form { what: "test" })
}

#[test]
fn there_is_a_step_to_each_schema() {
    assert_eq!(STEPS.len(), SCHEMA as usize);
}

#[test]
fn an_empty_store_gets_all_tables_without_a_backup() {
    let (_dir, database) = fresh();
    assert_eq!(schema_of(&database).unwrap(), 0);
    run(&database, STEPS, no_backup).unwrap();
    assert_eq!(schema_of(&database).unwrap(), SCHEMA);
    let snapshot = database::begin_read(&database).unwrap().0;
    for table in Table::ALL {
        snapshot.open_table(table.definition()).unwrap();
    }
}

#[test]
fn a_store_of_our_schema_is_left_alone() {
    let (_dir, database) = fresh();
    run(&database, STEPS, no_backup).unwrap();
    run(&database, STEPS, no_backup).unwrap();
    assert_eq!(schema_of(&database).unwrap(), SCHEMA);
}

#[test]
fn a_later_step_runs_once_and_after_a_backup() {
    let (_dir, database) = fresh();
    run(&database, &[begin], no_backup).unwrap();
    let mut schemas_backed_up = Vec::new();
    let mut backup = |it: &Database| {
        schemas_backed_up.push(schema_of(it).unwrap());
        Ok(())
    };
    run(&database, &[begin, add_colour], &mut backup).unwrap();
    run(&database, &[begin, add_colour], &mut backup).unwrap();
    assert_eq!(schemas_backed_up, [1]);
    assert_eq!(schema_of(&database).unwrap(), 2);
}

#[test]
fn a_step_that_fails_leaves_the_store_as_it_was() {
    let (_dir, database) = fresh();
    run(&database, &[begin], no_backup).unwrap();
    run(&database, &[begin, fail], |_| Ok(())).unwrap_err();
    assert_eq!(schema_of(&database).unwrap(), 1);
    let snapshot = database::begin_read(&database).unwrap().0;
    let colours: Definition = TableDefinition::new("colours");
    assert!(snapshot.open_table(colours).is_err());
}

#[test]
fn without_a_backup_there_is_no_migration() {
    let (_dir, database) = fresh();
    run(&database, &[begin], no_backup).unwrap();
    run(&database, &[begin, add_colour], |_| Err(StoreError::Backup)).unwrap_err();
    assert_eq!(schema_of(&database).unwrap(), 1);
}

#[test]
fn agreements_of_schema_3_are_forgotten_and_light_clients_kept() {
    let (_dir, database) = fresh();
    run(&database, &STEPS[..3], no_backup).unwrap();
    let clients: Definition = TableDefinition::new("light_clients");
    let client = [&[0_u8][..], &1_u64.to_be_bytes()].concat();
    let transaction = database::begin_write(&database).unwrap();
    {
        let mut table = transaction.open_table(clients).unwrap();
        table.insert(client.as_slice(), b"kept".as_slice()).unwrap();
        for root in [0_u8, 0xff] {
            let roots = [[root; 32], [7; 32]].concat();
            let pair = [&[1_u8][..], &1_u64.to_be_bytes(), &roots].concat();
            table.insert(pair.as_slice(), [].as_slice()).unwrap();
        }
    }
    transaction.commit().unwrap();
    run(&database, STEPS, |_| Ok(())).unwrap();
    let snapshot = database::begin_read(&database).unwrap().0;
    let table = snapshot.open_table(clients).unwrap();
    assert_eq!(table.len().unwrap(), 1);
    assert_eq!(table.get(client.as_slice()).unwrap().unwrap().value(), b"kept");
}

#[test]
fn sightings_of_schema_4_stand_as_they_stood() {
    let (_dir, database) = fresh();
    run(&database, &STEPS[..4], no_backup).unwrap();
    let sightings: Definition = TableDefinition::new("sightings");
    let transaction = database::begin_write(&database).unwrap();
    transaction
        .open_table(sightings)
        .unwrap()
        .insert(b"question".as_slice(), b"answer".as_slice())
        .unwrap();
    transaction.commit().unwrap();
    let mut backups = 0;
    run(&database, STEPS, |_| {
        backups += 1;
        Ok(())
    })
    .unwrap();
    assert_eq!((schema_of(&database).unwrap(), backups), (SCHEMA, SCHEMA - 4));
    let snapshot = database::begin_read(&database).unwrap().0;
    let table = snapshot.open_table(sightings).unwrap();
    assert_eq!(table.get(b"question".as_slice()).unwrap().unwrap().value(), b"answer");
    snapshot.open_table(Table::Confirmations.definition()).unwrap();
}

#[test]
fn links_by_envelopes_of_schema_7_are_to_be_made_again() {
    let (_dir, database) = fresh();
    run(&database, &STEPS[..7], no_backup).unwrap();
    let table = |name: &'static str| -> Definition { TableDefinition::new(name) };
    let record = |value: serde_json::Value| [&[1], value.to_string().as_bytes()].concat();
    let envelope = format!("0x12{}", "6492".repeat(16));
    // How each was linked, and whether it stays.
    let links = [
        (Some("eip155:1"), Some("0x1234"), true),
        (Some("eip155:1"), Some(envelope.as_str()), false),
        (Some("eip155:1"), None, false),
        (None, Some("0x1234"), true),
        (None, None, true),
    ];
    let key = |number: usize| [[u8::try_from(number).unwrap(); 20].as_slice(), &[7; 9]].concat();
    let transaction = database::begin_write(&database).unwrap();
    {
        let mut wallets = transaction.open_table(table("wallets")).unwrap();
        let mut proofs = transaction.open_table(table("link_proofs")).unwrap();
        let mut evidence = transaction.open_table(table("evidence")).unwrap();
        for customer in [[7; 9], [8; 9]] {
            evidence.insert([&customer[..], b"acme"].concat().as_slice(), [1].as_slice()).unwrap();
        }
        for (number, (chain, signature, _)) in links.into_iter().enumerate() {
            let wallet = serde_json::json!({
                "address": format!("0x{}", format!("{number:02x}").repeat(20)), "customer": "uid:1000",
                "custody": "linked", "label": null, "active": true, "added_at": "2026-11-22T10:00:00Z",
                "removed_at": null, "chain": chain,
            });
            wallets.insert(key(number).as_slice(), record(wallet).as_slice()).unwrap();
            if let Some(signature) = signature {
                let proof = record(serde_json::json!({"message": "", "signature": signature}));
                proofs.insert(key(number).as_slice(), proof.as_slice()).unwrap();
            }
        }
    }
    transaction.commit().unwrap();
    run(&database, &STEPS[..8], |_| Ok(())).unwrap();
    let snapshot = database::begin_read(&database).unwrap().0;
    let wallets = snapshot.open_table(table("wallets")).unwrap();
    let proofs = snapshot.open_table(table("link_proofs")).unwrap();
    for (number, (_, signature, stays)) in links.into_iter().enumerate() {
        let kept = wallets.get(key(number).as_slice()).unwrap().unwrap();
        let wallet: Wallet = serde_json::from_slice(&kept.value()[1..]).unwrap();
        assert_eq!((wallet.active, wallet.removed_at.is_none()), (stays, stays), "{number}");
        let has_proof = proofs.get(key(number).as_slice()).unwrap().is_some();
        assert_eq!(has_proof, stays && signature.is_some(), "{number}");
    }
    let evidence = snapshot.open_table(table("evidence")).unwrap();
    assert_eq!(evidence.len().unwrap(), 1, "what the customer could show is gone");
}

#[test]
fn a_file_of_somebody_else_is_not_taken_for_an_empty_one() {
    let (_dir, database) = fresh();
    let transaction = database::begin_write(&database).unwrap();
    add_colour(&transaction).unwrap();
    transaction.commit().unwrap();
    assert!(matches!(schema_of(&database), Err(StoreError::Form { what: "schema" })));
    let colours: Definition = TableDefinition::new("colours");
    let snapshot = database::begin_read(&database).unwrap().0;
    assert_eq!(snapshot.open_table(colours).unwrap().len().unwrap(), 1);
}
