//! Who runs the daemon, and where it therefore keeps its things.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::key_source::KeySource;

/// The credential that packages and the manual speak of.
const CREDENTIAL: &str = "entitled.kek";

/// The process's surroundings, as far as the configuration depends on them.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    pub variables: BTreeMap<String, String>,
    /// Variables of ours whose text is not UTF-8.
    pub unreadable: Vec<String>,
    pub uid: u32,
    /// The name of `uid`, where it has one.
    pub user: Option<String>,
}

/// Where things are kept when no key says otherwise.
#[derive(Debug, Clone)]
pub(super) struct Places {
    pub(super) file: PathBuf,
    pub(super) runtime: PathBuf,
    pub(super) state: PathBuf,
    pub(super) products: Vec<PathBuf>,
    pub(super) seats: Vec<PathBuf>,
    pub(super) keys: KeySource,
    /// Made by ourselves below `/tmp`, where others could have made it first.
    pub(super) runtime_is_shared: bool,
}

impl Environment {
    /// This process's.
    pub fn of_process() -> Self {
        let uid = nix::unistd::geteuid();
        let user = nix::unistd::User::from_uid(uid).ok().flatten().map(|it| it.name);
        let mut environment = Self { uid: uid.as_raw(), user, ..Self::default() };
        for (name, value) in std::env::vars_os() {
            match (name.into_string(), value.into_string()) {
                (Ok(name), Ok(value)) => {
                    environment.variables.insert(name, value);
                }
                (Ok(name), Err(_)) => environment.unreadable.push(name),
                (Err(_), _) => {}
            }
        }
        environment
    }

    /// A variable that holds an absolute path; systemd may put several there, of which the first counts.
    fn directory(&self, name: &str) -> Option<PathBuf> {
        let text = self.variables.get(name)?;
        let first = text.split(':').next().unwrap_or_default();
        first.starts_with('/').then(|| PathBuf::from(first))
    }

    /// Whether this is the machine's daemon rather than one user's own.
    pub fn is_service(&self) -> bool {
        let by_systemd = ["STATE_DIRECTORY", "RUNTIME_DIRECTORY"];
        self.uid == 0
            || self.user.as_deref() == Some("entitled")
            || by_systemd.iter().any(|it| self.variables.contains_key(*it))
    }

    /// Where programs look for a daemon without being told.
    pub(super) fn real_runtimes(&self) -> Vec<PathBuf> {
        let own = self.directory("XDG_RUNTIME_DIR").map(|it| it.join("entitled"));
        let shared = PathBuf::from(format!("/tmp/entitled-{}", self.uid));
        [Some("/run/entitled".into()), Some(self.places().runtime), own, Some(shared)]
            .into_iter()
            .flatten()
            .collect()
    }

    /// Where a fake has its sockets when its file does not say.
    pub(super) fn fake_runtime(&self) -> PathBuf {
        let own = self.directory("XDG_RUNTIME_DIR").map(|it| it.join("entitled-fake"));
        own.unwrap_or_else(|| format!("/tmp/entitled-fake-{}", self.uid).into())
    }

    pub(super) fn places(&self) -> Places {
        if self.is_service() { self.service_places() } else { self.user_places() }
    }

    fn service_places(&self) -> Places {
        let directory =
            |name, default: &str| self.directory(name).unwrap_or_else(|| default.into());
        let state = directory("STATE_DIRECTORY", "/var/lib/entitled");
        Places {
            file: "/etc/entitled/entitled.toml".into(),
            runtime: directory("RUNTIME_DIRECTORY", "/run/entitled"),
            // The service can write only its state directory, so installed files go there.
            products: vec![
                "/usr/share/entitled/products.d".into(),
                "/etc/entitled/products.d".into(),
                state.join("products.d"),
            ],
            seats: vec!["/etc/entitled/seats.d".into()],
            keys: self.key_source(&state),
            state,
            runtime_is_shared: false,
        }
    }

    fn user_places(&self) -> Places {
        let home = self.directory("HOME").unwrap_or_else(|| "/nonexistent".into());
        let below = |name, default: &str| {
            self.directory(name).unwrap_or_else(|| home.join(default)).join("entitled")
        };
        let (config, state) =
            (below("XDG_CONFIG_HOME", ".config"), below("XDG_STATE_HOME", ".local/state"));
        let runtime = self.directory("XDG_RUNTIME_DIR").map(|it| it.join("entitled"));
        let own_file = config.join("entitled.toml");
        Places {
            file: if own_file.exists() { own_file } else { "/etc/entitled/entitled.toml".into() },
            runtime_is_shared: runtime.is_none(),
            runtime: runtime.unwrap_or_else(|| format!("/tmp/entitled-{}", self.uid).into()),
            products: vec![
                "/usr/share/entitled/products.d".into(),
                "/etc/entitled/products.d".into(),
                config.join("products.d"),
            ],
            seats: vec!["/etc/entitled/seats.d".into(), config.join("seats.d")],
            keys: self.key_source(&state),
            state,
        }
    }

    /// The credential where systemd hands one in; else a file.
    fn key_source(&self, state: &Path) -> KeySource {
        let handed_in =
            self.directory("CREDENTIALS_DIRECTORY").is_some_and(|it| it.join(CREDENTIAL).exists());
        if handed_in {
            KeySource::Credential(CREDENTIAL.to_owned())
        } else {
            KeySource::File(state.join("kek"))
        }
    }
}

/// Makes `path` as a directory that only `uid` (the caller) can enter, or checks that it is one.
///
/// # Errors
/// When it cannot be made, or is a link, another user's, or open to others.
pub fn make_private_directory(path: &Path, uid: u32) -> io::Result<()> {
    match DirBuilder::new().recursive(false).mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let metadata = std::fs::symlink_metadata(path)?;
    if is_private(&metadata, uid) {
        Ok(())
    } else {
        let why = format!("{} is not a directory that only uid {uid} can enter", path.display());
        Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
    }
}

pub(super) fn is_private(metadata: &Metadata, uid: u32) -> bool {
    metadata.is_dir() && metadata.uid() == uid && metadata.mode() & 0o077 == 0
}
