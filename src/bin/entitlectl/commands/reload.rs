//! `reload`: what came of it, a line for each thing.

use serde_json::Value;

use crate::exit::{Exit, Failure};
use crate::results::ask_and_show;
use crate::screen::Screen;
use crate::session::{PROOF_WAIT, Question, Session};
use crate::tables;

/// A list of the reply, and what one of its items is.
const LISTS: [(&str, &str); 4] = [
    ("faults", "mistake"),
    ("warnings", "warning"),
    ("applied", "applied"),
    ("needs_restart", "needs a restart"),
];

pub(crate) fn run(session: &Session, screen: &mut Screen) -> Result<Exit, Failure> {
    let question = Question::admin("system_reload");
    ask_and_show(&session.patient(PROOF_WAIT), screen, &question, told)?;
    Ok(Exit::Done)
}

fn told(reloaded: &Value) -> String {
    let mut lines =
        vec![("products".to_owned(), tables::plain(tables::field(reloaded, "products")))];
    for (list, item) in LISTS {
        let items = tables::items(tables::field(reloaded, list).clone());
        lines.extend(items.iter().map(|it| (item.to_owned(), tables::plain(it))));
    }
    tables::pairs(&lines)
}

#[cfg(test)]
mod tests;
