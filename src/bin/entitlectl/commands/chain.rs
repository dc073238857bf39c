//! `chain`: for `status` a table of endpoints of each chain, and below it what there is to know of each; `sync` has a
//! file of its own.

mod sync;

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::Value;

use crate::exit::{Exit, Failure};
use crate::results::ask_and_show;
use crate::screen::Screen;
use crate::session::{Question, Session};
use crate::tables::{self, Column, Form, field, plain, table};
use crate::view::View;
use crate::words;

/// Together with the other columns as they usually are, this leaves a line within 100 characters.
const URL: usize = 36;

const ENDPOINT: &[Column] = &[
    Column("endpoint", "url", Form::Plain),
    Column("state", "state", Form::Plain),
    Column("head", "head", Form::Plain),
    Column("p50/p95 ms", "latency", Form::Plain),
    Column("requests", "requests", Form::Plain),
    Column("units", "units", Form::Plain),
    Column("faults", "faults", Form::Plain),
];

#[derive(Debug, Subcommand)]
pub(crate) enum ChainCommand {
    /// How far each chain is followed, and how its endpoints do
    Status,
    /// Wait until a chain's light client has caught up; or bring it files, where there is no network
    Sync {
        /// CAIP-2; may be left out where one chain only has trust `consensus`
        chain: Option<String>,
        /// A directory with the files of a mirror: bootstrap/ROOT.json, updates/PERIOD.json, finality_update.json
        #[arg(long, value_name = "DIR")]
        from: Option<PathBuf>,
    },
}

pub(crate) fn run(
    command: &ChainCommand,
    session: &Session,
    screen: &mut Screen,
) -> Result<Exit, Failure> {
    match command {
        ChainCommand::Status => {
            let view = screen.view().clone();
            let question = Question::admin("chain_status");
            ask_and_show(session, screen, &question, |it| told(&view, it))?;
            Ok(Exit::Done)
        }
        ChainCommand::Sync { chain, from } => {
            sync::run(session, screen, chain.as_deref(), from.as_deref())
        }
    }
}

/// What the daemon says in `chain_status`.
fn told(view: &View, status: &Value) -> String {
    let chains = status.as_array().map(Vec::as_slice).unwrap_or_default();
    if chains.is_empty() {
        return "no chain is configured".to_owned();
    }
    chains.iter().map(|it| chain(view, it)).collect::<Vec<_>>().join("\n\n")
}

fn chain(view: &View, chain: &Value) -> String {
    let word = |name: &str| plain(field(chain, name));
    let endpoints = field(chain, "endpoints").as_array().map(Vec::as_slice).unwrap_or_default();
    let mut parts = vec![format!("{}: {}, trust {}", word("id"), word("status"), word("trust"))];
    if let Some(head) = field(chain, "head").as_u64() {
        let age = field(chain, "head_age_s").as_u64().map(words::span);
        let age = age.map(|it| format!(" ({it} old)")).unwrap_or_default();
        parts.push(format!("head {head}{age}"));
    }
    if let Some(finalized) = field(chain, "finalized").as_u64() {
        parts.push(format!("finalized {finalized}"));
    }
    // One that may be asked again is available to the daemon, and of no use yet to whoever reads this.
    let answer = |it: &&Value| !matches!(tables::text(it, "state"), "down" | "wrong_chain");
    let answering = endpoints.iter().filter(answer).count() as u64;
    let available = field(chain, "available").as_u64().unwrap_or(answering).min(answering);
    parts.push(format!("{available} of {} endpoints available", endpoints.len()));
    let rows: Vec<Value> = endpoints.iter().map(row).collect();
    let notes = endpoints.iter().map(notes).collect::<Vec<_>>().join("\n");
    let validators = Some(field(chain, "sync")).filter(|it| it.is_object());
    let validators = validators.map(|it| format!("\n{}", sync::told(it))).unwrap_or_default();
    let first = words::wrapped(&parts.join(", "), view.width.unwrap_or(usize::MAX), "  ");
    format!("{first}{validators}\n\n{}\n\n{notes}", table(view, &rows, ENDPOINT))
}

