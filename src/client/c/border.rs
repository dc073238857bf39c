//! Where a panic ends: nothing unwinds into C.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// What `work` gives; `None` when it panicked.
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    // What was in the hands of the work is given up by its callers: a connection, or a subscription that is over then.
    catch_unwind(AssertUnwindSafe(work)).ok()
}
