//! The EVM node whose blocks the simulated beacon chain signs. An error is the node's, or that it is gone.

use alloy_primitives::B256;
use serde_json::{Value, json};

use super::chain::BeaconChain;
use super::execution::ExecutionBlock;
use super::http;

/// Blocks asked for in one request.
const BATCH: usize = 64;

#[derive(Debug, Clone)]
pub struct ExecutionNode {
    /// `127.0.0.1:PORT`
    address: String,
}

impl ExecutionNode {
    pub fn at(address: &str) -> Self {
        Self { address: address.to_owned() }
    }

    pub fn chain_id(&self) -> Result<u64, String> {
        Ok(quantity(&self.call("eth_chainId", &json!([]))?))
    }

    /// Block 0.
    pub fn genesis(&self) -> Result<Value, String> {
        self.call("eth_getBlockByNumber", &json!(["0x0", false]))
    }

    /// From now on each block is so much later than the one before it, whatever made it.
    pub fn set_seconds_between_blocks(&self, seconds: u64) -> Result<(), String> {
        self.call("anvil_setBlockTimestampInterval", &json!([seconds])).map(drop)
    }

    pub fn mine(&self, blocks: u64) -> Result<(), String> {
        self.call("anvil_mine", &json!([format!("{blocks:#x}")])).map(drop)
    }

    /// Mines one block of that time.
    pub fn mine_at(&self, time: u64) -> Result<(), String> {
        self.call("evm_setNextBlockTimestamp", &json!([time]))?;
        self.mine(1)
    }

    /// Adds to `chain` what the node has more, after taking away what it does not have any more. Block 0 is left
    /// out, and so is what else falls into slot 0, or shares its slot with a later block.
    ///
    /// # Panics
    /// When the node has another block in place of a finalized one.
    pub fn hand_over(&self, chain: &mut BeaconChain) -> Result<(), String> {
        let finalized = chain.finalized().map_or(0, |it| it.slot());
        while let Some(head) = chain.head() {
            if self.hash(head.execution.number)? == Some(head.execution.hash) {
                break;
            }
            assert!(head.slot() > finalized, "slot {} is final", head.slot());
            chain.drop_head();
        }
        let first = chain.head().map_or(1, |it| it.execution.number + 1);
        let last = quantity(&self.call("eth_blockNumber", &json!([]))?);
        let numbers: Vec<u64> = (first..=last).collect();
        let mut blocks: Vec<ExecutionBlock> = Vec::new();
        for some in numbers.chunks(BATCH) {
            blocks.extend(self.blocks(some)?);
        }
        let slots: Vec<u64> =
            blocks.iter().map(|it| chain.schedule.slot_at(it.timestamp)).collect();
        for (at, block) in blocks.into_iter().enumerate() {
            let taken = chain.head().map_or(0, |it| it.slot()) == slots[at];
            if !taken && slots.get(at + 1) != Some(&slots[at]) {
                chain.append(block);
            }
        }
        Ok(())
    }

    fn hash(&self, number: u64) -> Result<Option<B256>, String> {
        let tag = format!("{number:#x}");
        let block = self.call("eth_getBlockByNumber", &json!([tag, false]))?;
        Ok(block["hash"].as_str().map(|it| it.parse().unwrap()))
    }

    fn blocks(&self, numbers: &[u64]) -> Result<Vec<ExecutionBlock>, String> {
        let request = |number: &u64| {
            let params = json!([format!("{number:#x}"), false]);
            json!({"jsonrpc": "2.0", "id": number, "method": "eth_getBlockByNumber", "params": params})
        };
        let batch = Value::Array(numbers.iter().map(request).collect());
        let reply = http::post(&self.address, batch.to_string().as_bytes());
        let reply = reply.map_err(|it| it.to_string())?;
        let replies: Vec<Value> = serde_json::from_slice(&reply).unwrap();
        let find = |number: &u64| replies.iter().find(|it| it["id"] == *number).unwrap();
        Ok(numbers.iter().map(|it| ExecutionBlock::of_node(&find(it)["result"])).collect())
    }

    fn call(&self, method: &str, params: &Value) -> Result<Value, String> {
        http::call(&self.address, method, params)
    }
}

fn quantity(value: &Value) -> u64 {
    u64::from_str_radix(value.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
}
