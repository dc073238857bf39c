//! `tier`: what there is to be entitled to.

use clap::Subcommand;

use crate::exit::{Exit, Failure};
use crate::results::show_table;
use crate::screen::Screen;
use crate::session::{Question, Session};
use crate::tables::Column;
use crate::tables::Form::{Moment, Plain, Price};

const TIER: &[Column] = &[
    Column("product", "product", Plain),
    Column("tier", "name", Plain),
    Column("rank", "rank", Plain),
    Column("price", "price", Price),
    Column("seats", "seats", Plain),
    Column("ends", "expires_at", Moment),
    Column("features", "features", Plain),
];

#[derive(Debug, Subcommand)]
pub(crate) enum TierCommand {
    /// What there is to be entitled to
    List {
        /// Only of this product
        #[arg(long)]
        product: Option<String>,
    },
}

pub(crate) fn run(
    TierCommand::List { product }: &TierCommand,
    session: &Session,
    screen: &mut Screen,
) -> Result<Exit, Failure> {
    let question = Question::new("tier_list").with_some("product", product.as_ref())?;
    show_table(session, screen, question, TIER)
}
