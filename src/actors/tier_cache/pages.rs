//! Answer pages: what the cache says, in memory that programs read by themselves.
//!
//! Owns: one page for each user that asked for one, its slots, and what stands in them. A slot belongs to one question: a product, and
//! perhaps a feature or a publisher. Written by: [`super::VerdictReader`] alone, at the places where the cache is, so that a slot
//! never says what the cache does not. Never: works out an answer, or keeps one alive.
//!
//! Invariant: the lock is taken after that of the epochs, and after nothing else. Whoever writes what the cache says looks there
//! while it has the lock, and what is withdrawn is withdrawn from the cache first: so no write brings back what was withdrawn.

mod file;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::reader::{Cached, Key};
use crate::clock::Clock;
use entitled_core::domain::entitlement::Code;
use entitled_core::domain::epoch::Whose;
use entitled_core::domain::ids::ProductId;
use entitled_core::domain::page_word::{GENERATIONS, LEASE_MS, SLOTS, Said, Word};
use entitled_core::domain::publisher::PublisherKey;
pub(super) use file::PageFile;

/// How often every answer is written anew, within its lease.
pub const RENEWED: Duration = Duration::from_millis(LEASE_MS / 4);
/// The coarse clock of a program is behind by as much as this at most: an answer ends earlier by it, and never later than it should.
const COARSE: Duration = Duration::from_millis(10);
/// Pages are kept for as long as the daemon runs: a program can keep what it has mapped, and must not get more and more of it.
const PAGES: usize = 1_024;
/// A user is an account with its subordinate uids; each uid has a page of its own.
const PAGES_OF_ACCOUNT: usize = 8;

/// What a slot answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageQuestion {
    pub product: ProductId,
    pub feature: Option<String>,
    pub publisher: Option<PublisherKey>,
}

/// Why there is no slot.
#[derive(Debug, thiserror::Error)]
pub enum NoSlot {
    #[error("a user's page has places for {SLOTS} questions, and all are taken")]
    Full,
    #[error("the uids of one user have at most {PAGES_OF_ACCOUNT} answer pages")]
    TooManyOfUser,
    #[error("there are {PAGES} answer pages, and no more")]
    TooMany,
    #[error("there is no memory to share: {0}")]
    System(#[from] io::Error),
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub struct PageOwner {
    pub uid: u32,
    pub account: u32,
    /// Whether the limit per user does not hold for it.
    pub is_exempt: bool,
}

/// All pages.
pub struct Pages {
    clock: Clock,
    book: Mutex<Book>,
    /// Slots that somebody has: without any nothing here costs more than looking at this.
    held: AtomicUsize,
}

#[derive(Default)]
struct Book {
    by_uid: HashMap<u32, Page>,
    /// Whether somebody renews them.
    is_kept: bool,
}

struct Page {
    account: u32,
    file: PageFile,
    slots: Vec<Slot>,
}

struct Slot {
    question: PageQuestion,
    generation: u32,
    /// How often it was given and not given back. Without any it is free.
    holders: usize,
    /// What is looked up for it; `None` while it is not known whose answer it is to be.
    key: Option<Key>,
}

/// A slot, given back when dropped.
pub struct Held {
    pages: Arc<Pages>,
    uid: u32,
    pub slot: usize,
    pub generation: u32,
    /// The page it is in.
    pub descriptor: Arc<OwnedFd>,
}

impl Pages {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, book: Mutex::default(), held: AtomicUsize::new(0) }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_idle(&self) -> bool {
        self.held.load(Ordering::Acquire) == 0
    }

    /// A slot for `question`; the same one for whoever else of the user asks the same. And whether nobody renews them yet, which
    /// whoever is told has to see to.
    ///
    /// # Errors
    /// When a limit is reached, or the system has no memory of this kind.
    pub fn give(
        self: &Arc<Self>,
        owner: PageOwner,
        question: PageQuestion,
    ) -> Result<(Held, bool), NoSlot> {
        let mut book = self.book();
        let page = book.page_of(owner)?;
        let descriptor = Arc::clone(page.file.reader());
        let slot = page.slot_for(question, &self.clock)?;
        let generation = page.slots.get(slot).map_or(0, |it| it.generation);
        self.held.fetch_add(1, Ordering::Release);
        let is_first = !std::mem::replace(&mut book.is_kept, true);
        Ok((
            Held { pages: Arc::clone(self), uid: owner.uid, slot, generation, descriptor },
            is_first,
        ))
    }

    /// From now on the slot says what the cache says of `key`.
    pub(super) fn bind(&self, held: &Held, key: &Key, peek: impl Fn(&Key) -> Option<Arc<Cached>>) {
        let mut book = self.book();
        let Some(page) = book.by_uid.get_mut(&held.uid) else { return };
        if let Some(slot) = page.slots.get_mut(held.slot) {
            slot.key = Some(key.clone());
            page.file.write(held.slot, slot.word(peek(key).as_deref(), &self.clock));
        }
    }

    /// What has been put into the cache.
    pub(super) fn say(&self, key: &Key, cached: &Cached) {
        if !self.is_idle() {
            let concerns = |it: &Slot| it.key.as_ref() == Some(key);
            self.book().write(concerns, |it| it.word(Some(cached), &self.clock));
        }
    }

    /// What was taken out of the cache. Where uids may stand for others now, it is not known any more whose answer a slot is to be.
    pub(super) fn withdraw(&self, whose: Whose) {
        if self.is_idle() {
            return;
        }
        let mut book = self.book();
        let concerns = |it: &Slot| match (whose.customer(), &it.key) {
            (Some(customer), Some(key)) => key.customer == customer,
            (None, _) => true,
            (Some(_), None) => false,
        };
        book.write(concerns, |it| it.word(None, &self.clock));
        if !matches!(whose, Whose::Customer(_)) {
            book.write(
                |_| true,
                |it| {
                    it.key = None;
                    it.word(None, &self.clock)
                },
            );
        }
    }

    /// Has every answer hold for another lease, if the cache still says so. `false` when nobody has a slot any more; then nobody
    /// renews them.
    pub(super) fn renew(&self, peek: impl Fn(&Key) -> Option<Arc<Cached>>) -> bool {
        let mut book = self.book();
        book.is_kept = !self.is_idle();
        book.write(
            |_| true,
            |it| {
                let cached = it.key.as_ref().and_then(&peek);
                it.word(cached.as_deref(), &self.clock)
            },
        );
        book.is_kept
    }
}

impl Book {
    fn page_of(&mut self, owner: PageOwner) -> Result<&mut Page, NoSlot> {
        if !self.by_uid.contains_key(&owner.uid) {
            let own = self.by_uid.values().filter(|it| it.account == owner.account).count();
            if own >= PAGES_OF_ACCOUNT && !owner.is_exempt {
                return Err(NoSlot::TooManyOfUser);
            }
            if self.by_uid.len() >= PAGES {
                return Err(NoSlot::TooMany);
            }
            let page = Page { account: owner.account, file: PageFile::new()?, slots: Vec::new() };
            self.by_uid.insert(owner.uid, page);
        }
        self.by_uid.get_mut(&owner.uid).ok_or(NoSlot::TooMany)
    }

