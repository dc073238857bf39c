//! The words of an answer page: how the daemon writes an answer into memory that a program reads with nothing but a load.
//!
//! A slot is two words of 64 bits, native order: the answer, and a seal that follows from it. Whoever writes copies bytes,
//! and whoever reads may see some of the old and some of the new; then the seal does not fit. An answer holds until a moment
//! of `CLOCK_MONOTONIC`, never more than a lease away: so a daemon that has died is noticed, and so is a clock that is not the daemon's.
//!
//! A page of revisions has slots of the same form, each of which counts in its generation what has changed of the customers
//! that [`slot_of`] leads to it.
//!
//! Owns: the layout, for who writes and who reads. Never: reads a clock or touches memory.

use ring::digest::{SHA256, digest};

use super::ids::CustomerId;

/// The size of a page. Nobody makes it shorter or longer once it was handed over.
pub const PAGE_BYTES: usize = 4_096;
pub const SLOT_BYTES: usize = 16;
pub const SLOTS: usize = PAGE_BYTES / SLOT_BYTES;
/// For no longer does an answer hold by itself. It is written anew several times within that.
pub const LEASE_MS: u64 = 2_000;

const SAID_BITS: u32 = 2;
const GENERATION_BITS: u32 = 20;
/// Generations are below this, and then begin again.
pub const GENERATIONS: u32 = 1 << GENERATION_BITS;
/// What a moment is shifted by. 42 bits of milliseconds are longer than a century.
const UNTIL_SHIFT: u32 = SAID_BITS + GENERATION_BITS;

/// What stands in a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// No answer is at hand here: ask by the socket, where one can be waited for.
    Ask,
    Yes,
    No,
    /// The daemon does not know, and says so.
    NotKnown,
}

impl Said {
    fn of_bits(bits: u64) -> Self {
        match bits & 3 {
            0 => Self::Ask,
            1 => Self::Yes,
            2 => Self::No,
            _ => Self::NotKnown,
        }
    }

    fn bits(self) -> u64 {
        match self {
            Self::Ask => 0,
            Self::Yes => 1,
            Self::No => 2,
            Self::NotKnown => 3,
        }
    }
}

/// One answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word {
    pub said: Said,
    /// To whom the slot was given: who had it before must not take the answer for one to its own question.
    pub generation: u32,
    /// Milliseconds of `CLOCK_MONOTONIC`.
    pub until_ms: u64,
}

/// What a reader finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    Said(Said),
    /// Read while it was being written: read it once more.
    Torn,
    /// Nobody renews it, or it is somebody else's: it says nothing.
    Lost,
}

impl Word {
    /// The two words of a slot.
    pub fn sealed(self) -> [u64; 2] {
        let word = (self.until_ms << UNTIL_SHIFT)
            | (u64::from(self.generation % GENERATIONS) << SAID_BITS)
            | self.said.bits();
        [word, seal(word)]
    }

    /// The bytes of a slot.
    pub fn bytes(self) -> [u8; SLOT_BYTES] {
        let mut bytes = [0; SLOT_BYTES];
        let words = self.sealed().map(u64::to_ne_bytes);
        for (to, from) in bytes.iter_mut().zip(words.iter().flatten()) {
            *to = *from;
        }
        bytes
    }
}

/// What the two words of a slot say to whom it was given, at a moment of `CLOCK_MONOTONIC` in milliseconds.
#[inline]
pub fn read([word, sealed]: [u64; 2], generation: u32, now_ms: u64) -> Reading {
    if sealed != seal(word) {
        return Reading::Torn;
    }
    // Also when it holds for longer than it may: then the two clocks are not the same.
    let left = (word >> UNTIL_SHIFT).wrapping_sub(now_ms);
    let is_current = left.wrapping_sub(1) < LEASE_MS;
    let is_own = (word >> SAID_BITS) & u64::from(GENERATIONS - 1) == u64::from(generation);
    match is_current && is_own {
        true => Reading::Said(Said::of_bits(word)),
        false => Reading::Lost,
    }
}

/// What a slot of a page of revisions counts at that moment: `Ok(None)` where nobody renews it.
///
/// # Errors
/// [`Torn`] when it was read while it was being written.
pub fn revision([word, sealed]: [u64; 2], now_ms: u64) -> Result<Option<u32>, Torn> {
    let generation = (word >> SAID_BITS) & u64::from(GENERATIONS - 1);
    let generation = u32::try_from(generation).unwrap_or_default();
    match read([word, sealed], generation, now_ms) {
        Reading::Said(_) => Ok(Some(generation)),
        Reading::Lost => Ok(None),
        Reading::Torn => Err(Torn),
    }
}

/// Read while it was being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Torn;

/// The slot of a customer in a page of revisions: the first byte of the SHA-256 of its name, such as `customer:1`.
pub fn slot_of(customer: CustomerId) -> usize {
    let digest = digest(&SHA256, customer.to_string().as_bytes());
    digest.as_ref().first().copied().map_or(0, usize::from)
}

/// Two words of which each byte is from one of two answers do not fit each other, unless they are one of the two: each byte of a product
/// depends on all lower bytes of what is multiplied. Nor do zeros fit, which is what an empty page has.
#[inline]
fn seal(word: u64) -> u64 {
    (word ^ 0x9E37_79B9_7F4A_7C15).rotate_left(32).wrapping_mul(0xBF58_476D_1CE4_E5B9)
}

#[cfg(test)]
mod tests;
