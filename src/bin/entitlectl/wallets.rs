//! Linking, signing and verifying: the commands that need a text and a signature.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use serde_json::Value;
use serde_json::value::RawValue;

use crate::arguments::{Behalf, SignedText};
use crate::exit::{Exit, Failure};
use crate::results::show_card;
use crate::screen::Screen;
use crate::session::{Question, Session};
use crate::{files, session, tables, words};

/// How the challenge and its signature come.
pub(crate) enum Linking {
    /// Ask the daemon for a challenge, show it, ask for the signature.
    Interactive { address: String, chain: Option<String> },
    /// The challenge was signed before.
    Signed { message: PathBuf, signature: Option<String> },
}

pub(crate) fn challenge(
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
    screen.aside(&tables::card(&challenge, tables::CHALLENGE));
    Ok(Exit::Done)
}

pub(crate) fn link(
    session: &Session,
    screen: &mut Screen,
    linking: Linking,
    behalf: &Behalf,
) -> Result<Exit, Failure> {
    let (message, signature) = match linking {
        Linking::Interactive { address, chain } => {
            let question = Question::new("wallet_challenge")
                .with("address", &address)?
                .with_some("chain", chain.as_ref())?
                .for_whom(behalf)?;
            let challenge: Value = session::read(question.method, &session.ask(&question)?)?;
            let message = message_of(&challenge);
            screen
                .aside("Sign this text with the wallet (personal_sign), to the last character:\n");
            screen.aside(&message);
            (message, ask_for_signature(screen)?)
        }
        Linking::Signed { message, signature: Some(signature) } => {
            (files::read_message(&message)?, signature)
        }
        Linking::Signed { message, signature: None } if message == Path::new("-") => {
            let wrong = "with the message from standard input, give --signature too";
            return Err(Failure::Usage(wrong.to_owned()));
        }
        Linking::Signed { message, signature: None } => {
            (files::read_message(&message)?, ask_for_signature(screen)?)
        }
    };
    let question = Question::new("wallet_link")
        .with("message", &message)?
        .with("signature", &signature)?
        .for_whom(behalf)?;
    show_card(session, screen, &question, tables::WALLET)
}

/// Prints the signature alone.
pub(crate) fn sign(
    session: &Session,
    screen: &mut Screen,
    question: Question,
    text: SignedText,
) -> Result<Exit, Failure> {
    let question = with_text(question, text)?;
    let result = session.ask(&question)?;
    if screen.is_json() {
        screen.raw(&result);
        return Ok(Exit::Done);
    }
    let signed: Value = session::read(question.method, &result)?;
    screen.line(&tables::plain(tables::field(&signed, "signature")));
    Ok(Exit::Done)
}

pub(crate) fn verify(
    session: &Session,
    screen: &mut Screen,
    question: Question,
    text: SignedText,
) -> Result<Exit, Failure> {
    let question = with_text(question, text)?;
    let result = session.ask(&question)?;
    let verified: Value = session::read(question.method, &result)?;
    let valid = verified.get("valid") == Some(&Value::Bool(true));
    if screen.is_json() {
        screen.raw(&result);
    } else {
        let word = if valid { "valid" } else { "not valid" };
        match verified.get("method") {
            Some(Value::String(method)) => screen.line(&format!("{word} ({method})")),
            _ => screen.line(word),
        }
    }
    Ok(if valid { Exit::Done } else { Exit::No })
}

/// Whether the person at the terminal wants a key destroyed. A script says so beforehand.
pub(crate) fn may_destroy(screen: &Screen, address: &str) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        let how =
            "--destroy-key destroys the key for ever: where nobody can be asked, say --yes too";
        return Err(Failure::Usage(how.to_owned()));
    }
    let address = words::tame(address);
    screen.aside(&format!("The key of {address} is destroyed for ever, and what the wallet holds is lost with it unless"));
    screen.aside("the key was exported. Type `yes` to go on:");
    Ok(files::read_line()? == "yes")
}

fn with_text(question: Question, text: SignedText) -> Result<Question, Failure> {
    match text {
        SignedText { typed_data: Some(path), .. } => {
            // As it was written: numbers of 256 bits must not pass through a double.
            let typed_data: Box<RawValue> = serde_json::from_str(&files::read(&path)?)
                .map_err(|it| Failure::Usage(format!("{} is not JSON: {it}", path.display())))?;
            question.with("typed_data", &typed_data)
        }
        SignedText { message: Some(message), .. } => question.with("message", &message),
        SignedText { file, .. } => {
            let path = file.unwrap_or_else(|| PathBuf::from("-"));
            question.with("message", &files::read_message(&path)?)
        }
    }
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
