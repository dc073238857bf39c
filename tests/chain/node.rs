//! What a node itself says: many `eth_call`s in few requests, in the words of our own executor.

use alloy_primitives::{Address, B256, Bytes};
use entitled::chain::Outcome;
use serde_json::{Value, json};

use crate::support::anvil::Anvil;
use crate::support::http;

/// Calls in one request.
const BATCH: usize = 100;

/// How each call ends at the block of this hash, as the node executes it: from nobody, with as much gas as
/// ours have.
pub fn outcomes(anvil: &Anvil, block: B256, calls: &[(Address, Bytes)]) -> Vec<Outcome> {
    let mut outcomes = Vec::with_capacity(calls.len());
    for part in calls.chunks(BATCH) {
        let requests: Vec<Value> = part
            .iter()
            .enumerate()
            .map(|(id, (to, data))| {
                let call = json!({
                    "from": Address::ZERO, "to": to, "data": data, "gas": "0x1c9c380", "gasPrice": "0x0",
                });
                let params = json!([call, { "blockHash": block }]);
                json!({ "jsonrpc": "2.0", "id": id, "method": "eth_call", "params": params })
            })
            .collect();
        let body = http::post(&anvil.address(), json!(requests).to_string().as_bytes()).unwrap();
        let replies: Vec<Value> = serde_json::from_slice(&body).unwrap();
        for id in 0..part.len() {
            let reply = replies.iter().find(|it| it["id"] == id).unwrap();
            outcomes.push(outcome(reply));
        }
    }
    outcomes
}

/// The node knows no "there is nobody": it returns nothing.
fn outcome(reply: &Value) -> Outcome {
    let bytes = |it: &Value| it.as_str().unwrap().parse::<Bytes>().unwrap();
    match reply.get("error") {
        None => Outcome::Returned(bytes(&reply["result"])),
        Some(error) if error["code"] == 3 => {
            Outcome::Reverted(error.get("data").map(bytes).unwrap_or_default())
        }
        Some(_) => Outcome::Halted,
    }
}
