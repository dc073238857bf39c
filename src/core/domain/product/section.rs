//! Reading a table key by key, so that every mistake in it is found at once.
//!
//! A [`Section`] gives each key's value through a small reader (`text`, `whole`, `duration` …), notes what
//! is wrong with it, and at the end names the keys nobody asked for.

use std::cell::RefCell;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use super::document::{Flaw, Node, Place, Table, Value, join};
use crate::domain::ids::Timestamp;

/// The mistakes found so far. At most this many are kept: nobody reads more.
const MOST_FLAWS: usize = 100;

/// Mistakes of one text, of which a hundred are kept.
#[derive(Debug, Default)]
pub struct Flaws(RefCell<Vec<Flaw>>);

impl Flaws {
    pub fn add(&self, place: &Place, key: &str, message: impl Into<String>) {
        let mut flaws = self.0.borrow_mut();
        if flaws.len() < MOST_FLAWS {
            flaws.push(Flaw { place: place.clone(), key: key.to_owned(), message: message.into() });
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// In the order of their places.
    pub fn into_sorted(self) -> Vec<Flaw> {
        let mut flaws = self.0.into_inner();
        flaws.sort();
        flaws
    }
}

/// One table being read. Dropping it without [`Section::finish`] leaves unknown keys unnoticed.
#[derive(Debug)]
pub struct Section<'a> {
    table: Option<&'a Table>,
    path: String,
    place: Place,
    asked: Vec<&'static str>,
    flaws: &'a Flaws,
}

impl<'a> Section<'a> {
    /// The whole of a text.
    pub fn root(table: &'a Table, place: Place, flaws: &'a Flaws) -> Self {
        Self { table: Some(table), path: String::new(), place, asked: Vec::new(), flaws }
    }

    /// A value that has to be a table; noted, and read as an empty one, when it is not.
    pub fn of(node: &'a Node, path: String, flaws: &'a Flaws) -> Self {
        let table = match &node.value {
            Value::Table(table) => Some(table),
            other => {
                flaws.add(&node.place, &path, format!("must be a table, not {}", other.kind()));
                None
            }
        };
        Self { table, path, place: node.place.clone(), asked: Vec::new(), flaws }
    }

    pub fn path(&self, key: &str) -> String {
        join(&self.path, key)
    }

    /// Notes a mistake in the table itself.
    pub(crate) fn own_flaw(&self, message: impl Into<String>) {
        self.flaws.add(&self.place, &self.path, message);
    }

    pub fn place(&self) -> &Place {
        &self.place
    }

    pub fn flaws(&self) -> &'a Flaws {
        self.flaws
    }

    /// Where `key` was written, or the section when it was not.
    pub(crate) fn place_of(&self, key: &str) -> &Place {
        self.table.and_then(|it| it.get(key)).map_or(&self.place, |it| &it.place)
    }

    /// Notes a mistake in `key`.
    pub fn flaw(&self, key: &str, message: impl Into<String>) {
        self.flaws.add(self.place_of(key), &self.path(key), message);
    }

    /// The value at `key`, which counts as known from now on.
    pub fn node(&mut self, key: &'static str) -> Option<&'a Node> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        self.table?.get(key)
    }

    pub fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|it| it.contains_key(key))
    }

    /// `None` when the key is absent or wrong; what is wrong is noted.
    pub fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Node) -> Result<T, String>,
    ) -> Option<T> {
        let node = self.node(key)?;
        read(node).map_err(|message| self.flaw(key, message)).ok()
    }

    /// As [`Section::optional`], and an absent key is noted too.
    pub fn required<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Node) -> Result<T, String>,
    ) -> Option<T> {
        // What is not a table was noted already; each of its keys would only repeat it.
        if self.table.is_some() && !self.has(key) {
            self.flaw(key, "is missing");
        }
        self.optional(key, read)
    }

    /// As [`Section::optional`], with a default.
    pub fn or<T>(
        &mut self,
        key: &'static str,
        default: T,
        read: impl FnOnce(&Node) -> Result<T, String>,
    ) -> T {
        self.optional(key, read).unwrap_or(default)
    }

    /// The table at `key`; an empty one when it is absent.
    pub fn section(&mut self, key: &'static str) -> Section<'a> {
        let path = self.path(key);
        match self.node(key) {
            Some(node) => Section::of(node, path, self.flaws),
            None => Section {
                table: None,
                path,
                place: self.place.clone(),
                asked: Vec::new(),
                flaws: self.flaws,
            },
        }
    }

    /// Every entry, for a table whose keys are names; [`Section::finish`] finds nothing unknown in it.
    pub fn entries(&mut self) -> impl Iterator<Item = (&'a str, &'a Node)> + use<'a> {
        self.table.take().into_iter().flatten().map(|(key, node)| (key.as_str(), node))
    }

    /// The tables of the list at `key`, each with its path.
    pub fn sections(&mut self, key: &'static str) -> Vec<Section<'a>> {
        let Some(node) = self.node(key) else { return Vec::new() };
        let path = self.path(key);
        let Value::List(items) = &node.value else {
            self.flaw(
                key,
                format!("must be a list of tables (`[[{key}]]`), not {}", node.value.kind()),
            );
            return Vec::new();
        };
        let section = |(index, item)| Section::of(item, format!("{path}[{index}]"), self.flaws);
        items.iter().enumerate().map(section).collect()
    }

    /// Notes every key that was never asked for.
    pub fn finish(self) {
        let Some(table) = self.table else { return };
        for (key, node) in table {
            if !self.asked.contains(&key.as_str()) {
                self.flaws.add(&node.place, &self.path(key), unknown(key, &self.asked));
            }
        }
    }
}

