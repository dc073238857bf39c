//! The configuration: files and environment in, one validated [`Config`] out, read once.
//!
//! Owns: every key, its default and its bounds. Asked by: `daemon` only, at the start and on reload.
//! Never: reads a global; who runs the daemon and its environment come in as an [`Environment`].
//!
//! Layers, each over the one before: the defaults, the file, the drop-ins beside it in name order, and
//! `ENTITLED__SECTION__KEY` variables. Tables merge; anything else replaces.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use alloy_primitives::B256;

use crate::endpoint::{Address, EndpointSettings};
use crate::fleet::settings::FleetSettings;
use crate::key_source::KeySource;
use crate::logging::{Format, Level};
use entitled_core::domain::control_character::shown;
use entitled_core::domain::evm_fork::EvmFork;
use entitled_core::domain::ids::ChainId;
use entitled_core::domain::ownership::Trust;
use entitled_core::domain::product::document::Flaw;

mod chains;
mod consensus;
mod defaults;
mod fake;
mod fleet;
mod layers;
mod own_files;
mod reload;
mod validate;

pub use defaults::{Environment, make_private_directory};
pub use fake::{FakeFile, read_fake};
pub use own_files::{FLEET, MACHINE_ID, SEATS};
pub use reload::Changes;

/// Everything that can be configured, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    pub socket: Socket,
    pub store: Store,
    pub keys: Keys,
    pub cache: Cache,
    pub products: Products,
    pub seats: Seats,
    /// The machines that seats are shared with; none if not given.
    pub fleet: Option<FleetSettings>,
    pub log: Log,
    pub metrics: Metrics,
    /// Each id once.
    pub chains: Vec<Chain>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Socket {
    pub path: PathBuf,
    pub admin_path: PathBuf,
    /// The group that may open the admin socket. Has no effect on sockets that systemd made.
    pub admin_group: String,
    /// Users, by name or number, who may name the customer they ask for on the public socket.
    pub delegates: Vec<String>,
    /// Threads that serve connections.
    pub threads: u32,
    pub limits: Limits,
}

/// What one caller may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    pub request_bytes: u32,
    /// For administrators, where it is more.
    pub admin_request_bytes: u32,
    /// How deep JSON may nest.
    pub depth: u32,
    /// Requests in one batch.
    pub batch: u32,
    /// Requests at work, per connection.
    pub in_flight: u32,
    /// Per connection.
    pub subscriptions: u32,
    /// In all.
    pub connections: u32,
    /// How many of those are kept for root and the admin socket; at most half of them.
    pub connections_reserved: u32,
    pub connections_per_uid: u32,
    /// Requests at work, over all connections of a uid.
    pub in_flight_per_uid: u32,
    /// Bytes of replies to one uid that are not written yet.
    pub reply_bytes_per_uid: u32,
    /// Per uid, for what the cache cannot answer.
    pub requests_per_second: u32,
    /// How many such requests may come at once.
    pub burst: u32,
    /// How long a new connection may stay silent while more than half of the places are taken, and how long the head
    /// or the body of an HTTP request may take.
    pub first_byte: Duration,
    /// How long a reply may wait to be read.
    pub write: Duration,
    /// How long a connection without subscriptions may stay silent between requests.
    pub idle: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    pub path: PathBuf,
    pub cache_bytes: u64,
    /// How many backups are kept.
    pub backups: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    pub source: KeySource,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    /// How many verdicts are kept.
    pub capacity: u64,
    /// How often known verdicts are looked at again.
    pub refresh: Duration,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metrics {
    /// A loopback address that shows the figures to whoever on this machine asks; none if not given.
    pub listen: Option<SocketAddr>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Products {
    /// Later directories override earlier ones; `product_install` writes into the last.
    pub dirs: Vec<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seats {
    /// Where policies of floating seats are; a file of a later directory overrides one of the same name.
    pub dirs: Vec<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    pub level: Level,
    pub format: Format,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Chain {
    pub id: ChainId,
    /// One to sixteen.
    pub rpc: Vec<EndpointSettings>,
    /// Where what validators sign comes from: beacon nodes, mirrors, directories.
    pub beacon: Vec<Address>,
    pub trust: Trust,
    /// How many endpoints have to agree: from 2 to `rpc.len()` for `Quorum`, else 1.
    pub quorum: usize,
    /// The hash of block 0, where it is to be checked.
    pub genesis: Option<B256>,
    /// Number and hash of later blocks to be checked; none twice.
    pub pinned: Vec<(u64, B256)>,
    /// The rules of the EVM that are at least in force.
    pub evm: Option<EvmFork>,
    /// How long an endpoint that keeps failing is left alone at first.
    pub retry: Duration,
    /// The chain's specification, for trust `Consensus`; `None` for the one built in for the chain's id.
    pub spec: Option<Spec>,
    /// A beacon block the administrator begins from.
    pub checkpoint: Option<B256>,
    /// How old the newest finalized block may be before validators count as silent.
    pub silence: Option<Duration>,
    /// How often the chain's head is asked for.
    pub poll: Duration,
}

/// Where a chain's specification is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spec {
    BuiltIn(String),
    File(PathBuf),
}

/// A configuration, and what an administrator should hear about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Read {
    pub config: Config,
    /// The files it came from, in the order they were read.
    pub files: Vec<PathBuf>,
    pub warnings: Vec<String>,
}

/// Why there is no configuration. Names files, lines and keys; never a value that may be secret.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read {}", shown(path))]
    Unreadable { path: PathBuf, source: std::io::Error },
    /// All mistakes, each on its line.
    #[error("{}", flaws.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Wrong { flaws: Vec<Flaw> },
}

impl ConfigError {
    /// The same with names of files instead of their paths, for a reply: file, line and key are enough to find it.
    #[must_use]
    pub fn without_directories(self) -> Self {
        let keep_name =
            |path: &std::path::Path| PathBuf::from(path.file_name().unwrap_or_default());
        match self {
            Self::Unreadable { path, source } => {
                Self::Unreadable { path: keep_name(&path), source }
            }
            Self::Wrong { mut flaws } => {
                for flaw in &mut flaws {
                    let name = keep_name(std::path::Path::new(&*flaw.place.source));
                    flaw.place.source = name.display().to_string().into();
                }
                Self::Wrong { flaws }
            }
        }
    }
}

impl Config {
    /// Reads `file`, or where it is `None` the default file, which may be missing; then its drop-ins and
    /// the environment.
    ///
    /// # Errors
    /// When a file cannot be read, or any key or value is wrong: then all that are, at once.
    pub fn read(
        file: Option<&std::path::Path>,
        environment: &Environment,
    ) -> Result<Read, ConfigError> {
        let layers = layers::gather(file, environment)?;
        let mut warnings = layers.warnings;
        let config = validate::config(&layers.tree, environment, &mut warnings)
            .map_err(|flaws| ConfigError::Wrong { flaws })?;
        Ok(Read { config, files: layers.files, warnings })
    }
}

#[cfg(test)]
mod tests;
