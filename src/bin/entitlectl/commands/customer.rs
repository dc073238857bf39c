//! `customer`: who stands behind a Unix user, and its tier.

use clap::{Args, Subcommand};
use serde_json::{Map, Value};

use crate::exit::{Exit, Failure};
use crate::results::{ask_and_show, show_card, show_table};
use crate::screen::Screen;
use crate::session::{Behalf, Question, Session};
use crate::tables::Form::{Moment, Plain};
use crate::tables::{self, Column};
use crate::{names, told, words};

const CUSTOMER: &[Column] = &[
    Column("id", "id", Plain),
    Column("name", "name", Plain),
    Column("external id", "external_id", Plain),
    Column("uids", "uids", Plain),
    Column("metadata", "metadata", Plain),
    Column("active", "active", Plain),
    Column("created", "created_at", Moment),
];

const CUSTOMER_TIER: &[Column] = &[
    Column("tier", "tier", Plain),
    Column("rank", "rank", Plain),
    Column("features", "features", Plain),
    Column("token", "token", Plain),
    Column("wallet", "wallet", Plain),
];

/// What a customer is.
#[derive(Debug, Args)]
pub(crate) struct CustomerFields {
    /// The customer's name in somebody else's books
    #[arg(long, value_name = "ID")]
    external_id: Option<String>,
    /// Anything else worth keeping; may be repeated. In an update, other keys stay, and KEY= takes one away
    #[arg(long, value_name = "KEY=VALUE", value_parser = words::parse_pair)]
    metadata: Vec<(String, String)>,
}

/// For which Unix users a customer stands from now on.
#[derive(Debug, Args)]
pub(crate) struct UidsUpdate {
    /// A Unix user it stands for as well, by name or number; may be repeated
    #[arg(long = "add-uid", value_name = "USER", value_parser = names::parse_uid)]
    add: Vec<u32>,
    /// A Unix user it stands for no more; may be repeated
    #[arg(long = "remove-uid", value_name = "USER", value_parser = names::parse_uid)]
    remove: Vec<u32>,
    /// It stands for these Unix users and for no others, whomever it stood for before; may be repeated
    #[arg(long = "uid", value_name = "USER", value_parser = names::parse_uid, conflicts_with_all = ["add", "remove"])]
    all: Vec<u32>,
    /// It stands for no Unix user any more
    #[arg(long = "no-uids", conflicts_with_all = ["all", "add", "remove"])]
    none: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CustomerCommand {
    /// Who you are to the daemon
    Get {
        #[command(flatten)]
        behalf: Behalf,
    },
    /// Your tier of a product
    Tier {
        /// The product's id or name
        product: String,
        #[command(flatten)]
        behalf: Behalf,
    },
    /// Add a customer
    Create {
        /// What it is called
        name: String,
        /// A Unix user it stands for, by name or number; may be repeated
        #[arg(long = "uid", value_name = "USER", value_parser = names::parse_uid)]
        uids: Vec<u32>,
        #[command(flatten)]
        fields: CustomerFields,
    },
    /// Change a customer; what is not named stays as it is
    Update {
        /// By its id or name, or by the name of a Unix user
        customer: String,
        /// What it is called from now on
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        uids: UidsUpdate,
        #[command(flatten)]
        fields: CustomerFields,
    },
    /// All customers
    List,
    /// Deactivate a customer; its history stays
    Deactivate {
        /// By its id or name, or by the name of a Unix user
        customer: String,
    },
    /// Put a deactivated customer back in force
    Activate {
        /// By its id or name, or by the name of a Unix user
        customer: String,
    },
}

pub(crate) fn run(
    command: &CustomerCommand,
    session: &Session,
    screen: &mut Screen,
) -> Result<Exit, Failure> {
    let question = match command {
        CustomerCommand::List => {
            return show_table(session, screen, Question::admin("customer_list"), CUSTOMER);
        }
        CustomerCommand::Tier { product, behalf } => {
            let question =
                Question::new("customer_tier").with("product", product)?.for_whom(behalf)?;
            let tier = ask_and_show(session, screen, &question, |tier| match tier {
                Value::Null => "no tier".to_owned(),
                tier => tables::card(tier, CUSTOMER_TIER),
            })?;
            return Ok(if tier.is_null() { Exit::No } else { Exit::Done });
        }
        CustomerCommand::Get { behalf } => Question::new("customer_get").for_whom(behalf)?,
        CustomerCommand::Create { name, uids, fields } => {
            let metadata = pairs(fields, &"".into());
            Question::admin("customer_create")
                .with("name", name)?
                .with_some("external_id", fields.external_id.as_ref())?
                .with_some("uids", given(uids))?
                .with_some("metadata", metadata.as_ref())?
        }
        CustomerCommand::Update { customer, name, uids, fields } => {
            let all = given(&uids.all).or(uids.none.then_some(&[]));
            // The daemon puts them in, in one step: others may be changing other keys and users.
            let changes = pairs(fields, &Value::Null);
            Question::admin("customer_update")
                .with("customer", customer)?
                .with_some("name", name.as_ref())?
                .with_some("external_id", fields.external_id.as_ref())?
                .with_some("uids", all)?
                .with_some("add_uids", given(&uids.add))?
                .with_some("remove_uids", given(&uids.remove))?
                .with_some("metadata_changes", changes.as_ref())?
        }
        CustomerCommand::Deactivate { customer } => {
            Question::admin("customer_deactivate").with("customer", customer)?
        }
        CustomerCommand::Activate { customer } => {
            Question::admin("customer_update").with("customer", customer)?.with("active", &true)?
        }
    };
    show_card(session, screen, &question, CUSTOMER).map_err(|it| with_the_other(session, it))
}

/// Says whose a Unix user is who belongs to another customer: who may make customers may see them all.
fn with_the_other(session: &Session, failure: Failure) -> Failure {
    let said = told::message(&failure);
    let uid = said.strip_prefix("the user with uid ").and_then(|it| it.split(' ').next());
    let uid = uid.filter(|_| said.ends_with("belongs to another customer"));
    let Some(uid) = uid.and_then(|it| it.parse().ok()) else { return failure };
    let Ok(other) = names::customer_with(session, uid) else { return failure };
    let detail = format!("the user with uid {uid} belongs to the customer {other}");
    failure.reworded(
        detail,
        &format!("`entitlectl customer update {other} --remove-uid {uid}` lets go of it first"),
    )
}

fn given(uids: &[u32]) -> Option<&[u32]> {
    Some(uids).filter(|it| !it.is_empty())
}

/// Keys with their values; what is given no value is `empty`.
fn pairs(fields: &CustomerFields, empty: &Value) -> Option<Map<String, Value>> {
    let value = |it: &str| if it.is_empty() { empty.clone() } else { it.into() };
    let pairs = fields.metadata.iter().map(|(key, it)| (key.clone(), value(it)));
    Some(pairs.collect::<Map<_, _>>()).filter(|it| !it.is_empty())
}
