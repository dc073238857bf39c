//! What the tests of the store share: a store of their own, and facts to put into it.

use std::future::Future;

use alloy_primitives::{Address, B256};

use super::schema::{self, Table};
use super::tables::audit;
use super::view::View as _;
use super::{Asked, Changes, Store, StoreError, StoreSettings};
use entitled_core::domain::customer::Challenge;
use entitled_core::domain::ids::{CustomerId, Timestamp};

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + seconds).unwrap()
}

pub(crate) fn asked(seconds: i64) -> Asked {
    Asked { by: "uid:1000".into(), at: at(seconds) }
}

pub(crate) fn hash(byte: u64) -> B256 {
    B256::left_padding_from(&byte.to_be_bytes())
}

pub(crate) fn challenge(
    nonce: &str,
    customer: CustomerId,
    address: Address,
    expires: i64,
) -> Challenge {
    Challenge {
        nonce: nonce.into(),
        address,
        chain: 1,
        customer,
        message: format!("sign {nonce}"),
        expires_at: at(expires),
    }
}

/// Runs a future to its end on this thread.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// A store in a directory of its own.
pub(crate) struct Bench {
    pub(crate) store: Store,
    pub(crate) dir: tempfile::TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(Self::settings(&dir), at(0)).unwrap();
        Self { store, dir }
    }

    pub(crate) fn settings(dir: &tempfile::TempDir) -> StoreSettings {
        StoreSettings::at(dir.path().join("ledger.redb"))
    }

    pub(crate) fn change<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Changes<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        wait(self.store.write(operation))
    }

    /// The actions in the audit, oldest first.
    pub(crate) fn actions(&self) -> Vec<String> {
        let entries = self.store.read(|it| audit::list(it, None, (None, None), 10_000)).unwrap();
        entries.into_iter().map(|it| it.action).collect()
    }
}

/// Makes the record of the machine's customer unreadable, or readable again, as a fault of the disk might.
pub(crate) async fn spoil_the_machines_record(store: &Store) {
    let spoil = |changes: &mut Changes<'_>| {
        let key = schema::customer(CustomerId::Machine);
        let mut record = changes.get(Table::Customers, &key)?.unwrap();
        record[0] ^= 0x80;
        changes.put(Table::Customers, &key, &record)
    };
    store.write(spoil).await.unwrap();
}
