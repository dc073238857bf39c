//! Reading configuration and product files again, on a signal or an administrator's word.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix::Addr;

use super::start::House;
use super::{Source, catalogue, chains};
use crate::actors::chain_verifier::{ChainVerifier, Examined, FindUnavailable, Reconfigure};
use crate::actors::ownership_ledger::{Asked, FindProgress, OwnershipLedger};
use crate::actors::seat_keeper::{ReloadPolicies, SeatKeeper};
use crate::actors::tier_cache::{Reload, TierCache, VerdictReader};
use crate::chain::Chain;
use crate::clock::Clock;
use crate::config::{self, Changes, Config};
use crate::logging;
use crate::rpc::error::{Code, RpcError};
use crate::rpc::wire;
use entitled_core::domain::causes::with_causes;
use entitled_core::domain::ids::ChainId;

/// How long reading product files may take.
const RELOAD_TIME: Duration = Duration::from_secs(10);

pub(super) struct Reloader {
    running: Mutex<Running>,
    /// One reload after the other: each is told from what the one before it left.
    turn: tokio::sync::Mutex<()>,
    source: Source,
    parts: Parts,
}

/// Whom a reload concerns.
struct Parts {
    cache: Addr<TierCache>,
    reader: VerdictReader,
    verifier: Addr<ChainVerifier>,
    seats: Addr<SeatKeeper>,
    ledger: Addr<OwnershipLedger>,
    clock: Clock,
    log: Arc<logging::Handle>,
}

/// The configuration in force, and what the files it names had in them.
#[derive(Clone)]
struct Running {
    config: Config,
    specifications: BTreeMap<ChainId, Option<String>>,
}

impl Running {
    fn new(config: Config) -> Self {
        let specifications =
            config.chains.iter().map(|it| (it.id, chains::specification_text(it).ok().flatten()));
        let specifications = specifications.collect();
        Self { config, specifications }
    }

    /// The chains of `new` that are not those of this one, and the ids of those it has no more.
    fn changed_chains<'a>(&self, new: &'a Self) -> (Vec<&'a config::Chain>, BTreeSet<ChainId>) {
        let same = |it: &config::Chain| {
            self.config.chains.contains(it)
                && self.specifications.get(&it.id) == new.specifications.get(&it.id)
        };
        let changed = new.config.chains.iter().filter(|it| !same(it)).collect();
        let kept: BTreeSet<ChainId> = new.config.chains.iter().map(|it| it.id).collect();
        let old = self.config.chains.iter().map(|it| it.id);
        (changed, old.filter(|it| !kept.contains(it)).collect())
    }
}

/// What a reload brings.
struct Brought {
    new: Running,
    changes: Changes,
    opened: Vec<Chain>,
    removed: BTreeSet<ChainId>,
}

impl Brought {
    /// Reads the files, and opens the chains that changed. Why not, for administrators: with file, line and key. The log
    /// has the directories as well.
    fn read(source: &Source, running: &Running, clock: &Clock) -> Result<Self, String> {
        let read = Config::read(source.file.as_deref(), &source.environment);
        let refused = |why: String| {
            tracing::error!(event = "reload_refused", error = why, "not reloaded");
        };
        let read = read.map_err(|error| {
            refused(with_causes(&error));
            with_causes(&error.without_directories())
        });
        let new = Running::new(read?.config);
        let mut changes = Config::changed(&running.config, &new.config);
        // The path may be the same, and the file another one.
        let rewritten = new.specifications.iter().filter(|(id, text)| {
            running.specifications.get(id).is_some_and(|before| before != *text)
        });
        changes.applied.extend(rewritten.map(|(id, _)| format!("chain.{id}.spec")));
        changes.applied.sort();
        changes.applied.dedup();
        let (changed, removed) = running.changed_chains(&new);
        let opened = changed.into_iter().map(|it| chains::open(it, clock));
        let opened = opened.collect::<anyhow::Result<_>>();
        let opened = opened.map_err(|error| {
            refused(format!("{error:#}"));
            let folders = new.config.chains.iter().filter_map(|it| match &it.spec {
                Some(config::Spec::File(path)) => path.parent(),
                _ => None,
            });
            folders.fold(format!("{error:#}"), |told, folder| {
                told.replace(&format!("{}/", folder.display()), "")
            })
        });
        let opened = opened?;
        Ok(Self { new, changes, opened, removed })
    }
}

