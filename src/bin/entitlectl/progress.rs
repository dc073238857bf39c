//! How far something is that takes a while.

use std::io::{self, IsTerminal, Write};

const WIDTH: usize = 30;

/// A bar on a terminal; elsewhere nothing.
pub(crate) struct Bar {
    shown: bool,
    drawn: bool,
}

impl Bar {
    pub(crate) fn new() -> Self {
        Self { shown: io::stderr().is_terminal(), drawn: false }
    }

    pub(crate) fn draw(&mut self, done: u64, total: u64, words: &str) {
        if self.shown {
            self.drawn = true;
            let _ = write!(io::stderr().lock(), "\r{} {words}", bar(done, total));
        }
    }

    pub(crate) fn end(&self) {
        if self.drawn {
            let _ = writeln!(io::stderr().lock());
        }
    }
}

fn bar(done: u64, total: u64) -> String {
    let full = match total {
        0 => 0,
        total => usize::try_from(u128::from(done) * WIDTH as u128 / u128::from(total))
            .unwrap_or(WIDTH)
            .min(WIDTH),
    };
    format!("[{}{}]", "#".repeat(full), ".".repeat(WIDTH - full))
}

#[cfg(test)]
mod tests;
