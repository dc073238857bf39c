//! `chain sync`: waits until a chain's light client has caught up, or brings it files from a directory.
//!
//! The files are those of a mirror: what a beacon node answers, one answer a file. None of them is trusted:
//! the daemon takes only what the chain's validators signed.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use serde_json::value::RawValue;

use crate::exit::{Exit, Failure};
use crate::progress::Bar;
use crate::screen::Screen;
use crate::session::{self, Question, Session};
use crate::tables::{self, text};
use crate::{files, words};

const METHOD: &str = "chain_sync";
/// Where a mirror keeps them; whoever brings files on a stick may leave this out.
const FOLDER: &str = "eth/v1/beacon/light_client";
/// How often the daemon is asked how far it is.
const POLL: Duration = Duration::from_millis(500);
/// Without a step forward for so long, and the time every answer has, waiting ends.
const PATIENCE: Duration = Duration::from_secs(30);
/// A committee's keys are checked, one after the other.
const JUDGING: Duration = Duration::from_secs(30);

pub(super) fn run(
    session: &Session,
    screen: &mut Screen,
    chain: Option<&str>,
    from: Option<&Path>,
) -> Result<Exit, Failure> {
    let chain = match chain {
        Some(chain) => chain.to_owned(),
        None => the_only_one(session)?,
    };
    let session = session.patient(JUDGING);
    let result = match from {
        Some(folder) => bring(&session, screen, &chain, folder)?,
        None => wait(&session, &chain)?,
    };
    let reply: Value = session::read(METHOD, &result)?;
    let sync = tables::field(&reply, "sync");
    match screen.is_json() {
        true => screen.raw(&result),
        false => screen.line(&summary(&chain, sync)),
    }
    Ok(if text(sync, "state") == "synced" { Exit::Done } else { Exit::Undetermined })
}

/// The chain to mean where none is named.
fn the_only_one(session: &Session) -> Result<String, Failure> {
    let method = "chain_status";
    let chains: Value = session::read(method, &session.ask(&Question::admin(method))?)?;
    let with_client = tables::items(chains).into_iter().filter(|it| it.get("sync").is_some());
    let ids: Vec<String> = with_client.map(|it| text(&it, "id").to_owned()).collect();
    match ids.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(Failure::Usage(
            "no chain has trust `consensus`: there is nothing to sync".to_owned(),
        )),
        many => Err(Failure::Usage(format!("name one of the chains: {}", many.join(", ")))),
    }
}

/// Waits until the light client has caught up, or comes no further.
fn wait(session: &Session, chain: &str) -> Result<Box<RawValue>, Failure> {
    let question = Question::admin(METHOD).with("chain", chain)?;
    let mut bar = Bar::new();
    let mut last = (Value::Null, Instant::now());
    loop {
        let result = session.ask(&question)?;
        let reply: Value = session::read(METHOD, &result)?;
        let sync = tables::field(&reply, "sync");
        draw(&mut bar, sync);
        let place = serde_json::json!([sync.get("period"), sync.get("wants_period")]);
        if place != last.0 {
            last = (place, Instant::now());
        }
        let goes_on = matches!(text(sync, "state"), "beginning" | "catching_up");
        if !goes_on || last.1.elapsed() > PATIENCE {
            bar.end();
            return Ok(result);
        }
        std::thread::park_timeout(POLL);
    }
}

/// Brings what the directory has and the light client lacks, in the order in which it can be taken.
fn bring(
    session: &Session,
    screen: &Screen,
    chain: &str,
    folder: &Path,
) -> Result<Box<RawValue>, Failure> {
    let below = folder.join(FOLDER);
    let unreadable = |source| Failure::File { path: folder.to_owned(), source };
    let folder =
        if files::is_there(&below).map_err(unreadable)? { below } else { folder.to_owned() };
    let porter = Porter { session, screen, chain, folder };
    let mut bar = Bar::new();
    let mut result = session.ask(&porter.question()?)?;
    for root in tables::items(porter.sync(&result)?["wants_bootstrap"].clone()) {
        let root = root.as_str().unwrap_or_default().to_owned();
        let question = porter.question()?.with("checkpoint", &root)?;
        let file = format!("bootstrap/{root}.json");
        if let Some(taken) = porter.carry(question, "bootstrap", &file)? {
            result = taken;
            break;
        }
    }
    loop {
        let sync = porter.sync(&result)?;
        draw(&mut bar, &sync);
        let Some(period) = sync["wants_period"].as_u64() else { break };
        let file = format!("updates/{period}.json");
        match porter.carry(porter.question()?, "updates", &file)? {
            Some(taken) if porter.sync(&taken)?["wants_period"] != sync["wants_period"] => {
                result = taken
            }
            _ => break,
        }
    }
    for name in ["finality_update", "optimistic_update"] {
        let file = format!("{name}.json");
        result = porter.carry(porter.question()?, name, &file)?.unwrap_or(result);
    }
    bar.end();
    session.ask(&porter.question()?)
}

