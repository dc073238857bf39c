//! Standard output and standard error, for people or for programs.
//!
//! Owns: whether there is colour, whether marks may be Unicode, and what happens when nobody reads any
//! more. A closed pipe (`entitlectl … | head`) ends the output, not the command.

use std::io;
use std::io::{IsTerminal, Write};

use entitled_client::ClientError;
use entitled_core::domain::causes::with_causes;
use serde_json::json;
use serde_json::value::RawValue;

use crate::exit::Failure;
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
    json: bool,
    colour: bool,
    unicode: bool,
    /// Nobody reads any more.
    closed: bool,
    failed: Option<io::Error>,
}

impl Screen {
    pub(crate) fn new(json: bool) -> Self {
        let set = |name: &str| std::env::var(name).ok().filter(|it| !it.is_empty());
        let dumb = set("TERM").is_some_and(|it| it == "dumb");
        let colour = io::stdout().is_terminal() && set("NO_COLOR").is_none() && !dumb;
        let locale = set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG"));
        Self { json, colour, unicode: is_unicode(locale.as_deref()), closed: false, failed: None }
    }

    /// Whether results are to be printed as they came.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Whether nobody reads any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Writes a line and makes sure it is out.
    pub(crate) fn line(&mut self, text: &str) {
        self.write(&format!("{text}\n"));
    }

    /// Writes a result exactly as the daemon gave it, and a line end.
    pub(crate) fn raw(&mut self, result: &RawValue) {
        self.line(result.get());
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
        if self.json
            && let Failure::Client(ClientError::Refused { code, message, data }) = failure
        {
            let error = json!({"error": {"code": code, "message": message, "data": data}});
            return self.aside(&error.to_string());
        }
        self.aside(&format!("entitlectl: {}", words::tame(&with_causes(failure))));
        if let Failure::Client(error) = failure {
            // Where the message ends with what was wrong, once is enough.
            let said = error.to_string();
            let detail = error.detail().filter(|it| !said.ends_with(it)).map(str::to_owned);
            for more in [detail, help(error)].into_iter().flatten() {
                self.aside(&format!("  {}", words::tame(&more)));
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

/// What to do about it.
pub(crate) fn help(error: &ClientError) -> Option<String> {
    let text = match error {
        ClientError::Unreachable { source, .. } => match source.kind() {
            io::ErrorKind::PermissionDenied => {
                "the machine's admin socket is open to root and the group entitled-admin, and a user's own daemon to that user"
            }
            _ => "is it running? `systemctl status entitled.socket entitled.service`",
        },
        ClientError::Untrusted { .. } => "whoever that is, nothing was said to them",
        ClientError::Timeout { .. } => {
            "it may be busy: try again, or give it longer with --timeout"
        }
        ClientError::Refused { .. } => error.help()?,
        ClientError::Protocol { .. } => return None,
    };
    Some(text.to_owned())
}

fn is_unicode(locale: Option<&str>) -> bool {
    locale.is_some_and(|it| {
        let it = it.to_ascii_lowercase();
        it.contains("utf-8") || it.contains("utf8")
    })
}

#[cfg(test)]
mod tests;
