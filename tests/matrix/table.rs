//! The faults, one line each.

use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, keccak256};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::scene::Effect::{Harmless, Hides, HidesAtFirst, Varies};
use crate::scene::{Scene, go_through, holder};
use crate::support::anvil::Anvil;
use crate::support::daemon::Daemon;
use crate::support::eventually;
use crate::support::faults::{self, Fault, field};
use crate::support::licences::{Expirables, Lock, Rentals, Subscriptions, chain_time};
use crate::support::proxy::Proxy;
use crate::support::settings::{ProductFile, Settings};
use crate::support::wallet::Wallet;

macro_rules! faults {
    ($($name:ident: $effect:expr, |$scene:ident| $go_wrong:expr;)*) => {$(
        #[test]
        fn $name() {
            go_through($effect, |$scene: &Scene| $go_wrong);
        }
    )*};
}

// ---- trouble: no answer, or none that can be read
faults! {
    closed: Hides, |it| it.proxy.fault(Fault::Drop);
    cut_off: Hides, |it| it.proxy.fault(Fault::Cut);
    half_an_answer: Hides, |it| it.proxy.fault(Fault::Truncated);
    too_slow: Hides, |it| it.proxy.fault(Fault::Delay(Duration::from_secs(20)));
    a_bit_slow: Harmless, |it| it.proxy.fault(Fault::Delay(Duration::from_millis(20)));
    now_and_then_closed: Varies, |it| it.proxy.fault(Fault::Drop.every(3));
    now_and_then_half: Varies, |it| it.proxy.fault(Fault::Truncated.every(2));
    too_many_requests: Hides, |it| it.proxy.fault(Fault::Status { status: 429, headers: &[] });
    too_many_requests_and_when: Hides, |it| it.proxy.fault(Fault::too_many_requests());
    now_and_then_too_many: Varies, |it|
        it.proxy.fault(Fault::Status { status: 429, headers: &[] }.every(2));
    a_broken_server: Hides, |it| it.proxy.fault(Fault::Status { status: 500, headers: &[] });
    a_broken_gateway: Hides, |it| it.proxy.fault(Fault::Status { status: 503, headers: &[] });
    a_page: Hides, |it| it.proxy.fault(Fault::body("<html>Sign in"));
    nothing: Hides, |it| it.proxy.fault(Fault::body(""));
    null: Hides, |it| it.proxy.fault(Fault::body(r#"{"jsonrpc":"2.0","id":0,"result":null}"#));
    no_state: Hides, |it| it.proxy.fault(Fault::pruned());
    no_methods: Hides, |it| it.proxy.fault(Fault::unsupported());
    other_ids: Hides, |it| it.proxy.fault(Fault::OtherIds);
    nobody_there: Hides, |it| it.proxy.lead_to("127.0.0.1:9");
}

// ---- what some nodes are like
faults! {
    no_batches: Harmless, |it| it.proxy.fault(Fault::RefuseBatches);
    no_blocks_by_hash: Harmless, |it| it.proxy.fault(Fault::RefuseBlockHashes);
    no_hints: Harmless, |it| it.proxy.fault_in("eth_createAccessList", Fault::unsupported());
    no_proofs: Hides, |it| it.proxy.fault_in("eth_getProof", Fault::unsupported());
    no_old_state: Hides, |it| it.proxy.fault_in("eth_getProof", Fault::pruned());
    no_code: HidesAtFirst, |it| it.proxy.fault_in("eth_getCode", Fault::unsupported());
    no_events: Varies, |it| it.proxy.fault_in("eth_getLogs", Fault::unsupported());
    behind: Varies, |it| it.proxy.fault(Fault::Behind { blocks: 3 });
    stale: Varies, |it| it.proxy.fault(faults::head_stays_at(it.anvil.block_number()));
    reorganising: Varies, |it| it.restless.begin();
    another_chain: Hides, |it| it.proxy.lead_to(&it.other_chain.address());
}

// ---- lies about headers: the hash covers every field
faults! {
    block_hash: Hides, |it| it.proxy.fault(faults::block_hash());
    state_root: Hides, |it| it.proxy.fault(faults::state_root());
    header_time: Hides, |it| it.proxy.fault(faults::header_time());
    header_number: Hides, |it| it.proxy.fault(header("/number", json!("0xffffff")));
    header_parent: Hides, |it| it.proxy.fault(header("/parentHash", json!(B256::ZERO)));
    header_beneficiary: Hides, |it| it.proxy.fault(header("/miner", json!(holder())));
    header_gas_limit: Hides, |it| it.proxy.fault(header("/gasLimit", json!("0x7")));
    header_field_of_the_wrong_kind: Hides, |it| it.proxy.fault(header("/stateRoot", json!(7)));
    no_header: Hides, |it| it.proxy.fault(null_for("eth_getBlockByNumber"));
}

// ---- lies about accounts, storage and code
faults! {
    slots_are_ours: HidesAtFirst, |it| it.proxy.fault(faults::owned_by(holder()));
    slots_are_one: HidesAtFirst, |it| it.proxy.fault(faults::slot_values(B256::with_last_byte(1)));
    slots_zero_with_cut_proofs: HidesAtFirst, |it|
        it.proxy.fault(faults::slots_zero_with_cut_proofs());
    slots_zero_without_proofs: HidesAtFirst, |it|
        it.proxy.fault(faults::slots_zero_without_proofs());
    slots_left_out: HidesAtFirst, |it| it.proxy.fault(proof("/storageProof", json!([])));
    a_slot_proof_byte: HidesAtFirst, |it| it.proxy.fault(proof_byte("storageProof"));
    storage_empty: Hides, |it| it.proxy.fault(faults::storage_hash());
    storage_hash: Hides, |it| it.proxy.fault(proof("/storageHash", json!(B256::repeat_byte(3))));
    code_hash: Hides, |it| it.proxy.fault(faults::code_hash());
    code_gone: Hides, |it| it.proxy.fault(proof("/codeHash", json!(KECCAK256_EMPTY)));
    code_byte: HidesAtFirst, |it| it.proxy.fault(faults::code_byte());
    code_empty: HidesAtFirst, |it| it.proxy.fault(field("eth_getCode", "", json!("0x")));
    code_null: HidesAtFirst, |it| it.proxy.fault(null_for("eth_getCode"));
    account_absent: Hides, |it| it.proxy.fault(faults::account_absent());
    account_nonce: Hides, |it| it.proxy.fault(proof("/nonce", json!("0x77")));
    account_balance: Hides, |it| it.proxy.fault(proof("/balance", json!("0x77")));
    account_proof_empty: Hides, |it| it.proxy.fault(proof("/accountProof", json!([])));
    account_proof_byte: Hides, |it| it.proxy.fault(proof_byte("accountProof"));
    another_account: Hides, |it| it.proxy.fault(faults::other_account(Address::repeat_byte(0x77)));
    no_proof: Hides, |it| it.proxy.fault(null_for("eth_getProof"));
}

// ---- lies about events, which are hints
faults! {
    events_left_out: Varies, |it| it.proxy.fault(faults::no_logs());
    events_made_up: Harmless, |it| it.proxy.fault(made_up_events());
    events_null: Varies, |it| it.proxy.fault(null_for("eth_getLogs"));
}

/// The end of a holding is proven with the holding: nobody has to be asked when it comes.
#[test]
fn what_ends_while_nobody_can_see_it_has_ended() {
    let anvil = Anvil::start();
    let lock = Lock::deploy(&anvil, *Lock::VERSIONS.end(), Duration::from_secs(86_400));
    let (rentals, expirables) = (Rentals::deploy(&anvil), Expirables::by_time(&anvil));
    let subscriptions = Subscriptions::deploy(&anvil);
    for contract in [rentals.0, expirables.0, subscriptions.0] {
        contract.mint(&anvil, holder(), 7);
    }
    let end = chain_time(&anvil) + 9;
    rentals.rent(&anvil, 7, holder(), end);
    expirables.set_term(&anvil, 7, 1, end);
    subscriptions.renew(&anvil, 7, Duration::from_secs(9));
    lock.grant(&anvil, holder(), Some(end));
    let products = [
        ("user", rentals.0),
        ("expiry", expirables.0),
        ("subscription", subscriptions.0),
        ("unlock", lock.contract),
    ];

    let proxy = Proxy::start(&anvil.address());
    let mut settings = Settings::new([proxy.url()]).more("retry = \"300ms\"");
    for (rule, contract) in &products {
        let rule_key = format!("rule = {rule:?}");
        let product = ProductFile::new(rule).tier("pro", 20, "");
        settings = settings.product(product.grant("pro", &contract.collection(), &rule_key));
    }
    let daemon = Daemon::start(&settings);
    daemon.link(&Wallet::numbered(1));
    let wanted = Timestamp::from_second(end.cast_signed()).unwrap();
    let ends = products.map(|(product, _)| {
        let verdict = daemon.wait_for_code(product, "VALID");
        let end: Timestamp = verdict["expires_at"].as_str().unwrap().parse().unwrap();
        // A subscription lasts from its own block, which may be of the next second.
        assert!((wanted..=wanted + Duration::from_secs(2)).contains(&end), "{verdict}");
        (product, end)
    });
    proxy.fault(Fault::Drop);
    for (product, end) in ends {
        eventually(&format!("{product}: its end"), || {
            let before = Timestamp::now();
            let verdict = daemon.check(product);
            let (valid, after) = (verdict["valid"] == true, Timestamp::now());
            assert!(valid || after >= end, "it has not ended: {verdict}");
            assert!(!valid || before < end, "it has ended: {verdict}");
            // It may have been paid for again, and nobody can see that either.
            let ended = ["EXPIRED", "UNDETERMINED"].map(Value::from).contains(&verdict["code"]);
            if ended { Ok(()) } else { Err(verdict.to_string()) }
        });
    }
}

fn header(pointer: &'static str, value: Value) -> Fault {
    field("eth_getBlockByNumber", pointer, value)
}

fn proof(pointer: &'static str, value: Value) -> Fault {
    field("eth_getProof", pointer, value)
}

fn null_for(method: &'static str) -> Fault {
    field(method, "", json!(null))
}

/// One bit of the last node of each proof is another.
fn proof_byte(which: &'static str) -> Fault {
    Fault::Answer(Arc::new(move |method, _, result| {
        if method != "eth_getProof" {
            return;
        }
        let proofs: Vec<&mut Value> = match which {
            "accountProof" => vec![&mut result["accountProof"]],
            _ => result["storageProof"]
                .as_array_mut()
                .unwrap()
                .iter_mut()
                .map(|it| &mut it["proof"])
                .collect(),
        };
        for nodes in proofs {
            let Some(last) = nodes.as_array_mut().and_then(|it| it.last_mut()) else { continue };
            let mut bytes: Vec<u8> = last.as_str().unwrap().parse::<Bytes>().unwrap().to_vec();
            if let Some(byte) = bytes.last_mut() {
                *byte ^= 1;
            }
            *last = json!(Bytes::from(bytes));
        }
    }))
}

/// Tokens came to us that never did.
fn made_up_events() -> Fault {
    Fault::Answer(Arc::new(|method, params, result| {
        let (Some(logs), "eth_getLogs") = (result.as_array_mut(), method) else { return };
        let filter = &params[0];
        let address =
            if filter["address"].is_array() { &filter["address"][0] } else { &filter["address"] };
        for id in [7, 99] {
            let topics = [
                keccak256("Transfer(address,address,uint256)"),
                B256::ZERO,
                holder().into_word(),
                B256::with_last_byte(id),
            ];
            logs.push(json!({
                "address": address, "topics": topics, "data": "0x", "removed": false,
                "blockNumber": filter["toBlock"], "blockHash": B256::repeat_byte(1),
                "transactionHash": B256::repeat_byte(2), "transactionIndex": "0x0", "logIndex": "0x0",
            }));
        }
    }))
}
