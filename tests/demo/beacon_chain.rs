//! The simulated beacon chain as a program, for demonstrations and for trying things by hand: it signs the blocks of
//! an EVM node as time passes, serves them, and writes what the daemon has to know.
//!
//! ```text
//! anvil --timestamp $(( $(date +%s) - 300 )) --port 8545 &
//! cargo run --example beacon_chain -- --execution 127.0.0.1:8545 --folder /tmp/beacon
//! ```
//!
//! Prints its address once it serves: `serving http://127.0.0.1:PORT`. Before that it has written, in the folder,
//! `specification.toml` (the chain specification, its checkpoint the newest final block) and the mirror that
//! `tests/support/beacon/files.rs` describes. With `--mirror` it keeps the latter up to date. Ends by a signal.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program of the tests: it fails by panicking, prints for whoever started it, and sleeps"
)]
#![allow(dead_code, unreachable_pub, reason = "the tests' support offers more than is used here")]

#[path = "../support/beacon/mod.rs"]
mod beacon;
#[path = "../support/http.rs"]
mod http;

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use beacon::files;
use beacon::node::BeaconNode;
use beacon::schedule::{Form, Schedule};

#[derive(Parser)]
#[command(about = "A simulated beacon chain over the blocks of an EVM node")]
struct Arguments {
    /// The EVM node: HOST:PORT of its JSON-RPC over HTTP. Its first block has to be some minutes old
    #[arg(long)]
    execution: String,
    /// Where to serve, on loopback; 0 for any free port
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Where to write the specification and the mirror
    #[arg(long)]
    folder: PathBuf,
    /// How many seconds the newest block is behind the clock: transactions may run ahead by as much
    #[arg(long, default_value_t = 30)]
    behind: u64,
    /// How many epochs of four seconds a sync committee signs
    #[arg(long, default_value_t = 16)]
    epochs_per_period: u64,
    /// Keep the mirror up to date
    #[arg(long)]
    mirror: bool,
}

fn main() {
    let arguments = Arguments::parse();
    let behind = Duration::from_secs(arguments.behind);
    let node = BeaconNode::over_at(&arguments.execution, arguments.port, |genesis_time| {
        let epochs_per_period = arguments.epochs_per_period;
        Schedule { epochs_per_period, ..Schedule::short(genesis_time, Form::Fulu) }
    });
    node.catch_up(behind);
    let checkpoint = node.chain().finalized().map(|it| it.slot());
    let checkpoint = checkpoint.expect("the EVM node's first block is older: see --behind");
    std::fs::create_dir_all(&arguments.folder).unwrap();
    let specification = arguments.folder.join("specification.toml");
    std::fs::write(&specification, node.specification(checkpoint)).unwrap();
    files::write_mirror(&node.chain(), &arguments.folder);
    node.keep_pace(behind);
    println!("serving {}", node.url());
    loop {
        // Slots pass with time, until somebody ends this.
        std::thread::sleep(Duration::from_secs(1));
        if arguments.mirror {
            files::write_mirror(&node.chain(), &arguments.folder);
        }
    }
}
