//! What every client library does with what a daemon says: the cases of `conformance.json`, played to a driver of each
//! language, and to the Rust client; and each library's own tests.
//!
//! Where a language's tools are missing, its test says that it was skipped; `prerequisites` of the end-to-end tests fails
//! by name then, where `CI` is set.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, say on stderr what they skipped, and play slow daemons"
)]
#![allow(unreachable_pub, reason = "a test binary exports nothing")]

#[path = "../support/c_library.rs"]
#[allow(dead_code, reason = "no test binary needs all of it")]
mod c_library;
mod case;
mod driver;
mod languages;
mod player;
#[path = "../support/prerequisites.rs"]
#[allow(dead_code, reason = "no test binary needs all of it")]
mod prerequisites;
mod rust;
mod stranger;
#[path = "../support/toolchain.rs"]
mod toolchain;

use std::path::PathBuf;

/// The folder `tests` of the repository.
fn tests_dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests")
}
