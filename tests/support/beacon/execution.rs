//! Execution blocks as the consensus layer sees them.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use serde_json::{Value, json};

use super::schedule::Form;
use super::ssz;

/// What a beacon block says of its execution block (`ExecutionPayloadHeader`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutionBlock {
    pub parent_hash: B256,
    pub fee_recipient: Address,
    pub state_root: B256,
    pub receipts_root: B256,
    pub logs_bloom: Bytes,
    pub prev_randao: B256,
    pub number: u64,
    pub gas_limit: u64,
    pub gas_used: u64,
    pub timestamp: u64,
    pub extra_data: Bytes,
    pub base_fee_per_gas: U256,
    pub hash: B256,
    /// SSZ roots, which no light client can look behind.
    pub transactions_root: B256,
    pub withdrawals_root: B256,
    pub blob_gas_used: u64,
    pub excess_blob_gas: u64,
}

impl ExecutionBlock {
    /// From what an EVM node answers to `eth_getBlockByNumber`.
    ///
    /// # Panics
    /// When a field is missing.
    pub fn of_node(block: &Value) -> Self {
        // The node has the roots of Merkle-Patricia tries here, the consensus layer has others.
        let ssz_root = |name: &str| ssz::pair(field(block, name), ssz::number(0));
        Self {
            parent_hash: field(block, "parentHash"),
            fee_recipient: field(block, "miner"),
            state_root: field(block, "stateRoot"),
            receipts_root: field(block, "receiptsRoot"),
            logs_bloom: field(block, "logsBloom"),
            prev_randao: field(block, "mixHash"),
            number: quantity(block, "number"),
            gas_limit: quantity(block, "gasLimit"),
            gas_used: quantity(block, "gasUsed"),
            timestamp: quantity(block, "timestamp"),
            extra_data: field(block, "extraData"),
            base_fee_per_gas: field(block, "baseFeePerGas"),
            hash: field(block, "hash"),
            transactions_root: ssz_root("transactionsRoot"),
            withdrawals_root: ssz_root("withdrawalsRoot"),
            blob_gas_used: quantity(block, "blobGasUsed"),
            excess_blob_gas: quantity(block, "excessBlobGas"),
        }
    }

    /// A block of no chain, for where nothing is executed.
    pub fn made_up(number: u64, timestamp: u64) -> Self {
        let root = |of: &str| keccak256(format!("{of} {number}"));
        Self {
            parent_hash: keccak256(format!("hash {}", number.wrapping_sub(1))),
            fee_recipient: Address::from_word(root("fee recipient")),
            state_root: root("state"),
            receipts_root: root("receipts"),
            logs_bloom: Bytes::from(root("bloom").repeat(8)),
            prev_randao: root("randao"),
            number,
            gas_limit: 30_000_000,
            gas_used: 21_000 + number,
            timestamp,
            extra_data: Bytes::from_static(b"made up"),
            base_fee_per_gas: U256::from(1_000_000_007),
            hash: root("hash"),
            transactions_root: root("transactions"),
            withdrawals_root: root("withdrawals"),
            blob_gas_used: 131_072,
            excess_blob_gas: number,
        }
    }

    /// `hash_tree_root(ExecutionPayloadHeader)` of a fork before Gloas.
    pub fn root(&self, form: Form) -> B256 {
        ssz::merkleize(&self.members(form))
    }

    /// The hashes that lead from the block's hash to [`Self::root`].
    pub fn hash_branch(&self, form: Form) -> Vec<B256> {
        let mut members = self.members(form);
        let width = members.len().next_power_of_two();
        members.resize(width, B256::ZERO);
        let at = members.iter().position(|it| *it == self.hash).unwrap() as u64;
        let leaves: Vec<_> = (width as u64..).zip(members).collect();
        ssz::SparseTree::new(&leaves, 0).branch(width as u64 + at)
    }

    fn members(&self, form: Form) -> Vec<B256> {
        let mut members = vec![
            self.parent_hash,
            ssz::bytes(self.fee_recipient.as_slice()),
            self.state_root,
            self.receipts_root,
            ssz::vector(&self.logs_bloom),
            self.prev_randao,
            ssz::number(self.number),
            ssz::number(self.gas_limit),
            ssz::number(self.gas_used),
            ssz::number(self.timestamp),
            ssz::short_list(&self.extra_data),
            B256::from(self.base_fee_per_gas.to_le_bytes::<32>()),
            self.hash,
            self.transactions_root,
            self.withdrawals_root,
        ];
        if form >= Form::Deneb {
            members.extend([ssz::number(self.blob_gas_used), ssz::number(self.excess_blob_gas)]);
        }
        members
    }

    /// `ExecutionPayloadHeader` in the JSON of `form`. A block of Capella in a message of a later form has its blob
    /// gas as zero, and its root is without it (deneb/light-client/fork.md).
    pub fn json(&self, form: Form, own: Form) -> Value {
        let mut json = json!({
            "parent_hash": self.parent_hash,
            "fee_recipient": format!("{:#x}", self.fee_recipient),
            "state_root": self.state_root,
            "receipts_root": self.receipts_root,
            "logs_bloom": self.logs_bloom,
            "prev_randao": self.prev_randao,
            "block_number": self.number.to_string(),
            "gas_limit": self.gas_limit.to_string(),
            "gas_used": self.gas_used.to_string(),
            "timestamp": self.timestamp.to_string(),
            "extra_data": self.extra_data,
            "base_fee_per_gas": self.base_fee_per_gas.to_string(),
            "block_hash": self.hash,
            "transactions_root": self.transactions_root,
            "withdrawals_root": self.withdrawals_root,
        });
        if form >= Form::Deneb {
            let known = |it: u64| if own >= Form::Deneb { it } else { 0 }.to_string();
            json["blob_gas_used"] = json!(known(self.blob_gas_used));
            json["excess_blob_gas"] = json!(known(self.excess_blob_gas));
        }
        json
    }
}

fn field<T: serde::de::DeserializeOwned>(block: &Value, name: &str) -> T {
    serde_json::from_value(block[name].clone()).unwrap_or_else(|it| panic!("{name}: {it}"))
}

fn quantity(block: &Value, name: &str) -> u64 {
    field::<U256>(block, name).to()
}
