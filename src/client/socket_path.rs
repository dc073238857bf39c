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
/// `$XDG_RUNTIME_DIR/entitled/entitled.sock`, else `/tmp/entitled-UID/entitled.sock`, if it exists in a directory of the
/// caller's alone; else `/run` again, to be named in the error that follows.
///
/// A program that was started with rights which its caller has not (set-user-ID, set-group-ID, capabilities of its file) asks in
/// `/run` only, whoever it has become since: its environment is somebody else's. So does one that may not read
/// `/proc/self/auxv`, where that is said: whoever gives rights up by `setuid`, or cannot be dumped, calls this before.
pub fn default_path() -> SocketPath {
    default_path_of(is_plain(&auxiliary_vector()))
}

/// The same for a program that knows how it was started, by other means.
#[doc(hidden)]
pub fn default_path_of(started_plain: bool) -> SocketPath {
    resolve("ENTITLED_SOCKET", "entitled.sock", &Here { started_plain })
}

/// Where administrators ask: the same as [`default_path`] with `$ENTITLED_ADMIN_SOCKET` and `admin.sock`.
pub fn default_admin_path() -> SocketPath {
    let started_plain = is_plain(&auxiliary_vector());
    resolve("ENTITLED_ADMIN_SOCKET", "admin.sock", &Here { started_plain })
}

fn auxiliary_vector() -> Vec<u8> {
    std::fs::read("/proc/self/auxv").unwrap_or_default()
}

/// Whether the kernel started this program with no rights that its caller has not (`AT_SECURE`, getauxval(3)). What it does not
/// say it does not say so of.
fn is_plain(vector: &[u8]) -> bool {
    const WORD: usize = size_of::<usize>();
    const AT_SECURE: usize = 23;
    let (words, _) = vector.as_chunks::<WORD>();
    let words: Vec<usize> = words.iter().map(|it| usize::from_ne_bytes(*it)).collect();
    words.as_chunks::<2>().0.contains(&[AT_SECURE, 0])
}

/// Where a daemon of one's own has its sockets without a runtime directory.
fn shared_directory() -> PathBuf {
    Path::new("/tmp").join(format!("entitled-{}", nix::unistd::geteuid()))
}

/// What is known of the caller and of this machine.
trait Surroundings {
    /// Whether the environment was made by whoever this program is now.
    fn is_its_own(&self) -> bool;
    fn variable(&self, name: &str) -> Option<OsString>;
    fn exists(&self, path: &Path) -> bool;
    /// Whether a directory is the caller's, and nobody else may do anything in it: as a runtime directory has to be, says
    /// the XDG base directory specification.
    fn is_private(&self, directory: &Path) -> bool;
}

struct Here {
    started_plain: bool,
}

impl Surroundings for Here {
    fn is_its_own(&self) -> bool {
        use nix::unistd::{getegid, geteuid, getgid, getuid};
        self.started_plain && getuid() == geteuid() && getgid() == getegid()
    }

    fn variable(&self, name: &str) -> Option<OsString> {
        std::env::var_os(name)
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }

    fn is_private(&self, directory: &Path) -> bool {
        use std::os::unix::fs::MetadataExt;
        std::fs::symlink_metadata(directory).is_ok_and(|it| {
            it.is_dir() && it.uid() == nix::unistd::geteuid().as_raw() && it.mode() & 0o077 == 0
        })
    }
}

/// `unix:///run/x` is how other programs are told of a socket (`DOCKER_HOST`, `SPIFFE_ENDPOINT_SOCKET`).
fn without_scheme(named: PathBuf) -> PathBuf {
    match named.as_os_str().as_bytes().strip_prefix(b"unix://") {
        Some(path) => OsStr::from_bytes(path).into(),
        None => named,
    }
}

fn resolve(variable: &str, file: &str, around: &impl Surroundings) -> SocketPath {
    let system = Path::new("/run/entitled").join(file);
    if !around.is_its_own() {
        return SocketPath(system);
    }
    let set = |name: &str| around.variable(name).filter(|it| !it.is_empty()).map(PathBuf::from);
    if let Some(named) = set(variable) {
        return SocketPath(without_scheme(named));
    }
    if around.exists(&system) {
        return SocketPath(system);
    }
    let found = |directory: &Path, file: &Path| {
        let path = directory.join(file);
        (around.exists(&path) && around.is_private(directory)).then_some(path)
    };
    // A relative runtime directory is to be ignored, says the specification.
    let own = set("XDG_RUNTIME_DIR").filter(|it| it.is_absolute());
    let own = own.and_then(|it| found(&it, &Path::new("entitled").join(file)));
    let shared = || found(&shared_directory(), Path::new(file));
    SocketPath(own.or_else(shared).unwrap_or(system))
}

#[cfg(test)]
mod tests;
