//! What plays a client's part in a case, and the judge.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use crate::case::{self, Case};
use crate::player::{PATIENCE, Player};

pub trait Driver {
    /// A client of this socket, with this limit, in the place of the one before.
    fn open(&mut self, socket: &Path, timeout_ms: u64);
    fn ask(&mut self, question: &[String]) -> String;
    /// Hangs up.
    fn close(&mut self);

    /// Whether it speaks through the C library, which offers less: then it may say that it cannot do something.
    fn is_of_c(&self) -> bool {
        false
    }
}

/// How often something is asked once more. None of the cases comes near it.
const AGAIN_MAX: usize = 1_000;
/// What a driver of the C library says to what that does not offer.
const CANNOT: &str = "cannot";

/// Plays all cases, and fails with every fault at once.
pub fn conforms(driver: &mut impl Driver) {
    let faults: Vec<String> = case::all().iter().flat_map(|it| play(driver, it)).collect();
    assert!(faults.is_empty(), "{} faults:\n  {}\n", faults.len(), faults.join("\n  "));
}

fn play(driver: &mut impl Driver, case: &Case) -> Vec<String> {
    if driver.is_of_c() && case.but_c.is_some() {
        return Vec::new();
    }
    let Some(player) = Player::start(case) else { return Vec::new() };
    let mut faults = Vec::new();
    driver.open(&player.socket, case.timeout_ms);
    for step in &case.steps {
        if let Some(count) = step.closed {
            player.wait_for_closed(count);
        }
        let Some(question) = &step.question else { continue };
        let mut said = driver.ask(question);
        for _ in 0..AGAIN_MAX {
            if step.again.as_ref() != Some(&said) {
                break;
            }
            said = driver.ask(question);
        }
        if driver.is_of_c() && said == CANNOT {
            driver.close();
            return Vec::new();
        }
        if !step.allows(&said, !driver.is_of_c()) {
            faults.push(format!("{question:?} came to {said:?}"));
        }
    }
    driver.close();
    faults.extend(player.end());
    faults.into_iter().map(|it| format!("{}: {it}", case.name)).collect()
}

/// A program that takes a line for each thing to do, its words between tabs, and says one line.
pub struct Program {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    pub is_of_c: bool,
}

impl Program {
    pub fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Where a client would look if it did not do as it is told.
        command.env_remove("ENTITLED_SOCKET").env_remove("XDG_RUNTIME_DIR");
        let mut child = command.spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let input = child.stdin.take();
        Self { child, input, lines, is_of_c: false }
    }

    fn tell(&mut self, words: &[&str]) -> String {
        let line = words.join("\t") + "\n";
        let written = self.input.as_mut().unwrap().write_all(line.as_bytes());
        match self.lines.recv_timeout(PATIENCE) {
            Ok(said) => said,
            Err(it) => {
                let _ = self.child.kill();
                let mut complaint = String::new();
                let _ = self.child.stderr.take().unwrap().read_to_string(&mut complaint);
                panic!("{words:?}: {it}, {written:?}: {complaint}")
            }
        }
    }

    /// It has to end well, and without a word of complaint.
    pub fn end(mut self) {
        drop(self.input.take());
        let output = self.child.wait_with_output().unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && complaint.is_empty(), "{}: {complaint}", output.status);
    }
}

impl Driver for Program {
    fn open(&mut self, socket: &Path, timeout_ms: u64) {
        let said = self.tell(&["open", socket.to_str().unwrap(), &timeout_ms.to_string()]);
        assert_eq!(said, "ok", "open");
    }

    fn ask(&mut self, question: &[String]) -> String {
        let words: Vec<&str> = question.iter().map(String::as_str).collect();
        self.tell(&words)
    }

    fn close(&mut self) {
        assert_eq!(self.tell(&["close"]), "ok", "close");
    }

    fn is_of_c(&self) -> bool {
        self.is_of_c
    }
}
