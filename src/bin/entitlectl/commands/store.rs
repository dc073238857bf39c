//! `store`: its figures, a backup of it, and a backup in its place.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Subcommand;
use entitled::clock::Clock;
use entitled::regular_file::{self, Reached};
use entitled::store::{Asked, Progress, Store, StoreSettings};
use serde_json::{Value, json};

use crate::exit::{Exit, Failure};
use crate::results::show_outline;
use crate::screen::Screen;
use crate::session::{self, Door, Question, Session};
use crate::{configured, files, words};

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
        /// Copy the finished backup to a new file of your own, or to standard output for `-`
        #[arg(long, value_name = "FILE", conflicts_with = "name")]
        to: Option<PathBuf>,
    },
    /// Have it known that the store was lost, begun afresh or restored; `status` then tells it no more
    Acknowledge,
    /// Put a backup in the store's place; the daemon has to be stopped. Until it is done, the store is that of before
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
        StoreCommand::Acknowledge => {
            show_outline(session, screen, &Question::admin("store_acknowledge"))
        }
        StoreCommand::Backup { to: Some(to), .. } => {
            copy_backup(&session.patient(BACKUP_WAIT), to, screen)
        }
        StoreCommand::Backup { name, to: None } => {
            let question = Question::admin("store_backup").with_some("path", name.as_ref())?;
            show_outline(&session.patient(BACKUP_WAIT), screen, &question)
        }
        StoreCommand::Restore { file, config } => restore(session, file, config.as_deref(), screen),
    }
}

/// Has a backup kept, and copies it from where it lies: so whoever may read the state directory gets it elsewhere,
/// and the daemon needs no right to write there. What lies there may be another user's work.
fn copy_backup(session: &Session, to: &Path, screen: &mut Screen) -> Result<Exit, Failure> {
    let to_output = to == Path::new("-");
    if to_output && io::stdout().is_terminal() {
        return Err(Failure::Usage("a backup is nothing for a terminal: redirect it".to_owned()));
    }
    // Before the daemon does anything: a name that is taken is no reason to let an older backup go.
    let target = match to_output {
        true => None,
        false => Some(NewFile::make(to)?),
    };
    let question = Question::admin("store_backup");
    let made: Value = session::read(question.method, &session.ask(&question)?)?;
    let from = PathBuf::from(made["path"].as_str().unwrap_or_default());
    let mut source =
        files::open(&from).map_err(|source| Failure::File { path: from.clone(), source })?;
    let busy = session.busy("copying the backup");
    let Some(target) = target else {
        io::copy(&mut source, &mut io::stdout().lock())
            .map_err(|source| Failure::Output { source })?;
        return Ok(Exit::Done);
    };
    target.fill(&mut source)?;
    drop(busy);
    match screen.is_json() {
        true => screen.json(&json!({"path": to.display().to_string()})),
        false => {
            screen.line(&words::tame(&format!("{} is a copy of {}", to.display(), from.display())))
        }
    }
    Ok(Exit::Done)
}

/// A file made where nothing was. It goes again unless it is filled.
struct NewFile<'a> {
    path: &'a Path,
    reached: Reached,
    file: File,
    filled: bool,
}

impl<'a> NewFile<'a> {
    fn make(path: &'a Path) -> Result<Self, Failure> {
        let failed = |source| Failure::NewFile { path: path.to_owned(), source };
        let reached = Reached::to(path).map_err(failed)?;
        let file = regular_file::make_new(&reached.path()).map_err(failed)?;
        Ok(Self { path, reached, file, filled: false })
    }

    fn fill(mut self, source: &mut File) -> Result<(), Failure> {
        let copied = io::copy(source, &mut self.file).and_then(|_| self.file.sync_all());
        copied.map_err(|source| Failure::NewFile { path: self.path.to_owned(), source })?;
        self.filled = true;
        Ok(())
    }
}

impl Drop for NewFile<'_> {
    fn drop(&mut self) {
        if !self.filled {
            let _ = std::fs::remove_file(self.reached.path());
        }
    }
}

/// No daemon is asked: none may have the store open meanwhile. Whoever interrupts it has the store of before, since the
/// backup takes its place in one step, at the end.
fn restore(
    session: &Session,
    file: &Path,
    config: Option<&Path>,
    screen: &mut Screen,
) -> Result<Exit, Failure> {
    let read = configured::read(config).map_err(|error| Failure::Usage(error.to_string()))?;
    // Whoever has said which daemon is meant does not mean the store of another one.
    if config.is_none() && session.is_named() && !configured::is_of(&read.config, session) {
        return Err(Failure::Usage(format!(
            "the daemon at {} has another store than {}, the usual one: name its configuration with --config",
            session.path(Door::Public).as_path().display(),
            read.config.store.path.display()
        )));
    }
    let busy = session.busy("restoring the backup");
    let told = busy.told();
    let settings = StoreSettings {
        progress: Progress::told_to(move |it| told.step(it.what, it.done)),
        ..StoreSettings::at(read.config.store.path)
    };
    let by = format!("entitlectl uid:{}", nix::unistd::getuid());
    let asked = Asked { by, at: Clock::system().now() };
    let aside =
        Store::restore(file, &settings, &asked).map_err(|source| Failure::Store { source })?;
    drop(busy);
    let (store, aside) = (settings.path.display(), aside.map(|it| it.display().to_string()));
    if screen.is_json() {
        screen.json(&json!({"store": store.to_string(), "set_aside": aside}));
        return Ok(Exit::Done);
    }
    screen.line(&words::tame(&format!("{} is in the place of {store}", file.display())));
    if let Some(aside) = aside {
        screen.line(&words::tame(&format!("what was there is now {aside}")));
    }
    Ok(Exit::Done)
}
