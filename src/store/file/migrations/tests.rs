use redb::ReadableTableMetadata;

use super::*;
use crate::store::Progress;
use crate::store::file::database::{Check, open, open_private};
use crate::store::schema::{SCHEMA, Table};

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
