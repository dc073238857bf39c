//! Standard output and standard error, for people or for programs.
//!
//! Owns: whether there is colour, whether marks may be Unicode, and what happens when nobody reads any
//! more. A closed pipe (`entitlectl … | head`) ends the output, not the command.

use std::io;
use std::io::{IsTerminal, Write};

use serde_json::Value;
use serde_json::value::RawValue;

use crate::exit::Failure;
use crate::tables::{self, Column};
use crate::told;
use crate::view::{Format, View};
use crate::words;

/// Yes, no, or neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    Yes,
    No,
    Unknown,
}

#[derive(Debug)]
pub(crate) struct Screen {
    view: View,
    colour: bool,
    unicode: bool,
    /// Nobody reads any more.
    closed: bool,
    failed: Option<io::Error>,
}

impl Screen {
    pub(crate) fn new(view: View) -> Self {
        let set = |name: &str| std::env::var(name).ok().filter(|it| !it.is_empty());
        let dumb = set("TERM").is_some_and(|it| it == "dumb");
        let colour = io::stdout().is_terminal() && set("NO_COLOR").is_none() && !dumb;
        let locale = set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG"));
        Self { view, colour, unicode: is_unicode(locale.as_deref()), closed: false, failed: None }
    }

    /// Whether results are to be printed as they came.
    pub(crate) fn is_json(&self) -> bool {
        self.view.format == Format::Json
    }

    pub(crate) fn view(&self) -> &View {
        &self.view
    }

    /// Things below each other, as wide as there is room for.
    pub(crate) fn table(&self, items: &[Value], columns: &[Column]) -> String {
        tables::table(&self.view, items, columns)
    }

    /// Whether nobody reads any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Writes a line and makes sure it is out.
    pub(crate) fn line(&mut self, text: &str) {
        if !self.view.quiet {
            self.list(text);
        }
    }

    /// The same for what is printed with `--quiet` too.
    pub(crate) fn list(&mut self, text: &str) {
        self.write(&format!("{text}\n"));
    }

    /// Writes a result as the daemon gave it, and a line end. Names in it are of others' choice, and a terminal obeys none.
    pub(crate) fn raw(&mut self, result: &RawValue) {
        self.line(&words::tame_json(result.get()));
    }

    /// The same of what was put together here.
    pub(crate) fn json(&mut self, result: &Value) {
        self.line(&words::tame_json(&result.to_string()));
    }

    pub(crate) fn write(&mut self, text: &str) {
        if self.closed || self.failed.is_some() {
            return;
        }
        let mut out = io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Ok(()) => {}
            Err(it) if it.kind() == io::ErrorKind::BrokenPipe => self.closed = true,
            Err(it) => self.failed = Some(it),
        }
    }

    /// Says something beside the result, on standard error.
    pub(crate) fn aside(&self, text: &str) {
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    pub(crate) fn failure(&self, failure: &Failure) {
        match self.is_json() {
            true => self.aside(&words::tame_json(&told::as_json(failure).to_string())),
            false => {
                let room = stderr_width().unwrap_or(usize::MAX);
                let said = told::in_words(failure);
                let lines = said.lines().map(|it| words::wrapped(it, room, "  "));
                self.aside(&lines.collect::<Vec<_>>().join("\n"));
            }
        }
    }

    /// Whether everything could be written.
    pub(crate) fn finish(&mut self) -> Result<(), Failure> {
        match self.failed.take() {
            Some(source) => Err(Failure::Output { source }),
            None => Ok(()),
        }
    }

    pub(crate) fn mark(&self, mark: Mark) -> String {
        let sign = match (mark, self.unicode) {
            (Mark::Yes, true) => "✓",
            (Mark::No, true) => "✗",
            (Mark::Yes, false) => "+",
            (Mark::No, false) => "x",
            (Mark::Unknown, _) => "?",
        };
        self.paint(mark, sign)
    }

    /// Colours `text` as `mark` says, where there is colour.
    pub(crate) fn paint(&self, mark: Mark, text: &str) -> String {
        let colour = match mark {
            Mark::Yes => 32,
            Mark::No => 31,
            Mark::Unknown => 33,
        };
        match self.colour {
            true => format!("\u{1b}[{colour}m{text}\u{1b}[0m"),
            false => text.to_owned(),
        }
    }
}

/// How wide the terminal is that is told beside the results; `None` where none is.
fn stderr_width() -> Option<usize> {
    let (width, _) = terminal_size::terminal_size_of(io::stderr())?;
    Some(usize::from(width.0)).filter(|it| *it > 0)
}

fn is_unicode(locale: Option<&str>) -> bool {
    locale.is_some_and(|it| {
        let it = it.to_ascii_lowercase();
        it.contains("utf-8") || it.contains("utf8")
    })
}

#[cfg(test)]
mod tests;
