//! A real pseudo-terminal with a program in front of it, as a person at a keyboard meets it.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{LocalFlags, tcgetattr};
use nix::unistd::Pid;

use crate::support::eventually;

/// What the keys send.
pub const CTRL_C: &str = "\u{3}";
pub const CTRL_Z: &str = "\u{1a}";

/// A terminal, and the program that has it. Killed and waited for when dropped.
pub struct Terminal {
    keyboard: File,
    shown: Arc<Mutex<String>>,
    child: std::process::Child,
    /// Kept, so that the terminal outlives its program, until it is waited for.
    line: Option<OwnedFd>,
    follower: Option<JoinHandle<()>>,
}

impl Terminal {
    /// Starts `command` as the leader of a session of its own, whose terminal this is.
    pub fn start(command: &Command) -> Self {
        Self::of_width(command, 0)
    }

    /// The same, of so many columns; 0 for a terminal that does not say.
    pub fn of_width(command: &Command, columns: u16) -> Self {
        let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = openpty(Some(&size), None).unwrap();
        let line = || Stdio::from(pair.slave.try_clone().unwrap());
        let mut leader = Command::new("setsid");
        leader.arg("--ctty").arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => leader.env(name, value),
                None => leader.env_remove(name),
            };
        }
        let child = leader.stdin(line()).stdout(line()).stderr(line()).spawn().unwrap();
        let shown = Arc::new(Mutex::new(String::new()));
        let keyboard = File::from(pair.master);
        let follower = follow(keyboard.try_clone().unwrap(), Arc::clone(&shown));
        Self { keyboard, shown, child, line: Some(pair.slave), follower: Some(follower) }
    }

    pub fn shown(&self) -> String {
        self.shown.lock().unwrap().clone()
    }

    /// Waits until the program has shown `text` so many times.
    pub fn wait_for(&self, text: &str, times: usize) {
        eventually(&format!("the terminal shows `{text}`"), || {
            let shown = self.shown();
            if shown.matches(text).count() >= times { Ok(()) } else { Err(shown) }
        });
    }

    pub fn types(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Whether it shows what is typed.
    pub fn shows_typing(&self) -> bool {
        tcgetattr(&self.keyboard).unwrap().local_flags.contains(LocalFlags::ECHO)
    }

    pub fn wait_until_typing_is(&self, shown: bool) {
        eventually(&format!("typing is shown: {shown}"), || match self.shows_typing() {
            it if it == shown => Ok(()),
            _ => Err(self.shown()),
        });
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for the program's end; from then on all that it has shown is known.
    pub fn wait(&mut self) -> ExitStatus {
        let (child, shown) = (&mut self.child, &self.shown);
        let status = eventually("the program ends", || {
            child.try_wait().unwrap().ok_or_else(|| shown.lock().unwrap().clone())
        });
        drop(self.line.take());
        if let Some(follower) = self.follower.take() {
            follower.join().unwrap();
        }
        status
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _waited = self.child.wait();
    }
}

/// Keeps what is shown, until the terminal is gone.
fn follow(mut screen: File, shown: Arc<Mutex<String>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = screen.read(&mut bytes) {
            shown.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
    })
}
