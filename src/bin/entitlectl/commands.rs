//! Each command: what it asks, how the answer is shown, and what the answer amounts to.

use std::time::Duration;

use clap::CommandFactory;
use entitled_client::{Explanation, Verdict};
use serde_json::Value;

use crate::arguments::{
    Arguments, AuditCommand, Command, CustomerCommand, CustomerFields, OwnershipCommand,
    ProductCommand, TierCommand, TokenCommand, WalletCommand,
};
use crate::chains::ChainCommand;
use crate::exit::{Exit, Failure};
use crate::results::{ask_and_show, concerned, show_card, show_outline, show_table};
use crate::screen::Screen;
use crate::session::{Question, Session};
use crate::wallets::Linking;
use crate::{
    chains, keys, products, session, store, sync, tables, transfer, verdicts, wallets, watch, words,
};

/// What the daemon itself waits for the chain in a first check, unless told otherwise.
const WAIT_DEFAULT: Duration = Duration::from_secs(2);

/// A proof made now may take as long as the daemon gives the chain.
const PROOF_WAIT: Duration = Duration::from_secs(30);

pub(crate) fn run(
    command: Command,
    session: &Session,
    screen: &mut Screen,
) -> Result<Exit, Failure> {
    match command {
        Command::Status => status(session, screen),
        Command::Check { product, feature, wait, behalf } => {
            let wait_ms = wait.map(|it| u64::try_from(it.as_millis()).unwrap_or(u64::MAX));
            let question = Question::new("entitlement_check")
                .with("product", &product)?
                .with_some("feature", feature.as_ref())?
                .with_some("wait_ms", wait_ms.as_ref())?
                .for_whom(&behalf)?;
            let session = session.patient(wait.unwrap_or(WAIT_DEFAULT));
            check(&session, screen, &question, feature.as_deref())
        }
        Command::Why { product, behalf } => {
            let question = Question::new("entitlement_explain")
                .with("product", &product)?
                .for_whom(&behalf)?;
            why(&session.patient(WAIT_DEFAULT), screen, &question)
        }
        Command::Watch { product, count, behalf } => {
            let question = Question::new("entitlement_subscribe")
                .with("product", &product)?
                .for_whom(&behalf)?;
            watch::run(session, screen, &question, count)
        }
        Command::Wallet(command) => wallet(command, session, screen),
        Command::Token(command) => token(command, session, screen),
        Command::Tier(TierCommand::List { product }) => {
            let question = Question::new("tier_list").with_some("product", product.as_ref())?;
            show_table(session, screen, question, tables::TIER)
        }
        Command::Product(command) => product(command, session, screen),
        Command::Ownership(command) => ownership(command, session, screen),
        Command::Customer(command) => customer(command, session, screen),
        Command::Keys(command) => keys::run(&command, session, screen),
        Command::Audit(command) => audit(&command, session, screen),
        Command::Store(command) => store::run(&command, session, screen),
        Command::Chain(ChainCommand::Status) => {
            ask_and_show(session, screen, &Question::admin("chain_status"), chains::told)?;
            Ok(Exit::Done)
        }
        Command::Chain(ChainCommand::Sync { chain, from }) => {
            sync::run(session, screen, chain, from.as_deref())
        }
        Command::Reload => {
            show_outline(&session.patient(PROOF_WAIT), screen, &Question::admin("system_reload"))
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "entitlectl", &mut script);
            screen.write(&String::from_utf8_lossy(&script));
            Ok(Exit::Done)
        }
    }
}

fn status(session: &Session, screen: &mut Screen) -> Result<Exit, Failure> {
    let question = Question::new("system_health");
    let result = session.ask(&question)?;
    if screen.is_json() {
        screen.raw(&result);
        return Ok(Exit::Done);
    }
    let health: Value = session::read(question.method, &result)?;
    let field = |name: &str| tables::plain(tables::field(&health, name));
    let uptime = tables::field(&health, "uptime_s").as_u64().map(words::span);
    let uptime = uptime.map(|it| format!(", up {it}")).unwrap_or_default();
    screen.line(&format!("entitled {}: {}{uptime}", field("version"), field("status")));
    if let Some(said) = tables::field(&health, "store")["recovered"].as_str() {
        screen.line(&format!("\n{}", words::tame(said)));
        screen.line("Once this is dealt with: `entitlectl store acknowledge`.");
    }
    for (name, columns) in [("chains", tables::CHAIN), ("actors", tables::ACTOR)] {
        let items = tables::items(tables::field(&health, name).clone());
        if !items.is_empty() {
            screen.line(&format!("\n{}", tables::table(&items, columns)));
        }
    }
    // The overview is worth having without this part; `check` says what is wrong with it.
    match session.ask_all(Question::new("entitlement_list")) {
        Ok(pages) => {
            let mut verdicts = Vec::new();
            for page in pages {
                verdicts.extend(tables::items(session::read("entitlement_list", &page)?));
            }
            if !verdicts.is_empty() {
                screen.line(&format!("\n{}", tables::table(&verdicts, tables::VERDICT)));
            }
        }
        Err(failure) => screen.failure(&failure),
    }
    Ok(Exit::Done)
}

