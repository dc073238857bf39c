//! Checksums of the store's file, by which a start can leave reading all of it for later.
//!
//! redb verifies the whole file or, at a plain opening, nothing. What the daemon itself closed is therefore opened with
//! the checksums it wrote at closing ([`super::sealed`]): each chunk of the file is compared with its own before the first byte of it is
//! read or written over, and all of them in the background. A chunk that does not fit is an error to whoever wanted it, and
//! the store says that it is damaged ([`Checksums::damaged`]).
//!
//! Asked by: `database`, through [`Checked`]. Never: repairs anything.

use std::fs::{File, Metadata};
use std::io;
use std::ops::{Bound, Range};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use redb::backends::FileBackend;
use redb::{BackendError, DatabaseError, StorageBackend};
use ring::digest::{SHA256, digest};
use tokio::sync::Notify;

/// Bytes that have a checksum together.
pub(super) const CHUNK: u64 = 64 << 10;
/// Half of a SHA-256: what it has to notice is a disk that lost something, not somebody who may write the file, and could
/// write the checksums as well.
pub(super) type Checksum = [u8; 16];

/// In the background so much is compared without a rest, and then there is one: a tenth of a processor.
const STRETCH: usize = 16;
const REST: Duration = Duration::from_millis(10);
/// The start, and who asked meanwhile, go first.
const FIRST_REST: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chunk {
    /// As it was at closing, if its checksum is this.
    Expected(Checksum),
    /// Its checksum is this.
    Known(Checksum),
    /// It was written, or nobody has looked.
    Unknown,
}

/// What is known of the chunks of one open file.
#[derive(Debug)]
pub(in crate::store) struct Checksums {
    file: File,
    chunks: Mutex<Chunks>,
    /// How many are still to be compared: where none is, reading asks no lock.
    expected: AtomicUsize,
    is_damaged: AtomicBool,
    damaged: Notify,
    closed: AtomicBool,
}

#[derive(Debug)]
struct Chunks {
    length: u64,
    of: Vec<Chunk>,
}

impl Chunks {
    fn bytes(&self, index: usize) -> Range<u64> {
        let begin = index as u64 * CHUNK;
        begin..(begin + CHUNK).min(self.length)
    }
}

/// Those that some bytes are in.
fn touched(offset: u64, length: u64) -> Range<usize> {
    let place = |it: u64| usize::try_from(it / CHUNK).unwrap_or(usize::MAX);
    if length == 0 {
        return 0..0;
    }
    place(offset)..place(offset.saturating_add(length - 1)).saturating_add(1)
}

fn checksum(bytes: &[u8]) -> Checksum {
    let whole = digest(&SHA256, bytes);
    let mut half = Checksum::default();
    half.copy_from_slice(&whole.as_ref()[..16]);
    half
}

impl Checksums {
    /// Of a file that is verified in another way, or not at all.
    pub(in crate::store) fn none(file: File) -> io::Result<Arc<Self>> {
        let length = file.metadata()?.len();
        Ok(Self::new(file, length, vec![Chunk::Unknown; touched(0, length).len()]))
    }

    /// Of a file that is as it was when it had these checksums, or damaged.
    pub(super) fn expected(file: File, length: u64, sums: Vec<Checksum>) -> Arc<Self> {
        Self::new(file, length, sums.into_iter().map(Chunk::Expected).collect())
    }

    fn new(file: File, length: u64, of: Vec<Chunk>) -> Arc<Self> {
        let expected = of.iter().filter(|it| matches!(it, Chunk::Expected(_))).count();
        Arc::new(Self {
            file,
            chunks: Mutex::new(Chunks { length, of }),
            expected: AtomicUsize::new(expected),
            is_damaged: AtomicBool::new(false),
            damaged: Notify::new(),
            closed: AtomicBool::new(false),
        })
    }

