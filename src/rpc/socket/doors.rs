//! The two sockets: taken over from systemd, or bound here without a moment in which they are half made.
//!
//! Asked by `daemon` once. Removes nothing that is not a dead socket, and at the end only what it bound itself.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, getsockopt, listen,
    socket, sockopt,
};
use nix::unistd::{Gid, Group, User, chown};

use super::closing;
use crate::regular_file;
use crate::rpc::figures::SocketFigures;
use crate::sent_descriptors;

/// Descriptors that are no sockets have names that begin so.
const STORED: &str = "p-";
/// The longest path of a socket: `sun_path` has 108 bytes, one of them the end.
const LONGEST_PATH: usize = 107;

/// Where the sockets are and who may connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketSettings {
    pub path: PathBuf,
    pub admin_path: PathBuf,
    /// The group that gets the admin socket, and whose members it answers.
    pub admin_group: Option<String>,
    /// Users, by name or number, who may name the customer they ask for on the public door.
    pub delegates: Vec<String>,
    /// 0666 by contract.
    pub public_mode: u32,
    /// 0660, or 0600 where an ordinary user runs the daemon.
    pub admin_mode: u32,
    /// Where the figures are shown besides; on this machine only.
    pub metrics: Option<SocketAddr>,
    /// Threads that serve connections.
    pub threads: usize,
}

/// Why there are no sockets to listen on. Every text names what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error("another entitled answers on {}: stop it first, or use another path", path.display())]
    AlreadyAnswered { path: PathBuf },
    #[error("another entitled is starting on {}: its lock file is held", path.display())]
    AlreadyStarting { path: PathBuf },
    #[error("{} is not a socket: move it away, or use another path", path.display())]
    NotASocket { path: PathBuf },
    #[error("the socket path {} is too long: it and its directory may have {LONGEST_PATH} bytes", path.display())]
    PathTooLong { path: PathBuf },
    #[error("the socket path {} has no directory or no name", path.display())]
    NoDirectory { path: PathBuf },
    #[error("cannot {doing} for the socket {}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    #[error("cannot listen on {address} for `metrics.listen`")]
    Metrics { address: SocketAddr, source: io::Error },
    #[error("systemd handed over sockets in a way that cannot be read")]
    HandOver { source: io::Error },
    #[error(
        "systemd handed over a socket named `{name}`: use FileDescriptorName=entitled or admin"
    )]
    UnknownName { name: String },
    #[error("systemd handed over two sockets named `{name}`")]
    NamedTwice { name: String },
    #[error("systemd's socket `{name}` does not listen on a Unix stream: use ListenStream=/a/path")]
    NotListening { name: String },
}

/// Both sockets, listening.
#[derive(Debug)]
pub struct Doors {
    pub public: UnixListener,
    pub admin: UnixListener,
    pub(in crate::rpc) admin_group: Option<u32>,
    pub(in crate::rpc) delegates: Vec<u32>,
    pub(in crate::rpc) files: Vec<SocketFile>,
    /// Whether somebody may have connected to them before they were ours.
    pub(in crate::rpc) are_of_others: bool,
    /// The program that holds what may take long to close.
    pub(in crate::rpc) holder: Option<PathBuf>,
    pub(in crate::rpc) metrics: Option<TcpListener>,
    pub threads: usize,
    figures: Arc<SocketFigures>,
    stored: Vec<(String, OwnedFd)>,
}

impl Doors {
    /// Doors that somebody else has made and will remove.
    pub fn of(public: UnixListener, admin: UnixListener, admin_group: Option<u32>) -> Self {
        Self {
            public,
            admin,
            admin_group,
            delegates: Vec::new(),
            files: Vec::new(),
            are_of_others: true,
            holder: None,
            metrics: None,
            threads: 1,
            figures: Arc::default(),
            stored: Vec::new(),
        }
    }

    /// What systemd kept for an earlier run of the daemon and handed over beside the sockets, by name.
    pub fn take_stored(&mut self) -> Vec<(String, OwnedFd)> {
        std::mem::take(&mut self.stored)
    }

    /// Where the public door is found. A door we bound has a temporary name by its own account.
    pub fn public_path(&self, configured: &Path) -> PathBuf {
        let bound = self.files.iter().any(|it| it.path == configured);
        let address = self.public.local_addr().ok();
        let own = address.as_ref().and_then(|it| it.as_pathname()).filter(|_| !bound);
        own.unwrap_or(configured).to_owned()
    }

    /// The counters of these doors, to read while and after they are served.
    pub fn figures(&self) -> Arc<SocketFigures> {
        Arc::clone(&self.figures)
    }
}

/// The file of a socket we bound, and our lock beside it. Dropping it removes the file, if it is still ours.
#[derive(Debug)]
pub(in crate::rpc) struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
    /// Held as long as the file is; the lock file itself stays, because removing it would let two in.
    _lock: File,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|it| it.dev() == self.device && it.ino() == self.inode);
        if ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove our socket");
        }
    }
}