fn row(endpoint: &Value) -> Value {
    let faults = field(endpoint, "faults").as_object();
    let faults: u64 = faults.into_iter().flatten().filter_map(|(_, count)| count.as_u64()).sum();
    let number = |name: &str| field(endpoint, name).as_u64().map(short);
    let latency = |name: &str| field(endpoint, name).as_u64().map(|it| it.to_string());
    let latency = latency("latency.p50_ms").zip(latency("latency.p95_ms"));
    serde_json::json!({
        "url": url(endpoint),
        "state": field(endpoint, "state"),
        "head": field(endpoint, "head"),
        "latency": latency.map(|(half, most)| format!("{half}/{most}")),
        "requests": number("cost.requests"),
        "units": number("cost.units"),
        "faults": short(faults),
    })
}

fn url(endpoint: &Value) -> String {
    let url = plain(field(endpoint, "url"));
    match url.char_indices().nth(URL) {
        Some((end, _)) => format!("{}…", &url[..end]),
        None => url,
    }
}

/// What does not fit into the table: what it can do, how long it is left alone, and what went wrong.
fn notes(endpoint: &Value) -> String {
    let mut lines = vec![plain(field(endpoint, "url"))];
    let mut note = |name: &str, text: String| lines.push(format!("  {name:<9} {text}"));
    note("can", abilities(field(endpoint, "abilities")));
    let bytes = field(endpoint, "cost.bytes").as_u64().unwrap_or_default();
    let beside = field(endpoint, "cost.beside").as_u64().unwrap_or_default();
    note("cost", format!("{}B received, asked beside another {beside} times", short(bytes)));
    if let Value::String(until) = field(endpoint, "retry_at") {
        let breaker = plain(field(endpoint, "breaker"));
        note("rests", format!("until {}, breaker {breaker}", words::short_moment(until)));
    }
    if let Some(faults) = field(endpoint, "faults").as_object().filter(|it| !it.is_empty()) {
        let each =
            faults.iter().map(|(kind, count)| format!("{} {}", words::tame(kind), plain(count)));
        note("faults", each.collect::<Vec<_>>().join(", "));
    }
    for (name, what) in [("last", "last_fault"), ("evidence", "evidence")] {
        let it = field(endpoint, what);
        if it.is_object() {
            let at = words::short_moment(&plain(field(it, "at")));
            let said = if what == "evidence" { "finding" } else { "message" };
            let (asked, said) = (plain(field(it, "asked")), plain(field(it, said)));
            note(name, format!("{at}, {asked}"));
            note("", said);
        }
    }
    if let Value::String(proof) = field(endpoint, "evidence.proof") {
        note("", words::tame(proof));
    }
    lines.join("\n")
}

fn abilities(abilities: &Value) -> String {
    let known = |name: &str| field(abilities, name).as_bool();
    let mut parts = Vec::new();
    match (known("proofs"), known("finalized_proofs")) {
        (Some(false), _) => parts.push("no proofs".to_owned()),
        (Some(true), Some(true)) => parts.push("prove what is finalized".to_owned()),
        (Some(true), Some(false)) => parts.push("prove only what is new".to_owned()),
        (Some(true), None) => parts.push("prove".to_owned()),
        (None, _) => {}
    }
    for (name, yes, no) in [
        ("finalized", None, Some("no tag `finalized`")),
        ("block_hashes", None, Some("no blocks by hash")),
        ("access_lists", Some("access lists"), None),
        ("synced", None, Some("is catching up")),
    ] {
        let word = if known(name).unwrap_or(no.is_some()) { yes } else { no };
        parts.extend(word.map(str::to_owned));
    }
    match field(abilities, "batch").as_u64() {
        Some(1) => parts.push("no batches".to_owned()),
        Some(size) => parts.push(format!("batches of {size}")),
        None => {}
    }
    if let Some(oldest) = field(abilities, "oldest_proof").as_u64() {
        parts.push(format!("proofs since block {oldest}"));
    }
    if parts.is_empty() { "not examined yet".to_owned() } else { parts.join(", ") }
}

/// `1234` as `1.2k`: at most five characters.
fn short(number: u64) -> String {
    let units = [(1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")];
    match units.iter().find(|(unit, _)| number >= *unit) {
        Some((unit, name)) if number / unit >= 100 => format!("{}{name}", number / unit),
        Some((unit, name)) => {
            format!("{}.{}{name}", number / unit, number % unit / (unit / 10))
        }
        None => number.to_string(),
    }
}

#[cfg(test)]
mod tests;
