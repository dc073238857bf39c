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
mod tests {
    use serde_json::json;

    use super::Form::Plain;
    use super::*;

    const WALLET: &[Column] = &[
        Column("address", "address", Plain),
        Column("custody", "custody", Plain),
        Column("label", "label", Plain),
        Column("active", "active", Plain),
    ];

    #[test]
    fn a_table_is_aligned_and_leaves_out_empty_columns() {
        let items = [
            json!({"address": "0xA", "custody": "managed", "active": true, "label": null}),
            json!({"address": "0xBBBB", "custody": "linked", "active": false}),
        ];
        assert_eq!(
            table(&items, WALLET),
            "ADDRESS  CUSTODY  ACTIVE\n0xA      managed  yes\n0xBBBB   linked   no"
        );
    }

    #[test]
    fn prices_names_and_moments_are_put_into_words() {
        let tier =
            json!({"name": "pro", "price": {"amount": "49.00", "currency": "USD", "per": "month"}});
        assert_eq!(cell(&tier, &Column("", "price", Price)), "49.00 USD / month");
        let product = json!({"tiers": [{"name": "a"}, "b"]});
        assert_eq!(cell(&product, &Column("", "tiers", Names)), "a, b");
        let entry = json!({"at": "2026-11-22T10:00:00Z"});
        assert_eq!(cell(&entry, &Column("", "at", Moment)), "2026-11-22 10:00:00");
        assert_eq!(cell(&json!([]), &Column("", "at.deeper", Moment)), "-");
    }

    #[test]
    fn an_outline_names_what_is_inside() {
        let item = json!({"tables": {"wallets": 2}, "chains": [{"id": "eip155:1"}], "size": 4096});
        assert_eq!(
            outline(&item),
            "tables.wallets  2\nchains[0].id    eip155:1\nsize            4096"
        );
    }

    #[test]
    fn a_list_may_come_with_or_without_pages() {
        assert_eq!(items(json!([1])), [json!(1)]);
        assert_eq!(items(json!({"items": [1], "next_cursor": null})), [json!(1)]);
        assert!(items(json!(null)).is_empty());
    }
}
