//! The daemon itself: health, version, audit, figures, reload.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::{ACTOR_TIME, Api, after, page_by_key, page_size};
use crate::actors::chain_verifier::{ChainStates, ChainStatus};
use crate::actors::ownership_ledger::{FindFigures, ListAudit, StoreFigures, VerifyAudit};
use crate::domain::audit::AuditEntry;
use crate::domain::entitlement::Code;
use crate::domain::peer::Permit;
use crate::rpc::error::RpcError;
use crate::rpc::wire;

/// What the daemon lends to the methods.
pub struct Control {
    /// Reads configuration and product files again.
    pub reload: Box<
        dyn Fn(
                crate::actors::ownership_ledger::Asked,
            ) -> BoxFuture<'static, Result<wire::Reload, RpcError>>
            + Send
            + Sync,
    >,
    /// The monotonic time at which the daemon started.
    pub started: Duration,
    /// What was set aside or restored when the store was opened.
    pub recovered: Option<String>,
    pub counts: Counts,
}

/// How many checks came to what.
#[derive(Debug, Default)]
pub struct Counts([AtomicU64; Code::ALL.len()]);

impl Counts {
    pub fn checked(&self, code: Code) {
        if let Some(count) = self.0.get(code as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub fn of(&self, code: Code) -> u64 {
        self.0.get(code as usize).map_or(0, |it| it.load(Ordering::Relaxed))
    }
}

pub(super) async fn health(
    api: Arc<Api>,
    _: Permit,
    _: wire::Nothing,
) -> Result<wire::Health, RpcError> {
    Ok(api.health().await)
}

pub(super) async fn version(
    _: Arc<Api>,
    _: Permit,
    _: wire::Nothing,
) -> Result<wire::Version, RpcError> {
    Ok(wire::Version {
        version: env!("CARGO_PKG_VERSION"),
        api: 1,
        git: option_env!("ENTITLED_GIT").unwrap_or("unknown"),
        built: option_env!("ENTITLED_BUILT").unwrap_or("unknown"),
    })
}

pub(super) async fn discover(
    _: Arc<Api>,
    _: Permit,
    _: wire::Nothing,
) -> Result<serde_json::Value, RpcError> {
    Ok(crate::rpc::openrpc::document())
}

pub(super) async fn audit(
    api: Arc<Api>,
    _: Permit,
    ask: wire::AuditList,
) -> Result<wire::Listed<wire::AuditEntry>, RpcError> {
    let limit = page_size(ask.limit)?;
    let after = after(ask.cursor.as_deref())?;
    let question = ListAudit { since: ask.since, after, limit: limit + 1 };
    let found = api.ledger.send(question).timeout(ACTOR_TIME).await??;
    Ok(page_by_key(found, limit, |it: &AuditEntry| it.number.to_string(), Into::into))
}

pub(super) async fn verify_audit(
    api: Arc<Api>,
    _: Permit,
    _: wire::Nothing,
) -> Result<wire::AuditState, RpcError> {
    let state = api.ledger.send(VerifyAudit).timeout(Duration::from_secs(60)).await??;
    Ok(wire::AuditState {
        entries: state.entries,
        ok: state.broken_at.is_none(),
        broken_at: state.broken_at,
        head: state.head.to_string(),
    })
}

pub(super) async fn store_stats(
    api: Arc<Api>,
    _: Permit,
    _: wire::Nothing,
) -> Result<wire::StoreFigures, RpcError> {
    let figures = api.ledger.send(FindFigures).timeout(ACTOR_TIME).await??;
    let StoreFigures { schema, file_bytes, customers, wallets, ownerships, .. } = figures;
    let StoreFigures { sightings, audit_entries, commits, changes, .. } = figures;
    Ok(wire::StoreFigures {
        schema,
        file_bytes,
        customers,
        wallets,
        ownerships,
        sightings,
        audit_entries,
        commits,
        changes,
    })
}

pub(super) async fn chains(
    api: Arc<Api>,
    _: Permit,
    _: wire::Nothing,
) -> Result<Vec<wire::ChainStatus>, RpcError> {
    Ok(api.chains().await?.into_iter().map(Into::into).collect())
}

pub(super) async fn reload(
    api: Arc<Api>,
    permit: Permit,
    _: wire::Nothing,
) -> Result<wire::Reload, RpcError> {
    let asked = api.asked(&permit);
    (api.control.reload)(asked).await
}

impl Api {
    async fn chains(&self) -> Result<Vec<ChainStatus>, RpcError> {
        Ok(self.verifier.send(ChainStates).timeout(ACTOR_TIME).await?)
    }

    /// How the parts fare. Anything that does not answer is unwell; the rest is told all the same.
    pub(crate) async fn health(&self) -> wire::Health {
        let actors: Vec<_> = self
            .tree
            .children()
            .iter()
            .map(|it| wire::ActorHealth {
                name: it.name,
                state: if it.is_running() { "running" } else { "stopped" },
                restarts: it.restarts(),
            })
            .collect();
        let store_answers = match self.ledger.send(FindFigures).timeout(ACTOR_TIME).await {
            Ok(figures) => figures.is_ok(),
            Err(_) => false,
        };
        let chains = self.chains().await;
        let well = store_answers && chains.is_ok() && actors.iter().all(|it| it.state == "running");
        let up = self.clock.monotonic().saturating_sub(self.control.started);
        wire::Health {
            status: if well { "ok" } else { "degraded" },
            actors,
            chains: chains.unwrap_or_default().iter().map(Into::into).collect(),
            store: wire::StoreHealth {
                status: if store_answers { "ok" } else { "unavailable" },
                recovered: self.control.recovered.clone(),
            },
            uptime_s: up.as_secs(),
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}
