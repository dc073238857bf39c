//! A chain with validators, a licence on it, and a daemon that follows them.

use std::path::PathBuf;
use std::process::Output;
use std::time::Duration;

use alloy_primitives::{B256, hex};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::anvil::Anvil;
use crate::support::beacon::node::BeaconNode;
use crate::support::beacon::schedule::{Form, Schedule};
use crate::support::contract::Contract;
use crate::support::daemon::Daemon;
use crate::support::proxy::Proxy;
use crate::support::settings::{ProductFile, Settings};
use crate::support::wallet::Wallet;
use crate::support::{CHAIN, eventually};

/// How far in the past the chain begins: it may grow by as many seconds before it would be in the future.
const PAST: Duration = Duration::from_secs(900);
/// The slot of the checkpoint.
const CHECKPOINT: u64 = 4;

/// The chain: the wallet holds token 7, and that is final.
pub struct Ground {
    // The proxy before what it stands before.
    pub proxy: Proxy,
    pub beacon: BeaconNode,
    pub licence: Contract,
    pub wallet: Wallet,
    pub anvil: Anvil,
    /// Holds the specification.
    pub folder: TempDir,
}

impl Ground {
    /// A chain in Fulu, some periods old.
    pub fn new() -> Self {
        Self::with(|genesis| Schedule::short(genesis, Form::Fulu), 40)
    }

    /// A chain with so many slots after the purchase.
    pub fn with(schedule: impl FnOnce(u64) -> Schedule, slots: u64) -> Self {
        let anvil = Anvil::start_in_the_past(PAST);
        let beacon = BeaconNode::over(&anvil.address(), schedule);
        let (licence, wallet) = (Contract::licence(&anvil), Wallet::numbered(1));
        licence.mint(&anvil, wallet.address(), 7);
        beacon.advance(slots);
        let proxy = Proxy::start(&anvil.address());
        let folder = TempDir::with_prefix("entitled-spec-").unwrap();
        std::fs::write(folder.path().join("spec.toml"), beacon.specification(CHECKPOINT)).unwrap();
        Self { proxy, beacon, licence, wallet, anvil, folder }
    }

    pub fn spec(&self) -> PathBuf {
        self.folder.path().join("spec.toml")
    }

    /// As `sha256sum` tells it.
    pub fn spec_digest(&self) -> String {
        let text = std::fs::read(self.spec()).unwrap();
        hex::encode(ring::digest::digest(&ring::digest::SHA256, &text))
    }

    /// The root of the block in a slot.
    pub fn root(&self, slot: u64) -> B256 {
        self.beacon.chain().block_at(slot).unwrap().root
    }

    pub fn checkpoint(&self) -> String {
        self.root(CHECKPOINT).to_string()
    }

    /// The vendor's file: it demands trust `consensus`, and vouches for the checkpoint.
    pub fn product(&self) -> ProductFile {
        self.demanding().checkpoint(&self.checkpoint(), &self.spec_digest(), "")
    }

    /// The same without a checkpoint.
    pub fn demanding(&self) -> ProductFile {
        ProductFile::acme(&self.licence.collection())
            .set("trust", r#""consensus""#)
            .finality("finalized")
    }

    /// A daemon that hears of the validators from the beacon node.
    pub fn settings(&self) -> Settings {
        self.settings_with(&format!("beacon = [{:?}]\nsilence = \"1h\"", self.beacon.url()))
    }

    pub fn settings_with(&self, keys: &str) -> Settings {
        let spec = self.spec();
        Settings::new([self.proxy.url()]).consensus(&format!("spec = {spec:?}\n{keys}"))
    }

    /// A daemon as usual, to which the wallet is linked.
    pub fn daemon(&self) -> Daemon {
        let daemon = Daemon::start(&self.settings().product(self.product()));
        daemon.link(&self.wallet);
        daemon
    }

    /// Mints to somebody, and lets so many slots pass.
    pub fn finalize(&self) {
        // Two epochs, and what is left of the one it happened in.
        self.beacon.advance(13);
    }
}

/// How far the light client is, as `chain_status` tells it.
pub fn sync(daemon: &Daemon) -> Value {
    let chains = daemon.admin("chain_status", serde_json::json!({}));
    chains[0]["sync"].clone()
}

/// Waits until the light client is in a state.
pub fn wait_for_sync(daemon: &Daemon, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    eventually(&format!("the light client: {what}"), || {
        let sync = sync(daemon);
        if wanted(&sync) { Ok(sync) } else { Err(sync.to_string()) }
    })
}

/// `entitlectl` with these arguments, and what it said.
pub fn entitlectl(daemon: &Daemon, arguments: &[&str]) -> Output {
    daemon.entitlectl().args(arguments).output().unwrap()
}

pub fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

pub fn chain_id() -> &'static str {
    CHAIN
}
