//! Wallets that are contracts: ERC-1271, ERC-6492 and EIP-7702, and what does not count as a yes.

use std::process::Command;
use std::time::Duration;

use alloy_primitives::{Address, B256, Bytes, b256, eip191_hash_message, hex, keccak256};
use alloy_sol_types::{SolCall as _, SolValue as _, sol};
use serde_json::{Value, json};

use crate::support::anvil::Anvil;
use crate::support::contract::Contract;
use crate::support::daemon::Daemon;
use crate::support::prerequisites;
use crate::support::settings::{ProductFile, Settings};
use crate::support::socket::Refused;
use crate::support::stage::{ACME, Stage};
use crate::support::wallet::Wallet;
use crate::support::{CHAIN, eventually, tests_dir};

const CONFLICT: i64 = -32003;
const CHAIN_UNAVAILABLE: i64 = -32006;
pub const SIGNATURE_INVALID: i64 = -32008;

/// ERC-6492.
const ENVELOPE: B256 = b256!("6492649264926492649264926492649264926492649264926492649264926492");

sol! {
    function handOver(address owner);
    function prepare();
    function deploy(address owner) returns (address);
    function predict(address owner) returns (address);
}

pub fn owner() -> Wallet {
    Wallet::numbered(1)
}

/// A wallet contract of the usual owner.
fn deployed(anvil: &Anvil) -> Address {
    Contract::deploy(anvil, "OwnedWallet", Some(owner().address())).address
}

/// A factory, and where it would deploy the usual owner's wallet.
fn undeployed(anvil: &Anvil) -> (Address, Address) {
    let factory = Contract::deploy(anvil, "WalletFactory", None).address;
    (factory, predicted(anvil, factory))
}

/// Where a factory would deploy the usual owner's wallet.
pub fn predicted(anvil: &Anvil, factory: Address) -> Address {
    let data = hex::encode_prefixed(predictCall { owner: owner().address() }.abi_encode());
    let word = anvil.call("eth_call", json!([{"to": factory, "data": data}, "latest"]));
    let word: B256 = word.as_str().unwrap().parse().unwrap();
    assert_eq!(anvil.call("eth_getCode", json!([Address::from_word(word), "latest"])), "0x");
    Address::from_word(word)
}

/// A signature in an envelope that says how the signing contract is deployed or prepared.
pub fn enveloped(factory: Address, call: &[u8], signature: &str) -> String {
    let inner: Bytes = signature.parse().unwrap();
    let content = (factory, Bytes::copy_from_slice(call), inner).abi_encode_params();
    hex::encode_prefixed([&content[..], &ENVELOPE[..]].concat())
}

pub fn deploying(factory: Address, signature: &str) -> String {
    enveloped(factory, &deployCall { owner: owner().address() }.abi_encode(), signature)
}

/// Has a factory deploy the usual owner's wallet.
pub fn deploy_by(anvil: &Anvil, factory: Address) {
    let deploy = deployCall { owner: owner().address() }.abi_encode();
    anvil.send(Some(&factory.to_string()), &hex::encode_prefixed(deploy));
}

pub fn message_for(daemon: &Daemon, wallet: Address, chain: &str) -> String {
    let challenge = daemon.call("wallet_challenge", json!({"address": wallet, "chain": chain}));
    challenge["message"].as_str().unwrap().to_owned()
}

pub fn link(daemon: &Daemon, message: &str, signature: &str) -> Result<Value, Refused> {
    daemon.try_call("wallet_link", json!({"message": message, "signature": signature}))
}

fn linked(daemon: &Daemon, wallet: Address) -> Value {
    let message = message_for(daemon, wallet, CHAIN);
    link(daemon, &message, &owner().sign(&message)).unwrap()
}

pub fn verify(daemon: &Daemon, wallet: Address, signature: &str) -> Result<Value, Refused> {
    let params =
        json!({"address": wallet, "message": "hello", "signature": signature, "chain": CHAIN});
    daemon.try_call("wallet_verify", params)
}

pub fn verdict(valid: bool, method: &str) -> Value {
    json!({"valid": valid, "method": method})
}

