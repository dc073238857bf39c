//! Every fault with every rule: the real daemon, a real chain, and a proxy in between that goes wrong.
//!
//! One test is one fault, for the licences of all rules at once. It goes wrong before the daemon knows anything;
//! it stops; it goes wrong again when all is known; meanwhile the licences are taken away; it stops. Whatever the
//! daemon says at any moment is judged by what was true at the block it names.
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

mod judge;
mod rules;
mod scene;
mod table;
