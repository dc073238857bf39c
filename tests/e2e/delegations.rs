//! Lists that strangers can lengthen: whatever is delegated or given to a wallet unasked, what it is entitled to is
//! found, and where the list is too long to say "no", that is what is said.

use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_sol_types::SolValue as _;
use serde_json::json;

use crate::rules::Scene;
use crate::support::anvil::Anvil;
use crate::support::contract::Contract;
use crate::support::licences::{Accounts, Delegations, Editions};
use crate::support::stage::stranger;
use crate::support::wallet::Wallet;

/// More than are read in one look.
const TOO_MANY: u64 = 1_000_000;

const BY_EVENTS: &str = "delegation = true\ntokens_of = \"logs\"";

/// Keeps the tokens and is linked to nobody.
fn vault() -> Address {
    Wallet::numbered(50).address()
}

/// The linked wallet.
fn holder() -> Address {
    Wallet::numbered(1).address()
}

/// The vault holds token 7, and delegated everything to the wallet.
fn delegated(contract: &str) -> (Anvil, Contract, Delegations) {
    let anvil = Anvil::start();
    let licence = Contract::deploy(&anvil, contract, None);
    let delegations = Delegations::install(&anvil);
    licence.mint(&anvil, vault(), 7);
    delegations.all(&anvil, vault(), holder(), B256::ZERO, true);
    (anvil, licence, delegations)
}

/// A wallet that nothing was ever seen of, as on a new machine.
#[test]
fn made_up_delegations_hide_no_vault_from_a_new_ledger() {
    let (anvil, licence, delegations) = delegated("PlainLicence");
    delegations.made_up(&anvil, holder(), licence.address, 1_000..1_300);
    let scene = Scene::new(anvil, &licence.collection(), BY_EVENTS);
    assert_eq!(scene.wait_for("VALID")["token"], json!(licence.token(7)));
    // All of the list is read, so that "no" can be said as well.
    delegations.all(&scene.anvil, vault(), scene.holder(), B256::ZERO, false);
    scene.wait_for("NOT_HELD");
}

/// Each look reads another part of it.
#[test]
fn a_list_that_is_too_long_for_one_look_is_read_in_parts() {
    let (anvil, licence, delegations) = delegated("PlainLicence");
    delegations.pretend(&anvil, holder(), 10_000);
    let scene = Scene::new(anvil, &licence.collection(), BY_EVENTS);
    assert_eq!(scene.wait_for("VALID")["token"], json!(licence.token(7)));
    // From then on it is known, and asked by itself.
    delegations.pretend(&scene.anvil, scene.holder(), TOO_MANY);
    licence.mint(&scene.anvil, stranger(), 8);
    let proven_at = scene.anvil.block_number();
    scene.daemon.wait_for("acme-cad", "proven again", |it| {
        it["code"] == "VALID" && it["anchor"]["number"].as_u64() >= Some(proven_at)
    });
}

#[test]
fn where_the_ids_are_known_their_holders_are_asked_after_and_no_list() {
    for (contract, more) in [
        ("PlainLicence", "delegation = true\nids = [\"1-20\"]"),
        ("PlainLicence", "delegation = true\nids = [\"1-20\"]\ntokens_of = \"logs\""),
        // A small collection that lists its tokens is as good as one whose ids are listed.
        ("Licence", "delegation = true"),
    ] {
        let (anvil, licence, delegations) = delegated(contract);
        delegations.pretend(&anvil, holder(), TOO_MANY);
        let scene = Scene::new(anvil, &licence.collection(), more);
        assert_eq!(scene.wait_for("VALID")["token"], json!(licence.token(7)), "{more}");
        delegations.all(&scene.anvil, vault(), scene.holder(), B256::ZERO, false);
        scene.wait_for("NOT_HELD");
    }
}

