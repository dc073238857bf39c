//! Receipts: a verdict that carries its proof, held against the publisher's key and nothing else.

use std::fs;

use alloy_primitives::{Address, Bytes, hex};
use alloy_sol_types::{SolCall as _, SolValue as _, sol};
use entitled_core::domain::ids::Timestamp;
use entitled_core::domain::publisher::PublisherKey;
use entitled_core::receipt::{Binding, Demands, ReceiptFault, Verified, Vouched, verify};
use serde_json::{Value, json};

use crate::publishers::{Vendor, install_signed};
use crate::support::CHAIN;
use crate::support::anvil::{Anvil, number};
use crate::support::contract::Contract;
use crate::support::daemon::Daemon;
use crate::support::eventually;
use crate::support::faults::Fault;
use crate::support::licences::Editions;
use crate::support::proxy::Proxy;
use crate::support::settings::{ProductFile, Settings};
use crate::support::stage::{ACME, Stage};
use crate::support::wallet::Wallet;

const CONFLICT: i64 = -32003;
const NOT_FOUND: i64 = -32002;
const INVALID_PARAMS: i64 = -32602;

sol! {
    function deploy(address owner) returns (address);
    function predict(address owner) returns (address);
}

pub fn make(daemon: &Daemon, nonce: Option<&str>) -> String {
    let reply = daemon.call("entitlement_receipt", json!({"product": ACME, "nonce": nonce}));
    assert_eq!(reply["verdict"]["valid"], true, "{reply}");
    reply["receipt"].as_str().unwrap().to_owned()
}

/// What somebody who has nothing but the key makes of it now, and takes its maker's word for the block.
pub fn judge(receipt: &str, by: &Vendor, nonce: Option<&[u8]>) -> Result<Verified, ReceiptFault> {
    judge_at(receipt, by, nonce, Timestamp::now())
}

fn judge_at(
    receipt: &str,
    by: &Vendor,
    nonce: Option<&[u8]>,
    now: Timestamp,
) -> Result<Verified, ReceiptFault> {
    let key: PublisherKey = by.key().parse().unwrap();
    let demands = Demands { nonce, accept_maker: true, ..Demands::new(&key, now) };
    verify(receipt.as_bytes(), &demands)
}

/// The usual scene, with the product under a vendor's name.
fn scene(vendor: &Vendor) -> Stage {
    let stage = Stage::entitled();
    install_signed(&stage.daemon, vendor, &ProductFile::acme(&stage.licence.collection()));
    stage.daemon.wait_for(ACME, "the vendor's", |it| it["publisher"] == vendor.key());
    stage.daemon.wait_for_code(ACME, "VALID");
    stage
}

#[test]
fn a_receipt_convinces_whoever_has_the_publishers_key() {
    let (vendor, other) = (Vendor::new(), Vendor::new());
    let stage = scene(&vendor);
    let receipt = make(&stage.daemon, None);
    let found = judge(&receipt, &vendor, None).unwrap();
    assert_eq!((found.binding, found.vouched), (Binding::None, Vouched::Maker));
    let verdict = found.verdict;
    assert_eq!(verdict.product.as_str(), ACME);
    assert_eq!(verdict.trust.map(|it| it.as_str()), Some("single"));
    assert_eq!(verdict.wallet.unwrap().address, stage.holder());
    assert_eq!(verdict.tier.unwrap().as_str(), "pro");
    assert!(matches!(judge(&receipt, &other, None), Err(ReceiptFault::Publisher(_))));
    assert!(receipt.len() < 16 * 1024, "{} bytes", receipt.len());

    // On the command line, without a daemon.
    let file = stage.daemon.home().join("receipt");
    let run = |arguments: &[&str]| {
        let output = stage.daemon.entitlectl().args(arguments).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(said).unwrap())
    };
    let path = file.to_str().unwrap();
    let (code, said) = run(&["receipt", "make", ACME, "--out", path]);
    assert!(code == 0 && said.starts_with("entitled: pro"), "{code}: {said}");
    let key = vendor.key();
    let plain = ["receipt", "verify", path, "--publisher", &key];
    let (code, said) = run(&plain);
    let refused = "not entitled: no validators signed for";
    assert!(code == 1 && said.starts_with(refused) && said.contains("--accept-maker"), "{said}");
    let verify = [&plain[..], &["--accept-maker"]].concat();
    let (code, said) = run(&verify);
    assert!(code == 0 && said.contains("the receipt can be copied"), "{code}: {said}");
    assert!(said.contains("version 1 of its file") && said.contains("not proven"), "{said}");
    assert_eq!(run(&[&verify[..], &["--min-version", "1"]].concat()).0, 0);
    let (code, said) = run(&[&verify[..], &["--min-version", "2"]].concat());
    assert!(code == 1 && said.contains("is version 1, and 2 is the least"), "{code}: {said}");
    let (code, said) = run(&[&verify[..], &["--product", "acme-draw"]].concat());
    assert!(code == 1 && said.contains("is about acme-cad"), "{code}: {said}");
    let (code, said) = run(&["receipt", "verify", path, "--publisher", &other.key()]);
    assert!(code == 1 && said.contains("not the publisher's"), "{code}: {said}");
    let (code, said) = run(&[&verify[..], &["--json"]].concat());
    let told: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &told["binding"], &told["block"]), (0, &json!("none"), &json!("maker")));
    assert_eq!(told["version"], 1);
    let mut text = fs::read_to_string(&file).unwrap();
    let middle = text.len() / 2;
    let altered = if text.as_bytes()[middle] == b'A' { "B" } else { "A" };
    text.replace_range(middle..=middle, altered);
    fs::write(&file, text).unwrap();
    let (code, said) = run(&verify);
    assert!(code == 1 && said.starts_with("not entitled: "), "{code}: {said}");
}