/// The message for a key (or word) that is none of `known`.
fn unknown(key: &str, known: &[&str]) -> String {
    match nearest(key, known) {
        Some(nearest) => format!("unknown key; did you mean `{nearest}`?"),
        None => format!("unknown key; here are known: {}", quoted(known)),
    }
}

fn quoted(words: &[&str]) -> String {
    words.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", ")
}

/// The known word that a slip of the finger would turn into `word`.
fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    // Longer than any key of ours, and the distance takes time that grows with both lengths.
    if word.len() > 40 {
        return None;
    }
    let word = word.to_lowercase().replace('-', "_");
    let near = known.iter().map(|it| (distance(&word, &it.to_lowercase()), *it)).min()?;
    (near.0 <= 2 && near.0 * 2 < near.1.len().max(3)).then_some(near.1)
}

/// How many letters to add, drop, change or swap with their neighbour to turn one word into the other.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=other.len()).collect()];
    for (line, left) in one.iter().enumerate() {
        let mut row = vec![line + 1];
        for (column, right) in other.iter().enumerate() {
            let changed = rows[line][column] + usize::from(left != right);
            let mut least = changed.min(rows[line][column + 1] + 1).min(row[column] + 1);
            let swapped =
                line > 0 && column > 0 && one[line - 1] == *right && other[column - 1] == *left;
            if swapped {
                least = least.min(rows[line - 1][column - 1] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[one.len()][other.len()]
}

fn wanted(what: &str, node: &Node) -> String {
    format!("must be {what}, not {}", node.value.kind())
}

/// Any text. A value whose type had to be guessed is taken as it was written.
pub fn text(node: &Node) -> Result<&str, String> {
    match (&node.value, &node.raw) {
        (Value::Text(text), _) => Ok(text),
        (Value::List(_) | Value::Table(_), _) | (_, None) => Err(wanted("a text", node)),
        (_, Some(raw)) => Ok(raw),
    }
}

/// A text for people: one line, not empty, at most `longest` bytes.
pub fn words(longest: usize) -> impl Fn(&Node) -> Result<String, String> {
    move |node| {
        let text = text(node)?;
        if text.trim().is_empty() || text.len() > longest || text.chars().any(char::is_control) {
            return Err(format!("must be one line of 1 to {longest} bytes"));
        }
        Ok(text.to_owned())
    }
}

/// A text that its type can read; the type's own error says what would be right.
pub fn parsed<T: FromStr<Err: Display>>(node: &Node) -> Result<T, String> {
    text(node)?.parse().map_err(|error: T::Err| error.to_string())
}

pub fn flag(node: &Node) -> Result<bool, String> {
    match node.value {
        Value::Flag(flag) => Ok(flag),
        _ => Err(wanted("true or false", node)),
    }
}

/// A whole number from `least` to `most`.
pub fn whole<T>(least: T, most: T) -> impl Fn(&Node) -> Result<T, String>
where
    T: TryFrom<i64> + PartialOrd + Display + Copy,
{
    move |node| match node.value {
        Value::Whole(number) => T::try_from(number)
            .ok()
            .filter(|it| least <= *it && *it <= most)
            .ok_or_else(|| format!("must be from {least} to {most}")),
        _ => Err(wanted(&format!("a whole number from {least} to {most}"), node)),
    }
}

/// One of a few words.
pub fn one_of<T: Copy>(choices: &[(&str, T)]) -> impl Fn(&Node) -> Result<T, String> {
    move |node| {
        let text = text(node)?;
        let found = choices.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        let known: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        found.ok_or_else(|| match nearest(text, &known) {
            Some(near) => format!("must be one of {}; did you mean `{near}`?", quoted(&known)),
            None => format!("must be one of {}", quoted(&known)),
        })
    }
}

/// A duration from `least` to `most`.
pub fn duration(least: Duration, most: Duration) -> impl Fn(&Node) -> Result<Duration, String> {
    move |node| {
        let found = parse_duration(text(node).map_err(|_| wanted(DURATION, node))?)?;
        if found < least || found > most {
            return Err(format!("must be from {} to {}", written(least), written(most)));
        }
        Ok(found)
    }
}

const DURATION: &str = "a duration such as \"500ms\", \"90s\", \"10m\", \"12h\" or \"14d\"";

/// Reads `"500ms"`, `"90s"`, `"10m"`, `"12h"`, `"14d"`.
///
/// # Errors
/// When it is anything else, saying what would be right.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("must be {DURATION}");
    let unit_at = text.find(|it: char| !it.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(unit_at);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "ms" => return Ok(Duration::from_millis(number)),
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(wrong)
}

/// A duration in the largest unit that tells it exactly.
pub fn written(duration: Duration) -> String {
    let (seconds, rest) = (duration.as_secs(), duration.subsec_millis());
    match (seconds, rest) {
        (_, 1..) => format!("{}ms", duration.as_millis()),
        (1.., _) if seconds.is_multiple_of(86_400) => format!("{}d", seconds / 86_400),
        (1.., _) if seconds.is_multiple_of(3_600) => format!("{}h", seconds / 3_600),
        (1.., _) if seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        _ => format!("{seconds}s"),
    }
}

/// An instant: a TOML date and time with an offset, or the same as RFC 3339 text.
pub fn moment(node: &Node) -> Result<Timestamp, String> {
    let text = match &node.value {
        Value::Moment(moment) => moment.to_string(),
        Value::Text(text) => text.clone(),
        _ => String::new(),
    };
    text.parse()
        .map_err(|_| "must be a time such as 2030-01-01T00:00:00Z, with Z or an offset".into())
}

#[cfg(test)]
mod tests;
