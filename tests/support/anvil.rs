//! A real EVM node (anvil, from npm), one for each test that needs a chain of its own.
//!
//! With `--slots-in-an-epoch 1` the `safe` block is one behind the newest and `finalized` two.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::process::{Process, command};
use super::{eventually, http, tests_dir};

/// A node on a port of its own. It ends with this value; its state can outlive its process.
pub struct Anvil {
    port: u16,
    process: Option<Process>,
    /// Holds the state file, so that a restarted node goes on where it stopped.
    dir: TempDir,
    epoch: u64,
    /// Arguments beside the usual ones.
    more: Vec<String>,
}

impl Anvil {
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// A chain whose first block is so old, so that later ones can be apart and still not in the future.
    pub fn start_in_the_past(by: Duration) -> Self {
        let then = super::beacon::node::seconds_now() - by.as_secs();
        Self::with(&["--timestamp", &then.to_string()])
    }

    /// A chain whose `safe` block is so many behind the newest, and `finalized` twice as many.
    pub fn lagging(blocks: u64) -> Self {
        Self::of(blocks, &[])
    }

    /// Started with more arguments.
    pub fn with(more: &[&str]) -> Self {
        Self::of(1, more)
    }

    fn of(epoch: u64, more: &[&str]) -> Self {
        let more = more.iter().map(|it| (*it).to_owned()).collect();
        let mut anvil = Self { port: 0, process: None, dir: TempDir::new().unwrap(), epoch, more };
        anvil.run();
        anvil
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// `127.0.0.1:PORT`
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Ends the process, as an endpoint that went away. [`Self::resume`] brings the same chain back.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.signal(Signal::SIGINT); // on which it writes its state
            process.wait();
        }
    }

    /// Has it answer nobody any more, while its connections stay.
    pub fn hang(&self) {
        self.process.as_ref().unwrap().signal(Signal::SIGSTOP);
    }

    /// Starts again on the same port with the same blocks.
    pub fn resume(&mut self) {
        assert!(self.process.is_none(), "it is running");
        self.run();
    }

    fn run(&mut self) {
        let mut command = command(&executable());
        command
            .args(["--port", &self.port.to_string()])
            .args(["--slots-in-an-epoch", &self.epoch.to_string()])
            .args(["--preserve-historical-states", "--state"])
            .arg(self.dir.path().join("state.json"))
            // Otherwise the states of a long chain stay behind in the home directory of whoever runs the tests.
            .arg("--cache-path")
            .arg(self.dir.path().join("states"))
            .args(&self.more)
            .env("NO_COLOR", "1");
        let mut process = Process::start(command);
        self.port = eventually("anvil listens", || {
            let text = process.output().text();
            if let Some(status) = process.ended() {
                panic!("anvil ended with {status}:\n{text}");
            }
            let (_, rest) = text.split_once("Listening on 127.0.0.1:").ok_or(text.clone())?;
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().map_err(|_| text.clone())
        });
        self.process = Some(process);
        let address = self.address();
        eventually("anvil answers", || http::call(&address, "eth_chainId", &json!([])));
    }

    /// # Panics
    /// When the node answers with an error.
    pub fn call(&self, method: &str, params: Value) -> Value {
        http::call(&self.address(), method, &params).unwrap()
    }

    pub fn mine(&self, blocks: u64) {
        self.call("anvil_mine", json!([format!("{blocks:#x}")]));
    }

    /// Mines until everything so far is finalized.
    pub fn finalize(&self) {
        self.mine(2);
    }

    pub fn block_number(&self) -> u64 {
        number(&self.call("eth_blockNumber", json!([])))
    }

    /// The header of a block, by number or tag, as JSON.
    pub fn block(&self, tag: &str) -> Value {
        self.call("eth_getBlockByNumber", json!([tag, false]))
    }

    pub fn snapshot(&self) -> Value {
        self.call("evm_snapshot", json!([]))
    }

    /// Goes back to `snapshot`, which is spent.
    pub fn revert(&self, snapshot: Value) {
        assert_eq!(self.call("evm_revert", json!([snapshot])), json!(true));
    }

    /// Replaces the newest `depth` blocks by others without their transactions.
    pub fn reorg(&self, depth: u64) {
        self.call("anvil_reorg", json!([depth, []]));
    }

    /// Lets chain time jump, and mines a block that shows it.
    pub fn increase_time(&self, by: Duration) {
        self.call("evm_increaseTime", json!([by.as_secs()]));
        self.mine(1);
    }

    /// Overwrites a slot behind the contract's back; not proven by any header until a block is mined.
    pub fn set_storage(&self, contract: &str, slot: &str, value: &str) {
        self.call("anvil_setStorageAt", json!([contract, slot, value]));
    }

    /// An unlocked account that pays for things; others begin at 1.
    pub fn account(&self, index: usize) -> String {
        self.call("eth_accounts", json!([]))[index].as_str().unwrap().to_owned()
    }

    /// Sends a transaction from the first unlocked account; returns its receipt.
    pub fn send(&self, to: Option<&str>, data: &str) -> Value {
        let mut transaction = json!({ "from": self.account(0), "data": data });
        if let Some(to) = to {
            transaction["to"] = json!(to);
        }
        let hash = self.call("eth_sendTransaction", json!([transaction]));
        let receipt = eventually("a receipt", || {
            let receipt = self.call("eth_getTransactionReceipt", json!([hash]));
            if receipt.is_null() { Err("none yet".to_owned()) } else { Ok(receipt) }
        });
        assert_eq!(receipt["status"], "0x1", "the transaction was reverted: {receipt}");
        receipt
    }
}

/// A quantity as the node writes it: `0x1f`.
pub fn number(value: &Value) -> u64 {
    u64::from_str_radix(value.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
}

/// The one from npm; `ANVIL` names another, where npm has none for the machine.
fn executable() -> PathBuf {
    if let Some(path) = std::env::var_os("ANVIL") {
        return path.into();
    }
    let path = tests_dir().join("node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil");
    assert!(Path::new(&path).exists(), "{} is missing: run `make prepare`", path.display());
    path
}
