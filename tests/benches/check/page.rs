//! An answer that is read in memory which the daemon writes, beside a relaxed load.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use entitled_c::Entitlement;
use entitled_c::abi::State;
use entitled_client::SocketPath;

use crate::report::{Row, median};
use crate::support::daemon::Daemon;
use crate::support::stage::ACME;

const ROUNDS: usize = 9;
const READS: u32 = 1_000_000;

pub fn measure(daemon: &Daemon) {
    let socket = SocketPath::at(daemon.socket().to_str().unwrap());
    let entitlement = Entitlement::new(ACME, Some(socket), None).unwrap();
    assert_eq!(entitlement.valid(), State::Yes);
    let word = AtomicU64::new(1);
    let (mut ours, mut loads) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(nanoseconds(|| assert_eq!(black_box(&entitlement).valid(), State::Yes)));
        loads.push(nanoseconds(|| {
            black_box(black_box(&word).load(Ordering::Relaxed));
        }));
    }
    let (ours, load) = (median(ours), median(loads));
    Row {
        id: "page",
        ours: format!("{ours:.1} ns"),
        peer: format!("{load:.2} ns"),
        processor: None,
        judged: &[("ns", ours)],
    }
    .tell();
}

/// Of one of many.
fn nanoseconds(mut work: impl FnMut()) -> f64 {
    let begun = Instant::now();
    (0..READS).for_each(|_| work());
    begun.elapsed().as_secs_f64() * 1e9 / f64::from(READS)
}
