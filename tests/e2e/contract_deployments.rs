//! Wallets that are not deployed yet: an envelope (ERC-6492) may bring a wallet into being, and do nothing else that nobody
//! did.

use alloy_primitives::{Address, Bytes, hex};
use alloy_sol_types::{SolCall as _, sol};
use serde_json::{Value, json};

use crate::contract_wallets::{
    SIGNATURE_INVALID, by_contract, deploy_by, deploying, enveloped, link, message_for, owner,
    predicted, verdict, verify,
};
use crate::support::CHAIN;
use crate::support::anvil::Anvil;
use crate::support::contract::Contract;
use crate::support::licences::Accounts;
use crate::support::socket::Refused;
use crate::support::stage::{ACME, Stage};
use crate::support::wallet::Wallet;

const DEPLOY_FIRST: &str = "deploy the wallet first";

sol! {
    function buyAnd(address to, bytes data);
    function setApprovalForAll(address operator, bool approved);
}

/// Alice's token, on offer at one ether, which somebody has and does not spend.
struct Market {
    parent: Contract,
    accounts: Accounts,
    buyer: Contract,
    alice: Wallet,
}

impl Market {
    fn open(anvil: &Anvil) -> Self {
        let (alice, accounts) = (Wallet::numbered(3), Accounts::install(anvil));
        let parent = Contract::deploy(anvil, "PlainLicence", None);
        parent.mint(anvil, alice.address(), 1);
        let offer = Contract::deploy(anvil, "Offer", Some(parent.address));
        let approve = setApprovalForAllCall { operator: offer.address, approved: true };
        parent.send_as(anvil, alice.address(), &approve.abi_encode());
        let buyer = Contract::deploy(anvil, "Buyer", Some(offer.address));
        let price =
            json!({"from": anvil.account(0), "to": buyer.address, "value": "0xde0b6b3a7640000"});
        anvil.call("eth_sendTransaction", json!([price]));
        crate::support::eventually("the buyer's ether", || {
            let balance = anvil.call("eth_getBalance", json!([buyer.address, "latest"]));
            if balance == "0xde0b6b3a7640000" { Ok(()) } else { Err(balance.to_string()) }
        });
        Self { parent, accounts, buyer, alice }
    }

    /// The buyer buys the token, and calls somebody else, for the length of an envelope.
    fn bought(&self, (to, data): (Address, Vec<u8>)) -> String {
        let call = buyAndCall { to, data: Bytes::from(data) };
        enveloped(self.buyer.address, &call.abi_encode(), "0x1234")
    }
}

/// Neither a link nor a yes: the reason given for the refused link.
fn refused(stage: &Stage, wallet: Address, signature: impl Fn(&str) -> String) -> Refused {
    let said = verify(&stage.daemon, wallet, &signature("hello"));
    assert!(said.as_ref().map_or(true, |it| it["valid"] == false), "{said:?}");
    let message = message_for(&stage.daemon, wallet, CHAIN);
    let refused = link(&stage.daemon, &message, &signature(&message)).unwrap_err();
    assert_eq!(refused.code, SIGNATURE_INVALID, "{refused:?}");
    let listed = stage.daemon.call("wallet_list", json!({}));
    let of = |it: &Value| it["address"].as_str().unwrap().parse::<Address>().unwrap();
    assert!(listed["items"].as_array().unwrap().iter().all(|it| of(it) != wallet), "{listed}");
    refused
}

#[test]
fn a_purchase_that_nobody_made_links_nobodys_account() {
    let stage = Stage::start();
    let anvil = &stage.anvil;
    let market = Market::open(anvil);
    let account = market.accounts.create(anvil, market.parent.address, 1);
    stage.licence.mint(anvil, account, 7);
    let nothing = || (account, Vec::new());
    let plain = refused(&stage, account, |_| "0x1234".to_owned());
    let forged = refused(&stage, account, |_| market.bought(nothing()));
    assert_eq!(plain.message.contains("no contract"), forged.message.contains("no contract"));
    assert_eq!(stage.daemon.code(ACME), "NO_WALLET");

    // Whose token it is signs for the account, in whatever envelope.
    let inner = market.alice.sign("hello");
    let said = verify(&stage.daemon, account, &enveloped(market.buyer.address, b"", &inner));
    assert_eq!(by_contract(said.unwrap()), verdict(true, "erc6492"));
}

