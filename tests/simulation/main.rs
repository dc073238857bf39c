//! The daemon's decisions in a world that is made up from a seed: sales, returns, renewals and reorganisations,
//! finality that lags, endpoints that are late, several products on one contract, several customers, looks in any
//! order and looks that fail, administrators, restarts, a clock that moves.
//!
//! What decides is the daemon's own code: which head may be taken, what is kept of a look, what it entitles to, which
//! verdict is published and to whom it is told. What surrounds it (actors, disk, network, contracts) is not here.
//! `judge` says at every step what may be answered, from the truth of the chain alone.
//!
//! A failure prints the seed and the shortest list of steps that still fails. `ENTITLED_SIMULATION_SEED` plays one seed
//! again; `ENTITLED_SIMULATION_SECONDS` says for how long new ones are tried, a minute if it says nothing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    reason = "tests fail by panicking, and say so on stderr"
)]
#![allow(unreachable_pub, reason = "a test binary exports nothing")]

mod chain;
mod daemon;
mod judge;
mod rows;
mod steps;

use std::time::{Duration, Instant};

use steps::{Random, Step};

/// Steps of one world.
const STEPS: usize = 300;

/// Plays some steps. `Err` says what was answered that must not be.
fn play(seed: u64, steps: &[Step]) -> Result<(), String> {
    let mut daemon = daemon::Daemon::new(seed);
    for (place, step) in steps.iter().enumerate() {
        daemon.take(*step).map_err(|what| format!("step {place}, {step:?}: {what}"))?;
    }
    daemon.settle().map_err(|what| format!("at the end: {what}"))?;
    daemon.be_silent().map_err(|what| format!("when nothing happens any more: {what}"))
}

/// The shortest list of steps found that still fails: as long as leaving something out keeps it failing, it is
/// left out.
fn shrink(seed: u64, mut steps: Vec<Step>) -> Vec<Step> {
    let mut part = steps.len() / 2;
    while part > 0 {
        let mut at = 0;
        while at < steps.len() {
            let mut fewer = steps.clone();
            fewer.drain(at..(at + part).min(steps.len()));
            if play(seed, &fewer).is_err() {
                steps = fewer;
            } else {
                at += part;
            }
        }
        part /= 2;
    }
    steps
}

fn try_seed(seed: u64) {
    let steps = Random::new(seed).steps(STEPS);
    if let Err(what) = play(seed, &steps) {
        let fewer = shrink(seed, steps);
        let why = play(seed, &fewer).err().unwrap_or(what);
        let told: Vec<_> = fewer.iter().map(|it| format!("  {it:?}")).collect();
        panic!("ENTITLED_SIMULATION_SEED={seed}\n{}\n{why}", told.join("\n"));
    }
}

#[test]
fn no_answer_is_ever_false() {
    let number = |name: &str| std::env::var(name).ok().and_then(|it| it.parse::<u64>().ok());
    if let Some(seed) = number("ENTITLED_SIMULATION_SEED") {
        return try_seed(seed);
    }
    let time = Duration::from_secs(number("ENTITLED_SIMULATION_SECONDS").unwrap_or(60));
    let begun = Instant::now();
    // Other worlds on each run. A failure names its own.
    let first = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0_u8);
    let mut worlds = 0_u64;
    while begun.elapsed() < time {
        try_seed(first.wrapping_add(worlds));
        worlds += 1;
    }
    let steps = worlds * STEPS as u64;
    let rate = steps as f64 / begun.elapsed().as_secs_f64();
    eprintln!("{steps} steps in {worlds} worlds, {rate:.0} steps a second");
}