    fn chunks(&self) -> MutexGuard<'_, Chunks> {
        // What is noted of a chunk is noted in one step, so that a panic elsewhere leaves nothing half noted.
        self.chunks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::store) fn is_expecting(&self) -> bool {
        self.expected.load(Ordering::Acquire) > 0
    }

    pub(in crate::store) fn is_damaged(&self) -> bool {
        self.is_damaged.load(Ordering::Acquire)
    }

    /// Waits until damage is found, or for ever.
    pub(in crate::store) async fn damaged(&self) {
        while !self.is_damaged() {
            self.damaged.notified().await;
        }
    }

    /// Whether they are of the file that this is told of.
    pub(super) fn are_of(&self, other: &Metadata) -> io::Result<bool> {
        let own = self.file.metadata()?;
        Ok((own.dev(), own.ino()) == (other.dev(), other.ino()))
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    fn read_chunk(&self, chunks: &Chunks, index: usize) -> io::Result<Checksum> {
        let bytes = chunks.bytes(index);
        let length = usize::try_from(bytes.end.saturating_sub(bytes.start)).unwrap_or(0);
        let mut buffer = vec![0; length];
        self.file.read_exact_at(&mut buffer, bytes.start)?;
        Ok(checksum(&buffer))
    }

    /// Compares a chunk, if that was not done yet.
    fn verify(&self, chunks: &mut Chunks, index: usize) -> io::Result<()> {
        let Some(Chunk::Expected(expected)) = chunks.of.get(index).copied() else { return Ok(()) };
        if self.read_chunk(chunks, index)? != expected {
            let begin = chunks.bytes(index).start;
            if !self.is_damaged.swap(true, Ordering::AcqRel) {
                tracing::error!(
                    event = "store_damaged",
                    begin,
                    length = CHUNK,
                    "the store's file is damaged"
                );
            }
            self.damaged.notify_one();
            let why = format!("what is read at {begin} is not what was written there");
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        chunks.of[index] = Chunk::Known(expected);
        self.expected.fetch_sub(1, Ordering::AcqRel);
        Ok(())
    }

    fn before_reading(&self, offset: u64, length: u64) -> io::Result<()> {
        if !self.is_expecting() {
            return Ok(());
        }
        let mut chunks = self.chunks();
        touched(offset, length).try_for_each(|it| self.verify(&mut chunks, it))
    }

    /// Writes, and notes it. What of a chunk stays as it was is compared before.
    fn writing(
        &self,
        offset: u64,
        length: u64,
        write: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<()> {
        let mut chunks = self.chunks();
        for index in touched(offset, length) {
            self.verify(&mut chunks, index)?;
            if index >= chunks.of.len() {
                chunks.of.resize(index + 1, Chunk::Unknown);
            }
            chunks.of[index] = Chunk::Unknown;
        }
        chunks.length = chunks.length.max(offset.saturating_add(length));
        // Held until it is written: nobody takes the checksum of a chunk that is half written.
        write()
    }

    fn resizing(&self, length: u64, resize: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let mut chunks = self.chunks();
        let end = chunks.length.min(length);
        if chunks.length != length && !end.is_multiple_of(CHUNK) {
            // It goes on otherwise than it did.
            let index = usize::try_from(end / CHUNK).unwrap_or(usize::MAX);
            self.verify(&mut chunks, index)?;
            if let Some(chunk) = chunks.of.get_mut(index) {
                *chunk = Chunk::Unknown;
            }
        }
        resize()?;
        let count = touched(0, length).len();
        let cut =
            chunks.of.iter().skip(count).filter(|it| matches!(it, Chunk::Expected(_))).count();
        self.expected.fetch_sub(cut, Ordering::AcqRel);
        chunks.of.resize(count, Chunk::Unknown);
        chunks.length = length;
        Ok(())
    }

    /// Compares the chunk at a place, or takes its checksum. `false`: there is none any more.
    fn look_at(&self, index: usize) -> io::Result<bool> {
        let mut chunks = self.chunks();
        match chunks.of.get(index) {
            None => return Ok(false),
            Some(Chunk::Known(_)) => {}
            Some(Chunk::Expected(_)) => self.verify(&mut chunks, index)?,
            Some(Chunk::Unknown) => {
                let sum = self.read_chunk(&chunks, index)?;
                chunks.of[index] = Chunk::Known(sum);
            }
        }
        Ok(true)
    }

    /// Every checksum, of a file that nobody writes any more, and its length. `None` where it is damaged, or was not
    /// compared as a whole.
    pub(super) fn all(&self) -> io::Result<Option<(u64, Vec<Checksum>)>> {
        self.closed.store(true, Ordering::Release);
        if self.is_damaged() {
            return Ok(None);
        }
        let mut chunks = self.chunks();
        chunks.length = self.file.metadata()?.len();
        let count = touched(0, chunks.length).len();
        chunks.of.resize(count, Chunk::Unknown);
        let mut sums = Vec::with_capacity(count);
        for index in 0..count {
            sums.push(match chunks.of[index] {
                // One that was expected and never read is passed on as it was expected.
                Chunk::Known(sum) | Chunk::Expected(sum) => sum,
                Chunk::Unknown => self.read_chunk(&chunks, index)?,
            });
        }
        Ok(Some((chunks.length, sums)))
    }

    /// Looks at every chunk, a few at a time, until that is done or the store is closed.
    pub(in crate::store) fn look_at_all(sums: &Arc<Self>) -> io::Result<()> {
        let sums = Arc::downgrade(sums);
        let named = std::thread::Builder::new().name("entitled-verify".into());
        named.spawn(move || look_at_all(&sums)).map(drop)
    }
}

fn look_at_all(sums: &Weak<Checksums>) {
    let mut index = 0;
    std::thread::park_timeout(FIRST_REST);
    loop {
        for _ in 0..STRETCH {
            let Some(sums) = sums.upgrade() else { return };
            // A file that cannot be read is for those to tell who need it; damage was told.
            if sums.closed.load(Ordering::Acquire) || !sums.look_at(index).unwrap_or(false) {
                return;
            }
            index += 1;
        }
        // Nobody else waits for this thread.
        std::thread::park_timeout(REST);
    }
}

/// A file of which each chunk is compared before it is read.
#[derive(Debug)]
pub(super) struct Checked {
    file: FileBackend,
    sums: Arc<Checksums>,
}

impl Checked {
    pub(super) fn new(file: File, sums: Arc<Checksums>) -> Result<Self, DatabaseError> {
        Ok(Self { file: FileBackend::new(file)?, sums })
    }
}

impl StorageBackend for Checked {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.sums.before_reading(offset, out.len() as u64)?;
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.sums.resizing(len, || self.file.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.sums.writing(offset, data.len() as u64, || self.file.write(offset, data))
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}

#[cfg(test)]
mod tests;
