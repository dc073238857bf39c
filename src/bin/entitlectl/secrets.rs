//! Secrets from a person: a prompt that shows nothing, or one line of standard input. Never an argument, which
//! every process on the machine could read.

use std::io;
use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::os::fd::AsFd;
use std::path::PathBuf;

use entitled::hardening;
use entitled_core::domain::secret::Secret;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, raise};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::termios::{self, LocalFlags, SetArg, Termios};
use nix::unistd;

use crate::exit::Failure;
use crate::screen::Screen;

/// The longest secret, in bytes.
const LONGEST: u64 = 4 * 1024;
/// What ends or stops a program, whether a key sends it or somebody else does. The terminal is given back first.
const HEEDED: [Signal; 5] =
    [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGTSTP];

/// Asks for `what` on a terminal; reads a line where there is none.
pub(crate) fn read(screen: &Screen, what: &str) -> Result<Secret, Failure> {
    // Nothing is started any more by a command that knows a secret, so that no other program loses its core files.
    hardening::harden();
    if !io::stdin().is_terminal() {
        return line(io::stdin().lock()).map_err(|it| match it {
            Failure::Usage(why) => Failure::Usage(format!(
                "{what}: {why}; it is one line of standard input, where that is no terminal"
            )),
            it => it,
        });
    }
    screen.aside(&format!("{what} (nothing is shown):"));
    let hidden = Hidden::new()?;
    line(BufReader::new(&hidden))
}

/// Asks for a new secret, on a terminal twice: nobody saw what was typed.
pub(crate) fn read_new(screen: &Screen, what: &str) -> Result<Secret, Failure> {
    let first = read(screen, what)?;
    if io::stdin().is_terminal() && read(screen, "Once more")?.expose() != first.expose() {
        return Err(Failure::Usage("the two are not the same".to_owned()));
    }
    Ok(first)
}

/// One line without its end. Blanks belong to it.
fn line(from: impl BufRead) -> Result<Secret, Failure> {
    let mut line = Vec::new();
    let read = from.take(LONGEST + 1).read_until(b'\n', &mut line);
    read.map_err(broken)?;
    if line.last() == Some(&b'\n') {
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
    }
    if u64::try_from(line.len()).map_or(true, |it| it > LONGEST) {
        return Err(Failure::Usage(format!("a secret has at most {LONGEST} bytes")));
    }
    match String::from_utf8(line) {
        Ok(text) if text.is_empty() => Err(Failure::Usage("nothing was given".to_owned())),
        Ok(text) => Ok(Secret::new(text)),
        Err(_) => Err(Failure::Usage("what was given is not UTF-8".to_owned())),
    }
}

fn broken(source: io::Error) -> Failure {
    Failure::File { path: PathBuf::from("standard input"), source }
}

/// A terminal that does not show what is typed, until this is dropped, and until a signal ends or stops the program.
struct Hidden {
    before: Termios,
    signals: SignalFd,
    /// Held back while nothing is shown. Those of [`HEEDED`] that were held back before stay so.
    held: SigSet,
}

impl Hidden {
    fn new() -> Result<Self, Failure> {
        let failed = |error: nix::Error| broken(error.into());
        let before = termios::tcgetattr(io::stdin()).map_err(failed)?;
        let already = SigSet::thread_get_mask().map_err(failed)?;
        let held: SigSet = HEEDED.into_iter().filter(|it| !already.contains(*it)).collect();
        // Before the terminal is altered, so that no signal comes in between.
        held.thread_block().map_err(failed)?;
        let signals = SignalFd::with_flags(&held, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC);
        let hidden = Self { before, signals: signals.map_err(failed)?, held };
        hidden.hide().map_err(failed)?;
        Ok(hidden)
    }

    fn hide(&self) -> nix::Result<()> {
        let mut hidden = self.before.clone();
        hidden.local_flags.remove(LocalFlags::ECHO);
        hidden.local_flags.insert(LocalFlags::ECHONL);
        termios::tcsetattr(io::stdin(), SetArg::TCSAFLUSH, &hidden)
    }

    fn show(&self) {
        // There is nothing to be done about a terminal that is gone.
        let _ = termios::tcsetattr(io::stdin(), SetArg::TCSAFLUSH, &self.before);
    }

    /// Does what the signal would have done, with the terminal as it was found. Returns after a stop.
    fn heed(&self, signal: Signal) -> nix::Result<()> {
        self.show();
        self.held.thread_unblock()?;
        raise(signal)?;
        self.held.thread_block()?;
        self.hide()
    }
}

impl Read for &Hidden {
    /// What was typed, up to the end of a line: a terminal gives no more at once.
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let typed = io::stdin();
            let mut both =
                [self.signals.as_fd(), typed.as_fd()].map(|it| PollFd::new(it, PollFlags::POLLIN));
            match poll(&mut both, PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
            match self.signals.read_signal()? {
                Some(signal) => {
                    let number = i32::try_from(signal.ssi_signo).unwrap_or_default();
                    self.heed(Signal::try_from(number)?)?;
                }
                None if both[1].any().unwrap_or_default() => return Ok(unistd::read(typed, into)?),
                None => {}
            }
        }
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        self.show();
        let _ = self.held.thread_unblock();
    }
}

#[cfg(test)]
mod tests;