/// What is said where a contract had a say, besides the block at which it had it.
pub fn by_contract(mut reply: Value) -> Value {
    let said = reply.as_object_mut().unwrap();
    assert_eq!(said.remove("trust"), Some(json!("single")));
    let anchor = said.remove("anchor").unwrap();
    assert_eq!((&anchor["chain"], &anchor["finality"]), (&json!(CHAIN), &json!("latest")));
    reply
}

#[test]
fn what_a_contract_says_of_a_signature_names_its_block_and_how_far_that_is_trusted() {
    let stage = Stage::start();
    let wallet = deployed(&stage.anvil);
    for (signer, valid) in [(owner(), true), (Wallet::numbered(2), false)] {
        let said = verify(&stage.daemon, wallet, &signer.sign("hello")).unwrap();
        assert_eq!((&said["valid"], &said["trust"]), (&json!(valid), &json!("single")), "{said}");
        let number = format!("{:#x}", said["anchor"]["number"].as_u64().unwrap());
        let block = stage.anvil.call("eth_getBlockByNumber", json!([number, false]));
        assert_eq!(said["anchor"]["hash"], block["hash"], "{said}");
    }
    let by_key = verify(&stage.daemon, owner().address(), &owner().sign("hello")).unwrap();
    assert_eq!(by_key, verdict(true, "eip191"), "what a key says is true at every block");
}

#[test]
fn a_contract_links_by_its_owners_signature_and_what_it_holds_counts() {
    let mut stage = Stage::start();
    let wallet = deployed(&stage.anvil);
    let made = linked(&stage.daemon, wallet);
    assert_eq!((&made["custody"], &made["chain"]), (&json!("linked"), &json!(CHAIN)), "{made}");
    stage.licence.mint(&stage.anvil, wallet, 7);
    stage.daemon.wait_for_code(ACME, "VALID");
    stage.daemon.restart();
    let listed = stage.daemon.call("wallet_list", json!({}));
    assert_eq!(listed["items"], json!([made]), "it is bound to its chain after a restart too");
}

#[test]
fn a_wallet_held_by_a_key_is_bound_to_no_chain() {
    let stage = Stage::start();
    assert_eq!(stage.daemon.link(&owner())["chain"], Value::Null);
}

#[test]
fn a_wallet_of_several_owners_links_by_a_longer_signature() {
    let stage = Stage::start();
    let owners = [1, 2, 3].map(Wallet::numbered);
    let names: Vec<Bytes> =
        owners.iter().map(|it| Bytes::copy_from_slice(it.address().as_slice())).collect();
    let path = tests_dir().join("contracts/out/SharedWallet.json");
    let artifact: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let code = artifact["bytecode"].as_str().unwrap();
    let data = format!("{code}{}", hex::encode((names.clone(),).abi_encode_params()));
    let receipt = stage.anvil.send(None, &data);
    let wallet: Address = receipt["contractAddress"].as_str().unwrap().parse().unwrap();

    let message = message_for(&stage.daemon, wallet, CHAIN);
    let signed_by = |numbers: &[usize]| {
        let mut parts: Vec<(Bytes, Bytes)> = numbers
            .iter()
            .map(|it| (names[*it].clone(), owners[*it].sign(&message).parse().unwrap()))
            .collect();
        parts.sort_by_key(|(name, _)| keccak256(name));
        let (signers, signatures): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        hex::encode_prefixed((signers, signatures).abi_encode_params())
    };
    let refused = link(&stage.daemon, &message, &signed_by(&[0])).unwrap_err();
    assert_eq!(refused.code, SIGNATURE_INVALID, "one is not enough: {refused:?}");
    let made = link(&stage.daemon, &message, &signed_by(&[0, 2])).unwrap();
    assert_eq!(made["chain"], CHAIN);
}

