//! Contracts that do not behave. What such a contract says is neither a yes nor a no.

use std::time::{Duration, Instant};

use alloy_sol_types::{SolCall as _, sol};
use serde_json::json;

use crate::support::PATIENCE;
use crate::support::anvil::Anvil;
use crate::support::contract::Contract;
use crate::support::daemon::Daemon;
use crate::support::faults::{self, Fault};
use crate::support::proxy::Proxy;
use crate::support::settings::{ProductFile, Settings};
use crate::support::wallet::Wallet;

const PRODUCT: &str = "hostile";

/// A daemon with a product whose licence is this contract, which names our wallet as its holder.
fn with(name: &str, more: &str) -> (Daemon, Contract, Anvil) {
    let anvil = Anvil::start();
    let wallet = Wallet::numbered(1);
    let contract = Contract::deploy(&anvil, name, Some(wallet.address()));
    let product =
        ProductFile::new(PRODUCT).tier("pro", 20, "").grant("pro", &contract.collection(), more);
    let daemon = Daemon::start(&Settings::new([anvil.url()]).product(product));
    daemon.link(&wallet);
    (daemon, contract, anvil)
}

const ONE_ID: &str = "tokens_of = \"ids\"\nids = [\"7\"]";

macro_rules! undetermined {
    ($($name:ident: $contract:literal, $more:expr;)*) => {$(
        #[test]
        fn $name() {
            let (daemon, _, _anvil) = with($contract, $more);
            daemon.never_answers(PRODUCT, &["VALID", "GRACE", "NOT_HELD"], Duration::from_secs(1));
            assert_eq!(daemon.code(PRODUCT), "UNDETERMINED");
            assert_eq!(daemon.call("system_version", serde_json::json!({}))["version"], env!("CARGO_PKG_VERSION"));
        }
    )*};
}

undetermined! {
    a_custom_error_is_no_answer: "RevertsWithCustomError", ONE_ID;
    an_unknown_text_is_no_answer: "RevertsWithUnknownText", ONE_ID;
    a_balance_that_reverts_is_no_answer: "RevertsForBalance", ONE_ID;
    an_endless_loop_is_no_answer: "LoopsForEver", ONE_ID;
    an_endless_reader_is_no_answer: "ReadsWithoutEnd", ONE_ID;
    twenty_bytes_are_no_answer: "ReturnsShort", ONE_ID;
    nothing_is_no_answer: "ReturnsNothing", ONE_ID;
    a_word_that_is_no_address_is_no_answer: "ReturnsNoAddress", ONE_ID;
    a_mebibyte_is_no_answer: "ReturnsOneMebibyte", ONE_ID;
    what_hangs_on_a_block_hash_is_no_answer: "ReadsBlockHash", ONE_ID;
    tokens_counted_but_not_found_are_no_answer: "LiesInBalance", r#"tokens_of = "logs""#;
}

#[test]
fn a_contract_that_knows_its_callers_does_not_know_us() {
    let (daemon, _, _anvil) = with("Chameleon", ONE_ID);
    daemon.never_answers(PRODUCT, &["VALID", "GRACE"], Duration::from_secs(1));
}

