//! Closes sockets in which descriptors may lie that somebody sent and nobody read.
//!
//! Closing those may last as long as their sender likes. So it is never done here: another process gets the sockets as well
//! and holds them until they are closed here, which is then not the last time; and it ends. What closes because a process
//! ends is waited for by nobody, and a connection with `SO_LINGER` does not linger. A process has what one account left, so
//! none waits for another's; where none can be started, a thread closes them.
//!
//! Asked by `stream` and `listen`. Invariant: the place of a connection is given back when it is closed.

use std::collections::HashMap;
use std::ffi::CStr;
use std::io::{self, PipeReader, PipeWriter, pipe};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use nix::errno::Errno;
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags as Flags, posix_spawn};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::census::Seat;

/// The program that holds sockets: ourselves, whatever has become of our file.
pub(in crate::rpc) const OURSELVES: &str = "/proc/self/exe";
/// Its name and the role it has then.
const HOLD: [&CStr; 2] = [c"entitled", c"hold"];
/// So many close at a time, and so many of one account.
pub(crate) const AT_A_TIME: usize = 16;
const OF_ONE: usize = 4;
/// An account has one at a time, unless so many sockets wait for it.
const MANY: usize = 256;
/// How long it is waited, at first and at last, before one looks again who is done.
const SOON: Duration = Duration::from_millis(1);
const LATER: Duration = Duration::from_millis(500);

/// A socket to be closed.
pub(in crate::rpc) struct Leaving {
    pub(in crate::rpc) account: u32,
    pub(in crate::rpc) socket: OwnedFd,
    pub(in crate::rpc) seat: Option<Arc<Seat>>,
}

impl Leaving {
    /// The account of what belongs to no user.
    pub(in crate::rpc) const NOBODY: u32 = u32::MAX;
}

/// Where sockets are given to be closed.
pub(in crate::rpc) struct Closer(Sender<Leaving>);

impl Closer {
    /// Begins its thread, which ends with the last reference to this. `holder` is the program that can hold sockets.
    pub(in crate::rpc) fn start(holder: Option<PathBuf>) -> Arc<Self> {
        let (give, given) = channel();
        let holder = holder.map(Holder::new);
        let mut closing = Closing { holder, accounts: HashMap::new() };
        let started =
            Builder::new().name("entitled-close".into()).spawn(move || closing.run(&given));
        if let Err(error) = started {
            tracing::warn!(%error, "connections have no thread to be closed on");
        }
        Arc::new(Self(give))
    }

    pub(in crate::rpc) fn close(&self, leaving: Leaving) {
        // Without the thread it is closed by whoever is here.
        let _ = self.0.send(leaving);
    }
}

/// What is closing, and what waits for it.
struct Closing {
    holder: Option<Holder>,
    accounts: HashMap<u32, Account>,
}

#[derive(Default)]
struct Account {
    waiting: Vec<Leaving>,
    going: Vec<Going>,
}

/// Sockets that close, and the places that are given back then.
struct Going {
    by: By,
    _seats: Vec<Arc<Seat>>,
}

enum By {
    Process(Pid),
    Thread(JoinHandle<()>),
}

impl Closing {
    fn run(&mut self, given: &Receiver<Leaving>) {
        let mut patience = SOON;
        loop {
            let next = match self.accounts.is_empty() {
                true => given.recv().map_err(|_| RecvTimeoutError::Disconnected),
                false => given.recv_timeout(patience),
            };
            match next {
                Ok(first) => {
                    patience = SOON;
                    for leaving in std::iter::once(first).chain(given.try_iter().take(MANY)) {
                        self.accounts.entry(leaving.account).or_default().waiting.push(leaving);
                    }
                }
                Err(RecvTimeoutError::Timeout) => patience = (patience * 2).min(LATER),
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.let_go();
        }
    }

    /// Sees who is done, and begins with those for whom there is a place.
    fn let_go(&mut self) {
        for account in self.accounts.values_mut() {
            account.going.retain(|it| !it.is_done());
        }
        self.accounts.retain(|_, it| !(it.waiting.is_empty() && it.going.is_empty()));
        let going: usize = self.accounts.values().map(|it| it.going.len()).sum();
        let mut places = AT_A_TIME.saturating_sub(going);
        for account in self.accounts.values_mut() {
            if places > 0 && account.may_begin() {
                account.begin(self.holder.as_mut());
                places -= 1;
            }
        }
    }
}

impl Account {
    fn may_begin(&self) -> bool {
        let most = if self.waiting.len() < MANY { 1 } else { OF_ONE };
        !self.waiting.is_empty() && self.going.len() < most
    }

