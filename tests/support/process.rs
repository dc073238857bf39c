//! Child processes that do not outlive the test, and whose output is kept for when it fails.

use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::eventually;

/// A running child. Killed and waited for when dropped.
pub struct Process {
    child: Child,
    output: Output,
}

/// The lines a child has written so far, both streams together.
#[derive(Clone, Default)]
pub struct Output(Arc<Mutex<Vec<String>>>);

impl Output {
    pub fn text(&self) -> String {
        self.0.lock().unwrap().join("\n")
    }

    fn follow(&self, stream: impl Read + Send + 'static) {
        let lines = self.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                lines.0.lock().unwrap().push(line);
            }
        });
    }
}

/// A command for `program` whose process the kernel ends when this thread ends, where `setpriv` can
/// ask for that: also a test that is killed leaves nothing running.
pub fn command(program: &Path) -> Command {
    let setpriv = Path::new("/usr/bin/setpriv");
    if !setpriv.exists() {
        return Command::new(program);
    }
    let mut command = Command::new(setpriv);
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

impl Process {
    pub fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let output = Output::default();
        output.follow(child.stdout.take().unwrap());
        output.follow(child.stderr.take().unwrap());
        Self { child, output }
    }

    pub fn output(&self) -> &Output {
        &self.output
    }

    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    pub fn signal(&self, signal: Signal) {
        send(Pid::from_raw(self.pid()), signal);
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        let child = &mut self.child;
        let output = &self.output;
        eventually("the process ends", || {
            child.try_wait().unwrap().ok_or_else(|| format!("still running:\n{}", output.text()))
        })
    }
}

/// After `SIGSTOP` all threads have stopped when this comes back. The kernel stops one after the other, as each is scheduled, and
/// until then those that are left go on answering.
pub fn send(process: Pid, signal: Signal) {
    kill(process, signal).unwrap();
    if signal == Signal::SIGSTOP {
        let is_stopped = |stat: &String| {
            let state = stat.rsplit(')').next().unwrap_or_default().trim_start();
            state.starts_with(['T', 't', 'Z', 'X'])
        };
        eventually("all threads have stopped", || {
            let tasks = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
            let stats =
                tasks.filter_map(|it| std::fs::read_to_string(it.ok()?.path().join("stat")).ok());
            match stats.filter(|it| !is_stopped(it)).collect::<Vec<_>>() {
                none if none.is_empty() => Ok(()),
                some => Err(some.concat()),
            }
        });
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _waited = self.child.wait();
    }
}
