//! What a simulated beacon chain goes by: time, epochs, sync committee periods and forks. All of it is data, so
//! that a period can be a few slots long and a fork can be anywhere.

use alloy_primitives::{B256, b256};
use serde_json::{Value, json};

/// The forks that gave light clients something new, in their order. A fork is named as the beacon API does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// Headers carry an execution payload header.
    Capella,
    /// That header has blob gas.
    Deneb,
    /// The state has more fields, so what is proven of it is one level deeper.
    Electra,
    /// Nothing new for light clients but its version.
    Fulu,
    /// A header carries the hash of the execution block before it, and nothing else of it (EIP-7732).
    Gloas,
}

impl Form {
    pub const ALL: [Self; 5] = [Self::Capella, Self::Deneb, Self::Electra, Self::Fulu, Self::Gloas];

    pub fn name(self) -> &'static str {
        match self {
            Self::Capella => "capella",
            Self::Deneb => "deneb",
            Self::Electra => "electra",
            Self::Fulu => "fulu",
            Self::Gloas => "gloas",
        }
    }

    /// Its version on the simulated chain, unlike any network's.
    pub fn version(self) -> [u8; 4] {
        [self as u8 + 3, 0, 0x0e, 0x57]
    }

    /// Where the specifications put what light clients have proven (consensus-specs: capella, electra and gloas
    /// light-client/sync-protocol.md).
    pub fn indices(self) -> Indices {
        match self {
            Self::Capella | Self::Deneb => Indices {
                finalized_root: 105,
                current_sync_committee: 54,
                next_sync_committee: 55,
                execution: 25,
            },
            Self::Electra | Self::Fulu => Indices {
                finalized_root: 169,
                current_sync_committee: 86,
                next_sync_committee: 87,
                execution: 25,
            },
            Self::Gloas => Indices {
                finalized_root: 735,
                current_sync_committee: 2945,
                next_sync_committee: 2946,
                execution: 2856,
            },
        }
    }
}

/// Generalized indices: the first three in the state, the last in the block's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Indices {
    pub finalized_root: u64,
    pub current_sync_committee: u64,
    pub next_sync_committee: u64,
    pub execution: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fork {
    pub form: Form,
    pub version: [u8; 4],
    pub epoch: u64,
    pub indices: Indices,
}

#[derive(Debug, Clone)]
pub struct Schedule {
    /// Unix time of slot 0, in seconds.
    pub genesis_time: u64,
    pub genesis_validators_root: B256,
    pub seconds_per_slot: u64,
    pub slots_per_epoch: u64,
    pub epochs_per_period: u64,
    /// In order of their epochs; the first begins with epoch 0.
    pub forks: Vec<Fork>,
}

impl Schedule {
    /// A chain in a hurry: a slot is a second, an epoch four of them, a sync committee period four epochs. One fork,
    /// from the beginning.
    pub fn short(genesis_time: u64, form: Form) -> Self {
        Self {
            genesis_time,
            genesis_validators_root: b256!(
                "51a7e0f5c0117ee5000000000000000000000000000000000000000000031337"
            ),
            seconds_per_slot: 1,
            slots_per_epoch: 4,
            epochs_per_period: 4,
            forks: Vec::new(),
        }
        .fork(form, 0)
    }

    /// Another fork from `epoch` on.
    ///
    /// # Panics
    /// When it does not come after the ones there are.
    pub fn fork(mut self, form: Form, epoch: u64) -> Self {
        if let Some(last) = self.forks.last() {
            assert!(last.form < form && last.epoch < epoch, "forks come in their order");
        } else {
            assert_eq!(epoch, 0, "the first fork is there from the beginning");
        }
        let (version, indices) = (form.version(), form.indices());
        self.forks.push(Fork { form, version, epoch, indices });
        self
    }

    /// With other generalized indices for `form`.
    pub fn indices(mut self, form: Form, indices: Indices) -> Self {
        for fork in self.forks.iter_mut().filter(|it| it.form == form) {
            fork.indices = indices;
        }
        self
    }

    pub fn slots_per_period(&self) -> u64 {
        self.slots_per_epoch * self.epochs_per_period
    }

    pub fn epoch_of(&self, slot: u64) -> u64 {
        slot / self.slots_per_epoch
    }

    pub fn period_of(&self, slot: u64) -> u64 {
        slot / self.slots_per_period()
    }

    pub fn first_slot_of_epoch(&self, epoch: u64) -> u64 {
        epoch * self.slots_per_epoch
    }

    pub fn first_slot_of_period(&self, period: u64) -> u64 {
        period * self.slots_per_period()
    }

    /// The slot a time in seconds falls into.
    ///
    /// # Panics
    /// When it is before genesis.
    pub fn slot_at(&self, time: u64) -> u64 {
        time.checked_sub(self.genesis_time).expect("not before genesis") / self.seconds_per_slot
    }

    /// When a slot begins, in seconds.
    pub fn time_of(&self, slot: u64) -> u64 {
        self.genesis_time + slot * self.seconds_per_slot
    }

    pub fn fork_at(&self, slot: u64) -> &Fork {
        let epoch = self.epoch_of(slot);
        self.forks.iter().rev().find(|it| it.epoch <= epoch).expect("there is one from epoch 0 on")
    }

    /// What a beacon node says at `/eth/v1/beacon/genesis`.
    pub fn genesis(&self) -> Value {
        json!({"data": {
            "genesis_time": self.genesis_time.to_string(),
            "genesis_validators_root": self.genesis_validators_root,
            "genesis_fork_version": alloy_primitives::hex::encode_prefixed(self.forks[0].version),
        }})
    }
}
