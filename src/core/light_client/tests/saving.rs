//! A client that is put away and taken out again is the same client.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;

fn moved() -> (Network, LightClient) {
    let network = Network::small();
    let mut client = begun(&network, 40);
    update(&mut client, &network, all(&network, 48, 60)).unwrap();
    optimistic(&mut client, &network, all(&network, 48, 61)).unwrap();
    (network, client)
}

#[test]
fn a_restored_client_goes_on_where_it_stood() {
    let (network, mut client) = moved();
    let spec = specification(&network);
    let saved = client.save(&spec);
    let mut restored = LightClient::restore(&spec, &saved).unwrap();
    assert_eq!(restored.save(&spec), saved);
    assert_eq!(restored.finalized(), client.finalized());
    assert_eq!(restored.optimistic(), client.optimistic());
    assert_eq!(restored.start(), client.start());
    for client in [&mut client, &mut restored] {
        let old = finality(client, &network, all(&network, 40, 55));
        assert_eq!(old, Err(Refused::Old { slot: 40, have: 48 }));
        let next = all(&network, 64, 80);
        assert_eq!(finality(client, &network, next), advanced(true, true, None));
    }
    assert_eq!(client.save(&spec), restored.save(&spec));
}

#[test]
fn one_without_a_head_yet_is_restored_too() {
    let network = Network::small();
    let spec = specification(&network);
    let client = begun(&network, 40);
    let restored = LightClient::restore(&spec, &client.save(&spec)).unwrap();
    assert_eq!((restored.start(), restored.finalized()), (client.start(), None));
}

#[test]
fn another_chains_state_is_not_taken() {
    let (network, client) = moved();
    let spec = specification(&network);
    let mainnet = mainnet::mainnet();
    let refused = LightClient::restore(&mainnet, &client.save(&spec)).unwrap_err();
    assert!(matches!(refused, RestoreError::OtherChain { .. }), "{refused:?}");
}

#[test]
fn a_state_for_committees_of_another_size_is_not_taken() {
    let (mut network, client) = moved();
    let saved = client.save(&specification(&network));
    network.size = 64;
    let refused = LightClient::restore(&specification(&network), &saved).unwrap_err();
    assert_eq!(refused, RestoreError::Inconsistent);
}

#[test]
fn a_state_that_contradicts_itself_is_not_taken() {
    let (network, mut client) = moved();
    let spec = specification(&network);
    let inconsistent = |client: &LightClient| {
        let refused = LightClient::restore(&spec, &client.save(&spec)).unwrap_err();
        assert_eq!(refused, RestoreError::Inconsistent);
    };
    client.period += 1;
    inconsistent(&client);
    client.period -= 1;
    std::mem::swap(&mut client.finalized, &mut client.optimistic);
    inconsistent(&client);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn any_damage_is_noticed(at in any::<prop::sample::Index>(), bit in 0..8_u8, cut in any::<bool>()) {
        static SAVED: LazyLock<(Specification, Vec<u8>)> = LazyLock::new(|| {
            let network = Network::small();
            let spec = specification(&network);
            let saved = begun(&network, 40).save(&spec);
            (spec, saved)
        });
        let (spec, mut saved) = SAVED.clone();
        let at = at.index(saved.len());
        if cut {
            saved.truncate(at);
        } else {
            saved[at] ^= 1 << bit;
        }
        prop_assert!(LightClient::restore(&spec, &saved).is_err());
    }

    #[test]
    fn whatever_else_is_refused(noise in prop::collection::vec(any::<u8>(), 0..200)) {
        let spec = mainnet::mainnet();
        prop_assert!(LightClient::restore(&spec, &noise).is_err());
    }
}
