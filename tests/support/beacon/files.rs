//! The simulated chain as files: a mirror, as a vendor would put it on a static web server or a USB stick, and the
//! daemon's chain specification.
//!
//! A mirror has one file for each answer, which is what a beacon node answered to the request beside it:
//!
//! ```text
//! eth/v1/beacon/genesis.json                                  GET /eth/v1/beacon/genesis
//! eth/v1/beacon/light_client/bootstrap/0xROOT.json            GET …/light_client/bootstrap/0xROOT
//! eth/v1/beacon/light_client/updates/PERIOD.json              GET …/light_client/updates?start_period=PERIOD&count=1
//! eth/v1/beacon/light_client/finality_update.json             GET …/light_client/finality_update
//! eth/v1/beacon/light_client/optimistic_update.json           GET …/light_client/optimistic_update
//! ```
//!
//! so `curl -o` makes it. `updates/PERIOD.json` is therefore an array of one.

use std::fmt::Write as _;
use std::path::Path;

use alloy_primitives::{B256, hex};

use super::api::{self, LIGHT_CLIENT};
use super::chain::{BeaconChain, Block};
use super::node::BeaconNode;
use super::schedule::{Form, Schedule};

/// Writes what `chain` has for light clients below `folder`: the updates of all periods that have one, and the
/// bootstraps of the first block of every epoch.
pub fn write_mirror(chain: &BeaconChain, folder: &Path) {
    let write = |target: &str, file: &str| {
        let answer = api::answer(chain, target);
        let empty = answer.body.as_array().is_some_and(Vec::is_empty);
        if answer.status == 200 && !empty {
            let path = folder.join(file.trim_start_matches('/'));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            // Replaced whole, so that nobody reads half of it.
            let new = path.with_extension("new");
            std::fs::write(&new, answer.body.to_string()).unwrap();
            std::fs::rename(&new, &path).unwrap();
        }
    };
    write("/eth/v1/beacon/genesis", "/eth/v1/beacon/genesis.json");
    for name in ["finality_update", "optimistic_update"] {
        let target = format!("{LIGHT_CLIENT}/{name}");
        write(&target, &format!("{target}.json"));
    }
    let Some(head) = chain.head() else { return };
    for period in 0..=chain.schedule.period_of(head.slot()) {
        let target = format!("{LIGHT_CLIENT}/updates?start_period={period}&count=1");
        write(&target, &format!("{LIGHT_CLIENT}/updates/{period}.json"));
    }
    for block in chain.blocks().iter().filter(|it| it.slot() % chain.schedule.slots_per_epoch == 0)
    {
        let target = format!("{LIGHT_CLIENT}/bootstrap/{}", block.root);
        write(&target, &format!("{target}.json"));
    }
}

/// What a chain specification says besides the [`Schedule`].
pub struct Network {
    pub chain_id: u64,
    /// The hash of the EVM chain's block 0.
    pub genesis_block: B256,
    /// The rules of the EVM, from the beginning.
    pub evm_fork: &'static str,
}

impl Network {
    /// Of the EVM node below `node`. Anvil runs the newest rules there are.
    pub fn of(node: &BeaconNode) -> Self {
        let execution = node.execution();
        let genesis = execution.genesis().unwrap();
        Self {
            chain_id: execution.chain_id().unwrap(),
            genesis_block: genesis["hash"].as_str().unwrap().parse().unwrap(),
            evm_fork: "osaka",
        }
    }
}

impl BeaconNode {
    /// The daemon's specification of this chain over its EVM node, with the block in `slot` as its checkpoint.
    ///
    /// # Panics
    /// When there is no block in that slot, or no EVM node.
    pub fn specification(&self, slot: u64) -> String {
        let network = Network::of(self);
        let chain = self.chain();
        specification(&chain.schedule, &network, chain.block_at(slot).expect("a block"))
    }
}

/// The daemon's chain specification, with one checkpoint.
pub fn specification(schedule: &Schedule, network: &Network, checkpoint: &Block) -> String {
    let mut text = format!(
        r#"name = "simulated"
chain = "eip155:{}"
genesis_time = {}
genesis_validators_root = "{}"
genesis_block = "{}"
seconds_per_slot = {}
slots_per_epoch = {}
epochs_per_period = {}

[[checkpoints]]
root = "{}"
slot = {}
"#,
        network.chain_id,
        schedule.genesis_time,
        schedule.genesis_validators_root,
        network.genesis_block,
        schedule.seconds_per_slot,
        schedule.slots_per_epoch,
        schedule.epochs_per_period,
        checkpoint.root,
        checkpoint.slot(),
    );
    for fork in &schedule.forks {
        let header = match fork.form {
            Form::Capella => "capella",
            Form::Deneb | Form::Electra | Form::Fulu => "deneb",
            Form::Gloas => "block_hash",
        };
        write!(
            text,
            r#"
[[forks]]
name = "{}"
epoch = {}
version = "{}"
execution_header = "{header}"
execution_gindex = {}
finalized_root_gindex = {}
current_sync_committee_gindex = {}
next_sync_committee_gindex = {}
"#,
            fork.form.name(),
            fork.epoch,
            hex::encode_prefixed(fork.version),
            fork.indices.execution,
            fork.indices.finalized_root,
            fork.indices.current_sync_committee,
            fork.indices.next_sync_committee,
        )
        .unwrap();
    }
    let (name, time) = (network.evm_fork, schedule.genesis_time);
    write!(text, "\n[[evm_forks]]\nname = \"{name}\"\ntime = {time}\n").unwrap();
    text
}
