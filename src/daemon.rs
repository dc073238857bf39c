//! The composition root: store → actors → sockets; wait; stop in reverse.
//!
//! Owns: nothing that lasts. Three threads besides the store's writer: the actors on this one, the sockets
//! on theirs, so that a busy chain never delays an answer, and the chains on a third.

mod chains;
pub mod fake;
mod places;
mod reload;
mod runtimes;
mod seats;
mod service_manager;
mod start;
mod turn;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::FutureExt as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::actors::ownership_ledger::Asked;
use crate::actors::seat_keeper::Suspend;
use crate::clock::Clock;
use crate::config::{Config, Environment, Read};
use crate::hardening::harden;
use crate::logging;
use crate::products::{Catalogue, Loaded};
use crate::rpc::socket::listen;
use entitled_core::domain::causes::with_causes;
use entitled_core::domain::product::availability::{Warning, warnings};

use reload::Reloader;
pub use runtimes::most_threads;
use service_manager::OwnDoor;
use start::House;

/// The actors failed too often; the service manager should start the daemon afresh. sysexits' EX_SOFTWARE.
const ESCALATED: u8 = 70;

/// How long the end waits for what is at work on the chains' runtime.
const CHAINS_END: Duration = Duration::from_secs(1);

const AN_HOUR: Duration = Duration::from_secs(3_600);
const A_DAY: Duration = Duration::from_secs(86_400);

/// Where the configuration came from, to read it again.
#[derive(Debug, Clone)]
pub struct Source {
    pub file: Option<PathBuf>,
    pub environment: Environment,
}

/// Whether another daemon may be at work in the same state directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// Then this one does not start.
    AtOnce,
    /// Then this one waits for it to end, if it was begun in the same way.
    AfterPredecessor,
}

/// The product directories of a configuration.
pub fn catalogue(config: &Config, uid: u32) -> Catalogue {
    Catalogue::new(config.products.dirs.clone(), uid)
}

/// What can be checked of a configuration without starting: that its files and sockets have their places, what is
/// said of seats, what the fleet is asked with, and that its chains could be asked. What an administrator should hear besides.
///
/// # Errors
/// The first place or chain for which the daemon would not start, and why; every mistake in a policy of seats.
pub fn check(config: &Config) -> anyhow::Result<Option<String>> {
    places::check(config)?;
    start::seat_policies(config)?;
    seats::check_fleet(config)?;
    chains::open_all(config, &Clock::system())?;
    Ok(places::warnings(config))
}

/// What of these products cannot be had as the chains are configured. Asks no chain.
pub fn unavailable(config: &Config, products: &Loaded) -> Vec<Warning> {
    let chains = config.chains.iter().map(|it| (it.id, it.trust)).collect();
    products.products.values().flat_map(|it| warnings(&it.product, &chains)).collect()
}

/// Runs until told to stop. The exit code: 0, or 70 when the actors could not be kept running.
///
/// # Errors
/// When it cannot start; nothing is left behind then.
pub fn run(read: Read, source: Source, begin: Begin) -> anyhow::Result<u8> {
    let log = Arc::new(logging::start(read.config.log.level, read.config.log.format)?);
    harden();
    for warning in &read.warnings {
        tracing::warn!("{warning}");
    }
    let chains = runtimes::of_chains()?;
    let system = actix::System::with_tokio_rt(runtimes::of_actors);
    let living = live(read.config, source, begin, Arc::clone(&log), chains.handle().clone());
    let code = system.block_on(living);
    // Before the actors' runtime, which is dropped last. A name that is being looked up is not waited for any longer.
    chains.shutdown_timeout(CHAINS_END);
    if let Err(error) = &code {
        tracing::error!(error = format!("{error:#}"), "ending");
    }
    log.flush(Duration::from_secs(1));
    code
}

async fn reload_on_signal(reloader: &Reloader, clock: &Clock) {
    let asked = Asked { by: "signal".to_owned(), at: clock.now() };
    match reloader.reload(asked).await {
        Ok(reload) => tracing::info!(event = "reloaded", ?reload, "reloaded"),
        Err(error) => {
            tracing::error!(event = "reload_refused", detail = error.detail, "not reloaded");
        }
    }
}

