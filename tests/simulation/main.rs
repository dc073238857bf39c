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

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use steps::{Random, Step};

/// Steps of one world.
const STEPS: usize = 300;

/// Parts of looks that changed nothing but which look saw it last.
static CONFIRMED: AtomicU64 = AtomicU64::new(0);

/// Plays some steps. `Err` says what was answered that must not be.
fn play(seed: u64, steps: &[Step]) -> Result<(), String> {
    let mut daemon = daemon::Daemon::new(seed);
    for (place, step) in steps.iter().enumerate() {
        daemon.take(*step).map_err(|what| format!("step {place}, {step:?}: {what}"))?;
    }
    daemon.settle().map_err(|what| format!("at the end: {what}"))?;
    daemon.be_silent().map_err(|what| format!("when nothing happens any more: {what}"))?;
    CONFIRMED.fetch_add(daemon.confirmed(), Ordering::Relaxed);
    Ok(())
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

/// One world. `Err` names its seed, the steps that it takes to fail, and how it fails.
fn try_seed(seed: u64) -> Result<(), String> {
    let steps = Random::new(seed).steps(STEPS);
    let Err(what) = play(seed, &steps) else { return Ok(()) };
    let fewer = shrink(seed, steps);
    let why = play(seed, &fewer).err().unwrap_or(what);
    let told: Vec<_> = fewer.iter().map(|it| format!("  {it:?}")).collect();
    Err(format!("ENTITLED_SIMULATION_SEED={seed}\n{}\n{why}", told.join("\n")))
}

/// Worlds from `first` on, on every processor, until the time is over or one of them fails. How many were tried.
fn try_many(first: u64, time: Duration) -> Result<u64, String> {
    let begun = Instant::now();
    let (worlds, failure) = (AtomicU64::new(0), OnceLock::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while begun.elapsed() < time && failure.get().is_none() {
                    let seed = first.wrapping_add(worlds.fetch_add(1, Ordering::Relaxed));
                    if let Err(what) = try_seed(seed) {
                        let _ = failure.set(what);
                    }
                }
            });
        }
    });
    failure.into_inner().map_or_else(|| Ok(worlds.into_inner()), Err)
}

#[test]
fn no_answer_is_ever_false() {
    let number = |name: &str| std::env::var(name).ok().and_then(|it| it.parse::<u64>().ok());
    if let Some(seed) = number("ENTITLED_SIMULATION_SEED") {
        return try_seed(seed).unwrap_or_else(|what| panic!("{what}"));
    }
    let time = Duration::from_secs(number("ENTITLED_SIMULATION_SECONDS").unwrap_or(60));
    // Other worlds on each run. A failure names its own.
    let first = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0_u8);
    let worlds = try_many(first, time).unwrap_or_else(|what| panic!("{what}"));
    let steps = worlds * STEPS as u64;
    let rate = steps as f64 / time.as_secs_f64();
    let confirmed = CONFIRMED.load(Ordering::Relaxed);
    assert!(confirmed > 0, "no look ever said what the one before had said");
    eprintln!(
        "{steps} steps in {worlds} worlds, {rate:.0} steps a second, {confirmed} looks that changed no row"
    );
}
