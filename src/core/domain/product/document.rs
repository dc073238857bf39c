//! A TOML text as a tree that remembers where each value stands.
//!
//! Owns: the step from text to values, for product files and for the configuration. Asked by: the product
//! parser and `config`. Never: gives a value a meaning; that is [`super::section`]'s part.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use toml::value::Datetime;
use toml_parser::parser;

mod extent;

/// A longer text is refused unread.
pub const LONGEST_TEXT: usize = 256 * 1024;

/// Where something was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Place {
    /// A file's path or an environment variable's name; empty when there is only one text.
    pub source: Arc<str>,
    /// From 1; 0 when it concerns the whole source.
    pub line: usize,
}

/// One mistake: where, in which key, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flaw {
    pub place: Place,
    /// Dotted: `tiers.pro.rank`, `grants[0].token`. Empty when it concerns the whole source.
    pub key: String,
    pub message: String,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&*self.place.source, self.place.line) {
            ("", 0) => {}
            ("", line) => write!(f, "line {line}: ")?,
            (source, 0) => write!(f, "{source}: ")?,
            (source, line) => write!(f, "{source}:{line}: ")?,
        }
        if !self.key.is_empty() {
            write!(f, "`{}`: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}

pub type Table = BTreeMap<String, Node>;

/// A value. Whole numbers fit an `i64`; every number is finite.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Text(String),
    Whole(i64),
    Number(f64),
    Flag(bool),
    Moment(Datetime),
    List(Vec<Node>),
    Table(Table),
}

impl Value {
    /// What it is, for a message: "a text".
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Whole(_) => "a whole number",
            Self::Number(_) => "a number",
            Self::Flag(_) => "true or false",
            Self::Moment(_) => "a date or time",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

/// A value, and where its key (in a list: itself) was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub place: Place,
    pub value: Value,
    /// The text as given, for a value whose type had to be guessed (an environment variable).
    pub raw: Option<Arc<str>>,
}

/// Reads `text`; `source` goes into every place.
///
/// # Errors
/// Each mistake against TOML itself, and numbers too large to hold.
pub fn read(source: &Arc<str>, text: &str) -> Result<Table, Vec<Flaw>> {
    let whole = |line, message: String| {
        let place = Place { source: Arc::clone(source), line };
        vec![Flaw { place, key: String::new(), message }]
    };
    if text.len() > LONGEST_TEXT {
        return Err(whole(0, format!("longer than {LONGEST_TEXT} bytes")));
    }
    if let Some((line, message)) = extent::excess(text, parser::parse_document) {
        return Err(whole(line, message));
    }
    let lines = Lines::new(text);
    // Only the description is passed on: the library's own display quotes the line, which may hold a secret.
    let root = DeTable::parse(text).map_err(|error| {
        whole(
            error.span().map_or(0, |it| lines.at(it.start)),
            format!("not TOML: {}", error.message()),
        )
    })?;
    let mut reading = Reading { source, lines, flaws: Vec::new() };
    let table = reading.table("", root.get_ref());
    if reading.flaws.is_empty() { Ok(table) } else { Err(reading.flaws) }
}

/// Reads one value, such as an environment variable's text; `None` when it is not a TOML value.
pub fn read_value(source: &Arc<str>, text: &str) -> Option<Value> {
    if text.len() > LONGEST_TEXT || extent::excess(text, parser::parse_value).is_some() {
        return None;
    }
    let spanned = DeValue::parse(text).ok()?;
    let mut reading = Reading { source, lines: Lines(Vec::new()), flaws: Vec::new() };
    let value = reading.value("", 0, spanned.get_ref());
    if reading.flaws.is_empty() { value } else { None }
}

struct Reading<'a> {
    source: &'a Arc<str>,
    lines: Lines,
    flaws: Vec<Flaw>,
}

impl Reading<'_> {
    fn table(&mut self, path: &str, table: &DeTable<'_>) -> Table {
        let mut out = Table::new();
        for (key, value) in table {
            let line = self.lines.at(key.span().start);
            let name = key.get_ref();
            if let Some(node) = self.node(&join(path, name), line, value) {
                out.insert(name.to_string(), node);
            }
        }
        out
    }

    fn node(&mut self, path: &str, line: usize, value: &Spanned<DeValue<'_>>) -> Option<Node> {
        let value = self.value(path, line, value.get_ref())?;
        let place = Place { source: Arc::clone(self.source), line };
        Some(Node { place, value, raw: None })
    }

    fn value(&mut self, path: &str, line: usize, value: &DeValue<'_>) -> Option<Value> {
        Some(match value {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Boolean(flag) => Value::Flag(*flag),
            DeValue::Datetime(moment) => Value::Moment(*moment),
            DeValue::Table(table) => Value::Table(self.table(path, table)),
            DeValue::Array(items) => {
                let mut list = Vec::with_capacity(items.len());
                for (index, item) in items.iter().enumerate() {
                    let line = self.lines.at(item.span().start);
                    list.extend(self.node(&format!("{path}[{index}]"), line, item));
                }
                Value::List(list)
            }
            DeValue::Integer(digits) => {
                let whole = i64::from_str_radix(digits.as_str(), digits.radix()).ok();
                Value::Whole(self.or_flaw(path, line, whole)?)
            }
            DeValue::Float(digits) => {
                let number = digits.as_str().parse().ok().filter(|it: &f64| it.is_finite());
                Value::Number(self.or_flaw(path, line, number)?)
            }
        })
    }

    fn or_flaw<T>(&mut self, path: &str, line: usize, number: Option<T>) -> Option<T> {
        if number.is_none() {
            self.flaws.push(Flaw {
                place: Place { source: Arc::clone(self.source), line },
                key: path.to_owned(),
                message: "must be a finite number that fits 64 bits".to_owned(),
            });
        }
        number
    }
}

/// `path.key`, the key quoted where TOML would quote it, and cut where it is absurdly long.
pub fn join(path: &str, key: &str) -> String {
    let bare = !key.is_empty()
        && key.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'_' | b'-'));
    let key = crate::domain::ids::clip(key);
    let dot = if path.is_empty() { "" } else { "." };
    if bare {
        format!("{path}{dot}{key}")
    } else {
        format!("{path}{dot}\"{}\"", key.escape_debug())
    }
}

/// Where each line begins.
struct Lines(Vec<usize>);

impl Lines {
    fn new(text: &str) -> Self {
        Self(
            text.bytes().enumerate().filter(|(_, it)| *it == b'\n').map(|(at, _)| at + 1).collect(),
        )
    }

    /// The line, from 1, that the byte at `offset` is on.
    fn at(&self, offset: usize) -> usize {
        self.0.partition_point(|start| *start <= offset) + 1
    }
}

#[cfg(test)]
mod tests;
