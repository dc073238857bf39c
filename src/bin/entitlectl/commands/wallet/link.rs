//! `wallet challenge` and `wallet link`: the text to sign, and the text with its signature.

use std::path::Path;

use serde_json::Value;

use crate::exit::{Exit, Failure};
use crate::files;
use crate::screen::Screen;
use crate::session::{self, Behalf, Question, Session};
use crate::tables::Form::{Moment, Plain};
use crate::tables::{self, Column};

const CHALLENGE: &[Column] =
    &[Column("nonce", "nonce", Plain), Column("expires", "expires_at", Moment)];

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

/// Has the wallet's owner sign a challenge made now.
pub(super) fn sign_now(
    session: &Session,
    screen: &Screen,
    question: &Question,
) -> Result<Question, Failure> {
    let challenge: Value = session::read(question.method, &session.ask(question)?)?;
    let message = message_of(&challenge);
    screen.aside("Sign this text with the wallet (personal_sign), to the last character:\n");
    screen.aside(&message);
    signed(&message, &ask_for_signature(screen)?)
}

/// Takes a challenge that was signed before.
pub(super) fn signed_before(
    screen: &Screen,
    message: &Path,
    signature: Option<&String>,
) -> Result<Question, Failure> {
    if signature.is_none() && message == Path::new("-") {
        let wrong = "with the message from standard input, give --signature too";
        return Err(Failure::Usage(wrong.to_owned()));
    }
    let message = files::read_message(message)?;
    match signature {
        Some(signature) => signed(&message, signature),
        None => signed(&message, &ask_for_signature(screen)?),
    }
}

fn signed(message: &str, signature: &str) -> Result<Question, Failure> {
    Question::new("wallet_link").with("message", message)?.with("signature", signature)
}

/// The challenge's text, which has lines, but nothing else a terminal would obey.
fn message_of(challenge: &Value) -> String {
    let message = tables::field(challenge, "message").as_str().unwrap_or_default();
    message.chars().filter(|it| *it == '\n' || !it.is_control()).collect()
}

fn ask_for_signature(screen: &Screen) -> Result<String, Failure> {
    screen.aside("\nSignature (0x…):");
    match files::read_line()? {
        line if line.is_empty() => Err(Failure::Usage("no signature was given".to_owned())),
        line => Ok(line),
    }
}
