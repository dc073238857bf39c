//! Whose turn it is to work in a state directory, where a daemon is started before the one it replaces has ended.
//!
//! Asked by `daemon`, before it touches a socket or the store. The turn is a lock of the kernel's, so that it ends with the
//! process, however that ends.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::Signal;

use super::Begin;
use crate::regular_file;

/// The file beside the store. Nothing is in it.
const NAME: &str = "turn.lock";
const PAUSE: Duration = Duration::from_millis(20);

/// To be kept for as long as the daemon works. Who begins at once has no lock, and neither waits nor is waited for.
#[derive(Debug)]
pub(super) struct Turn {
    _lock: Option<File>,
}

/// Waits for as long as another daemon has the turn. `None` when `stop` came first.
///
/// # Errors
/// When there can be no lock beside the store.
pub(super) async fn take(
    begin: Begin,
    store: &Path,
    stop: &mut Signal,
) -> anyhow::Result<Option<Turn>> {
    if begin == Begin::AtOnce {
        return Ok(Some(Turn { _lock: None }));
    }
    let path = store.with_file_name(NAME);
    let opened = regular_file::open_or_make(&path);
    let file = opened.with_context(|| format!("cannot open {}", path.display()))?;
    let mut told = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(Turn { _lock: Some(file) })),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", path.display()));
            }
        }
        if !told {
            tracing::info!(event = "waiting", "waiting for the daemon before this one to end");
        }
        told = true;
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            _ = stop.recv() => return Ok(None),
        }
    }
}
