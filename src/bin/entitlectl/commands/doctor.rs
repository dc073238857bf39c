//! `doctor`: what is wrong with this machine's daemon, and what mends it. Looks at each part by itself, so that one that is broken
//! hides no other, and asks the chains for a real proof.
//!
//! Changes nothing. What could not be looked at is said to be unknown, never well.

mod archive;
mod bundle;
mod chains;
mod daemon;
mod machine;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::exit::{Exit, Failure};
use crate::screen::{Mark, Screen};
use crate::session::Session;
use crate::words;

#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    /// The daemon's configuration file, where it is not the usual one
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<DoctorCommand>,
}

#[derive(Debug, Subcommand)]
enum DoctorCommand {
    /// Write what was found into a tar archive for a bug report. No key, passphrase, credential, name or address of a wallet is in it
    Bundle {
        /// A new file
        #[arg(default_value = "entitled-doctor.tar")]
        file: PathBuf,
    },
}

/// What mends that something may not be looked at.
const AS_ROOT: &str = "ask as root";

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Well,
    /// It works, and somebody should know.
    Warning,
    Bad,
    /// It could not be looked at.
    Unknown,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            Self::Well => "ok",
            Self::Warning => "warning",
            Self::Bad => "bad",
            Self::Unknown => "unknown",
        }
    }

    fn mark(self) -> Mark {
        match self {
            Self::Well => Mark::Yes,
            Self::Bad => Mark::No,
            Self::Warning | Self::Unknown => Mark::Unknown,
        }
    }
}

/// One thing that was looked at.
#[derive(Debug)]
struct Finding {
    area: &'static str,
    state: State,
    said: String,
    mend: Option<String>,
}

/// What was found, in the order it was looked at.
#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn well(&mut self, area: &'static str, said: impl Into<String>) {
        self.0.push(Finding { area, state: State::Well, said: said.into(), mend: None });
    }

    fn add(&mut self, area: &'static str, state: State, said: impl Into<String>, mend: &str) {
        let mend = Some(mend.to_owned()).filter(|it| !it.is_empty());
        self.0.push(Finding { area, state, said: said.into(), mend });
    }

    fn has(&self, state: State) -> bool {
        self.0.iter().any(|it| it.state == state)
    }

    /// Whether root could look at more.
    fn wants_root(&self) -> bool {
        self.0.iter().any(|it| it.mend.as_deref().is_some_and(|it| it.starts_with(AS_ROOT)))
    }

    fn exit(&self) -> Exit {
        match (self.has(State::Bad), self.has(State::Unknown)) {
            (true, _) => Exit::No,
            (false, true) => Exit::Undetermined,
            (false, false) => Exit::Done,
        }
    }

    fn as_json(&self) -> Value {
        let finding = |it: &Finding| json!({"area": it.area, "state": it.state.as_str(), "said": it.said, "mend": it.mend});
        let ok = self.exit() == Exit::Done;
        json!({"ok": ok, "findings": self.0.iter().map(finding).collect::<Vec<_>>()})
    }
}

pub(crate) fn run(
    arguments: &DoctorArguments,
    session: &Session,
    screen: &mut Screen,
) -> Result<Exit, Failure> {
    let mut findings = Findings::default();
    let mut of_daemon = Findings::default();
    let answers = daemon::examine(&mut of_daemon, session);
    let asked = (session, answers.health.as_ref());
    let config = machine::examine(&mut findings, arguments.config.as_deref(), asked);
    findings.0.append(&mut of_daemon.0);
    if answers.health.is_some() {
        chains::examine(&mut findings, session);
    }
    machine::product_files(&mut findings, session, config.as_ref());
    machine::disk(&mut findings, config.as_ref());
    if let Some(DoctorCommand::Bundle { file }) = &arguments.command {
        bundle::write(file, &findings, config.as_ref(), &answers)?;
        let file = words::tame(&file.display().to_string());
        screen.line(&format!("{file} has what was found; look into it before you send it"));
        return Ok(Exit::Done);
    }
    match screen.is_json() {
        true => screen.list(&words::tame_json(&findings.as_json().to_string())),
        false => show(screen, &findings),
    }
    Ok(findings.exit())
}

fn show(screen: &mut Screen, findings: &Findings) {
    let width = findings.0.iter().map(|it| it.area.len()).max().unwrap_or(0);
    let indent = " ".repeat(width + 4);
    let room = screen.view().width.unwrap_or(usize::MAX);
    for Finding { area, state, said, mend } in &findings.0 {
        let line = format!("* {area:width$}  {}", words::tame(said));
        let line = words::wrapped(&line, room, &indent);
        screen.line(&line.replacen('*', &screen.mark(state.mark()), 1));
        if let Some(mend) = mend {
            let line = format!("{indent}mend: {}", words::tame(mend));
            screen.line(&words::wrapped(&line, room, &indent));
        }
    }
    let bad = findings.0.iter().filter(|it| it.state == State::Bad).count();
    let said = match (bad, findings.has(State::Unknown)) {
        (0, false) => "Everything that was looked at is well.".to_owned(),
        (0, true) => {
            let more = if findings.wants_root() { " Ask as root to look at the rest." } else { "" };
            format!("Nothing is wrong of what could be looked at.{more}")
        }
        (1, _) => "1 thing is to be mended.".to_owned(),
        (count, _) => format!("{count} things are to be mended."),
    };
    screen.line(&format!("\n{said}"));
}