#[test]
fn only_a_yes_under_a_publishers_name_has_a_receipt() {
    let vendor = Vendor::new();
    let stage = Stage::entitled();
    let ask =
        |product: &str| stage.daemon.refused("entitlement_receipt", json!({"product": product}));
    let unsigned = ask(ACME);
    assert!(
        unsigned.code == CONFLICT && unsigned.message.contains("is not signed"),
        "{unsigned:?}"
    );
    assert_eq!(ask("acme-draw").code, NOT_FOUND);
    install_signed(&stage.daemon, &vendor, &ProductFile::acme(&stage.licence.collection()));
    stage.daemon.wait_for(ACME, "the vendor's", |it| it["publisher"] == vendor.key());
    let before = make(&stage.daemon, None);

    stage.give_away(7);
    stage.daemon.wait_for_code(ACME, "NOT_HELD");
    let sold = ask(ACME);
    assert!(sold.code == CONFLICT && sold.message.contains("NOT_HELD"), "{sold:?}");
    // What was proven before says so, of its own block and no other.
    let old = judge(&before, &vendor, None).unwrap().verdict.anchor.unwrap();
    assert!(old.number < number(&stage.anvil.block("latest")["number"]));
    for wrong in ["", "0x", "zz", &"00".repeat(65)] {
        let params = json!({"product": ACME, "nonce": wrong});
        let refused = stage.daemon.refused("entitlement_receipt", params);
        assert_eq!(refused.code, INVALID_PARAMS, "{wrong}");
    }
}

#[test]
fn a_nonce_ties_a_managed_wallets_receipt_to_this_machine_now() {
    let vendor = Vendor::new();
    let stage = Stage::start();
    install_signed(&stage.daemon, &vendor, &ProductFile::acme(&stage.licence.collection()));
    let wallet = stage.daemon.call("wallet_create", json!({}));
    let wallet: Address = wallet["address"].as_str().unwrap().parse().unwrap();
    stage.licence.mint(&stage.anvil, wallet, 7);
    stage.daemon.wait_for_code(ACME, "VALID");

    let receipt = make(&stage.daemon, Some("c0ffee"));
    let nonce: &[u8] = &hex!("c0ffee");
    let found = judge(&receipt, &vendor, Some(nonce)).unwrap();
    assert_eq!((found.binding, found.verdict.wallet.unwrap().address), (Binding::Nonce, wallet));
    // Of another machine, or of another time, the nonce is another.
    assert_eq!(judge(&receipt, &vendor, Some(b"other")), Err(ReceiptFault::Nonce));
    assert_eq!(judge(&make(&stage.daemon, None), &vendor, Some(nonce)), Err(ReceiptFault::Nonce));
}

