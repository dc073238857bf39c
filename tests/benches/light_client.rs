//! What following a beacon chain costs, as a ratio to its signatures' arithmetic alone, in the same run.
//!
//! A simulated chain with committees of 512. What is measured goes from a beacon node's JSON to a head; the floor
//! is what `blst` needs for the same keys and signatures, and nothing else. Both alternate, so that a disturbed
//! machine disturbs both. Ends with an error when a ratio is above its bound.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints its figures, and there is nobody to report an error to"
)]
#![allow(dead_code, unreachable_pub, reason = "the simulated chain offers more than is used here")]

#[path = "report.rs"]
mod report;
#[path = "../support/sync_committee.rs"]
mod sync_committee;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use alloy_primitives::{B256, hex};
use blst::min_pk::{AggregatePublicKey, PublicKey, Signature};
use entitled_core::light_client::{
    Bootstrap, Checkpoint, FinalityUpdate, LightClient, OptimisticUpdate, Specification, Update,
};
use report::Row;
use sync_committee::{Network, Signed};

const CIPHERSUITE: &[u8] = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";
const ROUNDS: usize = 41;
/// A year's periods of 27 hours.
const YEAR: u64 = 320;
/// Rather more than mainnet's usual share.
const PARTICIPANTS: usize = 500;
/// So many times the floor may be needed: a finality update, a committee's update, a year of these.
const MOST: [f64; 3] = [1.2, 1.3, 1.3];

fn main() -> ExitCode {
    let mut network = Network::small();
    (network.size, network.slots_per_epoch, network.epochs_per_period) = (512, 32, 256);
    network.different = 3;
    let spec = Specification::parse(&network.specification()).unwrap();
    let ratios = [finality(&network, &spec), update(&network, &spec), year(&network, &spec)];
    let too_slow = ratios.iter().zip(MOST).any(|(ratio, most)| *ratio > most);
    if too_slow { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn begun(network: &Network, spec: &Specification, slot: u64) -> LightClient {
    let (root, json) = network.bootstrap(slot);
    let bootstrap = Bootstrap::from_json(json.to_string().as_bytes()).unwrap();
    LightClient::bootstrap(spec, &Checkpoint { root, slot: None }, &bootstrap).unwrap()
}

fn signed(finalized: u64, attested: u64) -> Signed {
    Signed { finalized, attested, signature: attested + 1, participants: PARTICIPANTS }
}

/// A finality update in the middle of a period: the committee's keys are known and validated.
fn finality(network: &Network, spec: &Specification) -> f64 {
    let mut client = begun(network, spec, 32);
    let warm = network.optimistic_update(signed(40, 70)).to_string();
    let warm = OptimisticUpdate::from_json(warm.as_bytes()).unwrap();
    client.apply_optimistic(spec, &warm, u64::MAX).unwrap();
    let json = network.finality_update(signed(64, 140)).to_string();
    let keys = keys(network, 32);
    let mut times = Times::default();
    for _ in 0..ROUNDS {
        let mut client = client.clone();
        times.ours(|| {
            let update = FinalityUpdate::from_json(json.as_bytes()).unwrap();
            client.apply_finality(spec, &update, u64::MAX).unwrap();
        });
        times.floors(|| verify(&keys, &json));
    }
    times.report("finality_update")
}

/// The first update that a committee signs: all its keys have to be validated.
fn update(network: &Network, spec: &Specification) -> f64 {
    let client = begun(network, spec, 32);
    let json = network.update(signed(64, 140)).to_string();
    let compressed = compressed(network, 32);
    let mut times = Times::default();
    for _ in 0..ROUNDS {
        let mut client = client.clone();
        times.ours(|| {
            let update = Update::from_json(json.as_bytes()).unwrap();
            client.apply_update(spec, &update, u64::MAX).unwrap();
        });
        times.floors(|| verify(&validate(&compressed), &json));
    }
    times.report("committee_update")
}

fn year(network: &Network, spec: &Specification) -> f64 {
    let mut client = begun(network, spec, 32);
    let mut times = Times::default();
    for period in 0..YEAR {
        let first = network.slot_of_period(period);
        let json = network.update(signed(first + 64, first + 140)).to_string();
        let compressed = compressed(network, first);
        times.ours(|| {
            let update = Update::from_json(json.as_bytes()).unwrap();
            client.apply_update(spec, &update, u64::MAX).unwrap();
        });
        times.floors(|| verify(&validate(&compressed), &json));
    }
    println!("the state after it, saved: {} bytes", client.save(spec).len());
    times.report_sum("year_of_updates")
}

fn compressed(network: &Network, slot: u64) -> Vec<[u8; 48]> {
    let (_, json) = network.bootstrap(slot);
    let keys = json["data"]["current_sync_committee"]["pubkeys"].as_array().unwrap().clone();
    keys.iter().map(|it| hex::decode_to_array(it.as_str().unwrap()).unwrap()).collect()
}

fn validate(keys: &[[u8; 48]]) -> Vec<PublicKey> {
    keys.iter().map(|it| PublicKey::key_validate(it).unwrap()).collect()
}

fn keys(network: &Network, slot: u64) -> Vec<PublicKey> {
    validate(&compressed(network, slot))
}

/// Adds the participants' keys and verifies one signature. That the message is another one takes no less time.
fn verify(keys: &[PublicKey], json: &str) {
    let signature = signature(json);
    let participants: Vec<&PublicKey> = keys[..PARTICIPANTS].iter().collect();
    let sum = AggregatePublicKey::aggregate(&participants, false).unwrap().to_public_key();
    let signature = Signature::from_bytes(&signature).unwrap();
    let message = B256::repeat_byte(7);
    let verdict = signature.verify(true, message.as_slice(), CIPHERSUITE, &[], &sum, false);
    std::hint::black_box(verdict);
}

/// Cut out of the text where it stands, which costs next to nothing.
fn signature(json: &str) -> [u8; 96] {
    let (_, after) = json.split_once("\"sync_committee_signature\":\"0x").unwrap();
    hex::decode_to_array(&after[..192]).unwrap()
}

#[derive(Default)]
struct Times {
    ours: Vec<Duration>,
    floors: Vec<Duration>,
}

impl Times {
    fn ours(&mut self, work: impl FnOnce()) {
        self.ours.push(timed(work));
    }

    fn floors(&mut self, work: impl FnOnce()) {
        self.floors.push(timed(work));
    }

    fn report(mut self, id: &str) -> f64 {
        self.ours.sort();
        self.floors.sort();
        let middle = self.ours.len() / 2;
        show(id, self.ours[middle], self.floors[middle])
    }

    fn report_sum(self, id: &str) -> f64 {
        let sum = |times: &[Duration]| times.iter().sum::<Duration>();
        show(id, sum(&self.ours), sum(&self.floors))
    }
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn show(id: &str, ours: Duration, floor: Duration) -> f64 {
    let ratio = ours.as_secs_f64() / floor.as_secs_f64();
    let (ours, peer) = (format!("{ours:.2?}"), format!("{floor:.2?}"));
    Row { id, ours, peer, processor: None, judged: &[("time", ratio)] }.tell();
    ratio
}
