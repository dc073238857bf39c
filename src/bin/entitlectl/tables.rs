//! Results as tables and cards.
//!
//! What to show of each kind of thing is a list of columns, which stands with its command; the rest is the same for all. A daemon of
//! another version may leave fields out or add some: what is missing is shown as `-`.

use comfy_table::{Table, presets};
use serde_json::Value;

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
/// out.
pub(crate) fn table(items: &[Value], columns: &[Column]) -> String {
    let shown: Vec<&Column> =
        columns.iter().filter(|it| items.iter().any(|item| cell(item, it) != "-")).collect();
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(shown.iter().map(|it| it.0.to_uppercase()));
    for item in items {
        table.add_row(shown.iter().map(|it| cell(item, it)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
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
