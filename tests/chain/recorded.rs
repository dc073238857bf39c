//! geth's recorded answers, played back to a chain of ours by an endpoint that knows nothing else.
//!
//! The recordings lie beside the checkout, in `../shared/fixtures`. Where they are not, these tests say so and pass.

use std::collections::BTreeMap;
use std::io::{BufReader, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes, address, b256};
use entitled::chain::{Block, Outcome};
use entitled_core::domain::ids::Timestamp;
use entitled_core::domain::ownership::{Cause, Finality};
use serde_json::{Value, json};

use crate::differential::open;
use crate::support::http::Message;

/// The id of the chain the recordings are of, as its genesis has it.
const CHAIN: u64 = 3_503_995_874_084_926;
const HEAD: B256 = b256!("d226371d0b1551adb03fb52b71f08e3e11247fe9b1af994768af8cdaa8e7dcd7");
const CONTRACT: Address = address!("7dcd17433742f4c0ca53122ab541d0ba67fc27df");

/// What was recorded, by the question in the words we use.
type Tape = BTreeMap<String, Value>;

fn tape() -> Option<Tape> {
    let folder =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures/execution-apis");
    let Ok(files) = std::fs::read_dir(&folder) else {
        eprintln!("skipped: there are no recordings in {}", folder.display());
        return None;
    };
    let mut tape = Tape::new();
    for file in files {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let line = |mark: &str| text.lines().find_map(|it| it.strip_prefix(mark)).unwrap();
        let read = |mark: &str| serde_json::from_str::<Value>(line(mark)).unwrap();
        tape.insert(question(&read(">> ")), read("<< "));
    }
    // Nobody recorded this one.
    let ask = json!({ "method": "eth_chainId", "params": [] });
    tape.insert(question(&ask), json!({ "result": format!("{CHAIN:#x}") }));
    Some(tape)
}

/// Whether transactions come in full or by hash, and whether a hash stands in an object, is all the same here.
fn question(request: &Value) -> String {
    let mut params = request["params"].as_array().cloned().unwrap_or_default();
    if request["method"] == "eth_getBlockByNumber" {
        params.truncate(1);
    }
    for param in &mut params {
        if let Some(hash) = param.get("blockHash").cloned() {
            *param = hash;
        }
    }
    format!("{} {}", request["method"].as_str().unwrap(), json!(params).to_string().to_lowercase())
}

fn answer(tape: &Tape, request: &Value) -> Value {
    let unknown =
        || json!({ "error": { "code": -32601, "message": "the method is not on the tape" } });
    let mut reply = tape.get(&question(request)).cloned().unwrap_or_else(unknown);
    (reply["jsonrpc"], reply["id"]) = (json!("2.0"), request["id"].clone());
    reply
}

/// Serves until the test ends. Returns the URL.
fn play(tape: Tape) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let tape = Arc::new(tape);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let tape = Arc::clone(&tape);
            std::thread::spawn(move || {
                let mut reader = BufReader::new(&stream);
                while let Ok(Some(message)) = Message::read(&mut reader) {
                    let body: Value = serde_json::from_slice(&message.body).unwrap();
                    let reply = match body.as_array() {
                        Some(all) => all.iter().map(|it| answer(&tape, it)).collect(),
                        None => answer(&tape, &body),
                    };
                    let body = reply.to_string();
                    let head = format!(
                        "HTTP/1.1 200 -\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                        body.len()
                    );
                    if (&stream).write_all((head + &body).as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    url
}

/// Where `CI` is set the recordings are there, unless `ENTITLED_WITHOUT_RECORDINGS` says that there are none.
#[test]
fn the_recordings_of_geth_are_there_in_ci() {
    let set = |name| std::env::var_os(name).is_some();
    let required = set("CI") && !set("ENTITLED_WITHOUT_RECORDINGS");
    assert!(tape().is_some() || !required, "execution-apis must be beside the checkout");
}

#[tokio::test]
async fn the_newest_the_safe_and_the_finalized_block_of_geth_are_anchors() {
    let Some(tape) = tape() else { return };
    let chain = open(CHAIN, play(tape));
    for finality in [Finality::Finalized, Finality::Safe, Finality::Latest] {
        let Block { anchor, .. } = chain.anchor(finality).await.unwrap();
        assert_eq!((anchor.number, anchor.hash), (0x36, HEAD), "{finality:?}");
    }
}

#[tokio::test]
async fn an_account_proven_by_geth_is_accepted_and_what_is_missing_is_unknown() {
    let Some(tape) = tape() else { return };
    let chain = open(CHAIN, play(tape));
    let block = chain.anchor(Finality::Latest).await.unwrap();
    // The account is on the tape, its code is not.
    assert_eq!(chain.call(&block, CONTRACT, Bytes::new()).await, Err(Cause::Unsupported));
    let endpoint = &chain.status(Timestamp::UNIX_EPOCH).endpoints[0];
    assert!(endpoint.evidence.is_none(), "nobody lied: {endpoint:?}");
    // Nothing of this account is on the tape.
    let nobody = chain.call(&block, Address::repeat_byte(9), Bytes::new()).await;
    assert_eq!(nobody, Err(Cause::Unsupported));
}

#[tokio::test]
async fn code_that_is_not_the_contracts_is_refused() {
    let Some(mut tape) = tape() else { return };
    let ask = json!({ "method": "eth_getCode", "params": [CONTRACT, HEAD] });
    tape.insert(question(&ask), json!({ "result": "0x6001600055" }));
    let chain = open(CHAIN, play(tape));
    let block = chain.anchor(Finality::Latest).await.unwrap();
    assert_eq!(chain.call(&block, CONTRACT, Bytes::new()).await, Err(Cause::Refuted));
    assert_eq!(chain.status(Timestamp::UNIX_EPOCH).endpoints[0].state, "quarantined");
}

#[tokio::test]
async fn the_proof_of_one_account_does_not_prove_another_absent() {
    let Some(mut tape) = tape() else { return };
    // Block 0x36 as it is, with the proof of another account: it does not prove this one absent.
    let absent = Address::repeat_byte(9);
    let ask = json!({ "method": "eth_getProof", "params": [CONTRACT, [], HEAD] });
    let mut proof = tape[&question(&ask)].clone();
    for (field, value) in
        [("balance", json!("0x0")), ("nonce", json!("0x0")), ("address", json!(absent))]
    {
        proof["result"][field] = value;
    }
    let ask = json!({ "method": "eth_getProof", "params": [absent, [], HEAD] });
    tape.insert(question(&ask), proof);
    let ask = json!({ "method": "eth_getCode", "params": [absent, HEAD] });
    tape.insert(question(&ask), json!({ "result": "0x" }));
    let chain = open(CHAIN, play(tape));
    let block = chain.anchor(Finality::Latest).await.unwrap();
    let claimed = chain.call(&block, absent, Bytes::new()).await;
    assert_ne!(claimed, Ok(Outcome::NoCode));
    assert_eq!(claimed, Err(Cause::Refuted));
}
