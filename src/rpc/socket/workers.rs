//! The threads that serve connections: the one that lets people in, and others beside it.
//!
//! A connection stays on the thread it was given to, with all it asks. Nothing that a warm check touches is written by two of
//! them ([0082](../../../docs/decisions/0082-a-connection-has-one-thread.md)).

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::connection::{self, Arrival};
use super::stop::Stop;
use super::stream::Moving;
use crate::rpc::call::caller::Service;

/// Threads beside each that serves connections: one for subordinate uids, and one for groups, as the user database may be
/// on a network.
pub const BESIDE: usize = 2;
/// For good. A thread that must be made anew may be refused, and then whoever needs it panics.
const KEPT: Duration = Duration::from_secs(u32::MAX as u64);

/// The runtime of a thread that serves connections.
///
/// # Errors
/// When the system has no more of what it takes.
pub fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread()
        .max_blocking_threads(BESIDE)
        .thread_keep_alive(KEPT)
        .enable_all()
        .build()
}

/// Ends its threads when dropped.
pub(in crate::rpc) struct Workers {
    /// Connections on the thread that lets people in.
    here: Arc<AtomicUsize>,
    others: Vec<Worker>,
}

struct Worker {
    runtime: Handle,
    connections: Arc<AtomicUsize>,
    /// Its thread ends with this.
    _end: oneshot::Sender<Infallible>,
}

/// One connection of those a thread has, as long as this is there.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(connections: &Arc<AtomicUsize>) -> Self {
        connections.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(connections))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Workers {
    /// As many threads as that, the caller's own among them; fewer where the system has no more.
    pub(in crate::rpc) fn start(threads: usize) -> Self {
        let mut others = Vec::new();
        for number in 1..threads {
            match Worker::start(number) {
                Ok(worker) => others.push(worker),
                Err(error) => {
                    tracing::warn!(%error, threads = number, "connections have fewer threads");
                    break;
                }
            }
        }
        Self { here: Arc::default(), others }
    }

    /// Serves a connection on the thread that has the fewest, and here where that is one of them: most programs ask once,
    /// and to hand them on would cost more than to answer.
    pub(in crate::rpc) fn serve(
        &self,
        arrival: Arrival,
        (service, stop): (Arc<Service>, Stop),
        connections: &mut JoinSet<()>,
    ) {
        let count = |it: &AtomicUsize| it.load(Ordering::Relaxed);
        let fewest = self.others.iter().min_by_key(|it| count(&it.connections));
        let Some(other) = fewest.filter(|it| count(&it.connections) < count(&self.here)) else {
            let counted = Counted::new(&self.here);
            connections.spawn(async move {
                connection::serve(arrival, service, stop).await;
                drop(counted);
            });
            return;
        };
        let counted = Counted::new(&other.connections);
        let Arrival { io, peer, seat, number } = arrival;
        let moved = io.leave();
        let serving = async move {
            match moved.and_then(Moving::arrive) {
                Ok(io) => {
                    connection::serve(Arrival { io, peer, seat, number }, service, stop).await
                }
                Err(error) => tracing::warn!(%error, "a connection could not be handed on"),
            }
            drop(counted);
        };
        connections.spawn_on(serving, &other.runtime);
    }
}

impl Worker {
    fn start(number: usize) -> io::Result<Self> {
        let runtime = runtime()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<Infallible>();
        std::thread::Builder::new().name(format!("entitled-sock-{number}")).spawn(move || {
            // Nothing is ever sent: the sender is dropped.
            let _ = runtime.block_on(ended);
        })?;
        Ok(Self { runtime: handle, connections: Arc::default(), _end: end })
    }
}
