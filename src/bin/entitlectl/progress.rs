//! How far something is that takes a while, and that it still goes on.

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
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

/// What is being waited for.
#[derive(Debug, Clone, Copy)]
struct Work {
    words: &'static str,
    /// Things that were counted so far.
    count: usize,
    /// How much is done, in thousandths, where that is known.
    done: Option<u16>,
}

/// Where it is written down how far something is.
#[derive(Debug, Clone)]
pub(crate) struct Told(Arc<Mutex<Work>>);

impl Told {
    fn work(&self) -> Work {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is being done now, and how much of it, in thousandths.
    pub(crate) fn step(&self, words: &'static str, done: Option<u16>) {
        let mut work = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (work.words, work.done) = (words, done);
    }
}

/// A line on a terminal's standard error that says what is waited for, from half a second on until this is dropped. It
/// holds nothing up: Ctrl-C ends the program as ever.
pub(crate) struct Spinner {
    told: Told,
    /// The thread that draws, which ends when this is dropped.
    drawing: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Spinner {
    /// `shown`: whether whoever started this program wants to see such things at all.
    pub(crate) fn begin(shown: bool, words: &'static str) -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|it| it == "dumb");
        let told = Told(Arc::new(Mutex::new(Work { words, count: 0, done: None })));
        if !shown || dumb || !io::stderr().is_terminal() {
            return Self { told, drawing: None };
        }
        let (over, ends) = mpsc::channel::<()>();
        let hears = told.clone();
        let thread = std::thread::Builder::new().spawn(move || {
            let mut waited = PATIENCE;
            let mut turns = 0;
            while ends.recv_timeout(if turns == 0 { PATIENCE } else { TURN })
                == Err(RecvTimeoutError::Timeout)
            {
                let mut line = line(turns, hears.work(), waited);
                // A line that is longer would be drawn below itself, turn by turn.
                if let Some(room) = room() {
                    line = line.chars().take(room).collect();
                }
                let _ = write!(io::stderr().lock(), "\r{line}\u{1b}[K");
                (turns, waited) = (turns + 1, waited + TURN);
            }
            if turns > 0 {
                let _ = write!(io::stderr().lock(), "\r\u{1b}[K");
            }
        });
        // Without a thread the work is done all the same.
        Self { told, drawing: thread.ok().map(|it| (over, it)) }
    }

    pub(crate) fn told(&self) -> Told {
        self.told.clone()
    }

    pub(crate) fn count(&self, more: usize) {
        self.told.0.lock().unwrap_or_else(PoisonError::into_inner).count += more;
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

/// How many characters fit on a line of the terminal, without its last column, at which some begin a new one.
fn room() -> Option<usize> {
    let (width, _) = terminal_size::terminal_size_of(io::stderr())?;
    usize::from(width.0).checked_sub(1).filter(|it| *it > 0)
}

fn line(turns: usize, Work { words, count, done }: Work, waited: Duration) -> String {
    let sign = SIGNS[turns % SIGNS.len()];
    let share = done.map(|it| format!(" {}", bar(it.into(), 1_000))).unwrap_or_default();
    let counted = if count > 0 { format!(", {count} so far") } else { String::new() };
    format!("{sign} {words}{share}, {} s{counted} (Ctrl-C gives up)", waited.as_secs())
}

#[cfg(test)]
mod tests;
