//! The daemon itself: health, version, audit, figures, reload.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::api::{ACTOR_TIME, Api};
use super::paging::{after, page_by_key, page_size};
use crate::actors::chain_verifier::{ChainStates, ChainStatus};
use crate::actors::ownership_ledger::{
    AcknowledgeNotices, BackUp, BackedUp, FindFigures, ListAudit, StoreFigures, VerifyAudit,
};
use crate::actors::seat_keeper::{FindSeatHealth, SeatHealth};
use crate::rpc::error::RpcError;
use crate::rpc::wire;
use entitled_core::domain::audit::AuditEntry;
use entitled_core::domain::peer::Permit;

/// How long writing a backup may take: a large store is copied and compared row by row.
const BACKUP_TIME: Duration = Duration::from_secs(600);

pub(super) async fn health(
    api: Arc<Api>,
    _: Permit,
    _: wire::Nothing,
) -> Result<wire::Health, RpcError> {
    Ok(api.health().await)
}

pub(super) async fn version(
    api: Arc<Api>,
    _: Permit,
    _: wire::Nothing,
) -> Result<wire::Version, RpcError> {
    Ok(wire::Version::of_this(Some(api.control.machine.clone())))
}

impl wire::Version {
    /// This program's, on the machine of this name.
    pub(in crate::rpc) fn of_this(machine: Option<String>) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            api: 1,
            git: option_env!("ENTITLED_GIT").unwrap_or("unknown"),
            built: option_env!("ENTITLED_BUILT").unwrap_or("unknown"),
            machine,
        }
    }
}

pub(super) async fn discover(
    api: Arc<Api>,
    _: Permit,
    _: wire::Nothing,
) -> Result<wire::Document, RpcError> {
    Ok(wire::Document((api.control.document)()))
}

pub(super) async fn audit(
    api: Arc<Api>,
    _: Permit,
    ask: wire::AuditList,
) -> Result<wire::Listed<wire::AuditEntry>, RpcError> {
    let limit = page_size(ask.limit)?;
    let after = after(ask.cursor.as_deref())?;
    let question = ListAudit { since: ask.since, after, last: ask.last, limit: limit + 1 };
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

pub(super) async fn back_up(
    api: Arc<Api>,
    permit: Permit,
    ask: wire::StoreBackup,
) -> Result<wire::StoreBackedUp, RpcError> {
    let state = &api.control.state_directory;
    let name = match ask.path.as_deref().map(Path::new) {
        None => None,
        Some(path) => match (path.parent(), path.file_name().and_then(|it| it.to_str())) {
            (Some(parent), Some(name)) if parent == Path::new("") || parent == state => {
                Some(name.to_owned())
            }
            _ => {
                return Err(RpcError::invalid_params("`path`: only a file in the state directory"));
            }
        },
    };
    let order = BackUp { name, asked: api.asked(&permit) };
    let BackedUp { path, bytes } = api.ledger.send(order).timeout(BACKUP_TIME).await??;
    Ok(wire::StoreBackedUp { path: path.display().to_string(), bytes })
}

pub(super) async fn acknowledge(
    api: Arc<Api>,
    permit: Permit,
    _: wire::Nothing,
) -> Result<wire::StoreAcknowledged, RpcError> {
    let order = AcknowledgeNotices { asked: api.asked(&permit) };
    let acknowledged = api.ledger.send(order).timeout(ACTOR_TIME).await??;
    Ok(wire::StoreAcknowledged {
        acknowledged: acknowledged.into_iter().map(|it| it.said).collect(),
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
        // Each by itself, so that one that is silent delays the others no further.
        let (figures, chains, seats) = tokio::join!(
            self.ledger.send(FindFigures).timeout(ACTOR_TIME),
            self.chains(),
            self.seats.send(FindSeatHealth).timeout(ACTOR_TIME),
        );
        let figures = figures.ok().and_then(Result::ok);
        let fleet = seats.as_ref().ok().and_then(|it| it.fleet);
        let store_answers = figures.is_some();
        let notices: Vec<String> =
            figures.into_iter().flat_map(|it| it.notices).map(|it| it.said).collect();
        let answers = store_answers && chains.is_ok() && seats.is_ok();
        let well = answers && actors.iter().all(|it| it.state == "running");
        let up = self.clock.monotonic().saturating_sub(self.control.started);
        wire::Health {
            status: if well { "ok" } else { "degraded" },
            fake: false,
            actors,
            chains: chains.unwrap_or_default().iter().map(Into::into).collect(),
            store: wire::StoreHealth {
                status: if store_answers { "ok" } else { "unavailable" },
                recovered: (!notices.is_empty()).then(|| notices.join("; then ")),
            },
            seats: seats.map_or_else(|_| wire::SeatsHealth::unavailable(), Into::into),
            fleet: fleet.map(Into::into),
            uptime_s: up.as_secs(),
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

impl wire::SeatsHealth {
    /// Of who has none to tell of.
    pub(in crate::rpc) const fn unavailable() -> Self {
        Self { status: "unavailable", used: None, waiting: None, kept: None }
    }
}

impl From<SeatHealth> for wire::SeatsHealth {
    fn from(it: SeatHealth) -> Self {
        let (used, waiting, kept) = (Some(it.used), Some(it.waiting), Some(it.are_kept));
        Self { status: "ok", used, waiting, kept }
    }
}
