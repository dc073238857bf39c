//! Revisions: memory by which somebody who keeps answers of many customers sees at once that one of them may be another now.
//!
//! A page of counters, of which each is that of some customers. Written by: [`super::VerdictReader`], after each change of what is to be
//! looked up and before it is acknowledged. Never: says what has changed, or whose it is.
//!
//! Invariant: the lock is taken after that of the epochs, and after nothing else.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::pages::{PageFile, first_generation};
use crate::clock::Clock;
use entitled_core::domain::ids::CustomerId;
use entitled_core::domain::page_word::{GENERATIONS, LEASE_MS, SLOTS, Said, Word, slot_of};

pub struct Revisions {
    clock: Clock,
    /// Made when somebody wants it, and kept: whoever had it may have it mapped.
    book: Mutex<Option<Book>>,
    /// Without any nothing here costs more than looking at this.
    held: AtomicUsize,
}

struct Book {
    file: PageFile,
    counts: Vec<u32>,
    /// Whether somebody renews it.
    is_kept: bool,
}

/// The right to be told, given back when dropped.
pub struct Watcher {
    revisions: Arc<Revisions>,
    pub descriptor: Arc<OwnedFd>,
}

impl Revisions {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, book: Mutex::default(), held: AtomicUsize::new(0) }
    }

    fn book(&self) -> MutexGuard<'_, Option<Book>> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The page; and whether nobody renews it yet, which whoever is told has to see to.
    ///
    /// # Errors
    /// Where the system has no memory of this kind.
    pub fn watch(self: &Arc<Self>) -> io::Result<(Watcher, bool)> {
        let mut book = self.book();
        let own = match &mut *book {
            Some(own) => own,
            none => none.insert(Book {
                file: PageFile::new()?,
                counts: vec![first_generation(); SLOTS],
                is_kept: false,
            }),
        };
        if self.held.fetch_add(1, Ordering::AcqRel) == 0 {
            // What has changed while nobody wanted to know was not counted.
            own.counts.iter_mut().for_each(raise);
        }
        own.write_all(&self.clock);
        let is_first = !std::mem::replace(&mut own.is_kept, true);
        let descriptor = Arc::clone(own.file.reader());
        Ok((Watcher { revisions: Arc::clone(self), descriptor }, is_first))
    }

    /// Something of `customer`, or of all, may be another now.
    pub(super) fn changed(&self, customer: Option<CustomerId>) {
        if self.held.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut book = self.book();
        let Some(book) = &mut *book else { return };
        match customer {
            Some(customer) => {
                let slot = slot_of(customer);
                book.counts.get_mut(slot).into_iter().for_each(raise);
                book.write(slot, &self.clock);
            }
            None => {
                book.counts.iter_mut().for_each(raise);
                book.write_all(&self.clock);
            }
        }
    }

    /// Has all of it hold for another lease. `false` when nobody wants it any more; then nobody renews it.
    pub fn renew(&self) -> bool {
        let mut book = self.book();
        let Some(book) = &mut *book else { return false };
        book.is_kept = self.held.load(Ordering::Acquire) > 0;
        if book.is_kept {
            book.write_all(&self.clock);
        }
        book.is_kept
    }
}

impl Book {
    fn write(&self, slot: usize, clock: &Clock) {
        let until = clock.program_time() + Duration::from_millis(LEASE_MS);
        let until_ms = u64::try_from(until.as_millis()).unwrap_or_default();
        let generation = self.counts.get(slot).copied().unwrap_or_default();
        self.file.write(slot, Word { said: Said::Yes, generation, until_ms });
    }

    fn write_all(&self, clock: &Clock) {
        (0..SLOTS).for_each(|slot| self.write(slot, clock));
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.revisions.held.fetch_sub(1, Ordering::AcqRel);
    }
}

fn raise(count: &mut u32) {
    *count = (*count + 1) % GENERATIONS;
}

#[cfg(test)]
mod tests;
