//! The rules one by one, on a simulated chain: 32 slots to a period, committees of 32.

use alloy_primitives::B256;
use blst::min_pk::{AggregateSignature, Signature};

use super::*;
use crate::sync_committee::ORDER;

fn kind(result: Result<Applied, Refused>) -> RefusalKind {
    result.unwrap_err().kind()
}

#[test]
fn there_is_no_head_before_the_first_signature() {
    let client = begun(&Network::small(), 40);
    assert_eq!((client.finalized(), client.optimistic()), (None, None));
    assert_eq!((client.period(), client.highest_slot()), (1, 40));
}

#[test]
fn a_checkpoint_is_its_root_and_its_slot_if_named() {
    let network = Network::small();
    let (root, json) = network.bootstrap(40);
    let it = Bootstrap::from_json(&bytes(&json)).unwrap();
    let spec = specification(&network);
    let begin =
        |root, slot| LightClient::bootstrap(&spec, &Checkpoint { root, slot }, &it).map(drop);
    assert_eq!(begin(root, None), Ok(()));
    assert_eq!(begin(root, Some(41)), Err(Refused::CheckpointSlot { expected: 41, found: 40 }));
    let other = network.bootstrap(41).0;
    assert_eq!(begin(other, None), Err(Refused::NotTheCheckpoint { expected: other, found: root }));
}

#[test]
fn the_checkpoint_itself_becomes_final_when_it_is_signed_for() {
    let network = Network::small();
    let mut client = begun(&network, 40);
    assert_eq!(finality(&mut client, &network, all(&network, 40, 55)), advanced(true, true, None));
    let head = client.finalized().unwrap();
    assert_eq!((head.slot, head.participation, head.signature_slot), (40, 32, 56));
    assert_eq!(client.start().root, head.beacon_root);
}

#[test]
fn two_thirds_have_to_sign_every_kind_of_claim() {
    let network = Network::small();
    type Apply = fn(&mut LightClient, &Network, Signed) -> Result<Applied, Refused>;
    let kinds: [(&str, Apply); 3] =
        [("update", update), ("finality", finality), ("optimistic", optimistic)];
    for (name, apply) in kinds {
        for (participants, enough) in [(1, false), (21, false), (22, true), (32, true)] {
            let mut client = begun(&network, 32);
            let signed = Signed { participants, ..all(&network, 40, 55) };
            let result = apply(&mut client, &network, signed);
            assert_eq!(result.is_ok(), enough, "{name}, {participants} of 32: {result:?}");
            if !enough {
                let few = Refused::Participation { signed: participants, size: 32, needed: 22 };
                assert_eq!(result, Err(few));
            }
        }
    }
}

#[test]
fn slots_have_an_order() {
    let network = Network::small();
    let spec = specification(&network);
    for (finalized, attested, signature, now, taken) in [
        (40, 55, 56, 56, true),
        (40, 55, 56, 55, false),
        (40, 55, 60, 60, true),
        (40, 55, 55, 99, false),
        (40, 40, 41, 41, true),
        (56, 55, 57, 99, false),
    ] {
        let mut client = begun(&network, 32);
        let signed = Signed { finalized, attested, signature, participants: 32 };
        let update = FinalityUpdate::from_json(&bytes(&network.finality_update(signed))).unwrap();
        let result = client.apply_finality(&spec, &update, now);
        assert_eq!(result.is_ok(), taken, "{finalized} {attested} {signature} {now}: {result:?}");
    }
}

#[test]
fn what_is_early_or_old_is_no_lie() {
    let network = Network::small();
    let spec = specification(&network);
    let mut client = begun(&network, 32);
    let later = all(&network, 48, 60);
    let early = FinalityUpdate::from_json(&bytes(&network.finality_update(later))).unwrap();
    let refused = client.apply_finality(&spec, &early, 60);
    assert_eq!(refused, Err(Refused::TooEarly { signature: 61, now: 60 }));
    assert_eq!(kind(refused), RefusalKind::NotUseful);
    finality(&mut client, &network, later).unwrap();
    let before = client.clone();
    let old = finality(&mut client, &network, all(&network, 40, 55));
    assert_eq!(old, Err(Refused::Old { slot: 40, have: 48 }));
    assert_eq!(kind(old), RefusalKind::NotUseful);
    assert_eq!(client.finalized(), before.finalized());
    assert_eq!(client.optimistic(), before.optimistic());
}

