//! The log: to journald, or to standard error as text or JSON.
//!
//! Owns: where records go. Asked by: `daemon`, once to start and later to change the level. All go through a
//! bounded queue to a thread of their own, so that a terminal or a journal that stands still holds up nobody;
//! what does not fit is counted, and the count is logged. Other people's crates are heard from `warn` up only: their finer records hold addresses
//! of endpoints, which may hold access keys.

use std::io::IsTerminal;
use std::sync::OnceLock;
use std::time::Duration;

use tracing::level_filters::LevelFilter;
use tracing::subscriber::SetGlobalDefaultError;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry, reload};

mod events;
mod journal;
mod outlet;
mod panics;
mod plain;
mod record;

use journal::{Journal, Queueing};
use outlet::{Lines, Outlet};
use record::Record;

pub use plain::plain;

/// How the journal knows us.
const IDENTIFIER: &str = "entitled";

/// From which weight on records are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl Level {
    pub const WORDS: [(&'static str, Self); 5] = [
        ("error", Self::Error),
        ("warn", Self::Warn),
        ("info", Self::Info),
        ("debug", Self::Debug),
        ("trace", Self::Trace),
    ];

    fn filter(self) -> LevelFilter {
        match self {
            Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
            Self::Trace => LevelFilter::TRACE,
        }
    }
}

/// How records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `Journald` when standard error leads there, else `Text`.
    Auto,
    Journald,
    Text,
    Json,
}

impl Format {
    pub const WORDS: [(&'static str, Self); 4] = [
        ("auto", Self::Auto),
        ("journald", Self::Journald),
        ("text", Self::Text),
        ("json", Self::Json),
    ];
}

/// The log could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("cannot start the thread that writes the log")]
    Thread { source: std::io::Error },
    #[error("a log was started before")]
    Twice { source: SetGlobalDefaultError },
    #[error("the log has ended")]
    Ended { source: reload::Error },
}

/// The running log.
#[derive(Debug)]
pub struct Handle {
    filter: reload::Handle<Targets, Registry>,
    queue: Queue,
}

/// The queue that records go through on their way.
#[derive(Debug, Clone)]
enum Queue {
    Lines(Outlet<Vec<u8>>),
    Journal(Outlet<Record>),
}

/// For the panic hook, which has nobody to hand it one.
static QUEUE: OnceLock<Queue> = OnceLock::new();

/// Starts the log and reports panics through it. Once per process.
///
/// # Errors
/// When it was started before, or there can be no thread.
pub fn start(level: Level, format: Format) -> Result<Handle, LogError> {
    let to_journal = match format {
        Format::Journald => true,
        Format::Auto => journal::is_where_stderr_leads(),
        Format::Text | Format::Json => false,
    };
    let journal = to_journal.then(Journal::open).flatten();
    let missing = to_journal && journal.is_none();
    let no_thread = |source| LogError::Thread { source };
    let (layer, queue): (Box<dyn Layer<Filtered> + Send + Sync>, _) = match journal {
        Some(journal) => {
            let outlet = Outlet::start(move |it| journal.write(it)).map_err(no_thread)?;
            (Queueing(outlet.clone()).boxed(), Queue::Journal(outlet))
        }
        None => {
            let outlet = Outlet::start(outlet::write_stderr).map_err(no_thread)?;
            (lines(format, outlet.clone()), Queue::Lines(outlet))
        }
    };
    let (filter, reload) = reload::Layer::new(targets(level));
    let subscriber = tracing_subscriber::registry().with(filter).with(layer);
    tracing::subscriber::set_global_default(subscriber)
        .map_err(|source| LogError::Twice { source })?;
    let queue = QUEUE.get_or_init(|| queue).clone();
    panics::report();
    if missing {
        tracing::warn!("the journal cannot be reached; logging to standard error");
    }
    Ok(Handle { filter: reload, queue })
}

type Filtered = tracing_subscriber::layer::Layered<reload::Layer<Targets, Registry>, Registry>;

fn lines(format: Format, outlet: Outlet<Vec<u8>>) -> Box<dyn Layer<Filtered> + Send + Sync> {
    let terminal = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let coloured = terminal && format != Format::Json;
    let layer = tracing_subscriber::fmt::layer().with_writer(Lines { outlet, coloured });
    match format {
        Format::Json => layer.json().flatten_event(true).boxed(),
        _ => layer.with_ansi(coloured).boxed(),
    }
}

/// Of other people's crates errors alone: what they warn of is for the most part what a peer did, as often as it likes to.
fn targets(level: Level) -> Targets {
    let ours = level.filter();
    Targets::new().with_target("entitled", ours).with_default(ours.min(LevelFilter::ERROR))
}

impl Handle {
    /// Keeps records from `level` on, at once.
    ///
    /// # Errors
    /// When the log has ended.
    pub fn set_level(&self, level: Level) -> Result<(), LogError> {
        self.filter.reload(targets(level)).map_err(|source| LogError::Ended { source })
    }

    /// How many records did not fit the queue since the start.
    pub fn lost(&self) -> u64 {
        self.queue.lost()
    }

    /// Waits until what was logged so far is written, or `at_most` has passed; `true` if it is written.
    /// To be called before the process ends.
    pub fn flush(&self, at_most: Duration) -> bool {
        self.queue.flush(at_most)
    }
}

impl Queue {
    fn lost(&self) -> u64 {
        match self {
            Self::Lines(outlet) => outlet.lost(),
            Self::Journal(outlet) => outlet.lost(),
        }
    }

    fn flush(&self, at_most: Duration) -> bool {
        match self {
            Self::Lines(outlet) => outlet.flush(at_most),
            Self::Journal(outlet) => outlet.flush(at_most),
        }
    }
}

#[cfg(test)]
mod tests;
