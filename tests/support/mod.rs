//! What the end-to-end tests stand on: a real EVM node, real contracts, the real daemon and its real
//! socket, and a proxy that spoils what the node says. Nothing here knows the daemon's inside.

pub mod anvil;
#[allow(dead_code, reason = "no test binary needs all of it")]
pub mod authority;
#[allow(dead_code, reason = "no test binary needs all of it")]
pub mod beacon;
#[allow(dead_code, reason = "no test binary needs all of it")]
pub mod c_library;
pub mod contract;
pub mod daemon;
#[allow(dead_code, reason = "no test binary needs all of it")]
pub mod document;
#[allow(dead_code, reason = "no test binary needs all of it")]
pub mod etcd;
#[allow(dead_code, reason = "no test binary needs all of it")]
pub mod fake;
pub mod faults;
#[allow(dead_code, reason = "no test binary needs all of it")]
pub mod fleet;
#[allow(dead_code, reason = "no test binary needs all of it")]
pub mod gateway;
pub mod http;
pub mod licences;
pub mod many;
#[allow(dead_code, reason = "no test binary needs all of it")]
pub mod page;
#[allow(dead_code, reason = "no test binary needs all of it")]
pub mod preloaded;
#[allow(dead_code, reason = "no test binary needs all of it")]
pub mod prerequisites;
pub mod process;
pub mod proxy;
#[allow(dead_code, reason = "no test binary needs all of it")]
pub mod seat_holder;
#[allow(dead_code, reason = "no test binary needs all of it")]
pub mod second_node;
pub mod service_manager;
pub mod settings;
pub mod socket;
pub mod stage;
#[allow(dead_code, reason = "no test binary needs all of it")]
pub mod toolchain;
pub mod wallet;
#[allow(dead_code, reason = "no test binary needs all of it")]
pub mod world;

use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long something that has to happen may take on a slow, busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The chain id of the test chains, in CAIP-2.
pub const CHAIN: &str = "eip155:31337";

/// The folder `tests` of the repository.
pub fn tests_dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// Asks `probe` until it has an answer.
///
/// # Panics
/// When there is none within [`PATIENCE`]: says what was waited for and what `last` saw.
pub fn eventually<T>(what: &str, mut probe: impl FnMut() -> Result<T, String>) -> T {
    let begun = Instant::now();
    loop {
        match probe() {
            Ok(found) => return found,
            Err(last) if begun.elapsed() > PATIENCE => panic!("{what}: never; last: {last}"),
            // What is asked, mostly a daemon, is asked again until it says something else.
            Err(_) => std::thread::sleep(Duration::from_millis(40)),
        }
    }
}

/// Fails as soon as `probe` finds a fault, within `time`. For what must not happen.
pub fn never(time: Duration, mut probe: impl FnMut() -> Result<(), String>) {
    let begun = Instant::now();
    while begun.elapsed() < time {
        if let Err(fault) = probe() {
            panic!("{fault}");
        }
        // What must not happen is looked for all the time.
        std::thread::sleep(Duration::from_millis(40));
    }
}