#[test]
fn nor_does_one_link_an_account_that_comes_into_being_with_it() {
    let stage = Stage::start();
    let anvil = &stage.anvil;
    let market = Market::open(anvil);
    let account = market.accounts.address(anvil, market.parent.address, 1);
    stage.licence.mint(anvil, account, 7);
    let creation = || market.accounts.creation(market.parent.address, 1);
    let forged = refused(&stage, account, |_| market.bought(creation()));
    assert!(forged.message.contains(DEPLOY_FIRST), "{forged:?}");

    let (registry, call) = creation();
    let honest = enveloped(registry, &call, &market.alice.sign("hello"));
    let said = verify(&stage.daemon, account, &honest);
    assert_eq!(by_contract(said.unwrap()), verdict(true, "erc6492"));
}

#[test]
fn a_factory_may_not_even_change_what_is_its_own() {
    let stage = Stage::start();
    let factory = Contract::deploy(&stage.anvil, "ClaimedWithWallet", None).address;
    let wallet = predicted(&stage.anvil, factory);
    let claimed = refused(&stage, wallet, |text| deploying(factory, &owner().sign(text)));
    assert!(claimed.message.contains(DEPLOY_FIRST), "{claimed:?}");
    let said = verify(&stage.daemon, wallet, &deploying(factory, &owner().sign("hello")));
    let unknown = said.unwrap_err();
    assert_eq!(unknown.code, SIGNATURE_INVALID, "it is no answer about the wallet: {unknown:?}");
    assert!(unknown.message.contains(DEPLOY_FIRST), "{unknown:?}");
}

#[test]
fn a_wallet_installs_its_modules_by_itself_before_it_is_deployed() {
    let stage = Stage::start();
    let module = Contract::deploy(&stage.anvil, "OwnerModule", None).address;
    let factory = Contract::deploy(&stage.anvil, "InstallsByWallet", Some(module)).address;
    let wallet = predicted(&stage.anvil, factory);
    let stranger = Wallet::numbered(2).sign("hello");
    let forged = verify(&stage.daemon, wallet, &deploying(factory, &stranger)).unwrap();
    assert_eq!(forged["valid"], false);
    let good = verify(&stage.daemon, wallet, &deploying(factory, &owner().sign("hello"))).unwrap();
    assert_eq!(by_contract(good), verdict(true, "erc6492"));
    let message = message_for(&stage.daemon, wallet, CHAIN);
    link(&stage.daemon, &message, &deploying(factory, &owner().sign(&message))).unwrap();
}

#[test]
fn a_wallet_whose_factory_writes_is_deployed_first() {
    let stage = Stage::start();
    let module = Contract::deploy(&stage.anvil, "OwnerModule", None).address;
    for name in ["InstallsByFactory", "ListsItsWallets"] {
        let factory = Contract::deploy(&stage.anvil, name, Some(module)).address;
        let wallet = predicted(&stage.anvil, factory);
        let told = refused(&stage, wallet, |text| deploying(factory, &owner().sign(text)));
        assert!(told.message.contains(DEPLOY_FIRST), "{name}: {told:?}");

        deploy_by(&stage.anvil, factory);
        let code = stage.anvil.call("eth_getCode", json!([wallet, "latest"]));
        assert!(hex::decode(code.as_str().unwrap()).unwrap().len() > 1, "{name}");
        for signature in [owner().sign("hello"), deploying(factory, &owner().sign("hello"))] {
            let said = verify(&stage.daemon, wallet, &signature).unwrap();
            assert_eq!(said["valid"], true, "{name}: {said}");
        }
        let message = message_for(&stage.daemon, wallet, CHAIN);
        link(&stage.daemon, &message, &owner().sign(&message)).unwrap();
    }
}