#[test]
fn the_same_again_changes_nothing() {
    let network = Network::small();
    let mut client = begun(&network, 32);
    let signed = all(&network, 40, 55);
    finality(&mut client, &network, signed).unwrap();
    assert_eq!(finality(&mut client, &network, signed), Ok(Applied::Nothing));
    assert_eq!(optimistic(&mut client, &network, signed), Ok(Applied::Nothing));
}

#[test]
fn an_optimistic_header_moves_only_the_optimistic_head() {
    let network = Network::small();
    let mut client = begun(&network, 32);
    assert_eq!(
        optimistic(&mut client, &network, all(&network, 40, 55)),
        advanced(false, true, None)
    );
    assert_eq!(client.finalized(), None);
    assert_eq!(client.highest_slot(), 55);
    assert_eq!(
        optimistic(&mut client, &network, all(&network, 40, 54)),
        Err(Refused::Old { slot: 54, have: 55 })
    );
    // Finality that is attested in an older header is news all the same.
    assert_eq!(finality(&mut client, &network, all(&network, 40, 53)), advanced(true, false, None));
    assert_eq!((client.finalized().unwrap().slot, client.highest_slot()), (40, 55));
}

#[test]
fn a_committee_is_learned_and_takes_over_at_the_end_of_the_period() {
    let network = Network::small();
    let spec = specification(&network);
    let mut client = begun(&network, 40);
    assert_eq!(client.wants(&spec, 31), None);
    assert_eq!(client.wants(&spec, 63), Some(1));
    assert_eq!(update(&mut client, &network, all(&network, 40, 55)), advanced(true, true, Some(2)));
    assert_eq!(client.wants(&spec, 63), None);
    assert_eq!(client.wants(&spec, 64), Some(2));
    // The new committee signs before its period is final; only then is it the current one.
    assert_eq!(finality(&mut client, &network, all(&network, 56, 70)), advanced(true, true, None));
    assert_eq!((client.period(), client.wants(&spec, 70)), (1, Some(2)));
    assert_eq!(finality(&mut client, &network, all(&network, 64, 80)), advanced(true, true, None));
    assert_eq!((client.period(), client.wants(&spec, 80)), (2, Some(2)));
    assert_eq!(update(&mut client, &network, all(&network, 72, 88)), advanced(true, true, Some(3)));
}

