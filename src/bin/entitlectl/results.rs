//! Showing results: as they came with `--json`, in words otherwise.

use serde_json::Value;

use crate::exit::{Exit, Failure};
use crate::screen::Screen;
use crate::session::{Question, Session};
use crate::tables::Column;
use crate::view::Format;
use crate::{session, tables};

/// Asks, shows the result as it came or as `text` words it, and hands it on.
pub(crate) fn ask_and_show(
    session: &Session,
    screen: &mut Screen,
    question: &Question,
    text: impl Fn(&Value) -> String,
) -> Result<Value, Failure> {
    let result = session.ask(question)?;
    let value: Value = session::read(question.method, &result)?;
    match screen.view().format {
        Format::Json => screen.raw(&result),
        Format::Tsv => screen.line(&tables::values(&value)),
        Format::Table => screen.line(&text(&value)),
    }
    Ok(value)
}

pub(crate) fn show_card(
    session: &Session,
    screen: &mut Screen,
    question: &Question,
    columns: &[Column],
) -> Result<Exit, Failure> {
    ask_and_show_card(session, screen, question, columns)?;
    Ok(Exit::Done)
}

/// The same, and hands the result on.
pub(crate) fn ask_and_show_card(
    session: &Session,
    screen: &mut Screen,
    question: &Question,
    columns: &[Column],
) -> Result<Value, Failure> {
    ask_and_show(session, screen, question, |it| match tables::card(it, columns) {
        // A result of another kind, such as a bare acknowledgement.
        card if card.is_empty() => acknowledged(it),
        card => card,
    })
}

pub(crate) fn show_outline(
    session: &Session,
    screen: &mut Screen,
    question: &Question,
) -> Result<Exit, Failure> {
    ask_and_show(session, screen, question, acknowledged)?;
    Ok(Exit::Done)
}

fn acknowledged(result: &Value) -> String {
    match result {
        Value::Null | Value::Bool(true) => "done".to_owned(),
        it => tables::outline(it),
    }
}

/// A list, page after page. As JSON, each page is a result of its own on its own line.
pub(crate) fn show_table(
    session: &Session,
    screen: &mut Screen,
    question: Question,
    columns: &[Column],
) -> Result<Exit, Failure> {
    tables::known(screen.view(), columns)?;
    let method = question.method;
    let pages = session.ask_all(question)?;
    if screen.is_json() {
        pages.iter().for_each(|it| screen.raw(it));
        return Ok(Exit::Done);
    }
    let mut items = Vec::new();
    for page in pages {
        items.extend(tables::items(session::read(method, &page)?));
    }
    show_items(screen, &items, columns);
    Ok(Exit::Done)
}

/// One page of a list, however many there are.
pub(crate) fn show_page(
    session: &Session,
    screen: &mut Screen,
    question: &Question,
    columns: &[Column],
) -> Result<Exit, Failure> {
    tables::known(screen.view(), columns)?;
    let page = session.ask(question)?;
    match screen.is_json() {
        true => screen.raw(&page),
        false => {
            show_items(screen, &tables::items(session::read(question.method, &page)?), columns);
        }
    }
    Ok(Exit::Done)
}

/// A list that was asked for. That nothing is in it is said beside it, to people.
pub(crate) fn show_items(screen: &mut Screen, items: &[Value], columns: &[Column]) {
    match items.is_empty() {
        true if screen.view().quiet => {}
        true => screen.aside("none"),
        false => {
            let table = screen.table(items, columns);
            screen.list(&table);
        }
    }
}
