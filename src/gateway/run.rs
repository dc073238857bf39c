//! Putting the gateway together, and running it until it is told to stop.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, watch};

use super::body::bodies;
use super::cors::Cors;
use super::credentials::Credentials;
use super::daemon::Daemon;
use super::hosts::Hosts;
use super::idempotency::Idempotency;
use super::kept::Verdicts;
use super::places::Places;
use super::probes::{self, Figures};
use super::respond::Gateway;
use super::revisions::Revisions;
use super::serve;
use super::settings::Settings;
use super::tls::Tls;
use crate::clock::Clock;
use crate::hardening::harden;
use crate::logging;
use entitled_client::SocketPath;

/// What a loopback address may be called by, where nothing is configured.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];
const THREADS: usize = 2;

/// Runs until SIGTERM or SIGINT. `tell` is told once where it listens.
///
/// # Errors
/// When it cannot start.
pub fn run(settings: Settings, tell: impl Fn(&str)) -> anyhow::Result<()> {
    let log = logging::start(settings.level, settings.format)?;
    harden();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build()?;
    let ran = runtime.block_on(serve_until_told(settings, tell));
    runtime.shutdown_timeout(Duration::from_secs(1));
    log.flush(Duration::from_secs(1));
    ran
}

/// Makes all that can fail before it listens. For `--check` as well.
fn gateway(
    settings: &Settings,
    revisions: Revisions,
) -> anyhow::Result<(Gateway, Option<Arc<Tls>>)> {
    let tls = settings.tls.clone().map(Tls::new).transpose()?.map(Arc::new);
    let clock = Clock::system();
    let hosts = match settings.hosts.is_empty() {
        true => LOOPBACK.map(str::to_owned).to_vec(),
        false => settings.hosts.clone(),
    };
    let daemon = Daemon::new(SocketPath::at(&settings.socket), settings.limits.streams);
    let gateway = Gateway {
        hosts: Hosts::new(hosts),
        limits: settings.limits.clone(),
        cors: Cors::new(&settings.cors),
        credentials: Arc::new(Credentials::new(settings, clock.clone())?),
        daemon: Arc::new(daemon),
        verdicts: Verdicts::new(revisions),
        idempotency: Idempotency::default(),
        in_flight: Semaphore::new(settings.limits.in_flight),
        bodies: Places::new(bodies(&settings.limits)),
        figures: Figures::default(),
        clock,
    };
    Ok((gateway, tls))
}

/// Whether it could start with these settings, without listening.
///
/// # Errors
/// What is in the way.
pub fn check(settings: &Settings) -> anyhow::Result<()> {
    gateway(settings, Revisions::default()).map(drop)
}

/// Whether the gateway that runs with these settings is ready, by its own word.
///
/// # Errors
/// When it is not, or does not say.
pub fn probe(settings: &Settings) -> anyhow::Result<()> {
    let address = settings.probes.context("`probes` names no port to ask")?;
    probes::ask(address)
}

async fn serve_until_told(settings: Settings, tell: impl Fn(&str)) -> anyhow::Result<()> {
    let revisions = Revisions::default();
    let (gateway, tls) = gateway(&settings, revisions.clone())?;
    let gateway = Arc::new(gateway);
    tokio::spawn(revisions.follow(Arc::clone(&gateway.daemon)));
    let listen = |address| async move {
        let listening = TcpListener::bind(address).await;
        listening.with_context(|| format!("cannot listen on {address}"))
    };
    let listener = listen(settings.listen).await?;
    let mut told = format!("listening on {}", listener.local_addr()?);
    if let Some(address) = settings.probes {
        let probed = listen(address).await?;
        told = format!("{told}, probes on {}", probed.local_addr()?);
        probes::begin(probed.into_std()?, Arc::clone(&gateway))?;
    }
    if let Some(tls) = tls.clone() {
        tokio::spawn(async move { tls.follow().await });
    }
    let (stop, stopped) = watch::channel(false);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tell(&told);
    tracing::info!(event = "gateway_started", "{told}");
    // Nobody there who wants to know is no trouble.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    let serving = serve::serve(listener, gateway, tls, stopped);
    tokio::pin!(serving);
    tokio::select! {
        () = &mut serving => return Ok(()),
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    let _ = stop.send(true);
    serving.await;
    Ok(())
}
