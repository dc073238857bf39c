//! `status`, and `entitlectl` alone: one screen for a person. What one is entitled to, until when, and what to do next; how
//! the daemon's parts fare where something is wrong with them, or with `--verbose`.

use clap::Args;
use entitled_client::{Code, Verdict};
use serde_json::Value;

use crate::exit::{Exit, Failure};
use crate::screen::{Mark, Screen};
use crate::session::{self, Question, Session};
use crate::tables::Form::Plain;
use crate::tables::{self, Column};
use crate::{advice, verdicts, words};

const ACTOR: &[Column] = &[
    Column("actor", "name", Plain),
    Column("state", "state", Plain),
    Column("restarts", "restarts", Plain),
];

const CHAIN: &[Column] = &[
    Column("chain", "id", Plain),
    Column("status", "status", Plain),
    Column("head", "head", Plain),
    Column("finalized", "finalized", Plain),
    Column("trust", "trust", Plain),
];

const VERDICT: &[Column] = &[
    Column("product", "product", Plain),
    Column("entitled", "valid", Plain),
    Column("tier", "tier", Plain),
    Column("code", "code", Plain),
    Column("freshness", "freshness", Plain),
    Column("token", "token", Plain),
];

#[derive(Debug, Default, Args)]
pub(crate) struct StatusArguments {
    /// Also show the chains, the daemon's parts, and the tokens
    #[arg(long, short)]
    verbose: bool,
}

pub(crate) fn run(
    StatusArguments { verbose }: &StatusArguments,
    session: &Session,
    screen: &mut Screen,
) -> Result<Exit, Failure> {
    let question = Question::new("system_health");
    let result = session.ask(&question)?;
    if screen.is_json() {
        screen.raw(&result);
        return Ok(Exit::Done);
    }
    let health: Value = session::read(question.method, &result)?;
    // The overview is worth having without this part; `check` says what is wrong with it.
    match licences(session, screen) {
        Ok(items) if *verbose && !items.is_empty() => {
            let table = screen.table(&items, VERDICT);
            screen.line(&format!("\n{table}"));
        }
        Ok(_) => {}
        // What is no reply at all is no part that is missing.
        Err(failure @ Failure::Shape { .. }) => return Err(failure),
        Err(failure) => screen.failure(&failure),
    }
    for line in super::seats::told(session, None) {
        tell(screen, &line, "  ");
    }
    screen.line("");
    for line in of_daemon(&health).into_iter().chain(of_keys(session)) {
        tell(screen, &line, "  ");
    }
    for (name, columns) in [("chains", CHAIN), ("actors", ACTOR)] {
        let items = tables::items(tables::field(&health, name).clone());
        if *verbose && !items.is_empty() {
            let table = screen.table(&items, columns);
            screen.line(&format!("\n{table}"));
        }
    }
    Ok(Exit::Done)
}

/// Says each licence in a line, and what to do about what is none.
fn licences(session: &Session, screen: &mut Screen) -> Result<Vec<Value>, Failure> {
    let mut items = Vec::new();
    for page in session.ask_all(Question::new("entitlement_list"))? {
        items.extend(tables::items(session::read("entitlement_list", &page)?));
    }
    let mut verdicts: Vec<Verdict> = Vec::new();
    for item in &items {
        let verdict = serde_json::from_value(item.clone());
        verdicts
            .push(verdict.map_err(|source| Failure::Shape { method: "entitlement_list", source })?);
    }
    if verdicts.is_empty() {
        tell(screen, "This machine knows of no licence of yours.", "");
        let has_wallet = !session
            .ask_all(Question::new("wallet_list"))?
            .iter()
            .all(|page| page.get().contains("\"items\":[]"));
        let code = if has_wallet { Code::NotHeld } else { Code::NoWallet };
        tell(screen, &format!("Next: {}", advice::of_code(&code, "PRODUCT")), "  ");
        return Ok(items);
    }
    let width = verdicts.iter().map(|it| it.product.chars().count()).max().unwrap_or(0);
    let now = words::now();
    for verdict in &verdicts {
        let mark = verdicts::mark(verdict);
        let product = words::tame(&verdict.product);
        let said = words::tame(&said(verdict, now));
        // The mark is put in after the lines are broken: colour has no width.
        let line = lines(screen, &format!("* {product:width$}  {said}"), &" ".repeat(width + 4));
        let line = line.replacen('*', &screen.mark(mark), 1);
        screen.line(&line);
        if mark != Mark::Yes {
            let next = words::tame(&advice::next_step(session, verdict));
            tell(screen, &format!("  {:width$}  next: {next}", ""), &" ".repeat(width + 4));
        }
    }
    Ok(items)
}

