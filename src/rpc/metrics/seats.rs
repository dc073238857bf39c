//! The figures of floating seats.

use std::collections::BTreeMap;

use super::{Figure, count, exact, gauge};
use crate::actors::seat_keeper::{FleetFigures, PoolView, SeatFigures};

type Sum = fn(&PoolView) -> u64;

/// What is counted of each product and tier, over all pools.
const STATES: [(&str, Sum); 8] = [
    ("used", |it| it.figures.used),
    ("free", |it| it.figures.capacity.map_or(0, |all| all.saturating_sub(it.figures.used))),
    ("over", |it| it.figures.over),
    ("lingering", |it| it.figures.lingering),
    ("borrowed", |it| it.figures.borrowed),
    ("lent", |it| it.figures.lent),
    ("draining", |it| it.figures.draining),
    ("waiting", |it| it.figures.waiting as u64),
];

pub(super) fn of_seats(seats: &SeatFigures) -> Vec<Figure> {
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
    let ended = seats
        .ended
        .iter()
        .map(|(reason, many)| (vec![("reason", (*reason).to_owned())], exact(*many)));
    let mut figures = vec![
        Figure {
            name: "seats",
            help: "Floating seats by product, tier and state; `waiting` are requests",
            counts: false,
            values: sums.into_iter().map(label).collect(),
        },
        count("seats_granted", "Seats given", seats.granted),
        count("seat_denials", "Requests for a seat that were given none", seats.denied),
        gauge("seat_processes", "Processes whose end is waited for", seats.watched),
        Figure {
            name: "seats_ended",
            help: "Seats that ended, by reason",
            counts: true,
            values: ended.collect(),
        },
    ];
    figures.extend(seats.fleet.iter().flat_map(of_fleet));
    figures
}

fn of_fleet(fleet: &FleetFigures) -> [Figure; 3] {
    let places = [("own", fleet.own_places), ("elsewhere", fleet.other_places)];
    let places = places.map(|(state, many)| (vec![("state", state.to_owned())], exact(many)));
    [
        gauge("fleet_in", "Whether this machine may claim and give places", fleet.is_in.into()),
        Figure {
            name: "fleet_deadline_seconds",
            help: "For how long the seats of this machine would go on without the store",
            counts: false,
            values: vec![(Vec::new(), fleet.left.as_secs_f64())],
        },
        Figure {
            name: "fleet_places",
            help: "Places that are taken, of this machine and of others",
            counts: false,
            values: places.into(),
        },
    ]
}
