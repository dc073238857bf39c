//! Contracts on a test chain: made from the compiler's artifacts, moved by unlocked accounts.

use alloy_primitives::{Address, U256, hex};
use alloy_sol_types::{SolCall as _, sol};
use serde_json::{Value, json};

use super::anvil::Anvil;
use super::{CHAIN, tests_dir};

sol! {
    function mint(address to, uint256 id);
    function burn(uint256 id);
    function transferFrom(address from, address to, uint256 id);
}

/// A contract by its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contract {
    pub address: Address,
}

impl Contract {
    /// A collection that lists its tokens.
    pub fn licence(anvil: &Anvil) -> Self {
        Self::deploy(anvil, "Licence", None)
    }

    /// Deploys the contract of `tests/contracts` with this name. `argument` is its constructor's,
    /// if that takes one.
    pub fn deploy(anvil: &Anvil, name: &str, argument: Option<Address>) -> Self {
        let artifact = artifact(name);
        let code = artifact["bytecode"].as_str().unwrap();
        let argument = argument.map(|it| hex::encode(it.into_word())).unwrap_or_default();
        let receipt = anvil.send(None, &format!("{code}{argument}"));
        Self { address: receipt["contractAddress"].as_str().unwrap().parse().unwrap() }
    }

    /// The whole collection, in CAIP-19.
    pub fn collection(&self) -> String {
        format!("{CHAIN}/erc721:{}", self.address)
    }

    /// One token, in CAIP-19.
    pub fn token(&self, id: u64) -> String {
        format!("{}/{id}", self.collection())
    }

    /// Mints; returns the transaction's hash.
    pub fn mint(&self, anvil: &Anvil, to: Address, id: u64) -> String {
        self.send(anvil, &mintCall { to, id: U256::from(id) }.abi_encode())
    }

    pub fn burn(&self, anvil: &Anvil, id: u64) -> String {
        self.send(anvil, &burnCall { id: U256::from(id) }.abi_encode())
    }

    /// Moves a token, from whoever has it: the node lets any account send a transaction here.
    pub fn transfer(&self, anvil: &Anvil, from: Address, to: Address, id: u64) -> String {
        self.send_as(anvil, from, &transferFromCall { from, to, id: U256::from(id) }.abi_encode())
    }

    /// Sends a transaction as if from somebody whose key nobody here has; returns its hash.
    pub fn send_as(&self, anvil: &Anvil, from: Address, data: &[u8]) -> String {
        anvil.call("anvil_impersonateAccount", json!([from]));
        // By a transaction: a balance set behind the chain's back makes the node's own proofs wrong until
        // the next block, and whoever checks them takes it for a liar.
        if anvil.call("eth_getBalance", json!([from, "latest"])) == json!("0x0") {
            let payment =
                json!({"from": anvil.account(0), "to": from, "value": "0xde0b6b3a7640000"});
            wait_for(anvil, &anvil.call("eth_sendTransaction", json!([payment])));
        }
        let transaction =
            json!({"from": from, "to": self.address, "data": hex::encode_prefixed(data)});
        let hash = anvil.call("eth_sendTransaction", json!([transaction]));
        wait_for(anvil, &hash);
        hash.as_str().unwrap().to_owned()
    }

    /// Sends a transaction from the first unlocked account; returns its hash.
    pub fn send(&self, anvil: &Anvil, data: &[u8]) -> String {
        let receipt = anvil.send(Some(&self.address.to_string()), &hex::encode_prefixed(data));
        receipt["transactionHash"].as_str().unwrap().to_owned()
    }

    /// What the contract answers at the newest block, as the node says.
    pub fn ask(&self, anvil: &Anvil, data: &[u8]) -> Vec<u8> {
        let call = json!({"to": self.address, "data": hex::encode_prefixed(data)});
        hex::decode(anvil.call("eth_call", json!([call, "latest"])).as_str().unwrap()).unwrap()
    }
}

/// Until the transaction is in a block, and has succeeded.
fn wait_for(anvil: &Anvil, hash: &Value) {
    let receipt = super::eventually("a receipt", || {
        let receipt = anvil.call("eth_getTransactionReceipt", json!([hash]));
        if receipt.is_null() { Err("none yet".to_owned()) } else { Ok(receipt) }
    });
    assert_eq!(receipt["status"], "0x1", "the transaction was reverted: {receipt}");
}

/// What the compiler made of the contract with this name.
pub fn artifact(name: &str) -> Value {
    let path = tests_dir().join("contracts/out").join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|it| panic!("{}: {it}: run `make prepare`", path.display()));
    serde_json::from_str(&text).unwrap()
}