/// Carries files of a directory to the daemon.
struct Porter<'a> {
    session: &'a Session,
    screen: &'a Screen,
    chain: &'a str,
    folder: PathBuf,
}

impl Porter<'_> {
    fn question(&self) -> Result<Question, Failure> {
        Question::admin(METHOD).with("chain", self.chain)
    }

    fn sync(&self, result: &RawValue) -> Result<Value, Failure> {
        let reply: Value = session::read(METHOD, result)?;
        Ok(tables::field(&reply, "sync").clone())
    }

    /// `None` when there is no such file, or the daemon does not take it: then it is said why.
    fn carry(
        &self,
        question: Question,
        name: &'static str,
        file: &str,
    ) -> Result<Option<Box<RawValue>>, Failure> {
        let path = self.folder.join(file);
        let text = match files::read(&path) {
            Err(Failure::File { source, .. }) if source.kind() == ErrorKind::NotFound => {
                return Ok(None);
            }
            read => read?,
        };
        let wrong = |_| Failure::Usage(format!("{} is not JSON", path.display()));
        let content: Value = serde_json::from_str(&text).map_err(wrong)?;
        match self.session.ask(&question.with(name, &content)?) {
            Ok(taken) => Ok(Some(taken)),
            Err(failure @ Failure::Client(_)) if failure.exit() == Exit::No => {
                self.screen.aside(&words::tame(&path.display().to_string()));
                self.screen.failure(&failure);
                Ok(None)
            }
            Err(failure) => Err(failure),
        }
    }
}

/// `eip155:1: synced, period 863 of 863, finalized slot 7071776 of 22 November 2026, 10:00 UTC, 510 signed`
fn summary(chain: &str, sync: &Value) -> String {
    let mut line = format!("{chain}: {}", progress(sync));
    let trouble = text(sync, "trouble");
    if !trouble.is_empty() && text(sync, "state") != "synced" {
        line.push_str(&format!("\n  {trouble}"));
    }
    let wanted = tables::items(sync["wants_bootstrap"].clone());
    for root in wanted.iter().filter_map(Value::as_str) {
        line.push_str(&format!("\n  wanted: bootstrap/{root}.json"));
    }
    line.lines().map(words::tame).collect::<Vec<_>>().join("\n")
}

fn progress(sync: &Value) -> String {
    let number = |name: &str| tables::field(sync, name).as_u64();
    let mut parts = vec![text(sync, "state").replace('_', " ")];
    let present = number("present_period").unwrap_or_default();
    parts.extend(number("period").map(|it| format!("period {it} of {present}")));
    if let Some(slot) = number("finalized_slot") {
        let time = words::moment(text(sync, "finalized_time"));
        parts.push(format!("finalized slot {slot} of {time}"));
    }
    parts.extend(number("participation").map(|it| format!("{it} signed")));
    parts.join(", ")
}

/// The same within `chain status`, with what it rests on and where it comes from.
pub(super) fn told(sync: &Value) -> String {
    let mut lines = vec![format!("  validators {}", progress(sync))];
    let mut note = |name: &str, text: &str| {
        if !text.is_empty() {
            lines.push(format!("  {name:<10} {text}"));
        }
    };
    note("checkpoint", text(sync, "checkpoint"));
    note("rules", text(sync, "specification"));
    note("trouble", text(sync, "trouble"));
    note("conflict", text(sync, "equivocation"));
    for root in tables::items(sync["disagreeing"].clone()).iter().filter_map(Value::as_str) {
        note("conflict", &format!("checkpoint {root} leads to another committee"));
    }
    for source in tables::items(sync["sources"].clone()) {
        let number = |name: &str| tables::field(&source, name).as_u64().unwrap_or_default();
        let faults = number("faults");
        let (url, state) = (text(&source, "url"), text(&source, "state"));
        note("source", &format!("{url}: {state}, {} requests, {faults} lies", number("requests")));
    }
    lines.iter().map(|it| words::tame(it)).collect::<Vec<_>>().join("\n")
}

fn draw(bar: &mut Bar, sync: &Value) {
    let number = |name: &str| tables::field(sync, name).as_u64();
    let places = number("first_period").zip(number("period")).zip(number("present_period"));
    if let Some(((first, period), present)) = places {
        let (done, whole) = way(first, period, present);
        bar.draw(done, whole, &format!("period {period} of {present}"));
    }
}

/// How many periods were walked, and of how many. Where there are none to walk, all of it is done.
fn way(first: u64, period: u64, present: u64) -> (u64, u64) {
    match present.saturating_sub(first) {
        0 => (1, 1),
        whole => (period.saturating_sub(first), whole),
    }
}

#[cfg(test)]
mod tests;
