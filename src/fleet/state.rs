//! What a machine remembers of its fleet over a restart.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::regular_file;
use entitled_core::fleet::{Naming, Record};

/// The file has a few hundred bytes.
const LONGEST: usize = 16 * 1024;

/// Ids as text. Without a field the machine is in no fleet yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Remembered {
    pub fleet: Option<String>,
    pub epoch: u32,
    /// When that was written in the store, and how its places are named. Not known by a daemon of before.
    pub written: Option<u64>,
    pub naming: Option<Naming>,
    /// How far the store had come.
    pub revision: u64,
    pub membership: Option<Membership>,
    pub draining: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    pub machine: String,
    pub lease: i64,
    pub created: u64,
    /// What was written last for certain, and what was perhaps written after it.
    pub last: Record,
    pub tried: Record,
    /// Until when its places were certain, within this boot.
    pub deadline_ms: u64,
    pub boot: String,
}

/// Where it is kept.
#[derive(Debug, Clone)]
pub struct StateFile {
    path: PathBuf,
    /// One writes at a time: two would take each other's draft away.
    turn: Arc<Mutex<()>>,
}

impl StateFile {
    pub fn new(path: PathBuf) -> Self {
        Self { path, turn: Arc::default() }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Nothing, where there is no file yet.
    ///
    /// # Errors
    /// When it cannot be read, or is not ours: then it is not known what the machine was, and somebody has to look.
    pub fn read(&self) -> io::Result<Remembered> {
        match regular_file::read_text(&self.path, LONGEST) {
            Ok(text) => serde_json::from_str(&text).map_err(io::Error::other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Remembered::default()),
            Err(error) => Err(error),
        }
    }

    /// It lasts when this returns.
    ///
    /// # Errors
    /// What the file system says; then the file is as before. `TimedOut` where it has not said anything for so long; then the
    /// file is as before, or becomes this one.
    pub async fn write(&self, remembered: Remembered, patience: Duration) -> io::Result<()> {
        let file = self.clone();
        let writing = async {
            let turn = Arc::clone(&self.turn).lock_owned().await;
            let writing = tokio::task::spawn_blocking(move || {
                let _turn = turn;
                file.write_now(&remembered)
            });
            writing.await.unwrap_or_else(|gone| Err(io::Error::other(gone)))
        };
        let written = tokio::time::timeout(patience, writing).await;
        written.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    fn write_now(&self, remembered: &Remembered) -> io::Result<()> {
        let draft = self.path.with_extension("new");
        match std::fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = regular_file::make_new(&draft)?;
        file.write_all(serde_json::to_string(remembered)?.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&draft, &self.path)?;
        regular_file::sync_folder_of(&self.path)
    }
}

#[cfg(test)]
mod tests;
