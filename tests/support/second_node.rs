//! An EVM node that is not anvil (ethereumjs, from npm), driven by its Engine API as a consensus client drives it:
//! blocks come when a test asks for them, and finality is what the node was told.

use std::net::TcpListener;
use std::path::Path;

use alloy_consensus::transaction::RlpEcdsaEncodableTx as _;
use alloy_consensus::{SignableTransaction as _, TxEip1559};
use alloy_primitives::{Address, B256, TxKind, hex, keccak256};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::contract::{Contract, artifact};
use super::process::{Process, command};
use super::wallet::Wallet;
use super::{eventually, http, tests_dir};

/// It ends with this value.
pub struct SecondNode {
    rpc: u16,
    engine: u16,
    _process: Process,
    _dir: TempDir,
}

impl SecondNode {
    /// A chain of the forks up to Cancun, on which `rich` has what transactions cost.
    pub fn start(rich: &Wallet) -> Self {
        let dir = TempDir::new().unwrap();
        let genesis = dir.path().join("genesis.json");
        std::fs::write(&genesis, genesis_of(rich.address()).to_string()).unwrap();
        let [rpc, engine] = free_ports();
        let client = tests_dir().join("node_modules/@ethereumjs/client/dist/esm/bin/cli.js");
        assert!(client.exists(), "{} is missing: run `make prepare`", client.display());
        let mut command = command(Path::new("node"));
        command.arg(client).arg("--gethGenesis").arg(genesis);
        command.arg("--dataDir").arg(dir.path().join("data"));
        command.args(["--rpc", "--rpcAddr", "127.0.0.1", "--rpcPort", &rpc.to_string()]);
        command.args(["--rpcEngine", "--rpcEngineAddr", "127.0.0.1", "--rpcEngineAuth=false"]);
        command.args(["--rpcEnginePort", &engine.to_string(), "--logFile", "node.log"]);
        // It writes beside where it was started, too.
        command.current_dir(dir.path());
        command.args(["--sync", "none", "--maxPeers", "0", "--discDns=false", "--discV4=false"]);
        let mut process = Process::start(command);
        eventually("ethereumjs answers", || {
            if let Some(status) = process.ended() {
                panic!("ethereumjs ended with {status}:\n{}", process.output().text());
            }
            let asked = |port| http::call(&format!("127.0.0.1:{port}"), "eth_chainId", &json!([]));
            asked(rpc).and_then(|_| asked(engine))
        });
        let node = Self { rpc, engine, _process: process, _dir: dir };
        // Before the first block it takes no transactions.
        node.mine();
        node
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.rpc)
    }

    pub fn call(&self, method: &str, params: Value) -> Value {
        http::call(&format!("127.0.0.1:{}", self.rpc), method, &params).unwrap()
    }

    fn engine(&self, method: &str, params: Value) -> Value {
        http::call(&format!("127.0.0.1:{}", self.engine), method, &params).unwrap()
    }

    fn block(&self, tag: &str) -> Value {
        self.call("eth_getBlockByNumber", json!([tag, false]))
    }

    /// Makes a block of what waits for one. What is final stays as it is.
    pub fn mine(&self) {
        let (head, finalized) = (self.block("latest"), self.block("finalized"));
        // Before anything is final, block 0 is.
        let settled = if finalized.is_null() { self.block("0x0") } else { finalized };
        let settled = settled["hash"].clone();
        let now = super::beacon::node::seconds_now();
        let time = now.max(super::anvil::number(&head["timestamp"]) + 1);
        let begun = self.choose(
            (&head["hash"], &settled),
            json!({ "timestamp": format!("{time:#x}"), "prevRandao": B256::ZERO, "withdrawals": [],
                "suggestedFeeRecipient": Address::ZERO, "parentBeaconBlockRoot": B256::ZERO }),
        );
        let built = self.engine("engine_getPayloadV3", json!([begun["payloadId"]]));
        let payload = &built["executionPayload"];
        let taken = self.engine("engine_newPayloadV3", json!([payload, [], B256::ZERO]));
        assert_eq!(taken["status"], "VALID", "{taken}");
        self.choose((&payload["blockHash"], &settled), Value::Null);
    }

    /// Everything so far is final.
    pub fn finalize(&self) {
        let head = self.block("latest")["hash"].clone();
        self.choose((&head, &head), Value::Null);
    }

    fn choose(&self, (head, settled): (&Value, &Value), build: Value) -> Value {
        let state = json!({ "headBlockHash": head, "safeBlockHash": settled,
            "finalizedBlockHash": settled });
        let chosen = self.engine("engine_forkchoiceUpdatedV3", json!([state, build]));
        assert_eq!(chosen["payloadStatus"]["status"], "VALID", "{chosen}");
        chosen
    }

    /// Sends a transaction, and has a block made of it. Its receipt.
    pub fn send(&self, from: &Wallet, to: TxKind, input: Vec<u8>) -> Value {
        let count = self.call("eth_getTransactionCount", json!([from.address(), "latest"]));
        let transaction = TxEip1559 {
            chain_id: 31_337,
            nonce: super::anvil::number(&count),
            gas_limit: 5_000_000,
            max_fee_per_gas: 100_000_000_000,
            max_priority_fee_per_gas: 1_000_000_000,
            to,
            input: input.into(),
            ..TxEip1559::default()
        };
        let signature = from.sign_hash(transaction.signature_hash());
        let mut raw = Vec::new();
        transaction.eip2718_encode(&signature, &mut raw);
        let (hash, raw) = (keccak256(&raw), json!([hex::encode_prefixed(raw)]));
        let address = format!("127.0.0.1:{}", self.rpc);
        let receipt = eventually("a receipt", || {
            // That there is nobody to pass it on to is an error to this node, which takes it all the same.
            let taken = http::call(&address, "eth_sendRawTransaction", &raw);
            self.mine();
            let receipt = self.call("eth_getTransactionReceipt", json!([hash]));
            if receipt.is_null() { Err(format!("none yet: {taken:?}")) } else { Ok(receipt) }
        });
        assert_eq!(receipt["status"], "0x1", "the transaction was reverted: {receipt}");
        receipt
    }

    /// Deploys the contract of `tests/contracts` with this name.
    pub fn deploy(&self, from: &Wallet, name: &str) -> Contract {
        let code = hex::decode(artifact(name)["bytecode"].as_str().unwrap()).unwrap();
        let receipt = self.send(from, TxKind::Create, code);
        Contract { address: receipt["contractAddress"].as_str().unwrap().parse().unwrap() }
    }
}

fn genesis_of(rich: Address) -> Value {
    let mut config = json!({ "chainId": 31_337, "shanghaiTime": 0, "cancunTime": 0,
        "terminalTotalDifficulty": 0, "terminalTotalDifficultyPassed": true });
    for fork in [
        "homestead",
        "eip150",
        "eip155",
        "eip158",
        "byzantium",
        "constantinople",
        "petersburg",
        "istanbul",
        "berlin",
        "london",
    ] {
        config[format!("{fork}Block")] = json!(0);
    }
    json!({ "config": config, "nonce": "0x0", "timestamp": "0x0", "extraData": "0x",
        "gasLimit": "0x1c9c380", "difficulty": "0x0", "mixHash": B256::ZERO, "number": "0x0",
        "coinbase": Address::ZERO, "gasUsed": "0x0", "parentHash": B256::ZERO,
        "baseFeePerGas": "0x7", "alloc": { rich.to_string(): { "balance": "0x21e19e0c9bab2400000" } } })
}

/// Ports nobody listens at: the node does not tell which one it chose by itself.
fn free_ports() -> [u16; 2] {
    let bound = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    bound.map(|it| it.local_addr().unwrap().port())
}
