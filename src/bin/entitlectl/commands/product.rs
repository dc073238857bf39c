//! `product`: those installed, and their files: checking one without a daemon, installing one, removing one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Subcommand;
use entitled_core::domain::product::{self, Fault};
use serde_json::{Value, json};

use crate::exit::{Exit, Failure};
use crate::results::{ask_and_show, show_card, show_table};
use crate::screen::Screen;
use crate::session::{Question, Session};
use crate::tables::Form::{Names, Plain};
use crate::tables::{self, Column};
use crate::{files, words};

/// The daemon may ask its chains for the contracts that a product names.
const CHAIN_WAIT: Duration = Duration::from_secs(10);

const PRODUCT: &[Column] = &[
    Column("product", "id", Plain),
    Column("name", "name", Plain),
    Column("version", "version", Plain),
    Column("trust", "trust", Plain),
    Column("finality", "finality", Plain),
    Column("tiers", "tiers", Names),
    Column("file", "source", Plain),
];

#[derive(Debug, Subcommand)]
pub(crate) enum ProductCommand {
    /// The products installed
    List,
    /// Check a product file; needs no daemon
    Lint { file: PathBuf },
    /// Install a product file
    Install { file: PathBuf },
    /// Remove a product
    Remove { product: String },
}

pub(crate) fn run(
    command: &ProductCommand,
    session: &Session,
    screen: &mut Screen,
) -> Result<Exit, Failure> {
    match command {
        ProductCommand::List => show_table(session, screen, Question::new("product_list"), PRODUCT),
        ProductCommand::Lint { file } => lint(screen, file),
        ProductCommand::Install { file } => install(session, screen, file),
        ProductCommand::Remove { product } => {
            let question = Question::admin("product_remove").with("product", product)?;
            show_card(session, screen, &question, PRODUCT)
        }
    }
}

/// `FILE:LINE: key: message` for each mistake, as compilers do, so that editors find the place.
fn lint(screen: &mut Screen, path: &Path) -> Result<Exit, Failure> {
    let faults = match product::parse(&files::read(path)?) {
        Ok(_) => Vec::new(),
        Err(faults) => faults,
    };
    let good = faults.is_empty();
    if screen.is_json() {
        let faults: Vec<_> = faults
            .iter()
            .map(|it| json!({"line": it.line, "key": it.key, "message": it.message}))
            .collect();
        screen.line(&json!({"ok": good, "faults": faults}).to_string());
    } else if good {
        screen.line(&words::tame(&format!("{}: no mistakes", path.display())));
    } else {
        for fault in &faults {
            screen.line(&words::tame(&fault_line(path, fault)));
        }
    }
    Ok(if good { Exit::Done } else { Exit::No })
}

/// What cannot be had of it as the daemon's chains are configured is said beside the result.
fn install(session: &Session, screen: &mut Screen, path: &Path) -> Result<Exit, Failure> {
    let question = Question::admin("product_install").with("toml", &files::read(path)?)?;
    let show = |it: &Value| format!("{} is installed", tables::plain(tables::field(it, "product")));
    let installed = ask_and_show(&session.patient(CHAIN_WAIT), screen, &question, show)?;
    for warning in installed["warnings"].as_array().into_iter().flatten() {
        screen.aside(&format!("warning: {}", warning.as_str().unwrap_or_default()));
    }
    Ok(Exit::Done)
}

fn fault_line(path: &Path, fault: &Fault) -> String {
    let mut line = path.display().to_string();
    if fault.line != 0 {
        line.push_str(&format!(":{}", fault.line));
    }
    if !fault.key.is_empty() {
        line.push_str(&format!(": {}", fault.key));
    }
    format!("{line}: {}", fault.message)
}

#[cfg(test)]
mod tests;
