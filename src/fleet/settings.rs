//! What an administrator says of a fleet.

use std::path::PathBuf;
use std::time::Duration;

/// Characters of a fleet's name.
pub const LONGEST_NAME: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A fleet of one machine, kept in the daemon's memory: for trying it out.
    Local,
    Etcd,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetSettings {
    pub kind: Kind,
    /// What keys in the store begin with; fleets of other names do not see each other.
    pub name: String,
    /// How this machine is called, for people.
    pub machine: String,
    /// Where etcd answers: `http://…` or `https://…`, without a path.
    pub endpoints: Vec<String>,
    /// How long the store keeps the places of a machine that it does not hear of.
    pub ttl: Duration,
    /// PEM: who may have signed the certificate of an endpoint, and nobody else; the system's if not given.
    pub ca: Option<PathBuf>,
    /// PEM: the certificate and the key that this machine shows.
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
    pub user: Option<String>,
    /// A file that holds the password alone.
    pub password_file: Option<PathBuf>,
    /// Where the machine keeps what it remembers.
    pub state: PathBuf,
}
