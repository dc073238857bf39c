//! Accounts bound to tokens (ERC-6551), and contracts that strangers chose: what they cost everybody else, and whom an account
//! that is itself linked belongs to.

use std::time::Duration;

use alloy_primitives::Address;

use crate::support::anvil::Anvil;
use crate::support::contract::Contract;
use crate::support::daemon::Daemon;
use crate::support::faults::Fault;
use crate::support::licences::Accounts;
use crate::support::proxy::Proxy;
use crate::support::settings::{ProductFile, Settings};
use crate::support::stage::{ACME, stranger};
use crate::support::wallet::Wallet;

/// The linked wallet.
fn holder() -> Address {
    Wallet::numbered(1).address()
}

/// An account of a stranger, bound to a token whose contract takes hundreds of requests to say whose it is: an account's of
/// the same kind, and so on.
fn account_that_takes_long(anvil: &Anvil, accounts: &Accounts) -> Address {
    let mut owner = stranger();
    for token in 1..=3 {
        let contract = Contract::deploy(anvil, "WandersForItsOwner", Some(owner));
        owner = accounts.create(anvil, contract.address, token);
    }
    owner
}

/// Each proof takes as long as over a common line.
#[test]
fn one_licence_in_an_account_of_a_hostile_token_leaves_only_that_one_unknown() {
    let anvil = Anvil::start();
    let licence = Contract::licence(&anvil);
    let accounts = Accounts::install(&anvil);
    licence.mint(&anvil, holder(), 1);
    let proxy = Proxy::start(&anvil.address());
    proxy.fault_in("eth_createAccessList", Fault::unsupported());
    let product = ProductFile::new(ACME).tier("pro", 20, "").grant(
        "pro",
        &licence.collection(),
        "token_bound = true",
    );
    let daemon = Daemon::start(&Settings::new([proxy.url()]).product(product));
    daemon.link(&Wallet::numbered(1));
    daemon.wait_for_code(ACME, "VALID");

    let account = account_that_takes_long(&anvil, &accounts);
    licence.mint(&anvil, account, 666);
    proxy.fault_in("eth_getProof", Fault::Delay(Duration::from_millis(150)));
    let since = anvil.block_number();
    daemon.wait_for(ACME, "the wallet's own is proven again", |it| {
        it["code"] == "VALID" && it["anchor"]["number"].as_u64() >= Some(since)
    });
    licence.transfer(&anvil, holder(), stranger(), 1);
    let verdict = daemon.wait_for_code(ACME, "UNDETERMINED");
    let detail = verdict["detail"].as_str().unwrap();
    assert!(detail.contains("who owns the token-bound account"), "{detail}");
}
