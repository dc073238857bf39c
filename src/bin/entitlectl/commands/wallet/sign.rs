//! `wallet sign` and `wallet verify`: a text and a signature.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::exit::{Exit, Failure};
use crate::screen::Screen;
use crate::session::{self, Question, Session};
use crate::{files, tables};

/// What was, or is to be, signed. A line end at the end of a file or of standard input does not belong to
/// the message: editors and `echo` add one.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct SignedText {
    /// The message itself
    #[arg(long, value_name = "TEXT")]
    message: Option<String>,
    /// A file with the message; `-` or nothing at all for standard input
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// A file with EIP-712 typed data as JSON; `-` for standard input
    #[arg(long, value_name = "FILE")]
    typed_data: Option<PathBuf>,
}

/// Prints the signature alone.
pub(super) fn sign(
    session: &Session,
    screen: &mut Screen,
    question: Question,
    text: &SignedText,
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

pub(super) fn verify(
    session: &Session,
    screen: &mut Screen,
    question: Question,
    text: &SignedText,
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

fn with_text(question: Question, text: &SignedText) -> Result<Question, Failure> {
    match text {
        SignedText { typed_data: Some(path), .. } => {
            // As it was written: numbers of 256 bits must not pass through a double.
            let typed_data: Box<RawValue> = serde_json::from_str(&files::read(path)?)
                .map_err(|it| Failure::Usage(format!("{} is not JSON: {it}", path.display())))?;
            question.with("typed_data", &typed_data)
        }
        SignedText { message: Some(message), .. } => question.with("message", message),
        SignedText { file, .. } => {
            let path = file.as_deref().unwrap_or(Path::new("-"));
            question.with("message", &files::read_message(path)?)
        }
    }
}
