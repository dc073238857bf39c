//! Counters that many threads raise and somebody reads now and then.
//!
//! Owns: nothing. Each thread counts in a cache line of its own, so that one that counts takes nothing from the others; who
//! reads adds the lines up. Counters that are read together are not one consistent picture.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Threads that count beyond this number share a line with others, and still count right.
const LINES: usize = 8;

/// One value for each thread that counts.
#[derive(Debug, Default)]
pub struct PerThread<T>([Line<T>; LINES]);

/// As long as what a processor takes from another at once: two lines of 64 bytes on x86-64.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Line<T>(T);

static NEXT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Given to a thread when it first counts, in turn.
    static OWN: usize = NEXT.fetch_add(1, Ordering::Relaxed) % LINES;
}

impl<T> PerThread<T> {
    /// The one that this thread counts in.
    pub fn own(&self) -> &T {
        let [first, ..] = &self.0;
        // A thread at its end has no number any more.
        let own = OWN.try_with(|it| *it).unwrap_or(0);
        &self.0.get(own).unwrap_or(first).0
    }

    pub fn all(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|it| &it.0)
    }
}

/// One number.
#[derive(Debug, Default)]
pub struct Counter(PerThread<AtomicU64>);

impl Counter {
    pub fn get(&self) -> u64 {
        // What one thread has taken away another may have added: only the sum means something.
        self.0.all().fold(0, |sum, it| sum.wrapping_add(it.load(Ordering::Relaxed)))
    }

    pub fn add(&self, amount: usize) {
        self.0.own().fetch_add(amount as u64, Ordering::Relaxed);
    }

    pub fn one_more(&self) {
        self.add(1);
    }

    pub fn one_less(&self) {
        self.0.own().fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
