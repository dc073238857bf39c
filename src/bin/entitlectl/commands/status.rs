//! `status`: how the daemon is, and what one is entitled to.

use serde_json::Value;

use crate::exit::{Exit, Failure};
use crate::screen::Screen;
use crate::session::{self, Question, Session};
use crate::tables::Form::Plain;
use crate::tables::{self, Column};
use crate::words;

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

pub(crate) fn run(session: &Session, screen: &mut Screen) -> Result<Exit, Failure> {
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
    if tables::field(&health, "fake") == true {
        screen.line("This is a fake: its answers come from a file, and nothing is proven.");
    }
    if let Some(said) = tables::field(&health, "store")["recovered"].as_str() {
        screen.line(&format!("\n{}", words::tame(said)));
        screen.line("Once this is dealt with: `entitlectl store acknowledge`.");
    }
    for (name, columns) in [("chains", CHAIN), ("actors", ACTOR)] {
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
                screen.line(&format!("\n{}", tables::table(&verdicts, VERDICT)));
            }
        }
        Err(failure) => screen.failure(&failure),
    }
    Ok(Exit::Done)
}
