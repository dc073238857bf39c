//! Receipts of tokens that are held in other ways than by the wallet's own name in `ownerOf`.

use std::time::Duration;

use alloy_primitives::{Address, B256};
use entitled_core::receipt::Verified;

use crate::publishers::{Vendor, install_signed};
use crate::receipts::{judge, make};
use crate::support::anvil::Anvil;
use crate::support::contract::Contract;
use crate::support::daemon::Daemon;
use crate::support::licences::{
    Accounts, Delegations, Editions, Rentals, Subscriptions, chain_time,
};
use crate::support::settings::{ProductFile, Settings};
use crate::support::stage::ACME;
use crate::support::wallet::Wallet;

fn vault() -> Address {
    Wallet::numbered(50).address()
}

fn holder() -> Address {
    Wallet::numbered(1).address()
}

/// What a receipt proves of a product with one grant of this collection, once the daemon says yes.
fn proven(anvil: &Anvil, collection: &str, more: &str) -> Verified {
    let vendor = Vendor::new();
    let product = ProductFile::new(ACME).tier("pro", 20, "").grant("pro", collection, more);
    let daemon = Daemon::start(&Settings::new([anvil.url()]));
    install_signed(&daemon, &vendor, &product);
    daemon.link(&Wallet::numbered(1));
    daemon.wait_for_code(ACME, "VALID");
    judge(&make(&daemon, None), &vendor, None).unwrap()
}

#[test]
fn what_a_vault_delegated() {
    let anvil = Anvil::start();
    let licence = Contract::licence(&anvil);
    licence.mint(&anvil, vault(), 7);
    Delegations::install(&anvil).all(&anvil, vault(), holder(), B256::ZERO, true);
    let verdict = proven(&anvil, &licence.collection(), "delegation = true").verdict;
    assert!(verdict.detail.contains(&format!("through vault {}", vault())), "{}", verdict.detail);
}

#[test]
fn what_accounts_hold_that_are_bound_to_a_token_in_a_vault() {
    let anvil = Anvil::start();
    let (licence, other) = (Contract::licence(&anvil), Contract::licence(&anvil));
    let accounts = Accounts::install(&anvil);
    other.mint(&anvil, vault(), 3);
    let account = accounts.create(&anvil, other.address, 3);
    licence.mint(&anvil, account, 7);
    Delegations::install(&anvil).all(&anvil, vault(), holder(), B256::ZERO, true);
    let more = "delegation = true\ntoken_bound = true";
    let verdict = proven(&anvil, &licence.collection(), more).verdict;
    let way = format!("through vault {} and token-bound account {account}", vault());
    assert!(verdict.detail.contains(&way), "{}", verdict.detail);
}

#[test]
fn amounts_the_wallets_own_and_a_vaults() {
    let anvil = Anvil::start();
    let editions = Editions::deploy(&anvil);
    editions.issue(&anvil, holder(), 7, 3);
    let more = "rule = \"balance\"\nids = [7]\nmin = 3";
    assert!(proven(&anvil, &editions.collection(), more).verdict.is_valid());

    editions.issue(&anvil, vault(), 9, 2);
    let delegations = Delegations::install(&anvil);
    let between = (vault(), holder());
    delegations.amount(&anvil, between, (editions.0.address, 9), B256::ZERO, 2);
    let more = "rule = \"balance\"\nids = [9]\nmin = 2\ndelegation = true";
    let verdict = proven(&anvil, &editions.collection(), more).verdict;
    assert!(verdict.detail.contains("through vault"), "{}", verdict.detail);
}

#[test]
fn a_rental_and_a_subscription_with_their_ends() {
    let anvil = Anvil::start();
    let rentals = Rentals::deploy(&anvil);
    rentals.0.mint(&anvil, vault(), 7);
    let end = chain_time(&anvil) + 3_600;
    rentals.rent(&anvil, 7, holder(), end);
    let verdict = proven(&anvil, &rentals.0.collection(), "rule = \"user\"\nids = [7]").verdict;
    let ends = verdict.expires_at.map(|it| it.as_second());
    assert_eq!(ends, i64::try_from(end).ok());

    let subscriptions = Subscriptions::deploy(&anvil);
    subscriptions.0.mint(&anvil, holder(), 7);
    subscriptions.renew(&anvil, 7, Duration::from_secs(7_200));
    let more = "rule = \"subscription\"\nids = [7]";
    let verdict = proven(&anvil, &subscriptions.0.collection(), more).verdict;
    assert!(verdict.expires_at.is_some());
}
