//! Structures that begin with their size, between a program and a library of different ages.
//!
//! An older program's structure is shorter: it gets what it has room for, and gives what it knows of. A newer one's is longer:
//! what this library does not know of is zero when it is written, and has to be zero when it is read. No structure of any age
//! ends inside a member: half of a pointer leads anywhere, and a text that is cut has no end.

use std::mem::offset_of;
use std::ptr;

use crate::abi::{Options, Proof, Question, SeatInfo, SeatRequest, State, Verdict, Vouched};

/// Longer is no structure of ours of any age, but memory that nobody has set.
const LONGEST: usize = 64 * 1024;
/// The size, the state and the error.
const SHORTEST_VERDICT: usize = offset_of!(Verdict, expires_at);

/// Where a structure may end.
pub(crate) trait Grows: Sized {
    /// Where its members but the first begin.
    const BEGINNINGS: &'static [usize];

    /// Whether a structure of this size can be, of whatever age.
    fn can_be(size: usize) -> bool {
        let is_whole = size >= size_of::<Self>() || Self::BEGINNINGS.contains(&size);
        is_whole && size <= LONGEST
    }
}

/// Does not compile where a member is not named.
macro_rules! grows {
    ($($structure:ident: size $($member:ident)*;)*) => {
        $(impl Grows for $structure {
            const BEGINNINGS: &'static [usize] = {
                let $structure { size: _, $($member: _),* } = Self::INIT;
                &[$(offset_of!($structure, $member)),*]
            };
        })*
    };
}

grows! {
    Options: size socket publisher timeout_ms accept_linked min_version accept_maker;
    Question: size product publisher nonce nonce_length now accept_linked accept_maker min_version reserved;
    SeatRequest: size product tier feature wait_ms;
    SeatInfo: size state error ends_at queue code seat tier detail;
    Verdict: size state error expires_at grace_until verified_at seconds_until_change rank seats provisional features_left_out
        proof vouched code product tier freshness trust publisher wallet token detail features version reserved;
}

/// A structure that is written for a program.
///
/// # Safety
/// It begins with its size, a `usize`, and then the state and the error.
pub(crate) unsafe trait Told: Copy + Grows {
    fn state(&self) -> State;
}

// SAFETY: as its definition shows.
unsafe impl Told for Verdict {
    fn state(&self) -> State {
        self.state
    }
}

// SAFETY: as its definition shows.
unsafe impl Told for SeatInfo {
    fn state(&self) -> State {
        self.state
    }
}

/// A program's verdict, or what else is told of an answer, to be written.
pub(crate) struct Out<T>(*mut T);

impl<T: Told> Out<T> {
    /// `None` where the size cannot be. NULL is a verdict that nobody wants to see.
    ///
    /// # Safety
    /// The pointer is NULL or to as many bytes as its first member says, which nobody else uses.
    pub(crate) unsafe fn new(verdict: *mut T) -> Option<Self> {
        if verdict.is_null() {
            return Some(Self(verdict));
        }
        // SAFETY: not NULL; the size is its first member.
        let size = unsafe { verdict.cast::<usize>().read() };
        (size >= SHORTEST_VERDICT && T::can_be(size)).then_some(Self(verdict))
    }

    /// Writes as much as there is room for; gives the state.
    pub(crate) fn write(self, verdict: &T) -> State {
        const SIZE: usize = size_of::<usize>();
        let ours = size_of::<T>();
        if self.0.is_null() {
            return verdict.state();
        }
        let from = ptr::from_ref(verdict).cast::<u8>();
        // SAFETY: there are as many bytes as the size says, and it was found to be between both limits; no byte beyond
        // either structure is touched, and the size stays the program's.
        unsafe {
            let to = self.0.cast::<u8>();
            let size = self.0.cast::<usize>().read();
            ptr::copy_nonoverlapping(from.add(SIZE), to.add(SIZE), size.min(ours) - SIZE);
            ptr::write_bytes(to.add(size.min(ours)), 0, size.saturating_sub(ours));
        }
        verdict.state()
    }
}

/// A program's verdict as this library knows it; what the program's has no room for is as if nothing was heard of it. `None`
/// for NULL and for a size or a state that cannot be.
///
/// # Safety
/// The pointer is NULL or to as many bytes as its first member says.
pub(crate) unsafe fn read_verdict(verdict: *const Verdict) -> Option<Verdict> {
    // SAFETY: as above; nothing is written.
    let _ = unsafe { Out::new(verdict.cast_mut()) }.filter(|_| !verdict.is_null())?;
    let mut ours = Verdict::INIT;
    // SAFETY: the size was found to be between both limits; the state is read as the number that it is, since the program may
    // have put any there, and what else has a closed set of values is not kept.
    unsafe {
        let size = ptr::addr_of!((*verdict).size).read().min(size_of::<Verdict>());
        let state = ptr::addr_of!((*verdict).state).cast::<u32>().read();
        ours.state = state_of(state)?;
        let from = verdict.cast::<u8>().add(SHORTEST_VERDICT);
        let to = ptr::from_mut(&mut ours).cast::<u8>().add(SHORTEST_VERDICT);
        ptr::copy_nonoverlapping(from, to, size - SHORTEST_VERDICT);
        ptr::addr_of_mut!(ours.proof).write(Proof::Unproven);
        ptr::addr_of_mut!(ours.vouched).write(Vouched::ByNobody);
    }
    Some(ours)
}

fn state_of(number: u32) -> Option<State> {
    [State::NotKnown, State::Yes, State::No].into_iter().find(|it| *it as u32 == number)
}

/// What a program gives by a pointer to a structure that begins with its size.
///
/// # Safety
/// Any bits are a value: there are pointers and numbers in it, and no padding.
pub(crate) unsafe trait Given: Copy + Grows {
    /// What a program does not know of.
    const DEFAULT: Self;

    /// Whether all is as this version expects it where nothing may be asked for yet.
    fn is_known(&self) -> bool;
}

// SAFETY: as its definition shows.
unsafe impl Given for Options {
    const DEFAULT: Self = Self::INIT;

    fn is_known(&self) -> bool {
        true
    }
}

// SAFETY: as its definition shows.
unsafe impl Given for Question {
    const DEFAULT: Self = Self::INIT;

    fn is_known(&self) -> bool {
        self.reserved == 0
    }
}

// SAFETY: as its definition shows.
unsafe impl Given for SeatRequest {
    const DEFAULT: Self = Self::INIT;

    fn is_known(&self) -> bool {
        true
    }
}

/// What a program gives; `None` for NULL, where the size cannot be, or where it asks for what this library does not know of.
///
/// # Safety
/// The pointer is NULL or to as many bytes as its first member says.
pub(crate) unsafe fn read<T: Given>(given: *const T) -> Option<T> {
    if given.is_null() {
        return None;
    }
    // SAFETY: the size is the first member.
    let size = unsafe { given.cast::<usize>().read() };
    if !T::can_be(size) {
        return None;
    }
    let mut ours = T::DEFAULT;
    let from = given.cast::<u8>();
    // SAFETY: there are as many bytes as the size says; any bits are a value.
    unsafe {
        let known = size.min(size_of::<T>());
        ptr::copy_nonoverlapping(from, ptr::from_mut(&mut ours).cast::<u8>(), known);
        let nothing_more = (size_of::<T>()..size).all(|at| from.add(at).read() == 0);
        (nothing_more && ours.is_known()).then_some(ours)
    }
}

#[cfg(test)]
mod tests;