#[test]
fn only_the_present_owner_signs_for_a_contract() {
    let stage = Stage::start();
    let wallet = deployed(&stage.anvil);
    let next = Wallet::numbered(2);
    let message = message_for(&stage.daemon, wallet, CHAIN);
    let refused = link(&stage.daemon, &message, &next.sign(&message)).unwrap_err();
    assert_eq!(refused.code, SIGNATURE_INVALID, "{refused:?}");
    let other_text = link(&stage.daemon, &message, &owner().sign("hello")).unwrap_err();
    assert_eq!(other_text.code, SIGNATURE_INVALID, "{other_text:?}");
    let malleable = link(&stage.daemon, &message, &owner().sign_malleably(&message)).unwrap_err();
    assert_eq!(malleable.code, SIGNATURE_INVALID, "{malleable:?}");

    let hand_over = handOverCall { owner: next.address() }.abi_encode();
    stage.anvil.send(Some(&wallet.to_string()), &hex::encode_prefixed(hand_over));
    let late = link(&stage.daemon, &message, &owner().sign(&message)).unwrap_err();
    assert_eq!(late.code, SIGNATURE_INVALID, "{late:?}");
    link(&stage.daemon, &message, &next.sign(&message)).unwrap();
}

#[test]
fn a_wallet_links_before_it_is_deployed_and_after() {
    let stage = Stage::start();
    let (factory, wallet) = undeployed(&stage.anvil);
    let message = message_for(&stage.daemon, wallet, CHAIN);
    let plain = owner().sign(&message);
    let refused = link(&stage.daemon, &message, &plain).unwrap_err();
    assert_eq!(refused.code, SIGNATURE_INVALID, "without its envelope: {refused:?}");
    let made = link(&stage.daemon, &message, &deploying(factory, &plain)).unwrap();
    assert_eq!(made["chain"], CHAIN);
    stage.licence.mint(&stage.anvil, wallet, 7);
    stage.daemon.wait_for_code(ACME, "VALID");

    let hello = owner().sign("hello");
    let with_envelope = verify(&stage.daemon, wallet, &deploying(factory, &hello));
    assert_eq!(by_contract(with_envelope.unwrap()), verdict(true, "erc6492"));
    deploy_by(&stage.anvil, factory);
    let with_envelope = verify(&stage.daemon, wallet, &deploying(factory, &hello));
    assert_eq!(by_contract(with_envelope.unwrap()), verdict(true, "erc6492"), "deployed meanwhile");
    let said = by_contract(verify(&stage.daemon, wallet, &hello).unwrap());
    assert_eq!(said, verdict(true, "eip1271"));
}

#[test]
fn a_forged_envelope_proves_nothing() {
    let stage = Stage::start();
    let (factory, wallet) = undeployed(&stage.anvil);
    let yes_man = Contract::deploy(&stage.anvil, "AcceptsWithTrue", None).address;
    let stranger = Wallet::numbered(2);
    let (good, bad) = (owner().sign("hello"), stranger.sign("hello"));
    let strangers = deployCall { owner: stranger.address() }.abi_encode();
    let whole = deploying(factory, &good);
    for (what, forged) in [
        ("somebody else's signature", deploying(factory, &bad)),
        ("somebody else's wallet", enveloped(factory, &strangers, &bad)),
        ("a factory that deploys nothing", enveloped(yes_man, b"", &good)),
        ("a factory without code", enveloped(stranger.address(), b"", &good)),
        ("a call the factory does not know", enveloped(factory, b"nonsense", &good)),
        ("an envelope in the envelope", deploying(factory, &whole)),
        ("a cut envelope", format!("0x{}", &whole[2 + 64..])),
        ("the mark alone", ENVELOPE.to_string()),
    ] {
        assert_eq!(verify(&stage.daemon, wallet, &forged).unwrap()["valid"], false, "{what}");
    }
    assert_eq!(verify(&stage.daemon, wallet, &whole).unwrap()["valid"], true);
    assert_eq!(stage.anvil.call("eth_getCode", json!([wallet, "latest"])), "0x");
}

/// The call of an envelope is for wallets that are not there yet.
#[test]
fn a_contract_that_is_deployed_is_asked_as_it_is() {
    let stage = Stage::start();
    let wallet = Contract::deploy(&stage.anvil, "LockedWallet", Some(owner().address())).address;
    let hello = owner().sign("hello");
    let prepared = enveloped(wallet, &prepareCall {}.abi_encode(), &hello);
    for signature in [&hello, &prepared] {
        assert_eq!(verify(&stage.daemon, wallet, signature).unwrap()["valid"], false);
    }
    stage.anvil.send(Some(&wallet.to_string()), &hex::encode_prefixed(prepareCall {}.abi_encode()));
    for (signature, method) in [(&hello, "eip1271"), (&prepared, "erc6492")] {
        let said = verify(&stage.daemon, wallet, signature).unwrap();
        assert_eq!(by_contract(said), verdict(true, method));
    }
}

