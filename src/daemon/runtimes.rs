//! The runtimes of the daemon, and how many threads they may come to.
//!
//! What blocks or computes for long (the store's file, the user database, names to be resolved, a contract that runs) is
//! done on threads beside the runtime that asks for it, and how much of that there is callers decide. tokio would make
//! up to 512 for each runtime, and panics where it needs a first one and the system gives none.
//!
//! Invariant: all threads together are no more than `TasksMax` of `systemd/entitled.service` allows. What finds none free waits.

use anyhow::Context as _;
use tokio::runtime::{Builder, Runtime};

use crate::rpc::socket::{closing, workers};

/// The actors' thread, the store's writer, the log, the chains' thread; and one that begins while another ends.
const ALWAYS: usize = 5;
/// Beside the actors: questions of the ledger, which are many and short; a backup, an audit that is verified, keys that
/// are opened and callers' signatures that are judged, each bounded where it is begun.
const BESIDE_ACTORS: usize = 24;
/// Beside the chains. Looking up a name blocks a thread until the resolver gives up: with as many as this, names that
/// cannot be resolved on one chain take none from the others.
const BESIDE_CHAINS: usize = 32;

/// The most threads there are, with processes that hold what closes, when so many serve connections.
pub const fn most_threads(serving: usize) -> usize {
    let sockets = serving * (1 + workers::BESIDE) + 1 + closing::AT_A_TIME;
    ALWAYS + BESIDE_ACTORS + BESIDE_CHAINS + sockets
}

#[expect(
    clippy::expect_used,
    reason = "actix takes no error here; without a runtime there is no daemon"
)]
pub(super) fn of_actors() -> Runtime {
    Builder::new_current_thread()
        .max_blocking_threads(BESIDE_ACTORS)
        .enable_all()
        .build()
        .expect("a runtime for the actors")
}

/// A runtime of one thread of its own.
pub(super) fn of_chains() -> anyhow::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(BESIDE_CHAINS)
        .thread_name("entitled-chain")
        .enable_all()
        .build()
        .context("cannot start a thread")
}

#[cfg(test)]
mod tests;
