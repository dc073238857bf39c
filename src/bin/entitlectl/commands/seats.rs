//! `seats`: who has a floating seat, and who waits for one.

mod import;
mod loans;

use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;
use entitled_core::domain::ids::{ProductId, TierName};
use entitled_core::seats::OptionsFor;
use serde_json::Value;

use crate::exit::{Exit, Failure};
use crate::results::ask_and_show;
use crate::screen::Screen;
use crate::session::{self, Behalf, Question, Session};
use crate::tables::Form::{Moment, Plain};
use crate::tables::{self, Column};
use crate::words;

const SEATS: &[Column] = &[
    Column("seat", "seat", Plain),
    Column("product", "product", Plain),
    Column("tier", "tier", Plain),
    Column("uid", "uid", Plain),
    Column("pid", "pid", Plain),
    Column("state", "state", Plain),
    Column("since", "since", Moment),
    Column("until", "ends_at", Moment),
    Column("lent to", "lent_to", Plain),
];

const POOLS: &[Column] = &[
    Column("product", "product", Plain),
    Column("tier", "tier", Plain),
    Column("customer", "customer", Plain),
    Column("used", "used", Plain),
    Column("capacity", "capacity", Plain),
    Column("lingering", "lingering", Plain),
    Column("waiting", "waiting", Plain),
    Column("loan", "loan", Plain),
    Column("borrowed from", "borrowed_from", Plain),
];

/// How many seats are used of each pool that the caller has a part in, a sentence each. Empty where that is not to be had:
/// what is told beside it is worth having without.
pub(crate) fn told(session: &Session, product: Option<&str>) -> Vec<String> {
    let question = Question::new("seat_list");
    let question = match product {
        Some(product) => question.with("product", product),
        None => Ok(question),
    };
    let listed = question.and_then(|it| session.ask(&it));
    let Ok(list) = listed.and_then(|it| session::read::<Value>("seat_list", &it)) else {
        return Vec::new();
    };
    let pools = tables::field(&list, "pools").as_array().cloned().unwrap_or_default();
    pools.iter().map(|it| pool_told(it, product.is_none())).collect()
}

fn pool_told(pool: &Value, names_product: bool) -> String {
    let number = |name: &str| tables::field(pool, name).as_u64();
    let of = match number("capacity") {
        Some(capacity) => format!(" of {capacity} seats"),
        None => " seats".to_owned(),
    };
    let used = number("used").unwrap_or(0) + number("elsewhere").unwrap_or(0);
    let tier = words::tame(tables::text(pool, "tier"));
    let product = match names_product {
        true => format!("{}: ", words::tame(tables::text(pool, "product"))),
        false => String::new(),
    };
    let waiting = match number("waiting") {
        None | Some(0) => String::new(),
        Some(1) => ", and 1 waits".to_owned(),
        Some(many) => format!(", and {many} wait"),
    };
    format!("{product}{used}{of} of tier {tier} are used{waiting}.")
}

#[derive(Debug, Subcommand)]
pub(crate) enum SeatsCommand {
    /// How many are used of each pool, and your own seats; with --all everybody's
    List {
        /// Only of this product
        #[arg(long)]
        product: Option<String>,
        /// Everybody's, for administrators
        #[arg(long)]
        all: bool,
    },
    /// Take a seat away from who has it, for administrators
    Revoke {
        /// As `list --all` shows it
        seat: String,
        /// For the audit
        #[arg(long)]
        reason: String,
    },
    /// Take a seat out of its pool for a time, whether or not anything runs; `release` gives it back earlier
    Borrow {
        /// The product's id or name
        product: String,
        /// For how long, such as 8h or 3d
        #[arg(long = "for", value_name = "DURATION", value_parser = words::parse_duration)]
        time: Duration,
        /// A seat of this tier; the best that there is if left out
        #[arg(long)]
        tier: Option<String>,
        #[command(flatten)]
        behalf: Behalf,
    },
    #[command(flatten)]
    Loan(loans::LoanCommand),
    /// Make a policy file of FlexNet's options file; what cannot be said in one is listed with its line
    ImportOptions {
        /// The options file; - for standard input
        file: PathBuf,
        /// Of which product
        #[arg(long)]
        product: ProductId,
        /// For this tier of it; all if left out
        #[arg(long)]
        tier: Option<TierName>,
        /// The feature of the options file that is meant
        #[arg(long)]
        feature: String,
        /// Where to write it, such as /etc/entitled/seats.d/acme-cad.toml, which must not be there yet; standard output if left out
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Give a seat of your own back
    Release {
        /// As `list` shows it
        seat: String,
    },
}

pub(crate) fn run(
    command: &SeatsCommand,
    session: &Session,
    screen: &mut Screen,
) -> Result<Exit, Failure> {
    match command {
        SeatsCommand::List { product, all } => {
            let question = match all {
                true => Question::admin("seat_list"),
                false => Question::new("seat_list"),
            };
            let question =
                question.with_some("product", product.as_ref())?.with("limit", &1_000)?;
            let view = screen.view().clone();
            ask_and_show(session, screen, &question, |list| {
                let pools = tables::field(list, "pools").as_array().cloned().unwrap_or_default();
                if pools.is_empty() {
                    let none = "none: nobody has asked for a seat yet, or no product here counts seats, or nobody holds a token that has some";
                    return words::wrapped(none, view.width.unwrap_or(usize::MAX), "  ");
                }
                let seats = tables::table(&view, &tables::items(list.clone()), SEATS);
                format!("{}\n\n{seats}", tables::table(&view, &pools, POOLS))
            })?;
            Ok(Exit::Done)
        }
        SeatsCommand::Revoke { seat, reason } => {
            let question =
                Question::admin("seat_revoke").with("seat", seat)?.with("reason", reason)?;
            ask_and_show(session, screen, &question, |revoked| {
                tables::outline(tables::field(revoked, "revoked"))
            })?;
            Ok(Exit::Done)
        }
        SeatsCommand::Borrow { product, time, tier, behalf } => {
            let question = Question::new("seat_borrow")
                .with("product", product)?
                .with("for_ms", &u64::try_from(time.as_millis()).unwrap_or(u64::MAX))?
                .with_some("tier", tier.as_ref())?
                .for_whom(behalf)?;
            let borrowed = ask_and_show(session, screen, &question, tables::outline)?;
            Ok(exit_of(&borrowed))
        }
        SeatsCommand::Loan(command) => loans::run(command, session, screen),
        SeatsCommand::ImportOptions { file, product, tier, feature, output } => {
            let about = OptionsFor { product, tier: tier.as_ref(), feature };
            import::run(file, &about, output.as_deref(), screen)
        }
        SeatsCommand::Release { seat } => {
            let question = Question::new("seat_release").with("seat", seat)?;
            let released = ask_and_show(session, screen, &question, tables::outline)?;
            let is_done = tables::field(&released, "released") == &serde_json::Value::Bool(true);
            Ok(if is_done { Exit::Done } else { Exit::No })
        }
    }
}

/// Whether a seat was given or lent.
fn exit_of(answer: &Value) -> Exit {
    let is_done = tables::field(answer, "granted") == &Value::Bool(true);
    let is_known = tables::field(answer, "code") != "UNDETERMINED";
    match (is_done, is_known) {
        (true, _) => Exit::Done,
        (false, true) => Exit::No,
        (false, false) => Exit::Undetermined,
    }
}