#[test]
fn a_wallet_that_was_given_up_is_not_taken_over_by_an_envelope() {
    let stage = Stage::start();
    let renounced = Some(owner().address());
    let wallet = Contract::deploy(&stage.anvil, "RenouncedWallet", renounced).address;
    let thief = Wallet::numbered(2);
    let take_over = handOverCall { owner: thief.address() }.abi_encode();
    let forged = |text: &str| enveloped(wallet, &take_over, &thief.sign(text));
    assert_eq!(verify(&stage.daemon, wallet, &forged("hello")).unwrap()["valid"], false);
    let message = message_for(&stage.daemon, wallet, CHAIN);
    let refused = link(&stage.daemon, &message, &forged(&message)).unwrap_err();
    assert_eq!(refused.code, SIGNATURE_INVALID, "{refused:?}");
    linked(&stage.daemon, wallet);
}

#[test]
fn answers_that_are_no_yes_are_a_no() {
    let stage = Stage::start();
    for name in [
        "AcceptsInFourBytes",
        "AcceptsWithDirt",
        "AcceptsWithTrue",
        "AcceptsByReverting",
        "AcceptsAndWrites",
        "AcceptsFromNobody",
        "Licence",
    ] {
        let wallet = Contract::deploy(&stage.anvil, name, None).address;
        for signature in ["0x".to_owned(), owner().sign("hello"), "0x00".to_owned()] {
            let said = verify(&stage.daemon, wallet, &signature).unwrap();
            assert_eq!(said["valid"], false, "{name}: {signature}");
        }
        let message = message_for(&stage.daemon, wallet, CHAIN);
        let refused = link(&stage.daemon, &message, &owner().sign(&message)).unwrap_err();
        assert_eq!(refused.code, SIGNATURE_INVALID, "{name}: {refused:?}");
    }
}

#[test]
fn a_contract_that_gives_no_answer_is_neither_a_yes_nor_a_no() {
    let stage = Stage::start();
    for name in ["LoopsOverSignatures", "ReadsForSignatures", "AcceptsByBlockHash"] {
        let wallet = Contract::deploy(&stage.anvil, name, None).address;
        stage.anvil.mine(1);
        let refused = verify(&stage.daemon, wallet, &owner().sign("hello")).unwrap_err();
        assert_eq!(refused.code, CHAIN_UNAVAILABLE, "{name}: {refused:?}");
        let message = message_for(&stage.daemon, wallet, CHAIN);
        let refused = link(&stage.daemon, &message, &owner().sign(&message)).unwrap_err();
        assert_eq!(refused.code, CHAIN_UNAVAILABLE, "{name}: {refused:?}");
    }
    stage.daemon.link(&owner());
}

#[test]
fn without_its_chain_a_contract_is_not_judged() {
    let mut stage = Stage::start();
    let wallet = deployed(&stage.anvil);
    let message = message_for(&stage.daemon, wallet, CHAIN);
    let signature = owner().sign(&message);
    stage.anvil.stop();
    let refused = link(&stage.daemon, &message, &signature).unwrap_err();
    assert_eq!(refused.code, CHAIN_UNAVAILABLE, "{refused:?}");
    let refused = verify(&stage.daemon, wallet, &owner().sign("hello")).unwrap_err();
    assert_eq!(refused.code, CHAIN_UNAVAILABLE, "{refused:?}");
    let by_key = verify(&stage.daemon, owner().address(), &owner().sign("hello"));
    assert_eq!(by_key.unwrap(), verdict(true, "eip191"), "a key needs no chain");

    stage.anvil.resume();
    let made = crate::support::eventually("the link", || {
        link(&stage.daemon, &message, &signature).map_err(|it| format!("{it:?}"))
    });
    assert_eq!(made["chain"], CHAIN, "the challenge was not spent by the failure");
}

