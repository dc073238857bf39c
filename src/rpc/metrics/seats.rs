//! The figures of floating seats.

use std::collections::BTreeMap;

use super::{Figure, count, exact, gauge};
use crate::actors::seat_keeper::{PoolView, SeatFigures};

type Sum = fn(&PoolView) -> u64;

/// What is counted of each product and tier, over all pools.
const STATES: [(&str, Sum); 6] = [
    ("used", |it| it.figures.used),
    ("free", |it| it.figures.capacity.map_or(0, |all| all.saturating_sub(it.figures.used))),
    ("over", |it| it.figures.over),
    ("lingering", |it| it.figures.lingering),
    ("draining", |it| it.figures.draining),
    ("waiting", |it| it.figures.waiting as u64),
];

pub(super) fn of_seats(seats: &SeatFigures) -> [Figure; 4] {
    let mut sums = BTreeMap::<(String, String, &str), u64>::new();
    for pool in &seats.pools {
        for (state, of) in STATES {
            let key = (pool.product.to_string(), pool.tier.to_string(), state);
            *sums.entry(key).or_default() += of(pool);
        }
    }
    let label = |((product, tier, state), sum): ((String, String, &str), u64)| {
        let labels = vec![("product", product), ("tier", tier), ("state", state.to_owned())];
        (labels, exact(sum))
    };
    [
        Figure {
            name: "seats",
            help: "Floating seats by product, tier and state; `waiting` are requests",
            counts: false,
            values: sums.into_iter().map(label).collect(),
        },
        count("seats_granted", "Seats given", seats.granted),
        count("seat_denials", "Requests for a seat that were given none", seats.denied),
        gauge("seat_processes", "Processes whose end is waited for", seats.watched),
    ]
}