#[test]
fn events_of_transfers_that_never_were_prove_nothing() {
    let (daemon, contract, anvil) = with("LiesInEvents", r#"tokens_of = "logs""#);
    contract.mint(&anvil, Wallet::numbered(1).address(), 7);
    daemon.never_answers(PRODUCT, &["VALID", "GRACE"], Duration::from_secs(1));
}

/// It may be a mistake of the vendor, and buying a licence would not mend that.
#[test]
fn an_address_without_code_grants_nothing_and_refuses_nothing() {
    let anvil = Anvil::start();
    anvil.mine(1);
    let nothing = Contract { address: alloy_primitives::Address::repeat_byte(0x42) };
    let product =
        ProductFile::new(PRODUCT).tier("pro", 20, "").grant("pro", &nothing.collection(), ONE_ID);
    let daemon = Daemon::start(&Settings::new([anvil.url()]).product(product));
    daemon.link(&Wallet::numbered(1));
    daemon.never_answers(PRODUCT, &["VALID", "GRACE", "NOT_HELD"], Duration::from_secs(1));
    let verdict = daemon.wait_for_code(PRODUCT, "UNDETERMINED");
    assert!(verdict["detail"].to_string().contains("no contract at the address"), "{verdict}");
    let ask = json!({ "token": nothing.token(7), "wallet": Wallet::numbered(1).address() });
    let sighting = daemon.call("token_verify", ask);
    assert_eq!(sighting["holding"], "unknown", "{sighting}");
}

#[test]
fn why_a_token_could_not_be_verified_is_told() {
    let anvil = Anvil::start();
    let wallet = Wallet::numbered(1);
    let contract = Contract::deploy(&anvil, "RevertsWithCustomError", Some(wallet.address()));
    let licence = Contract::licence(&anvil);
    licence.mint(&anvil, wallet.address(), 7);
    let proxy = Proxy::start(&anvil.address());
    let daemon = Daemon::start(&Settings::new([proxy.url()]));
    let cause = |of: &Contract| {
        let ask = json!({ "token": of.token(7), "wallet": wallet.address() });
        let sighting = daemon.call("token_verify", ask);
        assert_eq!(sighting["holding"], "unknown", "{sighting}");
        sighting["cause"].as_str().unwrap().to_owned()
    };
    assert_eq!(cause(&contract), "the contract gave no usable answer");
    proxy.fault(faults::slots_zero_with_cut_proofs());
    assert_eq!(cause(&licence), "an endpoint's answer does not match its proof");
}

#[test]
fn a_hostile_contract_does_not_keep_others_waiting() {
    let anvil = Anvil::start();
    let wallet = Wallet::numbered(1);
    let slow = Contract::deploy(&anvil, "LoopsForEver", Some(wallet.address()));
    let licence = Contract::licence(&anvil);
    licence.mint(&anvil, wallet.address(), 7);
    let hostile =
        ProductFile::new(PRODUCT).tier("pro", 20, "").grant("pro", &slow.collection(), ONE_ID);
    let daemon = Daemon::start(
        &Settings::new([anvil.url()])
            .product(hostile)
            .product(ProductFile::acme(&licence.collection())),
    );
    daemon.link(&wallet);
    daemon.wait_for_code("acme-cad", "VALID");
    assert_eq!(daemon.code(PRODUCT), "UNDETERMINED");
}

const BALANCE: &str = "rule = \"balance\"\nids = [7]";

sol! {
    function slowFor(address who);
    function stir();
    function enter();
}

/// Those that are slow are the first, and there are as many of them as are looked at side by side.
#[test]
fn a_wallet_is_proven_though_others_of_its_customer_are_slow() {
    let anvil = Anvil::start();
    let mut wallets: Vec<Wallet> = (1..=5).map(Wallet::numbered).collect();
    wallets.sort_by_key(Wallet::address);
    let holder = wallets.last().unwrap().address();
    let contract = Contract::deploy(&anvil, "SlowForSome", Some(holder));
    let proxy = Proxy::start(&anvil.address());
    proxy.fault_in("eth_createAccessList", Fault::unsupported());
    let editions = contract.collection().replace("erc721", "erc1155");
    let product = ProductFile::new(PRODUCT).tier("pro", 20, "").grant("pro", &editions, BALANCE);
    let daemon = Daemon::start(&Settings::new([proxy.url()]).product(product));
    wallets.iter().for_each(|it| drop(daemon.link(it)));
    daemon.wait_for_code(PRODUCT, "NOT_HELD");

    for it in &wallets[..4] {
        contract.send(&anvil, &slowForCall { who: it.address() }.abi_encode());
    }
    proxy.fault_in("eth_getProof", Fault::Delay(Duration::from_millis(200)));
    contract.send(&anvil, &enterCall {}.abi_encode());
    // So long are two looks at most, which begin at the last block each.
    let begun = Instant::now();
    while daemon.code(PRODUCT) != "VALID" {
        assert!(begun.elapsed() < PATIENCE * 4, "{}", daemon.check(PRODUCT));
        contract.send(&anvil, &stirCall {}.abi_encode());
        // Each look finds another state, of which nothing is known yet.
        std::thread::sleep(Duration::from_secs(1));
    }
}