/// Takes the sockets systemd has for us, and binds those it has not.
///
/// # Errors
/// [`ListenError`]; nothing is left behind but directories and lock files.
pub fn open_doors(settings: &SocketSettings) -> Result<Doors, ListenError> {
    let inherited = inherited_sockets()?;
    open_with(settings, inherited)
}

/// Binds both sockets, and takes none that systemd may have handed over: they are the machine's.
///
/// # Errors
/// As [`open_doors`].
pub fn bind_doors(settings: &SocketSettings) -> Result<Doors, ListenError> {
    open_with(settings, Vec::new())
}

/// The sockets systemd passed to this process, by name. Meant to be called once: they are ours from then on.
fn inherited_sockets() -> Result<Vec<(String, OwnedFd)>, ListenError> {
    // This one makes sure that they are open and closes them on exec; the other owns them.
    let named =
        sd_notify::listen_fds_with_names().map_err(|source| ListenError::HandOver { source })?;
    let owned = sd_listen_fds::get().map_err(|error| ListenError::HandOver {
        source: io::Error::new(io::ErrorKind::InvalidInput, error),
    })?;
    Ok(named.zip(owned).map(|((_, name), (_, fd))| (name, fd.into_std())).collect())
}

fn open_with(
    settings: &SocketSettings,
    inherited: Vec<(String, OwnedFd)>,
) -> Result<Doors, ListenError> {
    let (mut public, mut admin) = (None, None);
    let mut stored = Vec::new();
    for (name, fd) in inherited {
        if name.starts_with(STORED) {
            stored.push((name, fd));
            continue;
        }
        let door = match name.as_str() {
            "entitled" => &mut public,
            "admin" => &mut admin,
            _ => return Err(ListenError::UnknownName { name }),
        };
        if door.is_some() {
            return Err(ListenError::NamedTwice { name });
        }
        *door = Some(listening(name, fd)?);
    }
    let are_of_others = public.is_some() || admin.is_some();
    let group = settings.admin_group.as_deref().and_then(find_group);
    let mut files = Vec::new();
    let mut bind_missing = |given: Option<UnixListener>, access: Access<'_>| match given {
        Some(listener) => Ok(listener),
        None => bind_door(&access).map(|(listener, file)| {
            files.push(file);
            listener
        }),
    };
    let (path, mode) = (&settings.path, settings.public_mode);
    let public = bind_missing(public, Access { path, mode, group: None })?;
    let without_group = settings.admin_group.is_some() && group.is_none();
    let mode = if without_group { 0o600 } else { settings.admin_mode };
    let admin = bind_missing(admin, Access { path: &settings.admin_path, mode, group })?;
    let metrics = settings.metrics.map(|address| {
        TcpListener::bind(address).map_err(|source| ListenError::Metrics { address, source })
    });
    let metrics = metrics.transpose()?;
    let delegates = settings.delegates.iter().filter_map(|it| find_user(it)).collect();
    let (threads, holder) = (settings.threads, Some(closing::OURSELVES.into()));
    let doors = Doors::of(public, admin, group);
    Ok(Doors { delegates, files, are_of_others, holder, metrics, threads, stored, ..doors })
}

/// A user who cannot be found speaks for nobody.
fn find_user(name: &str) -> Option<u32> {
    if let Ok(uid) = name.parse() {
        return Some(uid);
    }
    match User::from_name(name) {
        Ok(Some(user)) => Some(user.uid.as_raw()),
        found => {
            let error = found.err().map(|it| it.to_string());
            tracing::warn!(user = name, error, "`socket.delegates` names a user who is not known");
            None
        }
    }
}

fn find_group(name: &str) -> Option<u32> {
    match Group::from_name(name) {
        Ok(Some(group)) => return Some(group.gid.as_raw()),
        Ok(None) => tracing::warn!(
            group = name,
            "the admin group does not exist: the admin socket answers root and our own user only"
        ),
        Err(error) => tracing::warn!(
            group = name,
            %error,
            "cannot look up the admin group: the admin socket answers root and our own user only"
        ),
    }
    None
}

fn listening(name: String, fd: OwnedFd) -> Result<UnixListener, ListenError> {
    let is_stream = getsockopt(&fd, sockopt::SockType).is_ok_and(|it| it == SockType::Stream);
    let listens = getsockopt(&fd, sockopt::AcceptConn).unwrap_or(false);
    let listener = UnixListener::from(fd);
    // The standard library gives the address of Unix sockets only.
    if is_stream && listens && listener.local_addr().is_ok() {
        sent_descriptors::refuse(&listener);
        Ok(listener)
    } else {
        Err(ListenError::NotListening { name })
    }
}

/// Where a socket goes, and who may connect to it.
struct Access<'a> {
    path: &'a Path,
    mode: u32,
    group: Option<u32>,
}

