//! What a process with secrets gives up as it starts. Asked by the daemon and the gateway, and by the command line
//! before it reads a secret.

/// Keeps secrets out of core files and away from other processes of the same user.
pub fn harden() {
    if let Err(error) = nix::sys::prctl::set_dumpable(false) {
        tracing::warn!(%error, "the process stays dumpable");
    }
    let core = nix::sys::resource::Resource::RLIMIT_CORE;
    if let Err(error) = nix::sys::resource::setrlimit(core, 0, 0) {
        tracing::warn!(%error, "core files are not forbidden");
    }
}
