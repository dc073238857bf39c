//! The chain side as a library, against real nodes: what they really say, what they would say in our place,
//! and what nobody may say.
//!
//! Needs what `make prepare` installs (the node and the compiled contracts).
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

mod abi;
mod altered;
mod differential;
mod forks;
mod node;
mod recorded;