impl Access<'_> {
    fn io(&self, doing: &'static str) -> impl FnOnce(io::Error) -> ListenError + use<> {
        let path = self.path.to_owned();
        move |source| ListenError::Io { doing, path, source }
    }

    fn kernel(&self, doing: &'static str) -> impl FnOnce(Errno) -> ListenError + use<> {
        let io = self.io(doing);
        move |errno| io(errno.into())
    }
}

/// Binds under another name, sets mode and group while nobody can connect, listens, and only then gives it its
/// name: whoever finds the socket finds it finished.
fn bind_door(access: &Access<'_>) -> Result<(UnixListener, SocketFile), ListenError> {
    let path = access.path;
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(ListenError::NoDirectory { path: path.to_owned() });
    };
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let unfinished = directory.join(format!(".{}", std::process::id()));
    let longest = unfinished.as_os_str().len().max(path.as_os_str().len());
    if longest > LONGEST_PATH {
        return Err(ListenError::PathTooLong { path: path.to_owned() });
    }
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o755);
    builder.create(directory).map_err(access.io("make the directory"))?;
    let mut lock_name = name.to_owned();
    lock_name.push(".lock");
    let lock = take_lock(access, &directory.join(lock_name))?;
    make_way(access)?;
    let bound = bind_unfinished(access, &unfinished).and_then(|listener| {
        fs::rename(&unfinished, path).map_err(access.io("rename"))?;
        Ok(listener)
    });
    if bound.is_err() {
        // It was made by us under a name of ours; if it is not there, so much the better.
        let _ = fs::remove_file(&unfinished);
    }
    let listener = bound?;
    let made = fs::symlink_metadata(path).map_err(access.io("look at the file made"))?;
    let (device, inode) = (made.dev(), made.ino());
    Ok((listener, SocketFile { path: path.to_owned(), device, inode, _lock: lock }))
}

fn take_lock(access: &Access<'_>, path: &Path) -> Result<File, ListenError> {
    let lock = regular_file::open_or_make(path).map_err(access.io("open the lock file"))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => {
            // Whoever holds it either answers by now or is about to.
            match is_answered(access)? {
                true => Err(ListenError::AlreadyAnswered { path: access.path.to_owned() }),
                false => Err(ListenError::AlreadyStarting { path: access.path.to_owned() }),
            }
        }
        Err(TryLockError::Error(source)) => Err(access.io("lock the lock file")(source)),
    }
}

/// Makes sure that what has our name is at most a dead socket, which the rename will replace.
fn make_way(access: &Access<'_>) -> Result<(), ListenError> {
    let path = access.path.to_owned();
    match fs::symlink_metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(access.io("look at the old file")(error)),
        Ok(found) if !found.file_type().is_socket() => Err(ListenError::NotASocket { path }),
        Ok(_) if is_answered(access)? => Err(ListenError::AlreadyAnswered { path }),
        Ok(_) => Ok(()),
    }
}

/// Whether somebody listens. Does not wait: a full queue is an answer too.
fn is_answered(access: &Access<'_>) -> Result<bool, ListenError> {
    let trying = "try to connect";
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let probe = socket(AddressFamily::Unix, SockType::Stream, flags, None)
        .map_err(access.kernel(trying))?;
    let address = UnixAddr::new(access.path).map_err(access.kernel(trying))?;
    match connect(probe.as_raw_fd(), &address) {
        Ok(()) | Err(Errno::EAGAIN | Errno::EINPROGRESS) => Ok(true),
        Err(Errno::ECONNREFUSED | Errno::ENOENT) => Ok(false),
        // A socket of another kind that is alive.
        Err(Errno::EPROTOTYPE) => Ok(true),
        Err(errno) => Err(access.kernel(trying)(errno)),
    }
}

fn bind_unfinished(access: &Access<'_>, name: &Path) -> Result<UnixListener, ListenError> {
    // A process with our number that died here may have left one.
    if fs::symlink_metadata(name).is_ok_and(|it| it.file_type().is_socket()) {
        fs::remove_file(name).map_err(access.io("remove what a dead process left"))?;
    }
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(AddressFamily::Unix, SockType::Stream, flags, None)
        .map_err(access.kernel("make a socket"))?;
    let address = UnixAddr::new(name).map_err(access.kernel("make an address"))?;
    bind(fd.as_raw_fd(), &address).map_err(access.kernel("bind"))?;
    let mut mode = access.mode;
    if let Some(group) = access.group
        && let Err(error) = chown(name, None, Some(Gid::from_raw(group)))
    {
        tracing::warn!(
            path = %access.path.display(),
            %error,
            "cannot give the socket to the admin group: only its owner and root may connect"
        );
        mode = 0o600;
    }
    fs::set_permissions(name, fs::Permissions::from_mode(mode))
        .map_err(access.io("set the mode"))?;
    sent_descriptors::refuse(&fd);
    listen(&fd, Backlog::MAXALLOWABLE).map_err(access.kernel("listen"))?;
    Ok(UnixListener::from(fd))
}

#[cfg(test)]
mod tests;
