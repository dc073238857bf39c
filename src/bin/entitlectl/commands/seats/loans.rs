//! Seats that machines lend each other, by files that somebody carries.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Subcommand;
use serde_json::Value;

use super::exit_of;
use crate::exit::{Exit, Failure};
use crate::results::ask_and_show;
use crate::screen::Screen;
use crate::session::{self, Behalf, PROOF_WAIT, Question, Session};
use crate::{files, tables, words};

#[derive(Debug, Subcommand)]
pub(crate) enum LoanCommand {
    /// Write a file by which this machine, which may be offline, asks another one for a seat
    Request {
        /// The product's id or name
        product: String,
        /// For how long, such as 48h
        #[arg(
            long = "for",
            value_name = "DURATION",
            value_parser = words::parse_duration,
            default_value = "48h"
        )]
        time: Duration,
        /// For whom or what it is, for people at the other end
        #[arg(long)]
        label: Option<String>,
        /// Write it there; standard output if left out, or -
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Take a seat out of its pool for the machine that wrote a request, and write the file for it
    Lend {
        /// The request; - for standard input
        request: PathBuf,
        /// For how long; as long as it asks for if left out
        #[arg(long = "for", value_name = "DURATION", value_parser = words::parse_duration)]
        time: Option<Duration>,
        /// Write the loan there, and print what was lent; standard output if left out, or -
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        #[command(flatten)]
        behalf: Behalf,
    },
    /// Take a seat that another machine has lent to this one, or take back one that this one has lent, for administrators
    Import {
        /// The loan, or what was given back; - for standard input
        file: PathBuf,
        /// The wallet whose loan it has to be, where nothing but the lender's word proves its licence
        #[arg(long, value_name = "ADDRESS")]
        lender: Option<String>,
    },
    /// Give a seat that another machine has lent to this one back before its time, for administrators; here it ends at once
    Return {
        /// Its loan, as `list` shows it
        loan: String,
        /// Write the file for the other machine there; standard output if left out, or -
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

pub(super) fn run(
    command: &LoanCommand,
    session: &Session,
    screen: &mut Screen,
) -> Result<Exit, Failure> {
    match command {
        LoanCommand::Request { product, time, label, out } => {
            let question = Question::new("seat_request")
                .with("product", product)?
                .with("for_ms", &milliseconds(*time))?
                .with_some("label", label.as_ref())?;
            let made = write(session, screen, (&question, "request"), out.as_deref())?;
            Ok(exit_of_file(&made, "request"))
        }
        LoanCommand::Lend { request, time, out, behalf } => {
            let text = files::read(request)?;
            let time = time.map(milliseconds);
            let question = Question::of_all("seat_lend")
                .with("request", &text)?
                .with_some("for_ms", time.as_ref())?
                .for_whom(behalf)?;
            let made = write(session, screen, (&question, "loan"), out.as_deref())?;
            Ok(exit_of(&made))
        }
        LoanCommand::Import { file, lender } => {
            let text = files::read(file)?;
            let question = Question::admin("seat_import")
                .with("file", &text)?
                .with_some("lender", lender.as_ref())?;
            ask_and_show(&session.patient(PROOF_WAIT), screen, &question, tables::outline)?;
            Ok(Exit::Done)
        }
        LoanCommand::Return { loan, out } => {
            let question = Question::admin("seat_return").with("loan", loan)?;
            let made = write(session, screen, (&question, "returned"), out.as_deref())?;
            Ok(exit_of_file(&made, "returned"))
        }
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn exit_of_file(made: &Value, name: &str) -> Exit {
    if tables::field(made, name).is_string() { Exit::Done } else { Exit::No }
}

/// Asks for a file, which is the field `name` of the answer: writes it where it belongs, and shows the rest.
fn write(
    session: &Session,
    screen: &mut Screen,
    (question, name): (&Question, &str),
    out: Option<&Path>,
) -> Result<Value, Failure> {
    let out = out.map(files::Target::of).transpose()?.flatten();
    let result = session.patient(PROOF_WAIT).ask(question)?;
    let reply: Value = session::read(question.method, &result)?;
    let text = tables::field(&reply, name).as_str();
    if let (Some(text), Some(file)) = (text, &out) {
        file.write(text)?;
    }
    match (text, out, screen.is_json()) {
        (_, _, true) => screen.raw(&result),
        (Some(text), None, false) => screen.write(text),
        (_, _, false) => {
            let mut rest = reply.clone();
            if let Some(rest) = rest.as_object_mut() {
                rest.remove(name);
            }
            screen.line(&tables::outline(&rest));
        }
    }
    Ok(reply)
}