    /// Closes all that wait. What cannot begin now goes on waiting.
    fn begin(&mut self, mut holder: Option<&mut Holder>) {
        let held = match &mut holder {
            Some(holder) => holder.hold(&self.waiting),
            None => Err(io::ErrorKind::Unsupported.into()),
        };
        let (by, seats) = match held {
            Ok((process, input)) => {
                let (sockets, seats) = self.take_all();
                // The process has them too: nothing is closed for the last time here.
                drop(sockets);
                // It ends with its input.
                drop(input);
                (By::Process(process), seats)
            }
            Err(error) if passes(&error) => return,
            Err(error) => {
                tracing::debug!(%error, "no process holds what is to be closed");
                let (give, given) = channel::<Vec<OwnedFd>>();
                let started = Builder::new().spawn(move || drop(given.recv()));
                let Ok(thread) = started else { return };
                let (sockets, seats) = self.take_all();
                // The thread waits for them.
                let _ = give.send(sockets);
                (By::Thread(thread), seats)
            }
        };
        self.going.push(Going { by, _seats: seats });
        if let Some(holder) = holder {
            holder.prepare();
        }
    }

    fn take_all(&mut self) -> (Vec<OwnedFd>, Vec<Arc<Seat>>) {
        let (mut sockets, mut seats) = (Vec::new(), Vec::new());
        for Leaving { socket, seat, .. } in self.waiting.drain(..) {
            sockets.push(socket);
            seats.extend(seat);
        }
        (sockets, seats)
    }
}

impl Going {
    fn is_done(&self) -> bool {
        match &self.by {
            // Who cannot be asked after is no child of ours any more.
            By::Process(process) => !matches!(
                waitpid(*process, Some(WaitPidFlag::WNOHANG)),
                Ok(WaitStatus::StillAlive) | Err(Errno::EINTR)
            ),
            By::Thread(thread) => thread.is_finished(),
        }
    }
}

/// Whether the system has no more of something for now.
fn passes(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw);
    matches!(errno, Some(Errno::EAGAIN | Errno::ENOMEM | Errno::EMFILE | Errno::ENFILE))
}

/// Starts processes that hold sockets.
struct Holder {
    program: PathBuf,
    /// For the next one. Somebody may have used up all descriptors by then.
    prepared: Option<Streams>,
}

/// The standard streams of a process, and what ends its input when it is dropped.
struct Streams {
    input: PipeReader,
    end: PipeWriter,
    output: PipeWriter,
    errors: PipeWriter,
}

impl Streams {
    fn new() -> io::Result<Self> {
        let (input, end) = pipe()?;
        // It writes nothing.
        let (_, output) = pipe()?;
        let errors = output.try_clone()?;
        Ok(Self { input, end, output, errors })
    }
}

impl Holder {
    fn new(program: PathBuf) -> Self {
        Self { program, prepared: Streams::new().ok() }
    }

    fn prepare(&mut self) {
        self.prepared = self.prepared.take().or_else(|| Streams::new().ok());
    }

    /// Starts one that has these sockets until its input ends. It alone gets them, and no others: they are closed where
    /// another program begins, but in the child that is told to keep them.
    fn hold(&mut self, sockets: &[Leaving]) -> io::Result<(Pid, PipeWriter)> {
        let Streams { input, end, output, errors } = match self.prepared.take() {
            Some(prepared) => prepared,
            None => Streams::new()?,
        };
        let mut actions = PosixSpawnFileActions::init()?;
        let streams = [input.as_raw_fd(), output.as_raw_fd(), errors.as_raw_fd()];
        for (stream, number) in streams.into_iter().zip(0..) {
            actions.add_dup2(stream, number)?;
        }
        for Leaving { socket, .. } in sockets {
            // To its own number: it is kept then (POSIX.1-2024).
            actions.add_dup2(socket.as_raw_fd(), socket.as_raw_fd())?;
        }
        let mut signals = PosixSpawnAttr::init()?;
        signals.set_flags(Flags::POSIX_SPAWN_SETSIGMASK | Flags::POSIX_SPAWN_SETSIGDEF)?;
        signals.set_sigmask(&SigSet::empty())?;
        signals.set_sigdefault(&SigSet::from(Signal::SIGPIPE))?;
        let no_environment: [&CStr; 0] = [];
        let process =
            posix_spawn(self.program.as_path(), &actions, &signals, &HOLD, &no_environment)?;
        Ok((process, end))
    }
}

#[cfg(test)]
mod tests;