    /// Writes the slots of all pages that somebody has and that `concerns` says.
    fn write(&mut self, concerns: impl Fn(&Slot) -> bool, word: impl Fn(&mut Slot) -> Word) {
        for Page { file, slots, .. } in self.by_uid.values_mut() {
            let slots = slots.iter_mut().enumerate();
            for (at, slot) in slots.filter(|(_, it)| it.holders > 0 && concerns(it)) {
                file.write(at, word(slot));
            }
        }
    }
}

impl Page {
    fn slot_for(&mut self, question: PageQuestion, clock: &Clock) -> Result<usize, NoSlot> {
        let same = |it: &Slot| it.holders > 0 && it.question == question;
        if let Some(at) = self.slots.iter().position(same) {
            if let Some(slot) = self.slots.get_mut(at) {
                slot.holders += 1;
            }
            return Ok(at);
        }
        let free = self.slots.iter().position(|it| it.holders == 0);
        let at = free.unwrap_or(self.slots.len());
        let generation = match self.slots.get(at) {
            Some(before) => before.generation,
            None if at < SLOTS => first_generation(),
            None => return Err(NoSlot::Full),
        };
        let slot = Slot { question, generation, holders: 1, key: None };
        self.file.write(at, slot.word(None, clock));
        match self.slots.get_mut(at) {
            Some(before) => *before = slot,
            None => self.slots.push(slot),
        }
        Ok(at)
    }

    fn take_back(&mut self, at: usize) {
        let Some(slot) = self.slots.get_mut(at) else { return };
        slot.holders = slot.holders.saturating_sub(1);
        if slot.holders == 0 {
            // Whoever had it and still reads it finds that it is not its own.
            slot.generation = (slot.generation + 1) % GENERATIONS;
            slot.key = None;
            let word = Word { said: Said::Ask, generation: slot.generation, until_ms: 0 };
            self.file.write(at, word);
        }
    }
}

impl Slot {
    /// What it is to say: what the cache says, as long as that holds by itself and no longer than a lease.
    fn word(&self, cached: Option<&Cached>, clock: &Clock) -> Word {
        let lease = Duration::from_millis(LEASE_MS);
        let left = cached.map(|it| it.left(clock).map_or(lease, |it| it.saturating_sub(COARSE)));
        let (said, left) = match (cached, left) {
            (Some(cached), Some(left)) if !left.is_zero() => (self.said(cached), left.min(lease)),
            _ => (Said::Ask, lease),
        };
        let until = clock.program_time() + left;
        let until_ms = u64::try_from(until.as_millis()).unwrap_or_default();
        Word { said, generation: self.generation, until_ms }
    }

    fn said(&self, cached: &Cached) -> Said {
        let PageQuestion { feature, publisher, .. } = &self.question;
        let verdict = &cached.verdict;
        let code = match feature.is_some() || publisher.is_some() {
            true => verdict.clone().narrowed(publisher.as_ref(), feature.as_deref()).code,
            false => verdict.code,
        };
        match code {
            Code::Undetermined => Said::NotKnown,
            code if code.is_valid() => Said::Yes,
            _ => Said::No,
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut book = self.pages.book();
        self.pages.held.fetch_sub(1, Ordering::Release);
        if let Some(page) = book.by_uid.get_mut(&self.uid) {
            page.take_back(self.slot);
        }
    }
}

/// Where a slot's generations begin: nobody who has an older page open by mistake takes a slot of it for its own.
pub(super) fn first_generation() -> u32 {
    let random = RandomState::new().hash_one(0_u8) % u64::from(GENERATIONS);
    u32::try_from(random).unwrap_or_default()
}

#[cfg(test)]
mod tests;
