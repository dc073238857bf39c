//! How far something is that takes a while, and that it still goes on.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

const WIDTH: usize = 30;
/// What is over sooner shows nothing.
const PATIENCE: Duration = Duration::from_millis(500);
const TURN: Duration = Duration::from_millis(150);
const SIGNS: [char; 4] = ['|', '/', '-', '\\'];

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

/// A line on a terminal's standard error that says what is waited for, from half a second on until this is dropped. It
/// holds nothing up: Ctrl-C ends the program as ever.
pub(crate) struct Spinner {
    /// Things that were counted so far.
    count: Arc<AtomicU64>,
    /// The thread that draws, which ends when this is dropped.
    drawing: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Spinner {
    /// `shown`: whether whoever started this program wants to see such things at all.
    pub(crate) fn begin(shown: bool, words: &'static str) -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|it| it == "dumb");
        let count = Arc::<AtomicU64>::default();
        if !shown || dumb || !io::stderr().is_terminal() {
            return Self { count, drawing: None };
        }
        let (over, ends) = mpsc::channel::<()>();
        let counted = Arc::clone(&count);
        let thread = std::thread::Builder::new().spawn(move || {
            let mut waited = PATIENCE;
            let mut turns = 0;
            while ends.recv_timeout(if turns == 0 { PATIENCE } else { TURN })
                == Err(RecvTimeoutError::Timeout)
            {
                let line = line(turns, words, waited, counted.load(Ordering::Relaxed));
                let _ = write!(io::stderr().lock(), "\r{line}\u{1b}[K");
                (turns, waited) = (turns + 1, waited + TURN);
            }
            if turns > 0 {
                let _ = write!(io::stderr().lock(), "\r\u{1b}[K");
            }
        });
        // Without a thread the work is done all the same.
        Self { count, drawing: thread.ok().map(|it| (over, it)) }
    }

    pub(crate) fn count(&self, more: usize) {
        self.count.fetch_add(u64::try_from(more).unwrap_or_default(), Ordering::Relaxed);
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        if let Some((over, thread)) = self.drawing.take() {
            drop(over);
            let _ = thread.join();
        }
    }
}

fn line(turns: usize, words: &str, waited: Duration, count: u64) -> String {
    let sign = SIGNS[turns % SIGNS.len()];
    let counted = if count > 0 { format!(", {count} so far") } else { String::new() };
    format!("{sign} {words}, {} s{counted} (Ctrl-C gives up)", waited.as_secs())
}

#[cfg(test)]
mod tests;
