//! `audit`: the record of every change.

use clap::Subcommand;
use serde_json::Value;

use crate::exit::{Exit, Failure};
use crate::results::{ask_and_show, show_page, show_table};
use crate::screen::Screen;
use crate::session::{PROOF_WAIT, Question, Session};
use crate::tables::Form::{Moment, Plain};
use crate::tables::{self, Column};

const AUDIT: &[Column] = &[
    Column("at", "at", Moment),
    Column("action", "action", Plain),
    Column("subject", "subject", Plain),
    Column("by", "by", Plain),
    Column("detail", "detail", Plain),
    Column("number", "number", Plain),
];

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// The entries
    List {
        /// From this time on, in RFC 3339, such as 2026-11-23T00:00:00Z
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
        /// At most this many
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1000), conflicts_with = "tail")]
        limit: Option<u64>,
        /// Only the last entries, so many of them
        #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..=1000))]
        tail: Option<u64>,
    },
    /// Whether the chain of entries is unbroken
    Verify,
}

pub(crate) fn run(
    command: &AuditCommand,
    session: &Session,
    screen: &mut Screen,
) -> Result<Exit, Failure> {
    match command {
        AuditCommand::List { since, limit, tail } => {
            let question = Question::admin("audit_list")
                .with_some("since", since.as_ref())?
                .with_some("last", tail.as_ref())?;
            match limit.or(*tail) {
                None => show_table(session, screen, question, AUDIT),
                Some(limit) => {
                    let question = question.with("limit", &limit)?;
                    show_page(session, screen, &question, AUDIT)
                }
            }
        }
        AuditCommand::Verify => {
            let question = Question::admin("audit_verify");
            let session = session.patient(PROOF_WAIT);
            let verified = ask_and_show(&session, screen, &question, tables::outline)?;
            let ok = tables::field(&verified, "ok") == &Value::Bool(true);
            Ok(if ok { Exit::Done } else { Exit::No })
        }
    }
}
