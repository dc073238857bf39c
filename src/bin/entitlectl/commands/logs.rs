//! `logs`: what the daemon has written, by the fields it gives its records in the journal. `journalctl` shows it.

use std::os::unix::process::CommandExt;
use std::process::Command;

use clap::Args;
use nix::unistd::Uid;

use crate::exit::{Exit, Failure};
use crate::screen::Screen;
use crate::session::Session;

/// Lines shown of the past, where nothing says how far back.
const LINES: &str = "50";

#[derive(Debug, Args)]
pub(crate) struct LogsArguments {
    /// Only what is about this product
    product: Option<String>,
    /// Go on as more is written, until interrupted
    #[arg(long, short)]
    follow: bool,
    /// From this time on, as journalctl reads it, such as "2026-11-29 10:00" or yesterday
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only what has this name, such as entitlement_changed or chain_lost
    #[arg(long, value_name = "NAME")]
    event: Option<String>,
    /// Only what is about this Unix user
    #[arg(long, value_name = "UID")]
    uid: Option<u32>,
    /// The log of one's own daemon, not of the machine's
    #[arg(long)]
    user: bool,
}

impl LogsArguments {
    /// What `journalctl` is told. Different fields must all be so, one field twice is either of both.
    fn told(&self, json: bool) -> Vec<String> {
        let unit = if self.user { "--user-unit" } else { "--unit" };
        let mut told = vec![format!("{unit}=entitled"), "--no-pager".to_owned()];
        if json {
            told.push("--output=json".to_owned());
        }
        if self.follow {
            told.push("--follow".to_owned());
        }
        match &self.since {
            Some(since) => told.push(format!("--since={since}")),
            None => told.push(format!("--lines={LINES}")),
        }
        let uid = self.uid.map(|it| it.to_string());
        for (field, value) in [("PRODUCT", &self.product), ("EVENT", &self.event), ("UID", &uid)] {
            told.extend(value.as_ref().map(|it| format!("ENTITLED_{field}={it}")));
        }
        told
    }
}

/// Takes the place of this program, so that the terminal and its keys are journalctl's. A daemon is not asked: its log is
/// wanted most when it is away.
pub(crate) fn run(
    arguments: &LogsArguments,
    _: &Session,
    screen: &mut Screen,
) -> Result<Exit, Failure> {
    if !arguments.user && !Uid::effective().is_root() {
        screen.aside(
            "note: others than root see the log only as members of `systemd-journal` or `adm`",
        );
    }
    let error = Command::new("journalctl").args(arguments.told(screen.is_json())).exec();
    Err(Failure::Usage(format!(
        "journalctl cannot be started ({error}): where there is no journal, the daemon writes to its standard error"
    )))
}

#[cfg(test)]
mod tests;