impl Reloader {
    pub(super) fn new(
        config: Config,
        source: Source,
        house: &House,
        log: Arc<logging::Handle>,
    ) -> Self {
        let House { cache, reader, verifier, seats, ledger, clock, .. } = house;
        let (cache, reader, verifier) = (cache.clone(), reader.clone(), verifier.clone());
        let (seats, ledger, clock) = (seats.clone(), ledger.clone(), clock.clone());
        let parts = Parts { cache, reader, verifier, seats, ledger, clock, log };
        let running = Mutex::new(Running::new(config));
        Self { running, turn: Default::default(), source, parts }
    }

    /// The configuration in force.
    pub(super) fn running(&self) -> Config {
        self.state().config
    }

    fn state(&self) -> Running {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Applies what can change at run time, and says what cannot. A wrong configuration changes nothing.
    pub(super) async fn reload(&self, asked: Asked) -> Result<wire::Reload, RpcError> {
        let _turn = self.turn.lock().await;
        let mut running = self.state();
        let (source, clock, old) = (self.source.clone(), self.parts.clock.clone(), running.clone());
        // Beside the thread that asks, which serves others.
        let read = tokio::task::spawn_blocking(move || Brought::read(&source, &old, &clock)).await;
        let read = read.map_err(|_| RpcError::new(Code::Internal, "reading was cut off"))?;
        let Brought { new, changes, opened, removed } =
            read.map_err(|why| RpcError::new(Code::Conflict, why))?;
        self.exchange_chains(opened, removed).await?;
        if let Err(error) = self.parts.log.set_level(new.config.log.level) {
            tracing::error!(%error, "the log level was not changed");
        }
        let order = Reload {
            catalogue: Some(catalogue(&new.config, self.source.environment.uid)),
            refresh: Some(new.config.cache.refresh),
            asked,
        };
        running.specifications = new.specifications;
        running.config.chains = new.config.chains;
        running.config.log.level = new.config.log.level;
        running.config.cache.refresh = new.config.cache.refresh;
        running.config.products = new.config.products;
        running.config.seats = new.config.seats;
        let policies = ReloadPolicies { dirs: Some(running.config.seats.dirs.clone()) };
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = running;
        let reloaded = self.parts.cache.send(order).timeout(RELOAD_TIME).await?;
        let policies = self.parts.seats.send(policies).timeout(RELOAD_TIME).await?;
        for fault in &policies {
            tracing::warn!(event = "seat_policy_refused", %fault, "the policies of seats stay as they were");
        }
        let faults = reloaded.faults.iter().map(ToString::to_string);
        Ok(wire::Reload {
            products: reloaded.products,
            faults: faults.chain(policies.iter().map(ToString::to_string)).collect(),
            warnings: self.warnings().await,
            applied: changes.applied,
            needs_restart: changes.needs_restart,
        })
    }

    /// What of the products cannot be had here. That it could not be found out undoes nothing.
    async fn warnings(&self) -> Vec<String> {
        let installed = self.parts.reader.products();
        let products = installed.products.values().map(|it| it.product.clone()).collect();
        let question = FindUnavailable { products, every_chain: false };
        let asked = self.parts.verifier.send(question).timeout(RELOAD_TIME).await;
        let Ok(Ok(Examined { warnings, .. })) = asked else { return Vec::new() };
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        warnings.iter().map(ToString::to_string).collect()
    }

    /// Light clients of the new chains go on from where those of the old ones were, as after a restart.
    async fn exchange_chains(
        &self,
        chains: Vec<Chain>,
        removed: BTreeSet<ChainId>,
    ) -> Result<(), RpcError> {
        if chains.is_empty() && removed.is_empty() {
            return Ok(());
        }
        let progress = self.parts.ledger.send(FindProgress).timeout(RELOAD_TIME).await??;
        chains::go_on_from(&progress, &chains);
        let order = Reconfigure { chains, removed };
        Ok(self.parts.verifier.send(order).timeout(RELOAD_TIME).await?)
    }
}
