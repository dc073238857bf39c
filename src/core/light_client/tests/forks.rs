//! Across the forks, with made-up epochs and, for Gloas, made-up places: what moves is data.

use serde_json::json;

use super::*;
use crate::sync_committee::{Form, Row};

/// From Altair to Gloas, one after each 4 epochs, which are 32 slots and one period.
pub(super) fn network() -> Network {
    let row = |name, epoch, version, form, state, execution| Row {
        name,
        epoch,
        version,
        form,
        state,
        execution,
    };
    let altair = [105, 54, 55];
    let electra = [169, 86, 87];
    let mut network = Network::small();
    network.forks = vec![
        row("altair", 0, 1, Form::None, altair, 25),
        row("capella", 4, 3, Form::Capella, altair, 25),
        row("deneb", 8, 4, Form::Deneb, altair, 25),
        row("electra", 12, 5, Form::Deneb, electra, 25),
        row("fulu", 16, 6, Form::Deneb, electra, 25),
        row("gloas", 20, 7, Form::BlockHash, [1_111, 3_333, 3_334], 4_444),
    ];
    network
}

#[test]
fn every_fork_is_followed_from_its_checkpoint_and_into_the_next() {
    let network = network();
    let spec = specification(&network);
    let mut client = begun(&network, 33);
    for (period, fork) in [(1, "capella"), (2, "deneb"), (3, "electra"), (4, "fulu"), (5, "gloas")]
    {
        let first = network.slot_of_period(period);
        // The first headers of a fork name one of the fork before as final.
        if period > 1 {
            let across = finality(&mut client, &network, all(&network, first - 7, first + 3));
            assert_eq!(across, advanced(true, true, None), "into {fork}");
            assert_ne!(&*client.finalized().unwrap().fork, fork);
            assert_eq!(&*client.optimistic().unwrap().fork, fork);
        }
        let within = update(&mut client, &network, all(&network, first + 4, first + 17));
        assert_eq!(within, advanced(true, true, Some(period + 1)), "{fork}");
        let head = client.finalized().unwrap();
        assert_eq!(&*head.fork, fork);
        assert_eq!(head.execution_number.is_none(), fork == "gloas");
        assert_eq!(head.execution_state_root.is_none(), fork == "gloas");
        assert_eq!(head.time, spec.time_of(head.slot));
        let (root, json) = network.bootstrap(first + 4);
        let it = Bootstrap::from_json(&bytes(&json)).unwrap();
        let checkpoint = Checkpoint { root, slot: None };
        assert!(LightClient::bootstrap(&spec, &checkpoint, &it).is_ok(), "{fork}");
    }
}

#[test]
fn in_gloas_the_block_hash_of_an_older_header_is_proven_too() {
    let network = network();
    let mut client = begun(&network, 130);
    update(&mut client, &network, all(&network, 140, 150)).unwrap();
    finality(&mut client, &network, all(&network, 152, 165)).unwrap();
    let head = client.finalized().unwrap();
    assert_eq!((&*head.fork, head.execution_number), ("fulu", None));
    let json = network.finality_update(all(&network, 152, 165));
    let hash = json["data"]["finalized_header"]["execution_block_hash"].as_str().unwrap();
    assert_eq!(head.execution_hash.to_string(), hash);
}

#[test]
fn the_fork_of_the_slot_before_the_signature_is_signed() {
    let network = network();
    let mut client = begun(&network, 40);
    update(&mut client, &network, all(&network, 45, 55)).unwrap();
    // Attested in Capella's last slot, signed in Deneb's first: with Capella's version.
    assert_eq!(finality(&mut client, &network, all(&network, 46, 63)), advanced(true, true, None));
    // One slot later it is Deneb's, whatever the attested header's fork.
    let mut json = network.finality_update(all(&network, 47, 63));
    json["data"]["signature_slot"] = json!("65");
    let it = FinalityUpdate::from_json(&bytes(&json)).unwrap();
    let refused = client.apply_finality(&specification(&network), &it, NOW);
    assert!(matches!(refused, Err(Refused::Signature { slot: 65, .. })), "{refused:?}");
}

#[test]
fn before_capella_there_is_nothing_to_anchor_to() {
    let network = network();
    let (root, json) = network.bootstrap(5);
    let it = Bootstrap::from_json(&bytes(&json)).unwrap();
    let spec = specification(&network);
    let refused = LightClient::bootstrap(&spec, &Checkpoint { root, slot: None }, &it).unwrap_err();
    assert_eq!(refused, Refused::NoExecution { slot: 5 });
    assert_eq!(refused.kind(), RefusalKind::NotUseful);
    let finalizes_altair = finality(&mut begun(&network, 33), &network, all(&network, 31, 40));
    assert_eq!(finalizes_altair, Err(Refused::NoExecution { slot: 31 }));
}

#[test]
fn a_header_has_its_forks_form() {
    let network = network();
    let spec = specification(&network);
    let client = begun(&network, 33);
    // Blob fields in Capella, where the fork's tree has no place for them.
    let mut json = network.finality_update(all(&network, 40, 50));
    json["data"]["finalized_header"]["execution"]["blob_gas_used"] = json!("1");
    let it = FinalityUpdate::from_json(&bytes(&json)).unwrap();
    let form = Refused::HeaderFormat { slot: 40, fork: "capella".to_owned() };
    assert_eq!(client.clone().apply_finality(&spec, &it, NOW), Err(form));
    // A bare hash, before Gloas.
    let header = &mut json["data"]["attested_header"];
    let hash = header["execution"]["block_hash"].clone();
    header.as_object_mut().unwrap().remove("execution");
    header["execution_block_hash"] = hash;
    let it = FinalityUpdate::from_json(&bytes(&json)).unwrap();
    let form = Refused::HeaderFormat { slot: 50, fork: "capella".to_owned() };
    assert_eq!(client.clone().apply_finality(&spec, &it, NOW), Err(form));
}

#[test]
fn without_the_forks_row_its_headers_are_refused() {
    let network = network();
    let mut client = begun(&network, 130);
    update(&mut client, &network, all(&network, 140, 150)).unwrap();
    let mut old = self::network();
    old.forks.pop();
    let spec = specification(&old);
    let json = network.finality_update(all(&network, 164, 170));
    let it = FinalityUpdate::from_json(&bytes(&json)).unwrap();
    let refused = client.apply_finality(&spec, &it, NOW).unwrap_err();
    assert_eq!(refused, Refused::HeaderFormat { slot: 170, fork: "fulu".to_owned() });
}

/// The address book of the forks, by well-known fork digests: the first four bytes of the fork data's root.
#[test]
fn mainnets_fork_digests_are_the_known_ones() {
    let spec = mainnet::mainnet();
    for (epoch, digest) in [(0, "b5303f2a"), (194_048, "bba4da96"), (269_568, "6a95a1a9")] {
        let version = spec.fork_of(epoch * 32).version;
        let root = merkle::hash_pair(&merkle::short(&version), &spec.genesis_validators_root());
        assert_eq!(alloy_primitives::hex::encode(&root[..4]), digest, "epoch {epoch}");
    }
}
