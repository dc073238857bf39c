//! The queue between those who log and the thread that writes.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

use super::plain::{plain, plain_but_for_colour};

/// Records waiting to be written. With [`LONGEST_RECORD`], the most memory a stalled log can take is 64 MiB;
/// an ordinary record has 200 bytes.
const QUEUE: usize = 2_048;
/// A longer record is cut.
pub(super) const LONGEST_RECORD: usize = 32 * 1024;

enum Order<R> {
    Write(R),
    Tell(SyncSender<()>),
}

/// What the thread has to write.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item<R> {
    Record(R),
    /// So many records were lost since this was last said.
    Lost(u64),
}

/// Takes records without waiting. Clones lead to the same thread, which ends with the last of them.
#[derive(Debug)]
pub(super) struct Outlet<R> {
    queue: SyncSender<Order<R>>,
    lost: Arc<AtomicU64>,
}

impl<R> Clone for Outlet<R> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone(), lost: Arc::clone(&self.lost) }
    }
}

impl<R: Send + 'static> Outlet<R> {
    /// Starts the thread. `write` may block.
    pub(super) fn start(write: impl FnMut(Item<R>) + Send + 'static) -> io::Result<Self> {
        let (queue, orders) = mpsc::sync_channel(QUEUE);
        let lost = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&lost);
        std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write_all(&orders, &counter, write))?;
        Ok(Self { queue, lost })
    }

    /// Queues a record, or counts it as lost.
    pub(super) fn put(&self, record: R) {
        if self.queue.try_send(Order::Write(record)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    pub(super) fn flush(&self, at_most: Duration) -> bool {
        let (done, told) = mpsc::sync_channel(1);
        self.queue.try_send(Order::Tell(done)).is_ok() && told.recv_timeout(at_most).is_ok()
    }
}

fn write_all<R>(orders: &Receiver<Order<R>>, lost: &AtomicU64, mut write: impl FnMut(Item<R>)) {
    let mut told = 0;
    while let Ok(order) = orders.recv() {
        let now = lost.load(Ordering::Relaxed);
        if now > told {
            write(Item::Lost(now - told));
            told = now;
        }
        match order {
            Order::Write(record) => write(Item::Record(record)),
            // Nobody waits for it any more: then it need not be told.
            Order::Tell(done) => drop(done.try_send(())),
        }
    }
}

/// A log that cannot be written has nowhere to say so.
pub(super) fn write_stderr(item: Item<Vec<u8>>) {
    let line = match item {
        Item::Record(line) => line,
        Item::Lost(count) => format!("WARN {}\n", lost_message(count)).into_bytes(),
    };
    let _ = io::stderr().lock().write_all(&line);
}

pub(super) fn lost_message(count: u64) -> String {
    format!("{count} log records were lost: more came than could be written")
}

/// Makes lines of records, each of one line and without anything that a terminal would obey.
pub(super) struct Lines {
    pub(super) outlet: Outlet<Vec<u8>>,
    /// Whether records have colours. What is in their fields was escaped before then.
    pub(super) coloured: bool,
}

/// One line on its way into the queue.
pub(super) struct Line<'a>(&'a Lines);

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let record = String::from_utf8_lossy(bytes.strip_suffix(b"\n").unwrap_or(bytes));
        let plain = match self.0.coloured {
            true => plain_but_for_colour(&record),
            false => plain(&record),
        };
        let plain = plain.as_bytes();
        let mut line = plain.get(..LONGEST_RECORD).unwrap_or(plain).to_vec();
        line.push(b'\n');
        self.0.outlet.put(line);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(self)
    }
}

#[cfg(test)]
mod tests;
