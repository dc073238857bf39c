//! `ownership`: the ledger's record of who holds what.

use clap::Subcommand;
use serde_json::Value;

use crate::exit::{Exit, Failure};
use crate::results::{ask_and_show, show_card, show_table};
use crate::screen::Screen;
use crate::session::{Behalf, PROOF_WAIT, Question, Session};
use crate::tables::Form::{Moment, Plain};
use crate::tables::{self, Column};
use crate::view::View;

const OWNERSHIP: &[Column] = &[
    Column("token", "token", Plain),
    Column("wallet", "wallet", Plain),
    Column("customer", "customer", Plain),
    Column("suspended", "suspended.reason", Plain),
    Column("closed", "closed_at", Moment),
    Column("last proven", "last_proven", Moment),
    Column("first seen", "first_seen", Moment),
    Column("trust", "trust", Plain),
    Column("block", "block.number", Plain),
    Column("number", "number", Plain),
];

#[derive(Debug, Subcommand)]
pub(crate) enum OwnershipCommand {
    /// Who holds what: everybody's for administrators, else your own
    List {
        /// Only what is held now
        #[arg(long)]
        active: bool,
        #[command(flatten)]
        behalf: Behalf,
    },
    /// Claim that a wallet holds a token; written down once the chain proves it
    Record {
        /// CAIP-19, such as eip155:1/erc721:0x…/7
        token: String,
        /// The wallet's address
        wallet: String,
        /// The hash of the transaction that brought it
        #[arg(long, value_name = "HASH")]
        transaction: Option<String>,
        #[command(flatten)]
        behalf: Behalf,
    },
    /// Everybody who ever held a token, newest first
    History {
        /// CAIP-19, such as eip155:1/erc721:0x…/7
        token: String,
    },
    /// Take an ownership out of force
    Suspend {
        /// CAIP-19, such as eip155:1/erc721:0x…/7
        token: String,
        /// Why, for the audit and for whoever asks `why`
        #[arg(long)]
        reason: String,
    },
    /// Put an ownership back in force
    Reinstate {
        /// CAIP-19, such as eip155:1/erc721:0x…/7
        token: String,
        /// Why, for the audit
        #[arg(long)]
        reason: String,
    },
}

pub(crate) fn run(
    command: &OwnershipCommand,
    session: &Session,
    screen: &mut Screen,
) -> Result<Exit, Failure> {
    let (question, reason) = match command {
        OwnershipCommand::List { active, behalf } => {
            let question = Question::of_all("ownership_list")
                .with_some("active", active.then_some(&true))?
                .for_whom(behalf)?;
            return show_table(session, screen, question, OWNERSHIP);
        }
        OwnershipCommand::Record { token, wallet, transaction, behalf } => {
            let question = Question::new("ownership_record")
                .with("token", token)?
                .with("wallet", wallet)?
                .with_some("transaction", transaction.as_ref())?
                .for_whom(behalf)?;
            return show_card(&session.patient(PROOF_WAIT), screen, &question, OWNERSHIP);
        }
        OwnershipCommand::History { token } => {
            let question = Question::of_all("ownership_history").with("token", token)?;
            return show_table(session, screen, question, OWNERSHIP);
        }
        OwnershipCommand::Suspend { token, reason } => {
            (Question::admin("ownership_suspend").with("token", token)?, reason)
        }
        OwnershipCommand::Reinstate { token, reason } => {
            (Question::admin("ownership_reinstate").with("token", token)?, reason)
        }
    };
    let view = screen.view().clone();
    ask_and_show(session, screen, &question.with("reason", reason)?, |it| concerned(&view, it))?;
    Ok(Exit::Done)
}

/// The ownerships that a suspension, or its end, concerns. It is in force for those that open later as well.
fn concerned(view: &View, page: &Value) -> String {
    match tables::items(page.clone()) {
        none if none.is_empty() => "done; no wallet known here holds it now".to_owned(),
        held => tables::table(view, &held, OWNERSHIP),
    }
}
