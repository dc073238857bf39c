//! Whose holding counts besides the wallet's own: vaults that delegated to it, accounts bound to its tokens.

use std::time::Duration;

use alloy_primitives::{Address, B256};
use serde_json::json;

use crate::rules::{HOUR, Scene};
use crate::support::anvil::Anvil;
use crate::support::contract::Contract;
use crate::support::licences::{Accounts, Delegations, Editions, Rentals};
use crate::support::settings::{ProductFile, Settings};
use crate::support::stage::{ACME, Stage, stranger};
use crate::support::wallet::Wallet;

/// Keeps the tokens and is linked to nobody.
fn vault() -> Address {
    Wallet::numbered(50).address()
}

fn full() -> B256 {
    B256::ZERO
}

fn rights(text: &str) -> B256 {
    B256::right_padding_from(text.as_bytes())
}

/// The vault holds token 7.
fn delegating(contract: &str, more: &str) -> (Scene, Contract, Delegations) {
    let anvil = Anvil::start();
    let licence = Contract::deploy(&anvil, contract, None);
    let delegations = Delegations::install(&anvil);
    licence.mint(&anvil, vault(), 7);
    let scene = Scene::new(anvil, &licence.collection(), more);
    scene.wait_for("NOT_HELD");
    (scene, licence, delegations)
}

#[test]
fn what_a_vault_delegated_counts_until_it_is_revoked_or_sold() {
    let (scene, licence, delegations) = delegating("Licence", "delegation = true");
    let (anvil, wallet) = (&scene.anvil, scene.holder());
    delegations.all(anvil, vault(), wallet, full(), true);
    let verdict = scene.wait_for("VALID");
    assert_eq!(verdict["token"], json!(licence.token(7)));
    let detail = verdict["detail"].as_str().unwrap();
    assert!(detail.contains(&format!("through vault {}", vault())), "{detail}");
    assert!(scene.why().contains(&format!("vault {}", vault())));
    delegations.all(anvil, vault(), wallet, full(), false);
    scene.wait_for("NOT_HELD");

    delegations.contract(anvil, (vault(), wallet), licence.address, full(), true);
    scene.wait_for("VALID");
    licence.transfer(anvil, vault(), stranger(), 7);
    scene.wait_for("NOT_HELD");
}

#[test]
fn without_the_chain_a_vaults_token_counts_within_grace_also_over_a_restart() {
    let (mut scene, licence, delegations) = delegating("Licence", "delegation = true");
    delegations.all(&scene.anvil, vault(), scene.holder(), full(), true);
    scene.wait_for("VALID");
    scene.anvil.stop();
    scene.wait_for("GRACE");
    scene.daemon.restart();
    let verdict = scene.wait_for("GRACE");
    assert_eq!(verdict["token"], json!(licence.token(7)));
    let detail = verdict["detail"].as_str().unwrap();
    assert!(detail.contains(&format!("through vault {}", vault())), "{detail}");
    scene.anvil.resume();
    scene.wait_for("VALID");
}

#[test]
fn a_vaults_tokens_are_found_by_its_events_too() {
    let more = "delegation = true\ntokens_of = \"logs\"";
    let (scene, licence, delegations) = delegating("PlainLicence", more);
    delegations.all(&scene.anvil, vault(), scene.holder(), full(), true);
    assert_eq!(scene.wait_for("VALID")["token"], json!(licence.token(7)));
    licence.mint(&scene.anvil, vault(), 8);
    licence.transfer(&scene.anvil, vault(), stranger(), 7);
    scene.daemon.wait_for(ACME, "by token 8", |it| it["token"] == licence.token(8));
}

#[test]
fn one_token_delegated_is_one_token() {
    let (scene, licence, delegations) = delegating("Licence", "delegation = true");
    let (anvil, between) = (&scene.anvil, (vault(), scene.holder()));
    licence.mint(anvil, vault(), 8);
    licence.mint(anvil, stranger(), 9);
    delegations.token(anvil, between, (licence.address, 9), full(), true);
    delegations.token(anvil, between, (stranger(), 7), full(), true);
    scene.daemon.never_answers(ACME, &["VALID"], Duration::from_secs(2));
    delegations.token(anvil, between, (licence.address, 8), full(), true);
    assert_eq!(scene.wait_for("VALID")["token"], json!(licence.token(8)));
}

/// Anybody may delegate to anybody.
#[test]
fn a_vault_is_found_among_many_that_have_nothing() {
    let (scene, licence, delegations) = delegating("Licence", "delegation = true");
    for number in 51..71 {
        let nobody = Wallet::numbered(number).address();
        delegations.all(&scene.anvil, nobody, scene.holder(), full(), true);
    }
    delegations.all(&scene.anvil, vault(), scene.holder(), full(), true);
    scene.wait_for("VALID");
    licence.transfer(&scene.anvil, vault(), stranger(), 7);
    scene.wait_for("NOT_HELD");
}

