//! Accounts bound to tokens (ERC-6551), and contracts that strangers chose: what they cost everybody else, and whom an account
//! that is itself linked belongs to.

use std::time::Duration;

use alloy_primitives::Address;
use alloy_sol_types::SolCall as _;
use serde_json::json;

use crate::contract_wallets::{enveloped, handOverCall, link, message_for};
use crate::support::CHAIN;
use crate::support::anvil::Anvil;
use crate::support::contract::Contract;
use crate::support::daemon::Daemon;
use crate::support::faults::Fault;
use crate::support::licences::Accounts;
use crate::support::proxy::Proxy;
use crate::support::settings::{ProductFile, Settings};
use crate::support::stage::{ACME, stranger};
use crate::support::wallet::Wallet;

const CONFLICT: i64 = -32003;

/// The linked wallet.
fn holder() -> Address {
    Wallet::numbered(1).address()
}

/// Card 1 is the linked wallet's; what the account bound to it holds grants without `token_bound`.
fn cards() -> (Daemon, Anvil, Contract, Contract, Accounts) {
    let anvil = Anvil::start();
    let licence = Contract::licence(&anvil);
    let card = Contract::licence(&anvil);
    let accounts = Accounts::install(&anvil);
    card.mint(&anvil, holder(), 1);
    let product = ProductFile::acme(&licence.collection());
    let daemon = Daemon::start(&Settings::new([anvil.url()]).product(product));
    (daemon, anvil, licence, card, accounts)
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

/// Whoever sells the card sells the account, and nobody would be told.
#[test]
fn an_account_bound_to_a_token_is_not_linked_deployed_or_not() {
    let (daemon, anvil, _, card, accounts) = cards();
    let account = accounts.address(&anvil, card.address, 1);
    let message = message_for(&daemon, account, CHAIN);
    let signature = Wallet::numbered(1).sign(&message);
    let (registry, creation) = accounts.creation(card.address, 1);
    let refused = link(&daemon, &message, &enveloped(registry, &creation, &signature)).unwrap_err();
    assert_eq!(refused.code, CONFLICT, "{refused:?}");
    accounts.create(&anvil, card.address, 1);
    let refused = link(&daemon, &message, &signature).unwrap_err();
    assert_eq!(refused.code, CONFLICT, "{refused:?}");
    assert!(refused.message.contains("link the wallet that does"), "{refused:?}");
}

/// As by a version that let them be.
#[test]
fn what_an_account_holds_that_was_linked_before_counts_for_nothing() {
    let (daemon, anvil, licence, card, accounts) = cards();
    let account = accounts.create(&anvil, card.address, 1);
    let code = anvil.call("eth_getCode", json!([account, "latest"]));
    // Another contract in its place, for as long as it is linked.
    let deployed = Contract::deploy(&anvil, "OwnedWallet", Some(holder())).address;
    let other = anvil.call("eth_getCode", json!([deployed, "latest"]));
    anvil.call("anvil_setCode", json!([account, other]));
    Contract { address: account }.send(&anvil, &handOverCall { owner: holder() }.abi_encode());
    let message = message_for(&daemon, account, CHAIN);
    link(&daemon, &message, &Wallet::numbered(1).sign(&message)).unwrap();
    licence.mint(&anvil, account, 7);
    daemon.wait_for_code(ACME, "VALID");
    anvil.call("anvil_setCode", json!([account, code]));
    anvil.mine(1);
    daemon.wait_for_code(ACME, "NOT_HELD");
    let claim = json!({"token": licence.token(7), "wallet": account});
    assert_eq!(daemon.refused("ownership_record", claim).code, CONFLICT);
}