async fn live(
    config: Config,
    source: Source,
    begin: Begin,
    log: Arc<logging::Handle>,
    chains: tokio::runtime::Handle,
) -> anyhow::Result<u8> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let Some(_turn) = turn::take(begin, &config.store.path, &mut terminate).await? else {
        return Ok(0);
    };
    // The doors first: a second daemon must not touch the store of the first.
    let mut doors = start::open_doors(&config, &source.environment)?;
    let own_door = OwnDoor::at(doors.public_path(&config.socket.path));
    let house = House::build(&config, &source, chains, doors.take_stored()).await?;
    let lost_records = {
        let log = Arc::clone(&log);
        move || log.lost()
    };
    let reloader = Arc::new(Reloader::new(config, source, &house, log));
    let reload = {
        let reloader = Arc::clone(&reloader);
        move |asked| {
            let reloader = Arc::clone(&reloader);
            async move { reloader.reload(asked).await }.boxed()
        }
    };
    let front = Arc::new(house.front(reload, doors.figures(), lost_records)?);
    let (stop, stopped) = oneshot::channel::<()>();
    let (done, served) = oneshot::channel();
    // Waited for twice, should they end before they are told to.
    let served = served.map(Result::ok).shared();
    let sockets = start::socket_thread(
        doors,
        front,
        start::limits(&reloader.running().socket.limits),
        stopped,
        done,
    )?;
    if let Err(why) = own_door.first_answer().await {
        anyhow::bail!("no answer at our own socket: {why}");
    }
    service_manager::ready();
    tracing::info!(event = "started", version = env!("CARGO_PKG_VERSION"), "ready");

    let watchdog = own_door.feed_watchdog();
    let backups = house.keep_backups();
    let code = loop {
        tokio::select! {
            _ = terminate.recv() => break 0,
            _ = interrupt.recv() => break 0,
            _ = hangup.recv() => reload_on_signal(&reloader, &house.clock).await,
            actor = house.tree.failed() => {
                tracing::error!(event = "actor_gave_up", actor, "cannot be kept running");
                break ESCALATED;
            }
            () = house.store.damaged() => {
                tracing::error!(event = "store_damaged", "ending, so that the next start recovers the store");
                break ESCALATED;
            }
            _ = served.clone() => {
                tracing::error!("the sockets closed by themselves");
                break ESCALATED;
            }
        }
    };
    service_manager::stopping();
    watchdog.abort();
    backups.abort();
    // What the sockets close ends no seats.
    let _ = house.seats.send(Suspend).await;
    // In reverse: nobody may ask any more, then nobody answers any more, then nothing is written any more.
    let _ = stop.send(());
    tell_closed(served.await);
    let _ = tokio::task::spawn_blocking(move || sockets.join()).await;
    house.end().await?;
    tracing::info!(event = "ended", code, "ended");
    Ok(code)
}

fn tell_closed(served: Option<listen::SocketSummary>) {
    if let Some(listen::SocketSummary { connections, requests, cut_off }) = served {
        tracing::info!(connections, requests, cut_off, "the sockets are closed");
    }
}

impl House {
    /// Ends what answers, and then what is written to.
    async fn end(self) -> anyhow::Result<()> {
        self.tree.stop().await;
        self.descriptors.flush().await;
        self.store.close().context("the store could not be closed")
    }

    /// Keeps a backup an hour after the start and then each day, so that a damaged store can be restored.
    fn keep_backups(&self) -> tokio::task::JoinHandle<()> {
        let store = self.store.clone();
        actix_rt::spawn(async move {
            // Not at once, so that a daemon that keeps being restarted does not push out the good ones.
            tokio::time::sleep(AN_HOUR).await;
            let mut daily = tokio::time::interval(A_DAY);
            loop {
                daily.tick().await;
                let store = store.clone();
                match tokio::task::spawn_blocking(move || store.keep_backup()).await {
                    Ok(Ok(_)) => tracing::info!("the store was backed up"),
                    Ok(Err(error)) => tracing::error!(
                        event = "backup_failed",
                        error = with_causes(&error),
                        "no backup was kept"
                    ),
                    Err(error) => {
                        tracing::error!(event = "backup_failed", %error, "no backup was kept")
                    }
                }
            }
        })
    }
}
