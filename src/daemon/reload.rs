//! Reading configuration and product files again, on a signal or an administrator's word.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix::Addr;

use super::start::House;
use super::{Source, catalogue, story};
use crate::actors::chain_verifier::{ChainVerifier, FindUnavailable};
use crate::actors::ownership_ledger::Asked;
use crate::actors::tier_cache::{Reload, TierCache, VerdictReader};
use crate::config::Config;
use crate::logging;
use crate::rpc::error::{Code, RpcError};
use crate::rpc::wire;

/// How long reading product files may take.
const RELOAD_TIME: Duration = Duration::from_secs(10);

pub(super) struct Reloader {
    running: Mutex<Config>,
    source: Source,
    cache: Addr<TierCache>,
    reader: VerdictReader,
    verifier: Addr<ChainVerifier>,
    log: Arc<logging::Handle>,
}

impl Reloader {
    pub(super) fn new(
        config: Config,
        source: Source,
        house: &House,
        log: Arc<logging::Handle>,
    ) -> Self {
        let House { cache, reader, verifier, .. } = house;
        let (cache, reader, verifier) = (cache.clone(), reader.clone(), verifier.clone());
        Self { running: Mutex::new(config), source, cache, reader, verifier, log }
    }

    /// The configuration in force.
    pub(super) fn running(&self) -> Config {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Applies what can change at run time, and says what cannot. A wrong configuration changes nothing.
    pub(super) async fn reload(&self, asked: Asked) -> Result<wire::Reload, RpcError> {
        let old = self.running();
        let new = match Config::read(self.source.file.as_deref(), &self.source.environment) {
            Ok(read) => read.config,
            // Only administrators may ask for this: they are told the file, line and key.
            Err(error) => return Err(RpcError::new(Code::Conflict, story(&error))),
        };
        let changes = Config::changed(&old, &new);
        if let Err(error) = self.log.set_level(new.log.level) {
            tracing::error!(%error, "the log level was not changed");
        }
        let order = Reload {
            catalogue: Some(catalogue(&new, self.source.environment.uid)),
            refresh: Some(new.cache.refresh),
            asked,
        };
        let reloaded = self.cache.send(order).timeout(RELOAD_TIME).await?;
        let products = self.reader.products().products.values().cloned().collect();
        let question = FindUnavailable { products };
        let warnings = self.verifier.send(question).timeout(RELOAD_TIME).await??;
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        let mut running = old;
        running.log.level = new.log.level;
        running.cache.refresh = new.cache.refresh;
        running.products = new.products;
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = running;
        Ok(wire::Reload {
            products: reloaded.products,
            faults: reloaded.faults.iter().map(ToString::to_string).collect(),
            warnings: warnings.iter().map(ToString::to_string).collect(),
            applied: changes.applied,
            needs_restart: changes.needs_restart,
        })
    }
}