#[test]
fn a_token_that_is_named_needs_no_list_and_without_one_the_reason_says_so() {
    let (anvil, licence, delegations) = delegated("PlainLicence");
    delegations.pretend(&anvil, holder(), TOO_MANY);
    let scene = Scene::new(anvil, &licence.collection(), BY_EVENTS);
    let detail = scene.wait_for("UNDETERMINED")["detail"].as_str().unwrap().to_owned();
    let told = ["1000000 delegations", "entitlectl ownership record"];
    assert!(told.iter().all(|it| detail.contains(it)), "{detail}");

    let claim = json!({"token": licence.token(7), "wallet": scene.holder()});
    let ownership = scene.daemon.call("ownership_record", claim.clone());
    assert_eq!(ownership["via"], json!([format!("vault {}", vault())]), "{ownership}");
    scene.wait_for("VALID");
    delegations.all(&scene.anvil, vault(), scene.holder(), B256::ZERO, false);
    scene.wait_for("UNDETERMINED");
    // Of the one that is named, "no" can be said.
    assert_eq!(scene.daemon.refused("ownership_record", claim).code, -32003);
}

/// The account that holds the licence is bound to a card of the vault.
#[test]
fn the_owner_of_an_accounts_token_is_asked_after_as_well() {
    let anvil = Anvil::start();
    let licence = Contract::licence(&anvil);
    let card = Contract::licence(&anvil);
    let (accounts, delegations) = (Accounts::install(&anvil), Delegations::install(&anvil));
    card.mint(&anvil, vault(), 1);
    let account = accounts.create(&anvil, card.address, 1);
    licence.mint(&anvil, account, 7);
    delegations.all(&anvil, vault(), holder(), B256::ZERO, true);
    delegations.pretend(&anvil, holder(), TOO_MANY);
    let more = "delegation = true\ntoken_bound = true";
    let scene = Scene::new(anvil, &licence.collection(), more);
    let verdict = scene.wait_for("VALID");
    let detail = verdict["detail"].as_str().unwrap();
    assert!(detail.contains(&format!("through vault {}", vault())), "{detail}");
    card.transfer(&scene.anvil, vault(), stranger(), 1);
    scene.wait_for("NOT_HELD");
}

/// A balance has no holder who could be asked after.
#[test]
fn a_vault_with_an_amount_is_found_among_many_that_have_none() {
    let anvil = Anvil::start();
    let editions = Editions::deploy(&anvil);
    let delegations = Delegations::install(&anvil);
    editions.issue(&anvil, vault(), 7, 5);
    for number in 100..180 {
        let nobody = Wallet::numbered(number).address();
        delegations.all(&anvil, nobody, holder(), B256::ZERO, true);
    }
    delegations.all(&anvil, vault(), holder(), B256::ZERO, true);
    let more = "rule = \"balance\"\nmin = 5\ndelegation = true";
    let scene = Scene::new(anvil, &editions.token(7), more);
    scene.wait_for("VALID");
    editions.take_back(&scene.anvil, vault(), 7, 1);
    scene.wait_for("NOT_HELD");
}

/// More than that are no vaults to look at, one by one, and who has nothing is none.
#[test]
fn a_vault_is_found_among_hundreds_of_strangers_who_delegated_everything() {
    let (anvil, licence, delegations) = delegated("PlainLicence");
    for number in 100..180 {
        let nobody = Wallet::numbered(number).address();
        delegations.all(&anvil, nobody, holder(), B256::ZERO, true);
    }
    let scene = Scene::new(anvil, &licence.collection(), BY_EVENTS);
    scene.wait_for("VALID");
    licence.transfer(&scene.anvil, vault(), stranger(), 7);
    scene.wait_for("NOT_HELD");
}

/// The contract lists more tokens of the wallet than are gone through, as if strangers had given it cheap ones.
#[test]
fn ids_that_a_grant_names_are_asked_for_where_a_wallet_has_too_many_tokens() {
    /// Where OpenZeppelin's ERC-721 keeps how many tokens somebody has.
    const BALANCES: u64 = 3;
    for more in
        ["ids = [\"1-20\"]\ntokens_of = \"logs\"", "ids = [\"1-20\"]\ntokens_of = \"enumerable\""]
    {
        let anvil = Anvil::start();
        let licence = Contract::licence(&anvil);
        let slot = keccak256((holder(), U256::from(BALANCES)).abi_encode());
        let count = B256::from(U256::from(TOO_MANY));
        anvil.set_storage(&licence.address.to_string(), &slot.to_string(), &count.to_string());
        anvil.mine(1);
        let scene = Scene::new(anvil, &licence.collection(), more);
        scene.wait_for("NOT_HELD");
    }
}