#[test]
fn a_contract_counts_on_its_own_chain_only() {
    const OTHER: &str = "eip155:31338";
    let (anvil, other) = (Anvil::start(), Anvil::start());
    let licence = Contract::licence(&other);
    let wallet = deployed(&anvil);
    // Whoever has the same address on the other chain holds a licence there; it is not this wallet's.
    licence.mint(&other, wallet, 7);
    licence.mint(&other, owner().address(), 8);
    // Only now: the node signs for the chain it began as.
    other.call("anvil_setChainId", json!([31_338]));
    other.mine(1);
    let elsewhere = format!("{OTHER}/erc721:{}", licence.address);
    let more = format!(
        "[[chain]]\nid = {OTHER:?}\nrpc = [{:?}]\npoll = \"100ms\"\ntrust = \"single\"\n",
        other.url()
    );
    let product = ProductFile::acme(&elsewhere);
    let daemon = Daemon::start(&Settings::new([anvil.url()]).product(product).more(&more));

    for chain in [OTHER, "eip155:1"] {
        let message = message_for(&daemon, wallet, chain);
        let refused = link(&daemon, &message, &owner().sign(&message)).unwrap_err();
        assert_eq!(
            refused.code, SIGNATURE_INVALID,
            "it is a contract on another chain than {chain}: {refused:?}"
        );
        let replayed = message.replace(&format!("Chain ID: {}", &chain[7..]), "Chain ID: 31337");
        assert!(link(&daemon, &replayed, &owner().sign(&replayed)).is_err(), "{replayed}");
    }
    linked(&daemon, wallet);
    daemon.never_answers(ACME, &["VALID", "UNDETERMINED"], Duration::from_secs(2));
    let params = json!({"token": format!("{elsewhere}/7"), "wallet": wallet});
    assert_eq!(daemon.refused("ownership_record", params).code, CONFLICT);

    daemon.link(&owner());
    let verdict = daemon.wait_for_code(ACME, "VALID");
    assert!(
        verdict["token"].as_str().unwrap().ends_with("/8"),
        "a key counts everywhere: {verdict}"
    );
}

#[test]
fn an_account_that_delegates_answers_by_its_key_and_by_its_code() {
    let stage = Stage::start();
    let account = Wallet::numbered(5);
    let session = Wallet::numbered(6);
    let code = deployed(&stage.anvil);
    let address = account.address();
    let delegation = format!("0xef0100{}", hex::encode(code));
    stage.anvil.call("anvil_setCode", json!([address, delegation]));
    stage.anvil.set_storage(
        &address.to_string(),
        &B256::ZERO.to_string(),
        &session.address().into_word().to_string(),
    );
    stage.anvil.mine(1);

    let by = |wallet: &Wallet| verify(&stage.daemon, address, &wallet.sign("hello")).unwrap();
    assert_eq!(by(&account), verdict(true, "eip191"));
    assert_eq!(by_contract(by(&session)), verdict(true, "eip1271"));
    assert_eq!(by(&owner())["valid"], false, "the owner of the code's own address has no say");
    let message = message_for(&stage.daemon, address, CHAIN);
    let made = link(&stage.daemon, &message, &session.sign(&message)).unwrap();
    assert_eq!(made["chain"], CHAIN, "linked by its code, it is bound to the chain");
}

#[test]
fn without_a_chain_only_the_key_counts() {
    let stage = Stage::start();
    let wallet = deployed(&stage.anvil);
    let ask = |signature: &str| {
        let params = json!({"address": wallet, "message": "hello", "signature": signature});
        stage.daemon.try_call("wallet_verify", params)
    };
    assert_eq!(ask(&owner().sign("hello")).unwrap(), verdict(false, "eip191"));
    let refused = ask("0x1234").unwrap_err();
    assert_eq!(refused.code, SIGNATURE_INVALID, "{refused:?}");
}

