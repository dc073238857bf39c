//! `token`: what the ledger knows, and what the chain proves now.

use clap::Subcommand;

use crate::exit::{Exit, Failure};
use crate::results::{ask_and_show, show_table};
use crate::screen::Screen;
use crate::session::{Behalf, PROOF_WAIT, Question, Session};
use crate::tables::Form::{Moment, Names, Plain};
use crate::tables::{self, Column};

const TOKEN: &[Column] = &[
    Column("token", "token", Plain),
    Column("product", "product", Plain),
    Column("tier", "tier", Plain),
    Column("wallet", "wallet", Plain),
    Column("active", "active", Plain),
];

const SIGHTING: &[Column] = &[
    Column("token", "token", Plain),
    Column("wallet", "wallet", Plain),
    Column("rule", "rule", Plain),
    Column("through", "via", Names),
    Column("holding", "holding", Plain),
    Column("cause", "cause", Plain),
    Column("until", "until", Moment),
    Column("chain", "anchor.chain", Plain),
    Column("block", "anchor.number", Plain),
    Column("block hash", "anchor.hash", Plain),
    Column("block time", "anchor.time", Moment),
    Column("finality", "anchor.finality", Plain),
    Column("trust", "trust", Plain),
    Column("seen", "seen_at", Moment),
];

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Prove on the chain, now, whether a wallet holds a token
    Verify {
        /// CAIP-19, such as eip155:1/erc721:0x…/7
        token: String,
        /// Whether this wallet holds it; who holds it if left out
        #[arg(long, value_name = "ADDRESS")]
        wallet: Option<String>,
        #[command(flatten)]
        behalf: Behalf,
    },
    /// The tokens the ledger knows
    List {
        /// Only of this product
        #[arg(long)]
        product: Option<String>,
        #[command(flatten)]
        behalf: Behalf,
    },
}

pub(crate) fn run(
    command: &TokenCommand,
    session: &Session,
    screen: &mut Screen,
) -> Result<Exit, Failure> {
    match command {
        TokenCommand::List { product, behalf } => {
            let question = Question::new("token_list")
                .with_some("product", product.as_ref())?
                .for_whom(behalf)?;
            show_table(session, screen, question, TOKEN)
        }
        TokenCommand::Verify { token, wallet, behalf } => {
            let question = Question::new("token_verify")
                .with("token", token)?
                .with_some("wallet", wallet.as_ref())?
                .for_whom(behalf)?;
            let session = session.patient(PROOF_WAIT);
            let sighting =
                ask_and_show(&session, screen, &question, |it| tables::card(it, SIGHTING))?;
            Ok(match tables::field(&sighting, "holding").as_str() {
                Some("held") => Exit::Done,
                Some("not_held" | "ended") => Exit::No,
                _ => Exit::Undetermined,
            })
        }
    }
}
