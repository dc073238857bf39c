//! Secrets from a person: a prompt that shows nothing, or one line of standard input. Never an argument, which
//! every process on the machine could read.

use std::io;
use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;

use entitled::domain::secret::Secret;
use nix::sys::termios::{self, LocalFlags, SetArg, SpecialCharacterIndices, Termios};

use crate::exit::Failure;
use crate::screen::Screen;

/// The longest secret, in bytes.
const LONGEST: u64 = 4 * 1024;
/// What the key Ctrl-C sends.
const INTERRUPT: u8 = 3;

/// Asks for `what` on a terminal; reads a line where there is none.
pub(crate) fn read(screen: &Screen, what: &str) -> Result<Secret, Failure> {
    if !io::stdin().is_terminal() {
        return line(io::stdin().lock());
    }
    screen.aside(&format!("{what} (nothing is shown):"));
    let hidden = Hidden::new()?;
    let secret = line(io::stdin().lock());
    drop(hidden);
    secret
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
    if line.last() == Some(&INTERRUPT) {
        return Err(Failure::Usage("interrupted".to_owned()));
    }
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

/// A terminal that does not show what is typed, until this is dropped. Ctrl-C ends the line instead of the
/// program, so that it does not leave a terminal behind that shows nothing.
struct Hidden {
    before: Termios,
}

impl Hidden {
    fn new() -> Result<Self, Failure> {
        let failed = |error: nix::Error| broken(error.into());
        let before = termios::tcgetattr(io::stdin()).map_err(failed)?;
        let mut hidden = before.clone();
        hidden.local_flags.remove(LocalFlags::ECHO | LocalFlags::ISIG);
        hidden.local_flags.insert(LocalFlags::ECHONL);
        let line_end = SpecialCharacterIndices::VEOL as usize;
        if let Some(character) = hidden.control_chars.get_mut(line_end) {
            *character = INTERRUPT;
        }
        termios::tcsetattr(io::stdin(), SetArg::TCSAFLUSH, &hidden).map_err(failed)?;
        Ok(Self { before })
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // There is nothing to be done about a terminal that is gone.
        let _ = termios::tcsetattr(io::stdin(), SetArg::TCSAFLUSH, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_keeps_its_blanks_and_loses_its_line_end() {
        for (given, read) in [(" a b \n", " a b "), ("a\r\nrest", "a"), ("a", "a")] {
            assert_eq!(line(given.as_bytes()).unwrap().expose(), read);
        }
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        let long = "x".repeat(usize::try_from(LONGEST).unwrap() + 1);
        for given in [b"" as &[u8], b"\n", b"\xff\n", b"half\x03", long.as_bytes()] {
            assert!(matches!(line(given), Err(Failure::Usage(_))), "{given:?}");
        }
    }
}
