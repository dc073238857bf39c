//! `keys`: the key that seals all keys: how it fares, unlocking it, exchanging it.
//!
//! A passphrase comes from `secrets`, never from an argument.

use std::time::Duration;

use clap::Subcommand;
use entitled_core::domain::secret::Secret;
use serde_json::Value;

use crate::exit::{Exit, Failure};
use crate::progress::Bar;
use crate::screen::Screen;
use crate::session::{self, Question, Session};
use crate::tables::{self, text};
use crate::{secrets, words};

/// Deriving a key from a passphrase takes a moment by design.
const DERIVING: Duration = Duration::from_secs(10);

/// How often a rotation is asked how far it is.
const POLL: Duration = Duration::from_millis(100);

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Whether the keys are open, and what to do if not
    Status,
    /// Open the keys with the passphrase: asked for, or the first line of standard input
    Unlock {
        /// Choose the passphrase, where there is none yet
        #[arg(long)]
        set: bool,
    },
    /// Exchange the key for a new one, or the passphrase for another
    Rotate,
}

pub(crate) fn run(
    command: &KeysCommand,
    session: &Session,
    screen: &mut Screen,
) -> Result<Exit, Failure> {
    match command {
        KeysCommand::Status => {
            let result = session.ask(&Question::admin("keys_status"))?;
            let status: Value = session::read("keys_status", &result)?;
            match screen.is_json() {
                true => screen.raw(&result),
                false => screen.line(&describe(&status)),
            }
            Ok(if text(&status, "state") == "OPEN" { Exit::Done } else { Exit::No })
        }
        KeysCommand::Unlock { set } => unlock(*set, session, screen),
        KeysCommand::Rotate => rotate(session, screen),
    }
}

fn unlock(set: bool, session: &Session, screen: &mut Screen) -> Result<Exit, Failure> {
    let passphrase = match set {
        true => new_passphrase(screen)?,
        false => secrets::read(screen, "Passphrase")?,
    };
    let question = Question::admin("keys_unlock")
        .with("passphrase", &passphrase.expose())?
        .with("set", &set)?;
    let result = session.patient(DERIVING).ask(&question)?;
    match screen.is_json() {
        true => screen.raw(&result),
        false => screen.line("the keys are open"),
    }
    Ok(Exit::Done)
}

fn rotate(session: &Session, screen: &mut Screen) -> Result<Exit, Failure> {
    let status: Value =
        session::read("keys_status", &session.ask(&Question::admin("keys_status"))?)?;
    let mut question = Question::admin("keys_rotate");
    if text(&status, "source") == "passphrase" && text(&status, "state") == "OPEN" {
        question = question.with("passphrase", &new_passphrase(screen)?.expose())?;
    }
    let mut result = session.patient(DERIVING).ask(&question)?;
    let mut bar = Bar::new();
    let status = loop {
        let status: Value = session::read("keys_status", &result)?;
        let rotation = tables::field(&status, "rotation");
        if text(rotation, "state") != "under_way" {
            break status;
        }
        draw(&mut bar, rotation);
        std::thread::park_timeout(POLL);
        result = session.ask(&Question::admin("keys_status"))?;
    };
    let rotation = tables::field(&status, "rotation");
    draw(&mut bar, rotation);
    bar.end();
    if screen.is_json() {
        screen.raw(&result);
    } else if text(rotation, "state") == "done" {
        let total = tables::plain(tables::field(rotation, "total"));
        screen.line(&format!("{total} wallets are under the new key {}", text(&status, "key")));
        screen
            .aside("Back the new key up now: the old one, and every backup of it, opens nothing.");
    } else {
        screen.line(&format!("not rotated: {}", words::tame(text(rotation, "error"))));
    }
    Ok(if text(rotation, "state") == "done" { Exit::Done } else { Exit::No })
}

fn describe(status: &Value) -> String {
    let number = |name: &str| tables::field(status, name).as_u64().unwrap_or_default();
    let mut lines = vec![format!("keys: {} ({})", text(status, "state"), text(status, "source"))];
    let advice = text(status, "advice");
    if !advice.is_empty() {
        lines.push(format!("  {advice}"));
    }
    if !text(status, "key").is_empty() {
        lines.push(format!("key in use: {}", text(status, "key")));
    }
    let (wallets, under) = (number("wallets"), number("under_key"));
    lines.push(format!("sealed wallets: {wallets}, {under} of them under the key in use"));
    let rotation = tables::field(status, "rotation");
    if rotation.is_object() {
        let state = text(rotation, "state").replace('_', " ");
        let part = |name: &str| tables::plain(tables::field(rotation, name));
        lines.push(format!("rotation: {state}, {} of {}", part("done"), part("total")));
        let error = text(rotation, "error");
        if !error.is_empty() {
            lines.push(format!("  {error}"));
        }
    }
    lines.iter().map(|it| words::tame(it)).collect::<Vec<_>>().join("\n")
}

/// Nobody can read it back to them: what it locks up has to be said beforehand.
fn new_passphrase(screen: &Screen) -> Result<Secret, Failure> {
    let passphrase = secrets::read_new(screen, "New passphrase")?;
    screen.aside("Keep it safe: nobody can recover it, nor the managed wallets without it.");
    Ok(passphrase)
}

fn draw(bar: &mut Bar, rotation: &Value) {
    let number = |name: &str| tables::field(rotation, name).as_u64().unwrap_or_default();
    let (done, total) = (number("done"), number("total"));
    bar.draw(done, total, &format!("{done} of {total} wallets"));
}
