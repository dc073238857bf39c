//! Where the daemon's sockets are.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The path of a Unix socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketPath(PathBuf);

impl SocketPath {
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    pub fn as_path(&self) -> &Path {
        &self.0
    }
}

/// Where any program asks: `$ENTITLED_SOCKET` if set, a path or `unix://` and a path; else `/run/entitled/entitled.sock` if it exists; else
/// `$XDG_RUNTIME_DIR/entitled/entitled.sock` if it exists; else `/tmp/entitled-UID/entitled.sock` if it
/// exists and nobody else can have put it there; else `/run` again, to be named in the error that follows.
pub fn default_path() -> SocketPath {
    resolve("ENTITLED_SOCKET", "entitled.sock", |name| std::env::var_os(name), can_be_used)
}

/// Where administrators ask: the same with `$ENTITLED_ADMIN_SOCKET` and `admin.sock`.
pub fn default_admin_path() -> SocketPath {
    resolve("ENTITLED_ADMIN_SOCKET", "admin.sock", |name| std::env::var_os(name), can_be_used)
}

/// Where a daemon of one's own has its sockets without a runtime directory.
fn shared_directory() -> PathBuf {
    Path::new("/tmp").join(format!("entitled-{}", nix::unistd::geteuid()))
}

/// Whether a socket is there; below `/tmp`, also whether its directory is ours alone.
fn can_be_used(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let shared = shared_directory();
    let private = || {
        std::fs::symlink_metadata(&shared).is_ok_and(|it| {
            it.is_dir() && it.uid() == nix::unistd::geteuid().as_raw() && it.mode() & 0o077 == 0
        })
    };
    path.exists() && (!path.starts_with(&shared) || private())
}

/// `unix:///run/x` is how other programs are told of a socket (`DOCKER_HOST`, `SPIFFE_ENDPOINT_SOCKET`).
fn without_scheme(named: PathBuf) -> PathBuf {
    match named.as_os_str().as_bytes().strip_prefix(b"unix://") {
        Some(path) => OsStr::from_bytes(path).into(),
        None => named,
    }
}

fn resolve(
    variable: &str,
    file: &str,
    environment: impl Fn(&str) -> Option<OsString>,
    exists: impl Fn(&Path) -> bool,
) -> SocketPath {
    let set = |name: &str| environment(name).filter(|it| !it.is_empty()).map(PathBuf::from);
    if let Some(named) = set(variable) {
        return SocketPath(without_scheme(named));
    }
    let system = Path::new("/run/entitled").join(file);
    if exists(&system) {
        return SocketPath(system);
    }
    // A relative runtime directory is to be ignored, says the XDG base directory specification.
    let own = set("XDG_RUNTIME_DIR")
        .filter(|it| it.is_absolute())
        .map(|it| it.join("entitled").join(file))
        .filter(|it| exists(it));
    let shared = || Some(shared_directory().join(file)).filter(|it| exists(it));
    SocketPath(own.or_else(shared).unwrap_or(system))
}

#[cfg(test)]
mod tests;
