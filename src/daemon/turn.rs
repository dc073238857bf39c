//! Whose turn it is to work in a state directory, where a daemon is started before the one it replaces has ended.
//!
//! Asked by `daemon` when it is told to wait for its predecessor, before it touches a socket or the store. The turn is a lock of
//! the kernel's, so that it ends with the process, however that ends.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use crate::regular_file;

/// The file beside the store. Nothing is in it.
const NAME: &str = "turn.lock";
const PAUSE: Duration = Duration::from_millis(20);

/// To be kept for as long as the daemon works.
#[derive(Debug)]
pub(super) struct Turn(#[expect(dead_code, reason = "the lock ends with the file")] File);

impl Turn {
    /// Waits for as long as another daemon has it. Whoever gives up waiting drops this.
    pub(super) async fn take(store: &Path) -> anyhow::Result<Self> {
        let path = store.with_file_name(NAME);
        let opened = regular_file::open_or_make(&path);
        let file = opened.with_context(|| format!("cannot open {}", path.display()))?;
        let mut told = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self(file)),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => {
                    return Err(error).with_context(|| format!("cannot lock {}", path.display()));
                }
            }
            if !told {
                tracing::info!(event = "waiting", "waiting for the daemon before this one to end");
            }
            told = true;
            tokio::time::sleep(PAUSE).await;
        }
    }
}
