//! `wallet challenge` and `wallet link`: the text to sign, and the text with its signature, by a page in the browser or by
//! copy and paste.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use entitled_client::{ClientError, ErrorCode};
use entitled_core::domain::control_character::is_control_character;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::exit::{Exit, Failure};
use crate::pages::{self, Offer, Page};
use crate::screen::Screen;
use crate::session::{self, Behalf, PROOF_WAIT, Question, Session};
use crate::tables::Form::{Moment, Plain};
use crate::tables::{self, Column};
use crate::{files, words};

const CHALLENGE: &[Column] =
    &[Column("nonce", "nonce", Plain), Column("expires", "expires_at", Moment)];

/// How often a signature that is wrong may be given anew.
const TRIES: usize = 3;
/// The chain that the daemon's challenges name by themselves.
const USUAL_CHAIN: &str = "eip155:1";

#[derive(Debug, Args)]
pub(crate) struct LinkArguments {
    /// The wallet's address, to link it by copy and paste; without one, a page opens in your browser
    #[arg(conflicts_with = "message")]
    address: Option<String>,
    /// CAIP-2, such as eip155:1; one that is configured if not given
    #[arg(long, conflicts_with = "message")]
    chain: Option<String>,
    /// Copy and paste in this terminal, without a browser
    #[arg(long)]
    no_browser: bool,
    /// A file with the challenge that was signed; `-` for standard input
    #[arg(long, value_name = "FILE")]
    message: Option<PathBuf>,
    /// The signature; asked for if not given. Without --message, the challenge is read from standard input
    #[arg(long, value_name = "HEX")]
    signature: Option<String>,
    /// How long the page stays open
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = words::parse_duration)]
    open_for: Duration,
    #[command(flatten)]
    behalf: Behalf,
}

pub(super) fn link(
    arguments: &LinkArguments,
    session: &Session,
    screen: &mut Screen,
) -> Result<Exit, Failure> {
    let LinkArguments { address, no_browser, message, signature, .. } = arguments;
    if message.is_none() && signature.is_none() && address.is_none() && !no_browser {
        return in_browser(arguments, session, screen);
    }
    let message = match (message, signature) {
        (Some(path), None) if path == Path::new("-") => {
            let wrong = "with the message from standard input, give --signature too";
            return Err(Failure::Usage(wrong.to_owned()));
        }
        (Some(path), _) => written(&files::read(path)?),
        (None, Some(_)) => written(&files::read(Path::new("-"))?),
        (None, None) => challenge_now(arguments, session, screen)?,
    };
    let session = session.patient(PROOF_WAIT);
    let linked = match signature {
        Some(signature) => session.ask(&signed(arguments, &message, signature)?)?,
        None => with_tries(arguments, &session, screen, &message)?,
    };
    show(screen, &linked)?;
    Ok(Exit::Done)
}

fn in_browser(
    LinkArguments { chain, open_for, behalf, .. }: &LinkArguments,
    session: &Session,
    screen: &mut Screen,
) -> Result<Exit, Failure> {
    let offer = Offer { page: Page::Link, behalf, chain: chain.as_deref(), open_for: *open_for };
    if pages::show(&offer, session, screen, show)? == 0 {
        screen.aside(
            "the page is closed, and no wallet was linked: run the command again to try again",
        );
        return Ok(Exit::No);
    }
    Ok(Exit::Done)
}

pub(super) fn challenge_for(
    address: &str,
    chain: Option<&String>,
    behalf: &Behalf,
) -> Result<Question, Failure> {
    Question::new("wallet_challenge")
        .with("address", address)?
        .with_some("chain", chain)?
        .for_whom(behalf)
}

pub(super) fn show_challenge(
    session: &Session,
    screen: &mut Screen,
    question: &Question,
) -> Result<Exit, Failure> {
    let result = session.ask(question)?;
    if screen.is_json() {
        screen.raw(&result);
        return Ok(Exit::Done);
    }
    let challenge: Value = session::read(question.method, &result)?;
    // The text alone goes to standard output, to be piped to whatever signs it.
    screen.line(&message_of(&challenge));
    screen.aside(&tables::card(&challenge, CHALLENGE));
    Ok(Exit::Done)
}

