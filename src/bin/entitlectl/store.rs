//! The store: its figures, a backup of it, and a backup in its place.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Subcommand;
use entitled::config::{Config, Environment};
use entitled::store::{Store, StoreSettings};
use serde_json::json;

use crate::exit::{Exit, Failure};
use crate::results::show_outline;
use crate::screen::Screen;
use crate::session::{Question, Session};

/// A large store takes its time to be copied and compared.
const BACKUP_WAIT: Duration = Duration::from_secs(600);

#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Its size and contents
    Stats,
    /// Write a backup into the state directory, while the daemon goes on
    Backup {
        /// The name of the new file; the next of the kept backups if not given
        name: Option<String>,
    },
    /// Put a backup in the store's place; the daemon has to be stopped
    Restore {
        /// The backup
        file: PathBuf,
        /// The daemon's configuration file, where it is not the usual one
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

pub(crate) fn run(
    command: &StoreCommand,
    session: &Session,
    screen: &mut Screen,
) -> Result<Exit, Failure> {
    match command {
        StoreCommand::Stats => show_outline(session, screen, &Question::admin("store_stats")),
        StoreCommand::Backup { name } => {
            let question = Question::admin("store_backup").with_some("path", name.as_ref())?;
            show_outline(&session.patient(BACKUP_WAIT), screen, &question)
        }
        StoreCommand::Restore { file, config } => restore(file, config.as_deref(), screen),
    }
}

/// No daemon is asked: none may have the store open meanwhile.
fn restore(file: &Path, config: Option<&Path>, screen: &mut Screen) -> Result<Exit, Failure> {
    let read = Config::read(config, &Environment::of_process())
        .map_err(|error| Failure::Usage(error.to_string()))?;
    let settings = StoreSettings::at(read.config.store.path);
    let aside = Store::restore(file, &settings).map_err(|source| Failure::Store { source })?;
    let (store, aside) = (settings.path.display(), aside.map(|it| it.display().to_string()));
    if screen.is_json() {
        screen.line(&json!({"store": store.to_string(), "set_aside": aside}).to_string());
        return Ok(Exit::Done);
    }
    screen.line(&format!("{} is in the place of {store}", file.display()));
    if let Some(aside) = aside {
        screen.line(&format!("what was there is now {aside}"));
    }
    Ok(Exit::Done)
}
