//! What the light client takes and what not.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests fail by panicking, and say when they have nothing to do"
)]
#![allow(dead_code, unreachable_pub, reason = "the simulated chain offers more than is used here")]

pub(crate) mod altered_specifications;
mod forks;
mod mainnet;
mod paths;
mod rules;
mod saving;
mod specifications;
mod tampering;
mod texts;
mod trees;
mod vectors;

use serde_json::Value;

use super::*;
use crate::sync_committee::{Network, Signed};

/// Later than every signature.
const NOW: u64 = 20_000_000;

fn specification(network: &Network) -> Specification {
    Specification::parse(&network.specification()).unwrap()
}

fn bytes(json: &Value) -> Vec<u8> {
    json.to_string().into_bytes()
}

/// A client that began at `slot`.
fn begun(network: &Network, slot: u64) -> LightClient {
    let (root, json) = network.bootstrap(slot);
    let bootstrap = Bootstrap::from_json(&bytes(&json)).unwrap();
    let checkpoint = Checkpoint { root, slot: Some(slot) };
    LightClient::bootstrap(&specification(network), &checkpoint, &bootstrap).unwrap()
}

/// What everybody signs in the slot after `attested`.
fn all(network: &Network, finalized: u64, attested: u64) -> Signed {
    Signed { finalized, attested, signature: attested + 1, participants: network.size }
}

fn update(client: &mut LightClient, network: &Network, it: Signed) -> Result<Applied, Refused> {
    let update = Update::from_json(&bytes(&network.update(it))).unwrap();
    client.apply_update(&specification(network), &update, NOW)
}

fn finality(client: &mut LightClient, network: &Network, it: Signed) -> Result<Applied, Refused> {
    let update = FinalityUpdate::from_json(&bytes(&network.finality_update(it))).unwrap();
    client.apply_finality(&specification(network), &update, NOW)
}

fn optimistic(client: &mut LightClient, network: &Network, it: Signed) -> Result<Applied, Refused> {
    let update = OptimisticUpdate::from_json(&bytes(&network.optimistic_update(it))).unwrap();
    client.apply_optimistic(&specification(network), &update, NOW)
}

fn advanced(finalized: bool, optimistic: bool, committee: Option<u64>) -> Result<Applied, Refused> {
    Ok(Applied::Advanced { finalized, optimistic, committee })
}