#[test]
fn a_receipt_is_of_no_use_once_its_grace_is_over() {
    let vendor = Vendor::new();
    let stage = Stage::linked();
    let product = ProductFile::acme(&stage.licence.collection()).set("grace", r#""1h""#);
    install_signed(&stage.daemon, &vendor, &product);
    let stage = stage.enter(7);
    let receipt = make(&stage.daemon, None);
    let at = |hours: i64| {
        let now = Timestamp::now() + jiff::SignedDuration::from_hours(hours);
        judge_at(&receipt, &vendor, None, now)
    };
    assert!(at(0).is_ok());
    let late = at(2);
    assert!(
        matches!(&late, Err(ReceiptFault::NotValid { verdict }) if !verdict.is_valid()),
        "{late:?}"
    );
    assert!(matches!(at(-2), Err(ReceiptFault::Future { .. })));
}

#[test]
fn what_was_proven_is_shown_while_the_chain_is_away() {
    let vendor = Vendor::new();
    let anvil = Anvil::start();
    let licence = Contract::licence(&anvil);
    let proxy = Proxy::start(&anvil.address());
    let product = ProductFile::acme(&licence.collection());
    let mut stage = Stage::on(anvil, licence, &Settings::new([proxy.url()]));
    install_signed(&stage.daemon, &vendor, &product);
    stage.daemon.link(&stage.wallet);
    stage = stage.enter(7);
    make(&stage.daemon, None);
    proxy.fault(Fault::Drop);
    stage.daemon.wait_for_code(ACME, "GRACE");
    let receipt = make(&stage.daemon, None);
    assert!(judge(&receipt, &vendor, None).is_ok());
    stage.daemon.restart();
    stage.daemon.wait_for_code(ACME, "GRACE");
    assert!(judge(&make(&stage.daemon, None), &vendor, None).is_ok(), "after a restart, too");
}

/// What was proven of the one wallet a moment ago proves nothing of the other.
#[test]
fn of_two_wallets_with_the_same_edition_the_receipt_is_of_the_one_the_verdict_names() {
    let vendor = Vendor::new();
    let anvil = Anvil::start();
    let editions = Editions::deploy(&anvil);
    let product = ProductFile::new(ACME).tier("pro", 20, "");
    let product = product.grant("pro", &editions.collection(), "rule = \"balance\"\nids = [7]");
    let daemon = Daemon::start(&Settings::new([anvil.url()]));
    install_signed(&daemon, &vendor, &product);
    let wallets = [1, 2].map(Wallet::numbered);
    for wallet in &wallets {
        daemon.link(wallet);
        editions.issue(&anvil, wallet.address(), 7, 1);
    }
    daemon.wait_for_code(ACME, "VALID");
    eventually("both wallets are known to hold it", || {
        let held = daemon.call("ownership_list", json!({}))["items"].as_array().unwrap().len();
        if held == 2 { Ok(()) } else { Err(format!("{held} of them")) }
    });
    let proven = || judge(&make(&daemon, None), &vendor, None).unwrap().verdict.wallet.unwrap();
    let first = proven().address;
    editions.take_back(&anvil, first, 7, 1);
    let other = wallets.iter().map(Wallet::address).find(|it| *it != first).unwrap();
    let named = json!(format!("{CHAIN}:{other}"));
    daemon.wait_for(ACME, "it is the other wallet's", |it| it["wallet"] == named);
    assert_eq!(proven().address, other);
}

/// A wallet that is a contract, whose link is to be judged by whoever gets the receipt.
fn contract_wallet(stage: &Stage, wallet: Address, wrap: impl Fn(&str) -> String) {
    let params = json!({"address": wallet, "chain": CHAIN});
    let challenge = stage.daemon.call("wallet_challenge", params);
    let message = challenge["message"].as_str().unwrap();
    let signature = wrap(&Wallet::numbered(1).sign(message));
    let params = json!({"message": message, "signature": signature});
    stage.daemon.call("wallet_link", params);
    stage.licence.mint(&stage.anvil, wallet, 7);
    stage.daemon.wait_for_code(ACME, "VALID");
}

#[test]
fn a_contract_stands_for_its_wallet_wherever_the_receipt_goes() {
    let vendor = Vendor::new();
    let stage = Stage::start();
    install_signed(&stage.daemon, &vendor, &ProductFile::acme(&stage.licence.collection()));
    let owner = Wallet::numbered(1).address();
    let wallet = Contract::deploy(&stage.anvil, "OwnedWallet", Some(owner)).address;
    contract_wallet(&stage, wallet, str::to_owned);
    let found = judge(&make(&stage.daemon, None), &vendor, None).unwrap();
    assert_eq!(found.verdict.wallet.unwrap().address, wallet);
}

#[test]
fn a_contract_that_is_not_deployed_yet_stands_for_its_wallet_too() {
    let vendor = Vendor::new();
    let stage = Stage::start();
    install_signed(&stage.daemon, &vendor, &ProductFile::acme(&stage.licence.collection()));
    let owner = Wallet::numbered(1).address();
    let factory = Contract::deploy(&stage.anvil, "WalletFactory", None).address;
    let data = hex::encode_prefixed(predictCall { owner }.abi_encode());
    let word = stage.anvil.call("eth_call", json!([{"to": factory, "data": data}, "latest"]));
    let word: alloy_primitives::B256 = word.as_str().unwrap().parse().unwrap();
    let wallet = Address::from_word(word);
    contract_wallet(&stage, wallet, |signature| {
        let inner: Bytes = signature.parse().unwrap();
        let call = Bytes::from(deployCall { owner }.abi_encode());
        let content = (factory, call, inner).abi_encode_params();
        let envelope = hex!("6492649264926492649264926492649264926492649264926492649264926492");
        hex::encode_prefixed([&content[..], &envelope[..]].concat())
    });
    let found = judge(&make(&stage.daemon, None), &vendor, None).unwrap();
    assert_eq!(found.verdict.wallet.unwrap().address, wallet);
}

#[test]
fn a_receipt_whose_block_is_its_makers_word_is_not_taken_for_a_look() {
    let vendor = Vendor::new();
    let stage = scene(&vendor);
    let receipt = make(&stage.daemon, None);
    let refused =
        stage.daemon.try_admin("receipt_import", json!({"receipt": receipt})).unwrap_err();
    assert!(refused.code == CONFLICT && refused.message.contains("maker's word"), "{refused:?}");
    let nonsense =
        stage.daemon.try_admin("receipt_import", json!({"receipt": "hello"})).unwrap_err();
    assert!(nonsense.message.contains("not a receipt"), "{nonsense:?}");
    let own = stage.daemon.refused("receipt_import", json!({"receipt": receipt}));
    assert_eq!(own.code, -32001, "{own:?}");
    assert_eq!(stage.daemon.code(ACME), "VALID");
}
