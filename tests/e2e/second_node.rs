//! The whole path on a node that is not anvil, with finality as a consensus client tells it.

use std::time::Duration;

use alloy_primitives::{TxKind, U256};
use alloy_sol_types::{SolCall as _, sol};
use serde_json::json;

use crate::support::daemon::Daemon;
use crate::support::prerequisites;
use crate::support::second_node::SecondNode;
use crate::support::settings::{ProductFile, Settings};
use crate::support::stage::{ACME, stranger};
use crate::support::wallet::Wallet;

sol! {
    function mint(address to, uint256 id);
    function transferFrom(address from, address to, uint256 id);
}

#[test]
fn a_licence_is_bought_checked_where_it_is_final_and_sold_on_another_node() {
    if !prerequisites::has("node", "the whole path on ethereumjs") {
        return;
    }
    let wallet = Wallet::numbered(1);
    let node = SecondNode::start(&wallet);
    let licence = node.deploy(&wallet, "Licence");
    let product = ProductFile::acme(&licence.collection()).finality("finalized");
    let daemon = Daemon::start(&Settings::new([node.url()]).product(product));
    daemon.link(&wallet);
    // What is final knows nothing of the contract yet: the node proves its account absent, and answers no slot of it.
    daemon.wait_for_code(ACME, "NOT_HELD");
    let send = |input| node.send(&wallet, TxKind::Call(licence.address), input);
    send(mintCall { to: wallet.address(), id: U256::from(7) }.abi_encode());
    daemon.wait_for_code(ACME, "TRUST_TOO_LOW");
    daemon.never_answers(ACME, &["VALID", "UNDETERMINED"], Duration::from_secs(3));

    node.finalize();
    let verdict = daemon.wait_for_code(ACME, "VALID");
    assert_eq!(verdict["anchor"]["finality"], "finalized", "{verdict}");
    assert_eq!(verdict["provisional"], json!(false), "{verdict}");

    let (from, to) = (wallet.address(), stranger());
    send(transferFromCall { from, to, id: U256::from(7) }.abi_encode());
    daemon.wait_for_code(ACME, "NOT_HELD");
    node.finalize();
    daemon.never_answers(ACME, &["VALID", "GRACE", "UNDETERMINED"], Duration::from_secs(2));

    let endpoint = daemon.admin("chain_status", json!({}))[0]["endpoints"][0].clone();
    assert_eq!(endpoint["faults"]["lying"], json!(null), "an honest node: {endpoint}");
    assert_eq!(endpoint["evidence"], json!(null), "an honest node: {endpoint}");
}