/// Has a challenge made, and shows it to be signed.
fn challenge_now(
    LinkArguments { address, chain, behalf, .. }: &LinkArguments,
    session: &Session,
    screen: &Screen,
) -> Result<String, Failure> {
    let address = match address {
        Some(address) => address.clone(),
        None => {
            screen.aside("The wallet's address (0x…):");
            files::read_line()?
        }
    };
    let chain = chain.clone().or_else(|| configured_chain(session));
    let question = challenge_for(&address, chain.as_ref(), behalf)?;
    let challenge: Value = session::read(question.method, &session.ask(&question)?)?;
    let message = message_of(&challenge);
    screen.aside("Sign this text with the wallet (personal_sign), to the last character:\n");
    screen.aside(&message);
    Ok(message)
}

/// A chain that the daemon has, where it has not the usual one. A contract wallet is asked on the chain that the challenge
/// names, and a text that names a chain nobody here knows is hard to agree to.
pub(super) fn configured_chain(session: &Session) -> Option<String> {
    let question = Question::new("system_health");
    let health: Value = session::read(question.method, &session.ask(&question).ok()?).ok()?;
    let chains: Vec<&str> =
        health["chains"].as_array()?.iter().filter_map(|it| it["id"].as_str()).collect();
    let usual = chains.iter().find(|it| **it == USUAL_CHAIN);
    usual.or(chains.first()).map(|it| (*it).to_owned())
}

/// Asks for the signature until it is right, as often as anybody mistypes one. The challenge is spent by a right one only.
fn with_tries(
    arguments: &LinkArguments,
    session: &Session,
    screen: &Screen,
    message: &str,
) -> Result<Box<RawValue>, Failure> {
    let mut refused = None;
    for _ in 0..TRIES {
        screen.aside("\nSignature (0x…):");
        let line = files::read_line()?;
        if line.is_empty() {
            let none = || Failure::Usage("no signature was given".to_owned());
            return Err(refused.unwrap_or_else(none));
        }
        match session.ask(&signed(arguments, message, &line)?) {
            Err(Failure::Client(it)) if is_another_try_worth(&it) => {
                screen.aside(&words::tame(&format!(
                    "{it}. Sign the text above once more, or press Enter to give up."
                )));
                refused = Some(Failure::Client(it));
            }
            outcome => return outcome,
        }
    }
    Err(refused.unwrap_or_else(|| Failure::Usage("no signature was given".to_owned())))
}

fn is_another_try_worth(error: &ClientError) -> bool {
    matches!(error.code(), Some(ErrorCode::SignatureInvalid | ErrorCode::InvalidParams))
}

fn signed(arguments: &LinkArguments, message: &str, signature: &str) -> Result<Question, Failure> {
    Question::new("wallet_link")
        .with("message", message)?
        .with("signature", &bare(signature))?
        .for_whom(&arguments.behalf)
}

/// A challenge as it was set: it ends without a line end, and its lines end as on this machine. Editors, `echo` and
/// other systems change both.
fn written(text: &str) -> String {
    text.replace("\r\n", "\n").trim_end().to_owned()
}

/// A signature without what is copied with it: blanks, quotation marks, a comma. Hexadecimal digits alone get their `0x`.
fn bare(signature: &str) -> String {
    let digits = signature.trim_matches(|it: char| it.is_whitespace() || "\"',;".contains(it));
    match !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_hexdigit()) {
        true => format!("0x{digits}"),
        false => digits.to_owned(),
    }
}

/// The challenge's text, which has lines, but nothing else a terminal would obey.
fn message_of(challenge: &Value) -> String {
    let message = tables::field(challenge, "message").as_str().unwrap_or_default();
    message.chars().filter(|it| *it == '\n' || !is_control_character(*it)).collect()
}

fn show(screen: &mut Screen, wallet: &RawValue) -> Result<(), Failure> {
    if screen.is_json() {
        screen.raw(wallet);
        return Ok(());
    }
    let wallet: Value = session::read("wallet_link", wallet)?;
    let word = |name| words::tame(tables::text(&wallet, name));
    // A wallet that is a contract is known where it is.
    let chain = word("chain");
    let on = if chain.is_empty() { String::new() } else { format!(" on {chain}") };
    let said = format!("{} is linked: what it holds{on} counts here", word("address"));
    screen.line(&words::wrapped(&said, screen.view().width.unwrap_or(usize::MAX), "  "));
    screen.aside("Next: `entitlectl` says what you are entitled to.");
    Ok(())
}

#[cfg(test)]
mod tests;
