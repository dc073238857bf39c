//! Results as tables and cards.
//!
//! What to show of each kind of thing is a list of columns, which stands with its command; the rest is the same for all. A daemon of
//! another version may leave fields out or add some: what is missing is shown as `-`. Columns stand in the order of their
//! importance, and the last ones are left out first where a terminal is too narrow (`fit`).

mod fit;

use serde_json::Value;

use crate::exit::Failure;
use crate::view::{Format, View, name};
use crate::words;

/// How a field is put into words.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Form {
    Plain,
    Moment,
    Price,
    /// The names of a list of things.
    Names,
}

/// A heading, where the field is (dotted), and how to show it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column(pub(crate) &'static str, pub(crate) &'static str, pub(crate) Form);

use Form::{Moment, Names, Price};

/// Things below each other, aligned, with a heading. Columns that nothing has anything to say in are left
/// out, unless they were asked for by name.
pub(crate) fn table(view: &View, items: &[Value], columns: &[Column]) -> String {
    let named: Vec<&Column> = view
        .columns
        .iter()
        .filter_map(|asked| columns.iter().find(|it| name(it.0) == *asked))
        .collect();
    let tells = |it: &&Column| items.iter().any(|item| cell(item, it) != "-");
    let shown: Vec<&Column> = match named.is_empty() {
        true => columns.iter().filter(|it| view.format == Format::Tsv || tells(it)).collect(),
        false => named,
    };
    if view.quiet {
        let first = shown.first();
        let cells = first.map(|column| items.iter().map(|it| cell(it, column)).collect::<Vec<_>>());
        return cells.unwrap_or_default().join("\n");
    }
    let heading: Vec<String> = shown.iter().map(|it| it.0.to_uppercase()).collect();
    let of = |item: &Value| shown.iter().map(|it| cell_for(view, item, it)).collect::<Vec<_>>();
    let mut rows = vec![heading];
    rows.extend(items.iter().map(of));
    match (view.format, view.width) {
        (Format::Tsv, _) => rows.iter().map(|it| it.join("\t")).collect::<Vec<_>>().join("\n"),
        (_, Some(width)) => fit::aligned(&fit::fitted(rows, width, !view.columns.is_empty())),
        (_, None) => fit::aligned(&rows),
    }
}

/// Whether each column that was asked for by name is one of `columns`.
pub(crate) fn known(view: &View, columns: &[Column]) -> Result<(), Failure> {
    match view.columns.iter().find(|asked| columns.iter().all(|it| name(it.0) != **asked)) {
        None => Ok(()),
        Some(asked) => {
            let all = columns.iter().map(|it| it.0.replace(' ', "-")).collect::<Vec<_>>();
            Err(Failure::Usage(format!(
                "there is no column `{asked}` here; there are {}",
                all.join(", ")
            )))
        }
    }
}

/// One thing: a line for each field that is there.
pub(crate) fn card(item: &Value, columns: &[Column]) -> String {
    let lines = columns.iter().map(|it| (it.0.to_owned(), cell(item, it)));
    pairs(&lines.filter(|(_, text)| text != "-").collect::<Vec<_>>())
}

/// Anything at all: a line for each field, with dotted names for what is inside others.
pub(crate) fn outline(item: &Value) -> String {
    let mut lines = Vec::new();
    flatten("", item, &mut lines);
    pairs(&lines)
}

/// The same for programs: a name, a tab and a value a line.
pub(crate) fn values(item: &Value) -> String {
    let mut lines = Vec::new();
    flatten("", item, &mut lines);
    lines.iter().map(|(name, text)| format!("{name}\t{text}")).collect::<Vec<_>>().join("\n")
}

/// The items of a page: a list as it is, or in `items`.
pub(crate) fn items(page: Value) -> Vec<Value> {
    match page {
        Value::Array(items) => items,
        Value::Object(mut fields) => match fields.remove("items") {
            Some(Value::Array(items)) => items,
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// A field by its dotted name.
pub(crate) fn field<'a>(item: &'a Value, name: &str) -> &'a Value {
    name.split('.').fold(item, |it, key| it.get(key).unwrap_or(&Value::Null))
}

/// A field that is a text; empty where it is none.
pub(crate) fn text<'a>(item: &'a Value, name: &str) -> &'a str {
    field(item, name).as_str().unwrap_or_default()
}

/// A value in one line.
pub(crate) fn plain(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => words::tame(text),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => {
            let fields =
                fields.iter().map(|(key, value)| format!("{}={}", words::tame(key), plain(value)));
            fields.collect::<Vec<_>>().join(", ")
        }
    };
    if text.is_empty() { "-".to_owned() } else { text }
}

/// For a program, a time as it came and nothing where there is nothing.
fn cell_for(view: &View, item: &Value, column: &Column) -> String {
    if view.format != Format::Tsv {
        return cell(item, column);
    }
    match (column.2, field(item, column.1)) {
        (_, Value::Null) => String::new(),
        (Moment, Value::String(text)) => words::tame(text),
        _ => cell(item, column),
    }
}

fn cell(item: &Value, column: &Column) -> String {
    let value = field(item, column.1);
    match (column.2, value) {
        (Moment, Value::String(text)) => words::tame(&words::short_moment(text)),
        (Price, Value::Object(_)) => {
            let amount =
                format!("{} {}", plain(field(value, "amount")), plain(field(value, "currency")));
            match field(value, "per") {
                Value::Null => amount,
                per => format!("{amount} / {}", plain(per)),
            }
        }
        (Names, Value::Array(items)) => {
            let names: Vec<_> =
                items.iter().map(|it| plain(it.get("name").unwrap_or(it))).collect();
            if names.is_empty() { "-".to_owned() } else { names.join(", ") }
        }
        _ => plain(value),
    }
}

fn flatten(prefix: &str, value: &Value, lines: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (key, value) in fields {
                let key = words::tame(key);
                let name = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
                flatten(&name, value, lines);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (index, item) in items.iter().enumerate() {
                flatten(&format!("{prefix}[{index}]"), item, lines);
            }
        }
        _ => lines.push((prefix.to_owned(), plain(value))),
    }
}

/// Names and texts in two aligned columns.
pub(crate) fn pairs(lines: &[(String, String)]) -> String {
    let width = lines.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let lines = lines.iter().map(|(name, text)| format!("{name:width$}  {text}").trim().to_owned());
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests;