#[test]
fn entitlectl_verifies_for_a_contract() {
    let stage = Stage::start();
    let wallet = deployed(&stage.anvil).to_string();
    let ask = |signature: &str| {
        let arguments = ["wallet", "verify", &wallet, "--message", "hello", "--chain", CHAIN];
        let output =
            stage.daemon.entitlectl().args(arguments).args(["--signature", signature]).output();
        let output = output.unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(ask(&owner().sign("hello")), (Some(0), "valid (eip1271)\n".to_owned()));
    assert_eq!(ask(&Wallet::numbered(2).sign("hello")).0, Some(1));
}

/// Asks viem, which deploys the universal validator of ERC-6492 in a call to the node.
fn what_viem_says(anvil: &Anvil, cases: &[(Address, String)]) -> Vec<bool> {
    const SCRIPT: &str = r"
        import { createPublicClient, http } from 'viem';
        const { url, hash, cases } = JSON.parse(process.argv[1]);
        const client = createPublicClient({ transport: http(url) });
        const said = [];
        for (const [address, signature] of cases) {
            said.push(await client.verifyHash({ address, hash, signature }));
        }
        console.log(JSON.stringify(said));
    ";
    let question =
        json!({"url": anvil.url(), "hash": eip191_hash_message("hello"), "cases": cases});
    let output = Command::new("node")
        .args(["--input-type=module", "-e", SCRIPT, &question.to_string()])
        .current_dir(tests_dir())
        .output()
        .expect("node runs: it compiled the contracts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn we_say_what_viem_says() {
    if !prerequisites::has("node", "the comparison with viem") {
        return;
    }
    let stage = Stage::start();
    let anvil = &stage.anvil;
    let (factory, future) = undeployed(anvil);
    let (wallet, stranger) = (deployed(anvil), Wallet::numbered(2));
    let locked = Contract::deploy(anvil, "LockedWallet", Some(owner().address())).address;
    let four = Contract::deploy(anvil, "AcceptsWithTrue", None).address;
    let (good, bad) = (owner().sign("hello"), stranger.sign("hello"));
    let prepare = prepareCall {}.abi_encode();
    let cases = [
        (owner().address(), good.clone()),
        (owner().address(), bad.clone()),
        (wallet, good.clone()),
        (wallet, bad.clone()),
        (wallet, deploying(factory, &good)),
        (future, good.clone()),
        (future, deploying(factory, &good)),
        (future, deploying(factory, &bad)),
        (locked, good.clone()),
        (locked, enveloped(locked, &prepare, &bad)),
        (four, good.clone()),
        // Here it stops: it would prepare what is deployed, for the length of a question.
        (locked, enveloped(locked, &prepare, &good)),
    ];
    let mut viem = what_viem_says(anvil, &cases);
    assert!(viem.contains(&true) && viem.contains(&false), "{viem:?}");
    let prepared = viem.last_mut().unwrap();
    assert!(std::mem::replace(prepared, false), "viem makes the call of an envelope in any case");
    for (number, ((address, signature), viem)) in cases.iter().zip(viem).enumerate() {
        let ours = verify(&stage.daemon, *address, signature).unwrap();
        assert_eq!(ours["valid"], viem, "case {number}: {ours}");
    }
}

/// A contract is whoever's it obeys: who bought the wallet is not kept out by who sold it.
#[test]
fn a_contract_goes_over_to_whom_it_obeys_now() {
    let stage = Stage::start();
    let wallet = deployed(&stage.anvil);
    linked(&stage.daemon, wallet);
    stage.licence.mint(&stage.anvil, wallet, 7);
    stage.daemon.wait_for_code(ACME, "VALID");

    let buyer = Wallet::numbered(2);
    let customer = "uid:65534";
    let ask = json!({"address": wallet, "chain": CHAIN, "customer": customer});
    let challenge = stage.daemon.admin("wallet_challenge", ask);
    let message = challenge["message"].as_str().unwrap();
    let link = json!({"message": message, "signature": buyer.sign(message), "customer": customer});
    let refused = stage.daemon.try_admin("wallet_link", link.clone()).unwrap_err();
    assert_eq!(refused.code, SIGNATURE_INVALID, "it still obeys who linked it: {refused:?}");

    let to = handOverCall { owner: buyer.address() };
    Contract { address: wallet }.send(&stage.anvil, &to.abi_encode());
    let made = stage.daemon.admin("wallet_link", link);
    assert_eq!(made["customer"], customer, "{made}");
    let left = stage.daemon.wait_for(ACME, "gone over", |it| it["code"] != "VALID");
    assert_ne!(left["valid"], true, "{left}");
    eventually("what it holds counts for the buyer", || {
        let ask = json!({"product": ACME, "customer": customer, "wait_ms": 2_000});
        let verdict = stage.daemon.admin("entitlement_check", ask);
        if verdict["code"] == "VALID" { Ok(()) } else { Err(verdict.to_string()) }
    });
}
