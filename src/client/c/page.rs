//! Answers from a page that the daemon writes and this program maps: a load, and a compare with the clock.
//!
//! Owns: what was mapped, and the connection it came by. Asked by: [`crate::handle`], which asks by the socket where nothing is said here.
//!
//! Invariant: what a thread may be reading stays as it is until the handle is closed. So a product that is asked for anew, of another
//! daemon, gets another entry before the old one, which nobody finds any more.

mod mapping;

use std::ffi::{CStr, CString};
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use entitled_client::{Client, ClientError};
use entitled_core::domain::page_word::{self, Reading, SLOTS, Said};
use serde::{Deserialize, Serialize};

use mapping::Mapping;

/// How often what is being written is read again.
const TRIES: usize = 16;
/// Entries of one handle. With more, which takes as many products or restarts of the daemon, it is asked by the socket.
const ENTRIES: usize = 1_024;
/// Whoever has no page for us is not asked for one again before this.
const AGAIN: Duration = Duration::from_secs(1);

pub(crate) struct Pages {
    newest: AtomicPtr<Entry>,
    count: AtomicUsize,
    /// Never waited for: who finds it locked asks by the socket.
    line: Mutex<Option<Line>>,
}

/// Where the answer about a product stands.
struct Entry {
    product: CString,
    page: Arc<Mapping>,
    slot: usize,
    generation: u32,
    older: *mut Entry,
}

/// The connection that the slots hang on, of the process that made it.
struct Line {
    pid: u32,
    client: Client,
    page: Option<Arc<Mapping>>,
    refused: Option<Instant>,
}

#[derive(Deserialize)]
struct Reply {
    slot: usize,
    generation: u32,
}

impl Pages {
    pub(crate) fn new() -> Self {
        Self {
            newest: AtomicPtr::new(ptr::null_mut()),
            count: AtomicUsize::new(0),
            line: Mutex::new(None),
        }
    }

    /// What stands in the page; `None` where nothing is to be believed.
    #[inline]
    pub(crate) fn read(&self, product: &CStr) -> Option<Said> {
        let mut at = self.newest.load(Ordering::Acquire);
        // SAFETY: NULL, or an entry that stays until the handle is closed.
        while let Some(entry) = unsafe { at.as_ref() } {
            if entry.product.as_c_str() == product {
                return entry.read();
            }
            at = entry.older;
        }
        None
    }

    /// Asks for a slot, by `params`, and keeps where it is. `Ok(false)` where there is none to be had.
    pub(crate) fn ask<P: Serialize>(
        &self,
        product: &CStr,
        params: &P,
        client: impl FnOnce() -> Client,
    ) -> Result<bool, ClientError> {
        let Ok(mut line) = self.line.try_lock() else { return Ok(false) };
        let pid = std::process::id();
        // What was connected before a fork is still the parent's.
        let line = match &mut *line {
            Some(own) if own.pid == pid => own,
            other => other.insert(Line { pid, client: client(), page: None, refused: None }),
        };
        let is_pointless = self.count.load(Ordering::Relaxed) >= ENTRIES;
        if is_pointless || line.refused.is_some_and(|it| it.elapsed() < AGAIN) {
            return Ok(false);
        }
        match line.ask(params) {
            Ok(Some((page, Reply { slot, generation }))) => {
                let entry = Entry {
                    product: product.to_owned(),
                    page,
                    slot,
                    generation,
                    older: ptr::null_mut(),
                };
                // A clock that is not the daemon's, perhaps: to ask for more of it would help nobody.
                line.refused = entry.read().is_none().then(Instant::now);
                self.keep(entry);
                Ok(true)
            }
            Ok(None) | Err(ClientError::Refused { .. }) => {
                line.refused = Some(Instant::now());
                Ok(false)
            }
            Err(error) => {
                // The next one is looked for anew.
                line.page = None;
                Err(error)
            }
        }
    }

    /// Only ever called by who has the line.
    fn keep(&self, mut entry: Entry) {
        entry.older = self.newest.load(Ordering::Relaxed);
        self.newest.store(Box::into_raw(Box::new(entry)), Ordering::Release);
        self.count.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        let mut at = *self.newest.get_mut();
        while !at.is_null() {
            // SAFETY: made by `keep`, and nobody reads any more.
            at = unsafe { Box::from_raw(at) }.older;
        }
    }
}

impl Line {
    /// `None` where no page came with it, or one that cannot be mapped.
    fn ask<P: Serialize>(
        &mut self,
        params: &P,
    ) -> Result<Option<(Arc<Mapping>, Reply)>, ClientError> {
        let mut came = None;
        let receive = |stream: &_, bytes: &mut [u8]| mapping::receive(stream, bytes, &mut came);
        let reply: Reply = self.client.call_receiving("entitlement_page", params, receive)?;
        if let Some(descriptor) = came {
            self.page = Mapping::new(&descriptor).map(Arc::new);
        }
        let fits = reply.slot < SLOTS;
        Ok(self.page.clone().filter(|_| fits).map(|page| (page, reply)))
    }
}

impl Entry {
    #[inline]
    fn read(&self) -> Option<Said> {
        let now = now_ms();
        for _ in 0..TRIES {
            match page_word::read(self.page.slot(self.slot), self.generation, now) {
                Reading::Said(said) => return Some(said),
                Reading::Lost => return None,
                Reading::Torn => std::hint::spin_loop(),
            }
        }
        None
    }
}

/// `CLOCK_MONOTONIC_COARSE`, which the kernel lets be read without a call of it.
#[inline]
fn now_ms() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a structure of ours. Where it fails, the moment is none at which anything holds.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, &raw mut now) };
    #[allow(clippy::cast_sign_loss, reason = "neither is ever negative")]
    let (seconds, nanoseconds) = (now.tv_sec as u64, now.tv_nsec as u64);
    seconds * 1_000 + nanoseconds / 1_000_000
}

#[cfg(test)]
mod tests;
