//! The way in one piece: it leads where the light client leads, across forks, and is refused where that would refuse.

use alloy_primitives::{B256, FixedBytes};

use super::forks::network as across_forks;
use super::*;
use crate::light_client::path::{Path, Reached, TipUpdate};

/// From slot 34 over some periods to a header that is final in slot `finalized`.
fn way(
    network: &Network,
    periods: std::ops::Range<u64>,
    tip: Signed,
) -> (Checkpoint, Result<Path, Refused>) {
    let (root, begin) = network.bootstrap(34);
    let begin = Bootstrap::from_json(&bytes(&begin)).unwrap();
    let updates: Vec<Update> = periods
        .map(|period| network.slot_of_period(period))
        .map(|first| Signed { participants: 25, ..all(network, first + 4, first + 17) })
        .map(|it| Update::from_json(&bytes(&network.update(it))).unwrap())
        .collect();
    let tip = FinalityUpdate::from_json(&bytes(&network.finality_update(tip))).unwrap();
    let path = Path::build(&specification(network), &begin, &updates, TipUpdate::Finality(&tip));
    (Checkpoint { root, slot: Some(34) }, path)
}

fn walk(network: &Network, (checkpoint, path): &(Checkpoint, Path)) -> Result<Reached, Refused> {
    path.walk(&specification(network), checkpoint, NOW)
}

/// A good way of three periods.
fn good(network: &Network) -> (Checkpoint, Path) {
    let (checkpoint, path) = way(network, 1..4, all(network, 130, 140));
    (checkpoint, path.unwrap())
}

#[test]
fn it_leads_across_every_fork_to_the_block_that_is_final() {
    let network = across_forks();
    for (period, finalized) in [(2, 70), (3, 100), (4, 130), (5, 165), (5, 155)] {
        let tip = all(&network, finalized, network.slot_of_period(period) + 9);
        let (checkpoint, path) = way(&network, 1..period, tip);
        let reached = walk(&network, &(checkpoint, path.unwrap())).unwrap();
        assert_eq!((reached.slot, reached.period, reached.is_final), (finalized, period, true));
        let json = network.finality_update(tip);
        let header = &json["data"]["finalized_header"];
        let hash = header["execution"]["block_hash"].as_str();
        let hash = hash.or(header["execution_block_hash"].as_str()).unwrap();
        assert_eq!(reached.execution.to_string(), hash, "in slot {finalized}");
    }
}

#[test]
fn a_head_that_is_not_final_says_so() {
    let network = Network::small();
    let (root, begin) = network.bootstrap(34);
    let begin = Bootstrap::from_json(&bytes(&begin)).unwrap();
    let tip = network.optimistic_update(all(&network, 40, 50));
    let tip = OptimisticUpdate::from_json(&bytes(&tip)).unwrap();
    let tip = TipUpdate::Optimistic(&tip);
    let path = Path::build(&specification(&network), &begin, &[], tip).unwrap();
    let reached = walk(&network, &(Checkpoint { root, slot: None }, path)).unwrap();
    assert_eq!((reached.slot, reached.is_final), (50, false));
}

#[test]
fn what_is_missing_is_no_way() {
    let network = Network::small();
    let (_, path) = way(&network, 1..3, all(&network, 130, 140));
    assert!(matches!(path, Err(Refused::NoCommittee { .. })));
    // A step less, and the committee at the end is another's.
    let (checkpoint, mut path) = good(&network);
    path.steps.pop();
    assert!(matches!(walk(&network, &(checkpoint, path)), Err(Refused::NoCommittee { .. })));
}

#[test]
fn the_rules_of_the_light_client_hold() {
    let network = Network::small();
    assert!(walk(&network, &good(&network)).is_ok());
    let (checkpoint, path) = good(&network);

    let other = Checkpoint { root: B256::ZERO, slot: None };
    let found = path.walk(&specification(&network), &other, NOW);
    assert!(matches!(found, Err(Refused::NotTheCheckpoint { .. })));
    let other = Checkpoint { slot: Some(35), ..checkpoint };
    let found = path.walk(&specification(&network), &other, NOW);
    assert!(matches!(found, Err(Refused::CheckpointSlot { .. })));
    let found = path.walk(&specification(&network), &checkpoint, 140);
    assert!(matches!(found, Err(Refused::TooEarly { .. })));

    // Two thirds of 32 are 22.
    let few = Signed { participants: 21, ..all(&network, 130, 140) };
    let (_, found) = way(&network, 1..4, few);
    assert!(matches!(found, Err(Refused::Participation { signed: 21, .. })));

    // A committee whose period is not final yet may become another.
    let (root, begin) = network.bootstrap(34);
    let begin = Bootstrap::from_json(&bytes(&begin)).unwrap();
    let update = network.update(all(&network, 30, 50));
    let update = Update::from_json(&bytes(&update)).unwrap();
    let tip = network.finality_update(all(&network, 66, 76));
    let tip = FinalityUpdate::from_json(&bytes(&tip)).unwrap();
    let spec = specification(&network);
    let path = Path::build(&spec, &begin, &[update], TipUpdate::Finality(&tip)).unwrap();
    let found = walk(&network, &(Checkpoint { root, slot: None }, path));
    assert!(matches!(found, Err(Refused::NoCommittee { period: 0, .. })), "{found:?}");
}

#[test]
fn those_who_did_not_sign_are_shown_in_their_places() {
    let network = Network::small();
    let (checkpoint, path) = good(&network);
    let absent = path.steps[0].signed.absent.len();
    assert_eq!(absent, 32 - 25);

    let refused = |change: &dyn Fn(&mut Path)| {
        let mut altered = path.clone();
        change(&mut altered);
        walk(&network, &(checkpoint, altered)).unwrap_err()
    };
    let swapped = refused(&|it| it.steps[0].signed.absent.swap(0, 1));
    assert!(matches!(swapped, Refused::Key { index: 25, .. }), "{swapped}");
    let fewer = refused(&|it| drop(it.steps[0].signed.absent.pop()));
    assert!(matches!(fewer, Refused::Bits { .. }), "{fewer}");
    let other_sum = refused(&|it| it.steps[0].next.sum = path.steps[1].next.sum);
    assert!(matches!(other_sum, Refused::Branch { .. }), "{other_sum}");
    let no_key = refused(&|it| it.begin.committee.sum = FixedBytes::repeat_byte(0x9f));
    assert!(matches!(no_key, Refused::Branch { .. }), "{no_key}");
    let later = refused(&|it| it.steps[0].signed.slot += 1);
    assert!(matches!(later, Refused::SlotOrder { .. }), "{later}");
}
