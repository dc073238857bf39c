//! The rules of the EVM that a chain is run by, where no specification says which.

use alloy_primitives::{Address, hex};
use serde_json::{Value, json};

use crate::support::anvil::Anvil;
use crate::support::contract::Contract;
use crate::support::daemon::Daemon;
use crate::support::eventually;
use crate::support::faults;
use crate::support::proxy::Proxy;
use crate::support::settings::{ProductFile, Settings};
use crate::support::stage::stranger;
use crate::support::wallet::Wallet;

const INNER: Address = Address::repeat_byte(0xc1);
/// A zero in one byte, which came with Shanghai.
const PUSH0: [u8; 2] = hex!("5f50");

/// Code of a contract that names one owner where a call of [`INNER`] succeeds, and another where it fails.
fn swallowing(owner: Address, otherwise: Address) -> Vec<u8> {
    [
        &hex!("60006000600060006000")[..],
        &[0x73],
        INNER.as_slice(),
        // CALL; the one times whether it did, and the other times whether it did not.
        &hex!("5af18073"),
        owner.as_slice(),
        &hex!("02901573"),
        otherwise.as_slice(),
        &hex!("020160005260206000f3"),
    ]
    .concat()
}

fn holding(daemon: &Daemon, ask: &Value) -> Value {
    daemon.call("token_verify", ask.clone())["holding"].clone()
}

#[test]
fn the_rules_that_a_chain_is_run_by_can_be_named() {
    let anvil = Anvil::start();
    let (wallet, contract) =
        (Wallet::numbered(1), Contract { address: Address::repeat_byte(0xc0) });
    let code = swallowing(wallet.address(), stranger());
    for (address, code) in [(contract.address, &code[..]), (INNER, &PUSH0)] {
        anvil.call("anvil_setCode", json!([address, hex::encode_prefixed(code)]));
    }
    anvil.finalize();
    let proxy = Proxy::start(&anvil.address());
    proxy.fault(faults::headers_without_later_fields());
    proxy.add(faults::state_of_the_head());
    let product = ProductFile::new("held").tier("pro", 20, "").grant(
        "pro",
        &contract.collection(),
        "tokens_of = \"ids\"\nids = [\"7\"]",
    );
    let daemon = Daemon::start(&Settings::new([proxy.url()]).product(product));
    daemon.link(&wallet);

    // As London has it, the call fails, and the token is another's.
    let ask = json!({"token": contract.token(7), "wallet": wallet.address()});
    let becomes = |what, wanted: &str| {
        eventually(what, || match holding(&daemon, &ask) {
            it if it == wanted => Ok(()),
            other => Err(other.to_string()),
        });
    };
    becomes("nobody knows whose it is", "unknown");
    daemon.wait_for_log("name them by `evm`");
    let text = std::fs::read_to_string(daemon.config()).unwrap();
    let named = |fork: &str| {
        daemon.write_config(&text.replace("poll =", &format!("evm = \"{fork}\"\npoll =")));
        daemon.admin("system_reload", json!({}))
    };
    let told = named("shanghai");
    assert_eq!(told["applied"], json!(["chain.eip155:31337.evm"]), "{told}");
    becomes("it is run by the rules that were named", "held");
    named("paris");
    becomes("and not by older ones", "unknown");
}
