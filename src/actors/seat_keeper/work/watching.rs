//! Who is told when a process ends or a connection closes: a task for each, which asks the keeper to take note.

use std::collections::HashMap;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, getrlimit};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::actors::seat_keeper::SeatKeeper;
use crate::actors::seat_keeper::messages::{Disconnected, Exited, Presence, Process};
use crate::descriptor_store::DescriptorStore;
use entitled_core::seats::ProcessId;

/// A keeper that is being restarted is told again after this.
const AGAIN: Duration = Duration::from_millis(20);
/// The names of descriptors that the service manager keeps begin so.
const STORED: &str = "p-";

/// A task that ends with its owner.
#[derive(Debug)]
pub(in crate::actors::seat_keeper) struct Task(tokio::task::JoinHandle<()>);

impl Task {
    pub(in crate::actors::seat_keeper) fn spawn(work: impl Future<Output = ()> + 'static) -> Self {
        Self(actix_rt::spawn(work))
    }

    pub(in crate::actors::seat_keeper) fn is_over(&self) -> bool {
        self.0.is_finished()
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[derive(Debug)]
struct Watch {
    number: u64,
    fd: Arc<OwnedFd>,
    pid: Option<i32>,
    account: u32,
    /// Handed to the service manager.
    is_stored: bool,
    _task: Task,
}

/// All processes and connections that are watched. Each has one descriptor, however many seats it holds.
#[derive(Debug)]
pub(in crate::actors::seat_keeper) struct Watches {
    processes: HashMap<ProcessId, Watch>,
    connections: HashMap<u64, Task>,
    last: u64,
    most: usize,
    descriptors: DescriptorStore,
}

impl Default for Watches {
    /// A quarter of the descriptors that we may have: each connection may take two, and all else has to have some.
    fn default() -> Self {
        let descriptors = getrlimit(Resource::RLIMIT_NOFILE).map_or(1_024, |(soft, _)| soft);
        let most = usize::try_from(descriptors / 4).unwrap_or(usize::MAX);
        Self {
            processes: HashMap::new(),
            connections: HashMap::new(),
            last: 0,
            most,
            descriptors: DescriptorStore::default(),
        }
    }
}

/// No more processes can be watched, of all or of one user.
#[derive(Debug)]
pub(in crate::actors::seat_keeper) struct TooMany;

/// What watching a process began with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::actors::seat_keeper) enum Begun {
    Already,
    Anew,
    /// Another process of this id was watched, and has ended.
    InPlaceOf,
}

impl Watches {
    /// The same, with descriptors that outlive the daemon.
    pub(in crate::actors::seat_keeper) fn storing(self, descriptors: DescriptorStore) -> Self {
        Self { descriptors, ..self }
    }

    /// Hands the descriptor of a process to the service manager, if there is one and it was not before.
    pub(in crate::actors::seat_keeper) fn store(&mut self, process: ProcessId) {
        if let Some(watch) = self.processes.get_mut(&process).filter(|it| !it.is_stored) {
            watch.is_stored = true;
            self.descriptors.keep(stored_name(process), Arc::clone(&watch.fd));
        }
    }

    pub(in crate::actors::seat_keeper) fn is_watched(&self, process: ProcessId) -> bool {
        self.processes.contains_key(&process)
    }

    pub(in crate::actors::seat_keeper) fn process(
        &mut self,
        id: ProcessId,
        process: &Process,
        account: u32,
        keeper: &Addr<SeatKeeper>,
    ) -> Result<Begun, TooMany> {
        let mut begun = Begun::Anew;
        match self.processes.get(&id) {
            // Where an id may be used again, its process has to be alive still.
            Some(watch) if !has_exited(&watch.fd) => return Ok(Begun::Already),
            Some(_) => {
                self.forget_process(id);
                begun = Begun::InPlaceOf;
            }
            None => {
                let own = self.processes.values().filter(|it| it.account == account).count();
                if self.processes.len() >= self.most || (account != 0 && own >= self.most / 2) {
                    return Err(TooMany);
                }
            }
        }
        self.last += 1;
        let exited = Exited { process: id, watch: self.last };
        // One of its own for each watch: the last task may still be about to let go of the other.
        let fd = Arc::new(process.fd.try_clone().map_err(|_| TooMany)?);
        #[expect(
            deprecated,
            reason = "what replaces it is unsafe, and asks for what an owned descriptor keeps anyway"
        )]
        let watched = AsyncFd::with_interest(Arc::clone(&fd), Interest::READABLE);
        let watched = watched.map_err(|error| {
            tracing::error!(%error, "a process cannot be watched");
            TooMany
        })?;
        let keeper = keeper.clone();
        let task = Task::spawn(async move {
            // An error means that it cannot be watched any more, which must not keep a seat for ever.
            let _ = watched.readable().await;
            drop(watched);
            while keeper.send(exited).await.is_err() {
                tokio::time::sleep(AGAIN).await;
            }
        });
        let watch = Watch {
            number: self.last,
            fd,
            pid: process.pid,
            account,
            is_stored: false,
            _task: task,
        };
        self.processes.insert(id, watch);
        Ok(begun)
    }

    /// Tells when the connection ends.
    pub(in crate::actors::seat_keeper) fn connection(
        &mut self,
        presence: &Presence,
        keeper: &Addr<SeatKeeper>,
    ) {
        let connection = presence.connection;
        self.connections.entry(connection).or_insert_with(|| {
            let (mut closed, keeper) = (presence.closed.clone(), keeper.clone());
            Task::spawn(async move {
                // An error means that who would tell is gone, which is the same.
                let _ = closed.wait_for(|it| *it).await;
                while keeper.send(Disconnected { connection }).await.is_err() {
                    tokio::time::sleep(AGAIN).await;
                }
            })
        });
    }

    /// Whether this is the present watch of the process.
    pub(in crate::actors::seat_keeper) fn is_current(&self, exited: Exited) -> bool {
        self.processes.get(&exited.process).is_some_and(|it| it.number == exited.watch)
    }

    pub(in crate::actors::seat_keeper) fn forget_process(&mut self, process: ProcessId) {
        if self.processes.remove(&process).is_some_and(|it| it.is_stored) {
            self.descriptors.forget(stored_name(process));
        }
    }

    /// The service manager kept the descriptor of a process that holds no seat any more.
    pub(in crate::actors::seat_keeper) fn forget_stored(&self, process: ProcessId) {
        self.descriptors.forget(stored_name(process));
    }

    pub(in crate::actors::seat_keeper) fn forget_connection(&mut self, connection: u64) {
        self.connections.remove(&connection);
    }

    pub(in crate::actors::seat_keeper) fn pid(&self, process: ProcessId) -> Option<i32> {
        self.processes.get(&process)?.pid
    }

    pub(in crate::actors::seat_keeper) fn count(&self) -> usize {
        self.processes.len()
    }
}

/// What the service manager knows the descriptor of a process by.
fn stored_name(process: ProcessId) -> String {
    format!("{STORED}{:x}", process.0)
}

/// The process of a descriptor that the service manager hands back, by its name.
pub(in crate::actors::seat_keeper) fn process_of(name: &str) -> Option<ProcessId> {
    u64::from_str_radix(name.strip_prefix(STORED)?, 16).ok().map(ProcessId)
}

/// Whether the process of a pidfd has ended. That it cannot be found out ends nothing.
pub(in crate::actors::seat_keeper) fn has_exited(fd: &OwnedFd) -> bool {
    let mut polled = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
    poll(&mut polled, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}
