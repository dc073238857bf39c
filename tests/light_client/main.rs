//! The light client against a beacon chain of our own, without a daemon; and first that chain against what real
//! ones look like, for a simulation that is wrong in the same way as the product would prove nothing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::needless_pass_by_value,
    clippy::cast_possible_truncation,
    reason = "tests fail by panicking, wait by sleeping, and say so on stderr"
)]
#![allow(dead_code, unreachable_pub, reason = "the tests' support offers more than is used here")]

#[path = "../support/mod.rs"]
mod support;

mod fed;
mod naive;
mod refusals;
mod serving;
mod simulation;
mod sync;
