//! The one writer: a thread that turns many small changes into few durable commits.
//!
//! It gathers what is waiting into one transaction and answers after the commit. An operation that is
//! refused fails alone. When the file fails, or an operation panics, the transaction is dropped and every
//! operation of the group is told so: none of them has changed anything.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use super::error::StoreError;
use super::file::database::Slot;
use super::view::Changes;

/// Operations in one commit.
const GROUP: usize = 256;
/// How long, and how often, a group waits for one more while it is smaller than the one before: at most 2 ms together, and
/// not again once nobody came. Who was answered then may order the next at once; a lone change waits for nobody.
const WAIT: Duration = Duration::from_micros(500);
const WAITS: usize = 4;
/// Changes waiting before more are refused.
const QUEUE: usize = 4_096;
/// How often a file that could not be opened again is tried.
const RETRY: Duration = Duration::from_secs(1);

/// What the writer did since start.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) commits: AtomicU64,
    pub(super) changes: AtomicU64,
}

/// One operation, and somebody waiting for its outcome.
trait Job: Send {
    /// Runs it. An error is the group's; a refusal is kept for the one who asked.
    fn run(&mut self, changes: &mut Changes<'_>) -> Result<(), StoreError>;
    /// Answers, once it is known what became of the group.
    fn settle(self: Box<Self>, group: &Result<(), StoreError>);
}

struct Order<T, F> {
    operation: Option<F>,
    outcome: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Job for Order<T, F>
where
    T: Send,
    F: FnOnce(&mut Changes<'_>) -> Result<T, StoreError> + Send,
{
    fn run(&mut self, changes: &mut Changes<'_>) -> Result<(), StoreError> {
        let Some(operation) = self.operation.take() else { return Ok(()) };
        let written = changes.written();
        match operation(changes) {
            // A refusal after a write would leave half a change in the others' transaction.
            Err(error) if !error.is_refusal() || changes.written() != written => Err(error),
            outcome => {
                self.outcome = Some(outcome);
                Ok(())
            }
        }
    }

    fn settle(self: Box<Self>, group: &Result<(), StoreError>) {
        let outcome = match (group, self.outcome) {
            (Ok(()), Some(outcome)) => outcome,
            (Err(error), _) => Err(error.clone()),
            (Ok(()), None) => Err(StoreError::Panicked),
        };
        // Whoever asked may have gone; the change stands all the same.
        drop(self.reply.send(outcome));
    }
}

/// The way to the writer's thread.
pub(super) struct Writer {
    queue: Mutex<Option<SyncSender<Box<dyn Job>>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(super) fn start(slot: Arc<Slot>, counters: Arc<Counters>) -> Result<Self, StoreError> {
        let (queue, waiting) = sync_channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("entitled-ledger".into())
            .spawn(move || work(&slot, &counters, &waiting))
            .map_err(StoreError::file("start the writer of the store"))?;
        Ok(Self { queue: Mutex::new(Some(queue)), thread: Mutex::new(Some(thread)) })
    }

    /// Hands an operation over. The answer comes after its durable commit.
    pub(super) fn order<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Changes<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<oneshot::Receiver<Result<T, StoreError>>, StoreError> {
        let (reply, answer) = oneshot::channel();
        let order = Order { operation: Some(operation), outcome: None, reply };
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        match queue.as_ref().map(|it| it.try_send(Box::new(order))) {
            Some(Ok(())) => Ok(answer),
            Some(Err(TrySendError::Full(_))) => Err(StoreError::Busy),
            Some(Err(TrySendError::Disconnected(_))) | None => Err(StoreError::Closed),
        }
    }

    /// Takes no more orders, and waits until all that were taken are answered.
    pub(super) fn stop(&self) {
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.thread().id() != std::thread::current().id()
            && thread.join().is_err()
        {
            tracing::error!("the writer of the store ended by a panic");
        }
    }
}

fn work(slot: &Slot, counters: &Counters, waiting: &Receiver<Box<dyn Job>>) {
    let mut last = 1;
    loop {
        let first = if slot.has_failed() {
            match waiting.recv_timeout(RETRY) {
                Err(RecvTimeoutError::Timeout) => {
                    slot.reopen();
                    continue;
                }
                other => other.ok(),
            }
        } else {
            waiting.recv().ok()
        };
        let Some(first) = first else { return };
        let group = gather(first, waiting, last);
        last = group.len();
        commit(slot, counters, group);
    }
}

fn gather(first: Box<dyn Job>, waiting: &Receiver<Box<dyn Job>>, last: usize) -> Vec<Box<dyn Job>> {
    let mut group = vec![first];
    let mut waits = 0;
    while group.len() < GROUP {
        if let Ok(next) = waiting.try_recv() {
            group.push(next);
        } else if group.len() < last && waits < WAITS {
            waits += 1;
            match waiting.recv_timeout(WAIT) {
                Ok(next) => group.push(next),
                Err(_) => break,
            }
        } else {
            break;
        }
    }
    group
}

fn commit(slot: &Slot, counters: &Counters, mut group: Vec<Box<dyn Job>>) {
    if slot.has_failed() {
        slot.reopen();
    }
    let attempt = AssertUnwindSafe(|| attempt(slot, counters, &mut group));
    let outcome = catch_unwind(attempt).unwrap_or(Err(StoreError::Panicked));
    match &outcome {
        Ok(()) => {
            let size = u64::try_from(group.len()).unwrap_or(u64::MAX);
            counters.changes.fetch_add(size, Ordering::Relaxed);
        }
        Err(error @ (StoreError::Database { .. } | StoreError::File { .. })) => {
            tracing::error!(
                event = "store_write_failed",
                ?error,
                operations = group.len(),
                "a group of changes was not kept"
            );
            slot.reopen();
        }
        Err(error) => {
            tracing::error!(
                event = "store_write_failed",
                ?error,
                operations = group.len(),
                "a group of changes was not kept"
            );
        }
    }
    for job in group {
        job.settle(&outcome);
    }
}

fn attempt(slot: &Slot, counters: &Counters, group: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
    let transaction = slot.begin_write()?;
    let mut changes = Changes::open(&transaction)?;
    for job in group {
        job.run(&mut changes)?;
    }
    let written = changes.written();
    drop(changes);
    if written == 0 {
        // Everything was refused, or changed nothing: there is nothing to wait for.
        return transaction.abort().map_err(StoreError::database("drop a change to the store"));
    }
    transaction.commit().map_err(StoreError::database("commit changes to the store"))?;
    counters.commits.fetch_add(1, Ordering::Relaxed);
    Ok(())
}
