//! Leaves no secret behind on the stack.
//!
//! Types that wipe themselves wipe the place where they end. Passing a value on, and the arithmetic of other
//! people's code, leave copies in frames that are given up and stay as they are until something is written over
//! them, on an idle thread for hours.

use std::hint::black_box;

/// Deeper than anything that is done with a key goes, in a build without optimisation too.
const DEPTH: usize = 128 * 1024;

/// Does `work`, and overwrites the stack it used. What it gives back must not hold a secret by value: that
/// would be a copy of its own (a [`PrivateKey`](super::PrivateKey) is boxed).
pub fn with_clean_stack<T>(work: impl FnOnce() -> T) -> T {
    let outcome = apart(work);
    overwrite();
    outcome
}

/// A frame of its own, so that all of `work` lies where [`overwrite`] writes.
#[inline(never)]
fn apart<T>(work: impl FnOnce() -> T) -> T {
    work()
}

#[inline(never)]
fn overwrite() {
    let mut ground = [0_u8; DEPTH];
    black_box(&mut ground);
}