/// `tier pro, until 6 December 2026 (in 7 days)`, or why not.
fn said(verdict: &Verdict, now: jiff::Timestamp) -> String {
    if verdicts::mark(verdict) != Mark::Yes {
        return format!("{}: {}", verdict.code, words::with_moments(&verdict.detail, now));
    }
    let tier = verdict.tier.as_deref().map_or_else(|| "yes".to_owned(), |it| format!("tier {it}"));
    let notes = [
        verdicts::until(verdict, now),
        verdict.provisional.then(|| "not settled on the chain yet".to_owned()),
        (verdict.code == Code::Grace).then(|| "the chain cannot be reached now".to_owned()),
    ];
    [Some(tier)].into_iter().chain(notes).flatten().collect::<Vec<_>>().join(", ")
}

/// One line where all is well, and one for each thing that is not.
fn of_daemon(health: &Value) -> Vec<String> {
    let field = |name: &str| tables::plain(tables::field(health, name));
    let uptime = tables::field(health, "uptime_s").as_u64().map(words::span);
    let uptime = uptime.map(|it| format!(", up {it}")).unwrap_or_default();
    let mut lines = vec![format!("entitled {}: {}{uptime}", field("version"), field("status"))];
    if tables::field(health, "fake") == true {
        lines.push(
            "This is a fake: its answers come from a file, and nothing is proven.".to_owned(),
        );
    }
    if let Some(said) = tables::field(health, "store")["recovered"].as_str() {
        lines.push(words::tame(said));
        lines.push("Once this is dealt with: `entitlectl store acknowledge`.".to_owned());
    }
    lines.extend(of_seats(health));
    for chain in tables::items(tables::field(health, "chains").clone()) {
        let status = tables::text(&chain, "status");
        if status != "ok" {
            let id = words::tame(tables::text(&chain, "id"));
            lines.push(format!(
                "Chain {id}: {}; `entitlectl doctor` looks for the cause.",
                words::tame(status)
            ));
        }
    }
    for actor in tables::items(tables::field(health, "actors").clone()) {
        let state = tables::text(&actor, "state");
        if state != "running" {
            let name = words::tame(tables::text(&actor, "name"));
            lines.push(format!("The daemon's part {name} is {}.", words::tame(state)));
        }
    }
    lines
}

/// That keys cannot be used, to those who may know.
fn of_keys(session: &Session) -> Option<String> {
    let question = Question::of_all("keys_status");
    let status: Value = session::read(question.method, &session.ask(&question).ok()?).ok()?;
    let state = tables::text(&status, "state");
    (state != "OPEN").then(|| {
        let state = words::tame(state);
        format!("The keys are {state}: managed wallets cannot sign; `entitlectl keys status` says what to do.")
    })
}

/// What is not well with floating seats, and with the fleet that they are shared in.
fn of_seats(health: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    if tables::field(health, "seats.kept") == false {
        lines.push("Which seats are in use cannot be written down; `entitlectl doctor` says what mends it.".to_owned());
    }
    if tables::field(health, "fleet.kept") == false {
        lines.push("What this machine is in its fleet cannot be written down; `entitlectl doctor` says what mends it.".to_owned());
    }
    match tables::text(health, "fleet.standing") {
        "" | "in" => {}
        "refused" => lines.push("The store of the fleet is not believed, and this machine gives no seats of it; `entitlectl fleet status` says why.".to_owned()),
        other => lines.push(format!(
            "Fleet: {}, so this machine gives no new seats of it; `entitlectl doctor` looks for the cause.",
            words::tame(other)
        )),
    }
    if tables::field(health, "fleet.draining") == true {
        lines.push("This machine was told to give no new seats of the fleet; `entitlectl fleet drain --end` ends that.".to_owned());
    }
    lines
}

fn tell(screen: &mut Screen, text: &str, indent: &str) {
    let text = lines(screen, text, indent);
    screen.line(&text);
}

fn lines(screen: &Screen, text: &str, indent: &str) -> String {
    match screen.view().width {
        Some(width) => words::wrapped(&words::shortened(text), width, indent),
        None => text.to_owned(),
    }
}