#[test]
fn other_rights_are_not_enough_and_all_rights_are() {
    let more = "delegation = { rights = \"licence\" }";
    let (scene, _, delegations) = delegating("Licence", more);
    let (anvil, wallet) = (&scene.anvil, scene.holder());
    delegations.all(anvil, vault(), wallet, rights("voting"), true);
    scene.daemon.never_answers(ACME, &["VALID"], Duration::from_secs(2));
    delegations.all(anvil, vault(), wallet, rights("licence"), true);
    scene.wait_for("VALID");
    delegations.all(anvil, vault(), wallet, rights("licence"), false);
    scene.wait_for("NOT_HELD");
    delegations.all(anvil, vault(), wallet, full(), true);
    scene.wait_for("VALID");
}

#[test]
fn without_the_grants_word_no_vault_counts() {
    let (scene, _, delegations) = delegating("Licence", "delegation = false");
    delegations.all(&scene.anvil, vault(), scene.holder(), full(), true);
    scene.daemon.never_answers(ACME, &["VALID"], Duration::from_secs(2));
    assert_eq!(scene.code(), "NOT_HELD");
}

#[test]
fn of_a_vaults_many_only_the_delegated_amount_counts() {
    let anvil = Anvil::start();
    let editions = Editions::deploy(&anvil);
    let delegations = Delegations::install(&anvil);
    editions.issue(&anvil, vault(), 7, 10);
    let more = "rule = \"balance\"\nmin = 5\ndelegation = true";
    let scene = Scene::new(anvil, &editions.token(7), more);
    let token = (editions.0.address, 7);
    let between = (vault(), scene.holder());
    delegations.amount(&scene.anvil, between, token, full(), 4);
    scene.daemon.never_answers(ACME, &["VALID"], Duration::from_secs(2));
    delegations.amount(&scene.anvil, between, token, full(), 5);
    scene.wait_for("VALID");
    editions.take_back(&scene.anvil, vault(), 7, 6);
    scene.wait_for("NOT_HELD");
}

#[test]
fn a_registry_that_answers_nonsense_leaves_it_open() {
    let (scene, licence, _) = delegating("Licence", "delegation = true");
    let scripted = crate::support::contract::artifact("Scripted");
    let registry = crate::support::licences::DELEGATE_REGISTRY;
    scene.anvil.call("anvil_setCode", json!([registry, scripted["code"]]));
    scene.anvil.mine(1);
    // What no vault may hold cannot be told any more, what the wallet itself holds can.
    scene.wait_for("UNDETERMINED");
    licence.mint(&scene.anvil, scene.holder(), 8);
    scene.wait_for("VALID");
}

#[test]
fn a_delegated_ownership_is_recorded_with_its_vault() {
    let (scene, licence, delegations) = delegating("Licence", "delegation = true");
    let claim = json!({"token": licence.token(7), "wallet": scene.holder()});
    assert_eq!(scene.daemon.refused("ownership_record", claim.clone()).code, -32003);
    delegations.all(&scene.anvil, vault(), scene.holder(), full(), true);
    let ownership = scene.daemon.call("ownership_record", claim);
    assert_eq!(ownership["via"], json!([format!("vault {}", vault())]), "{ownership}");
    assert_eq!(ownership["rule"], "owner");
}

/// The wallet owns card 1, and each account is bound to the card it is named by.
struct Cards {
    scene: Scene,
    licence: Contract,
    card: Contract,
    accounts: Accounts,
}

fn cards(more: &str) -> Cards {
    let anvil = Anvil::start();
    let licence = Contract::licence(&anvil);
    let card = Contract::licence(&anvil);
    let accounts = Accounts::install(&anvil);
    card.mint(&anvil, Wallet::numbered(1).address(), 1);
    let scene = Scene::new(anvil, &licence.collection(), more);
    scene.wait_for("NOT_HELD");
    Cards { scene, licence, card, accounts }
}

#[test]
fn what_an_account_holds_counts_for_who_owns_its_token() {
    for more in ["token_bound = true", "token_bound = true\nids = [\"1-20\"]"] {
        let Cards { scene, licence, card, accounts } = cards(more);
        let account = accounts.create(&scene.anvil, card.address, 1);
        licence.mint(&scene.anvil, account, 7);
        let verdict = scene.wait_for("VALID");
        let detail = verdict["detail"].as_str().unwrap();
        assert!(detail.contains(&format!("token-bound account {account}")), "{detail}");
        card.transfer(&scene.anvil, scene.holder(), stranger(), 1);
        scene.wait_for("NOT_HELD");
        card.transfer(&scene.anvil, stranger(), scene.holder(), 1);
        scene.wait_for("VALID");
        let between = (scene.holder(), account);
        accounts.give(&scene.anvil, between, (licence.address, 7), stranger());
        scene.wait_for("NOT_HELD");
    }
}