fn check(
    session: &Session,
    screen: &mut Screen,
    question: &Question,
    feature: Option<&str>,
) -> Result<Exit, Failure> {
    let result = session.ask(question)?;
    let verdict: Verdict = session::read(question.method, &result)?;
    match screen.is_json() {
        true => screen.raw(&result),
        false => {
            let text = verdicts::check_text(screen, &verdict, feature);
            screen.line(&text);
        }
    }
    Ok(verdicts::exit(&verdict))
}

fn why(session: &Session, screen: &mut Screen, question: &Question) -> Result<Exit, Failure> {
    let result = session.ask(question)?;
    let explanation: Explanation = session::read(question.method, &result)?;
    match screen.is_json() {
        true => screen.raw(&result),
        false => {
            let text = verdicts::why_text(screen, &explanation);
            screen.line(&text);
        }
    }
    Ok(verdicts::exit(&explanation.verdict))
}

fn wallet(command: WalletCommand, session: &Session, screen: &mut Screen) -> Result<Exit, Failure> {
    match command {
        WalletCommand::Create { label, behalf } => {
            let question = Question::new("wallet_create")
                .with_some("label", label.as_ref())?
                .for_whom(&behalf)?;
            show_card(session, screen, &question, tables::WALLET)
        }
        WalletCommand::List { behalf } => {
            let question = Question::new("wallet_list").for_whom(&behalf)?;
            show_table(session, screen, question, tables::WALLET)
        }
        WalletCommand::Challenge { address, chain, behalf } => {
            let question = Question::new("wallet_challenge")
                .with("address", &address)?
                .with_some("chain", chain.as_ref())?
                .for_whom(&behalf)?;
            wallets::challenge(session, screen, &question)
        }
        WalletCommand::Link { address, chain, message, signature, behalf } => {
            let linking = match (message, address) {
                (Some(message), _) => Linking::Signed { message, signature },
                (None, Some(address)) => Linking::Interactive { address, chain },
                (None, None) => {
                    return Err(Failure::Usage("name an address, or give --message".to_owned()));
                }
            };
            wallets::link(&session.patient(PROOF_WAIT), screen, linking, &behalf)
        }
        WalletCommand::Import { brought, path, label, behalf } => {
            let question = Question::new("wallet_import")
                .with_some("path", path.as_ref())?
                .with_some("label", label.as_ref())?
                .for_whom(&behalf)?;
            transfer::import(session, screen, question, &brought)
        }
        WalletCommand::Export { address, behalf } => {
            let question =
                Question::new("wallet_export").with("address", &address)?.for_whom(&behalf)?;
            transfer::export(session, screen, question)
        }
        WalletCommand::Sign { address, text, behalf } => {
            let question =
                Question::new("wallet_sign").with("address", &address)?.for_whom(&behalf)?;
            wallets::sign(session, screen, question, text)
        }
        WalletCommand::Verify { address, signature, chain, text } => {
            let question = Question::new("wallet_verify")
                .with("address", &address)?
                .with("signature", &signature)?
                .with_some("chain", chain.as_ref())?;
            wallets::verify(&session.patient(PROOF_WAIT), screen, question, text)
        }
        WalletCommand::Unlink { address, destroy_key, yes, behalf } => {
            let question = Question::new("wallet_unlink")
                .with("address", &address)?
                .with_some("destroy_key", destroy_key.then_some(&true))?
                .for_whom(&behalf)?;
            if destroy_key && !yes && !wallets::may_destroy(screen, &address)? {
                screen.aside("nothing was changed");
                return Ok(Exit::No);
            }
            show_card(session, screen, &question, tables::WALLET)
        }
    }
}

fn token(command: TokenCommand, session: &Session, screen: &mut Screen) -> Result<Exit, Failure> {
    match command {
        TokenCommand::List { product, behalf } => {
            let question = Question::new("token_list")
                .with_some("product", product.as_ref())?
                .for_whom(&behalf)?;
            show_table(session, screen, question, tables::TOKEN)
        }
        TokenCommand::Verify { token, wallet, behalf } => {
            let question = Question::new("token_verify")
                .with("token", &token)?
                .with_some("wallet", wallet.as_ref())?
                .for_whom(&behalf)?;
            let session = session.patient(PROOF_WAIT);
            let sighting = ask_and_show(&session, screen, &question, |sighting| {
                tables::card(sighting, tables::SIGHTING)
            })?;
            Ok(match tables::field(&sighting, "holding").as_str() {
                Some("held") => Exit::Done,
                Some("not_held" | "ended") => Exit::No,
                _ => Exit::Undetermined,
            })
        }
    }
}