#[test]
fn many_periods_are_followed_update_by_update() {
    let network = Network::small();
    let spec = specification(&network);
    let mut client = begun(&network, 3);
    let mut asked = Vec::new();
    while let Some(period) = client.wants(&spec, 32 * 6 + 20) {
        asked.push(period);
        let first = network.slot_of_period(period);
        let result = update(&mut client, &network, all(&network, first + 8, first + 17));
        assert_eq!(result, advanced(true, true, Some(period + 1)));
    }
    assert_eq!(asked, [0, 1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_committee_is_not_learned_before_its_period_is_final() {
    let network = Network::small();
    let mut client = begun(&network, 40);
    update(&mut client, &network, all(&network, 48, 60)).unwrap();
    // Attested in period 2, where only period 1 is final yet.
    assert_eq!(update(&mut client, &network, all(&network, 56, 70)), advanced(true, true, None));
    assert_eq!(client.wants(&specification(&network), 70), Some(2));
}

#[test]
fn a_committee_is_not_learned_from_a_state_whose_period_is_not_final() {
    let network = Network::small();
    let mut client = begun(&network, 40);
    // Final is still a header of period 0, from before the checkpoint.
    assert_eq!(update(&mut client, &network, all(&network, 25, 50)), advanced(false, true, None));
    assert_eq!(client.wants(&specification(&network), 50), Some(1));
}

#[test]
fn a_signature_of_a_committee_not_known_yet_is_no_lie() {
    let network = Network::small();
    let mut client = begun(&network, 40);
    let known = KnownPeriods { first: 1, last: 1 };
    let refused = finality(&mut client, &network, all(&network, 64, 80));
    assert_eq!(refused, Err(Refused::NoCommittee { period: 2, known }));
    assert_eq!(kind(refused), RefusalKind::NotUseful);
    update(&mut client, &network, all(&network, 40, 55)).unwrap();
    let known = KnownPeriods { first: 1, last: 2 };
    let refused = finality(&mut client, &network, all(&network, 96, 112));
    assert_eq!(refused, Err(Refused::NoCommittee { period: 3, known }));
}

#[test]
fn the_last_slot_of_a_period_is_signed_by_the_next_committee() {
    let network = Network::small();
    let mut client = begun(&network, 40);
    let signed = all(&network, 48, 63);
    assert!(matches!(
        finality(&mut client, &network, signed),
        Err(Refused::NoCommittee { period: 2, .. })
    ));
    update(&mut client, &network, all(&network, 40, 55)).unwrap();
    assert_eq!(finality(&mut client, &network, signed), advanced(true, true, None));
    assert_eq!(client.period(), 1);
}

/// Another network's claims about the same slots, of the same committees: what an attacker with the keys, or
/// a split of the chain, would show.
fn fork_of(network: &Network, slot: u64) -> Network {
    let mut fork = Network::small();
    let block = serde_json::json!({
        "parentHash": B256::ZERO, "miner": "0x0000000000000000000000000000000000000001",
        "stateRoot": B256::ZERO, "receiptsRoot": B256::ZERO,
        "logsBloom": alloy_primitives::hex::encode_prefixed([0; 256]), "mixHash": B256::ZERO,
        "number": "0x1", "gasLimit": "0x1", "gasUsed": "0x1", "timestamp": "0x1",
        "extraData": "0x", "baseFeePerGas": "0x1", "hash": B256::repeat_byte(9),
    });
    fork.blocks.insert(slot, block);
    fork.seed = network.seed;
    fork
}

#[test]
fn two_signed_headers_of_a_slot_are_evidence() {
    let network = Network::small();
    let mut client = begun(&network, 32);
    finality(&mut client, &network, all(&network, 40, 55)).unwrap();
    let before = client.finalized().unwrap().beacon_root;
    for (name, slot, signed) in [
        ("finalized", 40, all(&network, 40, 56)),
        ("attested", 55, all(&network, 48, 55)),
        ("the start", 32, all(&network, 32, 57)),
    ] {
        let mut copy = if name == "the start" { begun(&network, 32) } else { client.clone() };
        let refused = finality(&mut copy, &fork_of(&network, slot), signed);
        let Err(Refused::TwoHeaders { slot: of, .. }) = &refused else {
            panic!("{name}: {refused:?}")
        };
        assert_eq!(*of, slot, "{name}");
        assert_eq!(kind(refused), RefusalKind::Equivocation, "{name}");
    }
    assert_eq!(client.finalized().unwrap().beacon_root, before);
}

#[test]
fn an_attested_header_beside_the_start_or_a_final_one_is_evidence() {
    let network = Network::small();
    let beside_start =
        optimistic(&mut begun(&network, 32), &fork_of(&network, 32), all(&network, 32, 32));
    assert!(matches!(beside_start, Err(Refused::TwoHeaders { slot: 32, .. })), "{beside_start:?}");
    let mut client = begun(&network, 32);
    finality(&mut client, &network, all(&network, 40, 55)).unwrap();
    // It would bring the next committee, which is not known yet.
    let beside_final = update(&mut client, &fork_of(&network, 40), all(&network, 33, 40));
    assert!(matches!(beside_final, Err(Refused::TwoHeaders { slot: 40, .. })), "{beside_final:?}");
    assert_eq!(client.wants(&specification(&network), 60), Some(1));
}

#[test]
fn the_same_finality_attested_anew_moves_only_the_optimistic_head() {
    let network = Network::small();
    let mut client = begun(&network, 32);
    finality(&mut client, &network, all(&network, 40, 55)).unwrap();
    assert_eq!(finality(&mut client, &network, all(&network, 40, 56)), advanced(false, true, None));
    assert_eq!(client.finalized().unwrap().signature_slot, 56);
    assert_eq!(client.optimistic().unwrap().signature_slot, 57);
}

#[test]
fn an_optimistic_header_may_be_reorganised_away() {
    let network = Network::small();
    let mut client = begun(&network, 32);
    optimistic(&mut client, &network, all(&network, 40, 48)).unwrap();
    let fork = fork_of(&network, 48);
    assert_eq!(finality(&mut client, &fork, all(&fork, 48, 60)), advanced(true, true, None));
}

#[test]
fn a_second_header_is_no_evidence_without_a_signature() {
    let network = Network::small();
    let mut client = begun(&network, 32);
    finality(&mut client, &network, all(&network, 40, 55)).unwrap();
    let mut other = fork_of(&network, 40);
    other.seed = 2;
    let refused = finality(&mut client, &other, all(&other, 40, 56));
    // Its committees are not ours, so that its states differ as well; the signature is what counts.
    assert!(
        matches!(refused, Err(Refused::Signature { slot: 57, period: 1, signed: 32 })),
        "{refused:?}"
    );
}

#[test]
fn two_signed_committees_of_a_period_are_evidence() {
    let network = Network::small();
    let mut client = begun(&network, 32);
    update(&mut client, &network, all(&network, 40, 55)).unwrap();
    let mut other = Network::small();
    other.replace_committee(2, 9);
    let refused = update(&mut client, &other, all(&other, 41, 57));
    assert!(matches!(refused, Err(Refused::TwoCommittees { period: 2, .. })), "{refused:?}");
    assert_eq!(kind(refused), RefusalKind::Equivocation);
}

#[test]
fn who_did_not_sign_is_not_counted_as_one_who_did() {
    let network = Network::small();
    let spec = specification(&network);
    let signed = Signed { participants: 25, ..all(&network, 40, 55) };
    let mut json = network.finality_update(signed);
    json["data"]["sync_aggregate"]["sync_committee_bits"] = serde_json::json!("0xffffffff");
    let it = FinalityUpdate::from_json(&bytes(&json)).unwrap();
    let refused = begun(&network, 32).apply_finality(&spec, &it, NOW);
    assert!(matches!(refused, Err(Refused::Signature { signed: 32, .. })), "{refused:?}");
}

/// A point of the curve whose order has nothing in common with the subgroup's. A bilinear map could not tell a
/// signature with it added from the one without; only the check of the subgroup is sure to.
fn unseen() -> AggregateSignature {
    let mut bytes = [0; 96];
    bytes[0] = 0x80;
    let outside = (1..=u8::MAX).find_map(|last| {
        bytes[95] = last;
        Signature::uncompress(&bytes).ok().filter(|it| !it.subgroup_check())
    });
    let outside = AggregateSignature::from_signature(&outside.unwrap());
    let mut multiple = outside;
    for bit in (0..ORDER.bit_len() - 1).rev() {
        multiple.add_aggregate(&multiple.clone());
        if ORDER.bit(bit) {
            multiple.add_aggregate(&outside);
        }
    }
    multiple
}

#[test]
fn a_signature_outside_the_subgroup_is_none() {
    let network = Network::small();
    let spec = specification(&network);
    let mut json = network.finality_update(all(&network, 40, 55));
    let place = &mut json["data"]["sync_aggregate"]["sync_committee_signature"];
    let bytes = alloy_primitives::hex::decode(place.as_str().unwrap()).unwrap();
    let mut sum = unseen();
    sum.add_signature(&Signature::from_bytes(&bytes).unwrap(), true).unwrap();
    let sum = sum.to_signature().to_bytes();
    assert_ne!(bytes, sum);
    *place = serde_json::json!(alloy_primitives::hex::encode_prefixed(sum));
    let it = FinalityUpdate::from_json(&super::bytes(&json)).unwrap();
    let refused = begun(&network, 32).apply_finality(&spec, &it, NOW);
    assert!(matches!(refused, Err(Refused::Signature { slot: 56, .. })), "{refused:?}");
}

#[test]
fn without_finality_nothing_becomes_final() {
    let network = Network::small();
    let refused = finality(&mut begun(&network, 0), &network, all(&network, 0, 20));
    assert_eq!(refused, Err(Refused::NotFinalized));
    assert_eq!(kind(refused), RefusalKind::NotUseful);
}

#[test]
fn a_committee_with_a_key_that_is_none_signs_nothing() {
    let mut network = Network::small();
    network.spoil_key(1, 7);
    let refused = finality(&mut begun(&network, 32), &network, all(&network, 40, 55));
    assert_eq!(refused, Err(Refused::Key { period: 1, index: 7 }));
}

#[test]
fn a_committee_of_512_is_followed() {
    let mut network = Network::small();
    network.size = 512;
    let mut client = begun(&network, 32);
    let signed = Signed { participants: 342, ..all(&network, 40, 55) };
    assert_eq!(update(&mut client, &network, signed), advanced(true, true, Some(2)));
    let signed = Signed { participants: 341, ..all(&network, 48, 60) };
    let few = Refused::Participation { signed: 341, size: 512, needed: 342 };
    assert_eq!(finality(&mut client, &network, signed), Err(few));
    assert_eq!(client.finalized().unwrap().participation, 342);
}
