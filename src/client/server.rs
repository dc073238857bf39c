//! Who answers at the socket.
//!
//! An answer is worth what its speaker is worth, so the kernel is asked who listens before anything is
//! said. A socket that systemd opened shows root. One that the daemon opened shows the daemon's user, who
//! owns the directory it lies in (`/run/entitled`). A daemon run by the caller shows the caller. Anybody
//! else put a socket where the caller happened to look.

use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;

use crate::error::ClientError;

/// # Errors
/// [`ClientError::Untrusted`] for anybody else; [`ClientError::Unreachable`] if the kernel does not say.
pub(super) fn verify(stream: &UnixStream, path: &Path) -> Result<(), ClientError> {
    let server = getsockopt(stream, PeerCredentials)
        .map_err(|it| ClientError::Unreachable { path: path.to_owned(), source: it.into() })?;
    let directory = path.parent().and_then(|it| match it.as_os_str().is_empty() {
        true => Path::new(".").metadata().ok(),
        false => it.metadata().ok(),
    });
    let own = nix::unistd::geteuid().as_raw();
    match is_trusted(server.uid(), own, directory.map(|it| it.uid())) {
        true => Ok(()),
        false => Err(ClientError::Untrusted { path: path.to_owned(), uid: server.uid() }),
    }
}

fn is_trusted(server: u32, own: u32, directory_owner: Option<u32>) -> bool {
    server == 0 || server == own || Some(server) == directory_owner
}

#[cfg(test)]
mod tests;
