//! A fake daemon: the sockets, and behind them what a file says. No store, no keys, no chain, no actor.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use super::start;
use crate::config::{self, ConfigError, Environment, FakeFile};
use crate::logging::{self, Format, Level};
use crate::rpc::fake::{Fake, FakeFront, Scenario};
use crate::rpc::socket::doors::{self, SocketSettings};
use crate::rpc::socket::listen;
use entitled_core::domain::causes::with_causes;

/// What a fake is to play, and whence.
#[derive(Debug)]
pub struct FakeRun {
    pub scenario: Scenario,
    socket: config::Socket,
    file: PathBuf,
    environment: Environment,
}

/// Reads the file of a fake.
///
/// # Errors
/// All that is wrong with it, with lines and keys.
pub fn read(file: &Path, environment: &Environment) -> Result<FakeRun, ConfigError> {
    let FakeFile { socket, scenario } =
        config::read_fake(file, environment, crate::rpc::fake::read)?;
    let (file, environment) = (file.to_owned(), environment.clone());
    Ok(FakeRun { scenario, socket, file, environment })
}

/// Plays it until told to stop. `tell` is told once where it listens.
///
/// # Errors
/// When it cannot start, or not once more after it was away.
pub fn run(run: FakeRun, tell: impl Fn(&str)) -> anyhow::Result<()> {
    let log = logging::start(Level::Warn, Format::Auto)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let played = runtime.block_on(play(run, &tell));
    log.flush(Duration::from_secs(1));
    played
}

/// Why the sockets are closed.
enum Closed {
    Ended,
    Away(Duration),
}

async fn play(run: FakeRun, tell: &impl Fn(&str)) -> anyhow::Result<()> {
    let FakeRun { scenario, socket, file, environment } = run;
    prepare_directory(&socket.path, environment.uid)?;
    let again = (file.clone(), environment.clone());
    let reread = move || match read(&again.0, &again.1) {
        Ok(run) => Ok(run.scenario),
        Err(error) => Err(with_causes(&error.without_directories())),
    };
    let (fake, mut away) = Fake::new(scenario, reread, environment.uid);
    let front = Arc::new(FakeFront::new(Arc::clone(&fake))?);
    let mut signals = Signals::new()?;
    let settings = settings(&socket);
    let mut told = false;
    loop {
        let doors = doors::bind_doors(&settings)?;
        if !std::mem::replace(&mut told, true) {
            tell(&introduction(&socket, &file));
        }
        let (stop, stopped) = oneshot::channel::<()>();
        let limits = start::limits(&socket.limits);
        let serving = listen::serve(doors, Arc::clone(&front) as _, limits, async {
            // The other end of it being gone means the same.
            let _ = stopped.await;
        });
        let deciding = async {
            let why = tokio::select! {
                why = decide(&fake, &mut signals, &mut away) => why,
                () = fake.conduct() => Closed::Ended,
            };
            drop(stop);
            why
        };
        match tokio::join!(deciding, serving).0 {
            Closed::Ended => return Ok(()),
            Closed::Away(time) => tokio::select! {
                () = tokio::time::sleep(time) => {}
                () = signals.end() => return Ok(()),
            },
        }
    }
}

/// Waits for what closes the sockets.
async fn decide(fake: &Fake, signals: &mut Signals, away: &mut mpsc::Receiver<Duration>) -> Closed {
    loop {
        let hangup = tokio::select! {
            hangup = signals.next() => hangup,
            Some(time) = away.recv() => return Closed::Away(time),
        };
        if !hangup {
            return Closed::Ended;
        }
        if let Err(why) = fake.reload() {
            tracing::error!(event = "reload_refused", detail = why, "not reloaded");
        }
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Whether the next one is a hang-up; the others end it.
    async fn next(&mut self) -> bool {
        tokio::select! {
            _ = self.terminate.recv() => false,
            _ = self.interrupt.recv() => false,
            _ = self.hangup.recv() => true,
        }
    }

    async fn end(&mut self) {
        while self.next().await {}
    }
}

/// Below /tmp anybody could have made the directory first.
fn prepare_directory(socket: &Path, uid: u32) -> anyhow::Result<()> {
    let shared = Path::new("/tmp").join(format!("entitled-fake-{uid}"));
    if socket.parent() != Some(&shared) {
        return Ok(());
    }
    config::make_private_directory(&shared, uid)
        .with_context(|| format!("the directory {} cannot be used", shared.display()))
}

fn settings(socket: &config::Socket) -> SocketSettings {
    SocketSettings {
        path: socket.path.clone(),
        admin_path: socket.admin_path.clone(),
        admin_group: None,
        delegates: socket.delegates.clone(),
        public_mode: 0o666,
        admin_mode: 0o600,
        metrics: None,
        threads: usize::try_from(socket.threads).unwrap_or(1),
    }
}

fn introduction(socket: &config::Socket, file: &Path) -> String {
    format!(
        "This is a fake: it answers what {} says, and proves nothing. To point programs at it:\n\
         export ENTITLED_SOCKET={}\n\
         export ENTITLED_ADMIN_SOCKET={}",
        file.display(),
        socket.path.display(),
        socket.admin_path.display()
    )
}
