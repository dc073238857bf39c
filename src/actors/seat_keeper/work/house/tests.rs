//! A restart of the actor takes nobody's seat, and gives none twice.

use super::*;
use crate::seat_journal::testing::{OWNER, claimant, product};
use alloy_primitives::U256;
use entitled_core::domain::ids::CustomerId;
use entitled_core::domain::ownership::IdRanges;
use entitled_core::seats::{
    Binding, Effect, PoolFigures, ProcessId, Refusal, Request, RequestId, TokenKey, UnitKey,
};

const NOW: BootTime = BootTime(1_000);

/// A house with one pool of two places.
fn house() -> (House, PoolId) {
    let product = product();
    let key = Key { customer: OWNER, product: product.id.clone() };
    let mut house = House::new(0, Policies::default(), Kept::default());
    let (grant, tier) = (&product.grants[0], &product.tiers[0]);
    let pool = house.enter_pool(NOW, &key, (grant, tier, None), product.seats);
    assert_eq!(
        house.enter_pool(NOW, &key, (grant, tier, None), product.seats),
        pool,
        "the same again"
    );
    let capacity = Capacity { supply: Supply::Seats(2), until: None };
    house.set_capacity(NOW, pool, (capacity, None));
    (house, pool)
}

fn acquire(house: &mut House, pool: PoolId, process: u64) -> Vec<Effect> {
    let process = ProcessId(process);
    let request = Request {
        id: RequestId(process.0),
        pools: vec![pool],
        claimant: claimant(),
        key: UnitKey::Process(process),
        bindings: vec![Binding::Process(process)],
        adopt: None,
        count: 1,
        wait_until: None,
    };
    house.seats.acquire(NOW, request);
    house.seats.take_effects()
}

fn figures(house: &House, pool: PoolId) -> PoolFigures {
    house.seats.figures(pool).unwrap()
}

#[test]
fn a_restart_keeps_seats_and_counts() {
    let (mut house, pool) = house();
    acquire(&mut house, pool, 1);
    acquire(&mut house, pool, 2);
    let before = (figures(&house, pool), house.seats.seats().cloned().collect::<Vec<_>>());
    let mut house = house.rebuilt(NOW);
    assert_eq!((figures(&house, pool), house.seats.seats().cloned().collect::<Vec<_>>()), before);
    let refused = acquire(&mut house, pool, 3);
    assert!(matches!(refused[0], Effect::Refused { refusal: Refusal::Full, .. }), "{refused:?}");
    let again = acquire(&mut house, pool, 2);
    assert!(matches!(again[0], Effect::Granted { again: true, .. }), "{again:?}");
    house.seats.exited(NOW, ProcessId(1));
    let granted = [house.seats.take_effects(), acquire(&mut house, pool, 3)].concat();
    let newest = house.seats.seats().last().unwrap().id;
    assert!(newest > before.1[1].id, "no number is given twice: {granted:?}");
}

/// Each of a user's uids may be a customer that asks for a seat of the machine, whether it gets one or not.
#[test]
fn of_many_who_asked_those_alone_are_remembered_who_have_a_seat() {
    let (mut house, pool) = house();
    acquire(&mut house, pool, 1);
    let product = product();
    for uid in 2_000..7_000 {
        let key = Key { customer: CustomerId::Uid(uid), product: product.id.clone() };
        let (grant, tier) = (&product.grants[0], &product.tiers[0]);
        let entered = house.enter_pool(NOW, &key, (grant, tier, None), product.seats);
        let none = Capacity { supply: Supply::Seats(0), until: None };
        house.set_capacity(NOW, entered, (none, None));
        house.counted.insert(key, Counted::default());
    }
    let kept = house.in_use();
    house.forget_all_but(&kept);
    assert_eq!((house.pools.len(), house.counted.len()), (1, 0));
    assert_eq!(figures(&house, pool).used, 1, "and whoever has one keeps it");
    assert!(house.seats.figures(PoolId(4_000)).is_none());
    let again = acquire(&mut house, pool, 1);
    assert!(matches!(again[0], Effect::Granted { again: true, .. }), "{again:?}");
}

#[test]
fn what_was_never_proven_stays_so() {
    let (house, pool) = house();
    let mut house = House { pools: house.pools, ..House::default() };
    house.pools.get_mut(&pool).unwrap().capacity = None;
    let mut house = house.rebuilt(NOW);
    let refused = acquire(&mut house, pool, 1);
    assert!(
        matches!(refused[0], Effect::Refused { refusal: Refusal::NotKnown, .. }),
        "{refused:?}"
    );
}

/// The only grant in other words: by the id of the token that is held.
fn reworded() -> Grant {
    let seven = U256::from(7);
    Grant { ids: IdRanges::only(seven), ..product().grants[0].clone() }
}

/// One token that is good for two seats.
fn supply() -> (Capacity, Option<Offer>) {
    let places = Offer::from_iter([(TokenKey([7; 16]), 2)]);
    (Capacity { supply: Supply::Seats(2), until: None }, Some(places))
}

/// What is granted in other words, and not yet proven, is neither lost nor given meanwhile.
#[test]
fn a_rewording_that_is_not_proven_yet_ends_nothing() {
    let (mut house, old) = house();
    let product = product();
    let key = Key { customer: OWNER, product: product.id.clone() };
    let terms = SeatTerms { drain: Duration::ZERO, ..product.seats };
    house.enter_pool(NOW, &key, (&product.grants[0], &product.tiers[0], None), terms);
    house.set_capacity(NOW, old, supply());
    acquire(&mut house, old, 1);
    let new = house.enter_pool(NOW, &key, (&reworded(), &product.tiers[0], None), terms);
    house.empty(NOW, old, &[new]);
    house.seats.wake(NOW);
    assert_eq!(house.seats.take_effects(), [], "its seat goes on");
    let refused = acquire(&mut house, old, 2);
    assert!(
        matches!(refused[0], Effect::Refused { refusal: Refusal::NotKnown, .. }),
        "{refused:?}"
    );
    house.set_capacity(NOW, new, supply());
    house.empty(NOW, old, &[new]);
    assert_eq!(house.seats.take_effects(), [], "nobody notices");
    assert_eq!((figures(&house, old).used, figures(&house, new).used), (0, 1));
}