#[test]
fn three_accounts_deep_and_no_deeper() {
    let Cards { scene, licence, card, accounts } = cards("token_bound = true");
    let mut account = accounts.create(&scene.anvil, card.address, 1);
    for id in 2..=4 {
        card.mint(&scene.anvil, account, id);
        account = accounts.create(&scene.anvil, card.address, id);
        licence.mint(&scene.anvil, account, id);
    }
    // Token 3 is in the account of card 3, in that of card 2, in that of card 1; token 4 one deeper.
    licence.burn(&scene.anvil, 2);
    scene.daemon.wait_for(ACME, "by token 3", |it| it["token"] == licence.token(3));
    licence.burn(&scene.anvil, 3);
    scene.wait_for("NOT_HELD");
}

#[test]
fn accounts_that_own_each_other_belong_to_nobody() {
    let Cards { scene, licence, card, accounts } = cards("token_bound = true");
    card.mint(&scene.anvil, scene.holder(), 2);
    let one = accounts.create(&scene.anvil, card.address, 1);
    let two = accounts.create(&scene.anvil, card.address, 2);
    licence.mint(&scene.anvil, one, 7);
    scene.wait_for("VALID");
    card.transfer(&scene.anvil, scene.holder(), two, 1);
    card.transfer(&scene.anvil, scene.holder(), one, 2);
    scene.wait_for("NOT_HELD");
}

#[test]
fn who_only_says_that_it_is_an_account_is_none() {
    let Cards { scene, licence, card, .. } = cards("token_bound = true");
    let pretended = Contract::deploy(&scene.anvil, "PretendedAccount", Some(card.address));
    licence.mint(&scene.anvil, pretended.address, 7);
    scene.daemon.never_answers(ACME, &["VALID"], Duration::from_secs(2));
    assert_eq!(scene.code(), "NOT_HELD");
}

#[test]
fn a_vault_may_own_the_account_and_an_account_may_be_the_user() {
    let anvil = Anvil::start();
    let rentals = Rentals::deploy(&anvil);
    let card = Contract::licence(&anvil);
    let (accounts, delegations) = (Accounts::install(&anvil), Delegations::install(&anvil));
    card.mint(&anvil, vault(), 1);
    rentals.0.mint(&anvil, stranger(), 7);
    let account = accounts.create(&anvil, card.address, 1);
    let more = "rule = \"user\"\nids = [7]\ndelegation = true\ntoken_bound = true";
    let scene = Scene::new(anvil, &rentals.0.collection(), more);
    let end = scene.in_time(HOUR);
    rentals.rent(&scene.anvil, 7, account, end);
    scene.daemon.never_answers(ACME, &["VALID"], Duration::from_secs(2));
    delegations.all(&scene.anvil, vault(), scene.holder(), full(), true);
    scene.wait_for_end(end);
    let sighting = scene
        .daemon
        .call("token_verify", json!({"token": rentals.0.token(7), "wallet": scene.holder()}));
    let via = json!([format!("vault {}", vault()), format!("token-bound account {account}")]);
    assert_eq!((&sighting["via"], &sighting["rule"]), (&via, &json!("user")), "{sighting}");
    let holder = scene.daemon.call("token_verify", json!({"token": rentals.0.token(7)}));
    assert_eq!(holder["wallet"], json!(account.to_string()));
}

/// Two grants of one contract under different rules do not speak for each other.
#[test]
fn the_owner_and_the_user_get_different_tiers() {
    let anvil = Anvil::start();
    let rentals = Rentals::deploy(&anvil);
    let product = ProductFile::new(ACME)
        .tier("guest", 10, "")
        .tier("owner", 20, "")
        .grant("guest", &rentals.0.token(7), "rule = \"user\"")
        .grant("owner", &rentals.0.token(7), "rule = \"owner\"");
    let settings = Settings::new([anvil.url()]).product(product);
    let stage = Stage::on(anvil, rentals.0, &settings);
    stage.daemon.link(&stage.wallet);
    stage.mint(7);
    stage.daemon.wait_for(ACME, "owner", |it| it["tier"] == "owner");
    stage.give_away(7);
    stage.daemon.wait_for_code(ACME, "NOT_HELD");
    let end = crate::support::licences::chain_time(&stage.anvil) + HOUR.as_secs();
    rentals.rent(&stage.anvil, 7, stage.holder(), end);
    stage.daemon.wait_for(ACME, "guest", |it| it["tier"] == "guest");
    let grants = &stage.daemon.call("product_list", json!({}))["items"][0]["grants"];
    assert_eq!((&grants[0]["rule"], &grants[1]["rule"]), (&json!("user"), &json!("owner")));
}