fn product(
    command: ProductCommand,
    session: &Session,
    screen: &mut Screen,
) -> Result<Exit, Failure> {
    match command {
        ProductCommand::List => {
            show_table(session, screen, Question::new("product_list"), tables::PRODUCT)
        }
        ProductCommand::Lint { file } => products::lint(screen, &file),
        ProductCommand::Install { file } => products::install(session, screen, &file),
        ProductCommand::Remove { product } => {
            let question = Question::admin("product_remove").with("product", &product)?;
            show_card(session, screen, &question, tables::PRODUCT)
        }
    }
}

fn ownership(
    command: OwnershipCommand,
    session: &Session,
    screen: &mut Screen,
) -> Result<Exit, Failure> {
    match command {
        OwnershipCommand::List { active, behalf } => {
            let question = Question::new("ownership_list")
                .with_some("active", active.then_some(&true))?
                .for_whom(&behalf)?;
            show_table(session, screen, question, tables::OWNERSHIP)
        }
        OwnershipCommand::Record { token, wallet, transaction, behalf } => {
            let question = Question::new("ownership_record")
                .with("token", &token)?
                .with("wallet", &wallet)?
                .with_some("transaction", transaction.as_ref())?
                .for_whom(&behalf)?;
            show_card(&session.patient(PROOF_WAIT), screen, &question, tables::OWNERSHIP)
        }
        OwnershipCommand::History { token } => {
            let question = Question::new("ownership_history").with("token", &token)?;
            show_table(session, screen, question, tables::OWNERSHIP)
        }
        OwnershipCommand::Suspend { token, reason } => {
            let question = Question::admin("ownership_suspend")
                .with("token", &token)?
                .with("reason", &reason)?;
            ask_and_show(session, screen, &question, concerned)?;
            Ok(Exit::Done)
        }
        OwnershipCommand::Reinstate { token, reason } => {
            let question = Question::admin("ownership_reinstate")
                .with("token", &token)?
                .with("reason", &reason)?;
            ask_and_show(session, screen, &question, concerned)?;
            Ok(Exit::Done)
        }
    }
}

fn customer(
    command: CustomerCommand,
    session: &Session,
    screen: &mut Screen,
) -> Result<Exit, Failure> {
    let question = match command {
        CustomerCommand::List => {
            let question = Question::admin("customer_list");
            return show_table(session, screen, question, tables::CUSTOMER);
        }
        CustomerCommand::Tier { product, behalf } => {
            let question =
                Question::new("customer_tier").with("product", &product)?.for_whom(&behalf)?;
            let tier = ask_and_show(session, screen, &question, |tier| match tier {
                Value::Null => "no tier".to_owned(),
                tier => tables::card(tier, tables::CUSTOMER_TIER),
            })?;
            return Ok(if tier.is_null() { Exit::No } else { Exit::Done });
        }
        CustomerCommand::Get { behalf } => Question::new("customer_get").for_whom(&behalf)?,
        CustomerCommand::Create { name, fields } => {
            with_fields(Question::admin("customer_create").with("name", &name)?, &fields)?
        }
        CustomerCommand::Update { customer, name, no_uids, fields } => {
            let question = Question::admin("customer_update")
                .with("customer", &customer)?
                .with_some("name", name.as_ref())?
                .with_some("uids", no_uids.then_some(&[0_u32; 0]))?;
            with_fields(question, &fields)?
        }
        CustomerCommand::Deactivate { customer } => {
            Question::admin("customer_deactivate").with("customer", &customer)?
        }
        CustomerCommand::Activate { customer } => {
            Question::admin("customer_update").with("customer", &customer)?.with("active", &true)?
        }
    };
    show_card(session, screen, &question, tables::CUSTOMER)
}

fn with_fields(question: Question, fields: &CustomerFields) -> Result<Question, Failure> {
    let metadata: serde_json::Map<_, _> =
        fields.metadata.iter().map(|(key, value)| (key.clone(), value.clone().into())).collect();
    question
        .with_some("external_id", fields.external_id.as_ref())?
        .with_some("uids", Some(&fields.uids).filter(|it| !it.is_empty()))?
        .with_some("metadata", Some(&metadata).filter(|it| !it.is_empty()))
}

fn audit(command: &AuditCommand, session: &Session, screen: &mut Screen) -> Result<Exit, Failure> {
    match command {
        AuditCommand::List { since, limit } => {
            let question = Question::admin("audit_list").with_some("since", since.as_ref())?;
            match limit {
                None => show_table(session, screen, question, tables::AUDIT),
                Some(limit) => {
                    let question = question.with("limit", limit)?;
                    ask_and_show(session, screen, &question, |page| {
                        tables::table(&tables::items(page.clone()), tables::AUDIT)
                    })?;
                    Ok(Exit::Done)
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
