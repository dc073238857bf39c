//! What the daemon lends to the methods, and what they count.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::value::RawValue;

use crate::actors::ownership_ledger::Asked;
use crate::counter::{Counter, PerThread};
use crate::rpc::error::RpcError;
use crate::rpc::wire;
use entitled_core::domain::entitlement::Code;
use entitled_core::domain::ids::ProductId;

/// What the daemon lends to the methods.
pub struct Control {
    /// Reads configuration and product files again.
    pub reload:
        Box<dyn Fn(Asked) -> BoxFuture<'static, Result<wire::Reload, RpcError>> + Send + Sync>,
    /// This API as an OpenRPC document. It is made of the table, which is made of the methods.
    pub document: fn() -> &'static RawValue,
    /// The name in which this machine asks wallets to sign.
    pub machine: String,
    /// The monotonic time at which the daemon started.
    pub started: Duration,
    pub counts: Counts,
    /// Subscriptions to an entitlement that are open now.
    pub subscriptions: AtomicU64,
    /// Where the store is, and its backups go.
    pub state_directory: PathBuf,
    /// Log records that found no room.
    pub lost_records: Box<dyn Fn() -> u64 + Send + Sync>,
}

/// Products counted by name. There are as many as are installed, which is far below.
const PRODUCTS_COUNTED: usize = 4_096;

/// How many checks of each product came to what. Names that nobody installed are counted together: anybody can
/// make up any number of them.
#[derive(Debug, Default)]
pub struct Counts {
    by_product: RwLock<BTreeMap<ProductId, Arc<Row>>>,
    unknown: Counter,
}

/// How many checks of one product came to what.
pub(super) type Row = PerThread<[AtomicU64; Code::ALL.len()]>;

impl Counts {
    pub fn checked(&self, product: &ProductId, code: Code) {
        self.count(self.row(product, code).as_deref(), code);
    }

    /// Where checks of `product` are counted that come to `code`. Those without a product have no row of their own.
    pub(super) fn row(&self, product: &ProductId, code: Code) -> Option<Arc<Row>> {
        if code == Code::NoProduct {
            return None;
        }
        let known = self.by_product.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(row) = known.get(product) {
            return Some(Arc::clone(row));
        }
        drop(known);
        let mut rows = self.by_product.write().unwrap_or_else(PoisonError::into_inner);
        let has_room = rows.len() < PRODUCTS_COUNTED || rows.contains_key(product);
        has_room.then(|| Arc::clone(rows.entry(product.clone()).or_default()))
    }

    /// Counts a check that came to `code`, in the row it has.
    pub(super) fn count(&self, row: Option<&Row>, code: Code) {
        match row.map(|it| it.own().get(code as usize)) {
            Some(Some(count)) => {
                count.fetch_add(1, Ordering::Relaxed);
            }
            None if code == Code::NoProduct => self.unknown.one_more(),
            _ => {}
        }
    }

    /// Of every product, by what came up at least once; those without a product have the empty name.
    pub fn all(&self) -> Vec<(String, Code, u64)> {
        let rows = self.by_product.read().unwrap_or_else(PoisonError::into_inner);
        let each = |(product, row): (&ProductId, &Arc<Row>)| {
            let product = product.to_string();
            Code::ALL.map(|code| {
                let of_threads = row.all().filter_map(|it| it.get(code as usize));
                let count = of_threads.map(|it| it.load(Ordering::Relaxed)).sum();
                (product.clone(), code, count)
            })
        };
        let unknown = (String::new(), Code::NoProduct, self.unknown.get());
        let all = rows.iter().flat_map(each).chain([unknown]);
        all.filter(|(_, _, count)| *count > 0).collect()
    }
}
