//! What a proxy in front of a node can do wrong: trouble, which hides the truth, and lies, which alter it.

use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_trie::nodes::{ExtensionNode, LeafNode, RlpNode};
use serde_json::{Value, json};

type AlterParams = Arc<dyn Fn(&str, &mut Value) + Send + Sync>;
type AlterResult = Arc<dyn Fn(&str, &Value, &mut Value) + Send + Sync>;

#[derive(Clone)]
pub enum Fault {
    /// Answers only after this time.
    Delay(Duration),
    /// Closes without an answer.
    Drop,
    /// Closes in the middle of the answer.
    Cut,
    /// Sends half of the answer as if it were all.
    Truncated,
    /// Sends the answer in pieces of so many bytes, with a rest after each.
    Trickle { bytes: usize, rest: Duration },
    /// Does only every so-manieth time what is wrong.
    Every { nth: usize, fault: Box<Self> },
    /// Names and serves the block so many before the head as the newest: late by as much, but moving on.
    Behind { blocks: u64 },
    /// Answers under ids that nobody asked by.
    OtherIds,
    /// Answers with this HTTP status and a body that is no JSON-RPC.
    Status { status: u16, headers: &'static [(&'static str, &'static str)] },
    /// Answers with these bytes.
    Body(Arc<[u8]>),
    /// Answers one question with this JSON as its result.
    Result(Arc<str>),
    /// Answers with a small body that unpacks to `size` bytes.
    GzipBomb { size: usize },
    /// Answers with a JSON-RPC error.
    Error { code: i64, message: &'static str },
    /// Refuses several requests in one body.
    RefuseBatches,
    /// Refuses blocks named by hash (EIP-1898), as ethereumjs does.
    RefuseBlockHashes,
    /// Asks the node something else than it was asked.
    Ask(AlterParams),
    /// Alters the node's answer.
    Answer(AlterResult),
}

impl Fault {
    pub fn too_many_requests() -> Self {
        Self::Status { status: 429, headers: &[("Retry-After", "1")] }
    }

    /// As [`Self::too_many_requests`], for the longest that is waited for.
    pub fn too_many_requests_for_a_minute() -> Self {
        Self::Status { status: 429, headers: &[("Retry-After", "60")] }
    }

    /// The method is not there, as most nodes say it.
    pub fn unsupported() -> Self {
        Self::Error { code: -32601, message: "the method does not exist/is not available" }
    }

    /// The state is gone, as geth says it.
    pub fn pruned() -> Self {
        Self::Error {
            code: -32000,
            message: "missing trie node 12ab (path ) state is not available",
        }
    }

    pub fn every(self, nth: usize) -> Self {
        Self::Every { nth, fault: Box::new(self) }
    }

    /// What goes wrong in this turn.
    pub fn in_turn(&self, turn: usize) -> Option<Self> {
        match self {
            Self::Every { nth, fault } if turn % nth == nth - 1 => fault.in_turn(turn),
            Self::Every { .. } => None,
            other => Some(other.clone()),
        }
    }

    pub fn body(text: impl Into<Vec<u8>>) -> Self {
        Self::Body(text.into().into())
    }

    /// A result of this many bytes.
    pub fn oversized(bytes: usize) -> Self {
        Self::body(format!(r#"{{"jsonrpc":"2.0","id":1,"result":"0x{}"}}"#, "00".repeat(bytes / 2)))
    }

    fn answer(method: &'static str, alter: impl Fn(&mut Value) + Send + Sync + 'static) -> Self {
        Self::Answer(Arc::new(move |asked, _, result| {
            if asked == method && !result.is_null() {
                alter(result);
            }
        }))
    }
}

// ---- lies; each is about one thing, so that a test that fails says which one was believed

/// One field of the answers to a method is this instead, named by a JSON pointer (RFC 6901) such as
/// `/storageProof/0/value`. A field that is not there is left out of it.
pub fn field(method: &'static str, pointer: &'static str, value: Value) -> Fault {
    Fault::answer(method, move |result| {
        if let Some(field) = result.pointer_mut(pointer) {
            field.clone_from(&value);
        }
    })
}

/// It is still catching up, as `eth_syncing` says.
pub fn syncing() -> Fault {
    Fault::Answer(Arc::new(|method, _, result| {
        if method == "eth_syncing" {
            *result =
                json!({"startingBlock": "0x0", "currentBlock": "0x1", "highestBlock": "0x64"});
        }
    }))
}

/// Every proven slot has this value.
pub fn slot_values(value: B256) -> Fault {
    Fault::answer("eth_getProof", move |proof| {
        for slot in slots(proof) {
            slot["value"] = json!(value);
        }
    })
}

/// Every proven slot is the owner's word or a count of one, whichever the contract expects there.
pub fn owned_by(owner: Address) -> Fault {
    slot_values(owner.into_word())
}

/// Every slot is zero, and the last node of its proof, which says otherwise, is left out.
///
/// Verifiers that take an unfinished path for an absent key believe it (alloy-trie up to 0.9.6 did).
pub fn slots_zero_with_cut_proofs() -> Fault {
    Fault::answer("eth_getProof", |proof| {
        for slot in slots(proof) {
            slot["value"] = json!("0x0");
            slot["proof"].as_array_mut().unwrap().pop();
        }
    })
}

/// Every slot is zero, without any proof.
pub fn slots_zero_without_proofs() -> Fault {
    Fault::answer("eth_getProof", |proof| {
        for slot in slots(proof) {
            slot["value"] = json!("0x0");
            slot["proof"] = json!([]);
        }
    })
}

/// The contract's storage is empty, as its root would say.
pub fn storage_hash() -> Fault {
    Fault::answer("eth_getProof", |proof| {
        proof["storageHash"] = json!(alloy_trie::EMPTY_ROOT_HASH);
        for slot in slots(proof) {
            slot["value"] = json!("0x0");
            slot["proof"] = json!([]);
        }
    })
}

/// The contract's code has another hash.
pub fn code_hash() -> Fault {
    Fault::answer("eth_getProof", |proof| proof["codeHash"] = json!(B256::repeat_byte(7)))
}

/// One byte in the middle of the contract's code is another.
pub fn code_byte() -> Fault {
    Fault::answer("eth_getCode", |code| {
        let mut text = code.as_str().unwrap().to_owned().into_bytes();
        let at = text.len() / 2;
        text[at] = if text[at] == b'0' { b'1' } else { b'0' };
        *code = json!(String::from_utf8(text).unwrap());
    })
}

/// There is no such contract, and the last node of the proof, which says otherwise, is left out.
pub fn account_absent() -> Fault {
    Fault::answer("eth_getProof", |proof| {
        proof["balance"] = json!("0x0");
        proof["nonce"] = json!("0x0");
        proof["codeHash"] = json!(alloy_primitives::KECCAK256_EMPTY);
        proof["storageHash"] = json!(alloy_trie::EMPTY_ROOT_HASH);
        proof["accountProof"].as_array_mut().unwrap().pop();
        for slot in slots(proof) {
            slot["value"] = json!("0x0");
            slot["proof"] = json!([]);
        }
    })
}

/// A true proof, of another account.
pub fn other_account(other: Address) -> Fault {
    Fault::Ask(Arc::new(move |method, params| {
        if method == "eth_getProof" || method == "eth_getCode" {
            params[0] = json!(other);
        }
    }))
}

/// A true proof of the slots of another account, under the name of the one that was asked for.
pub fn other_account_renamed(other: Address, named: Address) -> [Fault; 2] {
    [
        other_account(other),
        Fault::answer("eth_getProof", move |proof| proof["address"] = json!(named)),
    ]
}

/// Headers have another state root.
pub fn state_root() -> Fault {
    header(|block| block["stateRoot"] = json!(B256::repeat_byte(9)))
}

/// Headers have another time.
pub fn header_time() -> Fault {
    header(|block| block["timestamp"] = json!("0x7fffffff"))
}

/// The newest block is an invented one: altered, and named by the hash that it then has.
pub fn invented_head(alter: fn(&mut alloy_consensus::Header)) -> Fault {
    Fault::Answer(Arc::new(move |_, params, result| {
        if params[0] == "latest" && !result.is_null() {
            invent(result, alter);
        }
    }))
}

/// State at a block that is named by its hash is that of the newest one: so proofs fit heads that nobody but us knows of.
pub fn state_of_the_head() -> Fault {
    Fault::Ask(Arc::new(|method, params| {
        let place = match method {
            "eth_getProof" => 2,
            "eth_getCode" => 1,
            _ => return,
        };
        if params[place].is_object() {
            params[place] = json!("latest");
        }
    }))
}

fn invent(result: &mut Value, alter: impl Fn(&mut alloy_consensus::Header)) {
    let told: alloy_rpc_types_eth::Header = serde_json::from_value(result.take()).unwrap();
    let mut invented = told.inner;
    alter(&mut invented);
    *result = json!(alloy_rpc_types_eth::Header::new(invented));
}

/// The newest blocks, final ones too, are invented: over a state whose proof of anything goes on below where every key ends.
/// All of it follows from the hashes.
pub fn bottomless_state() -> [Fault; 2] {
    let key = || alloy_trie::Nibbles::from_nibbles([1; 60]);
    let leaf = alloy_rlp::encode(LeafNode::new(key(), vec![7; 40]));
    let top = alloy_rlp::encode(ExtensionNode::new(key(), RlpNode::from_rlp(&leaf)));
    let (root, nodes) =
        (alloy_primitives::keccak256(&top), json!([Bytes::from(top), Bytes::from(leaf)]));
    let head = Fault::Answer(Arc::new(move |_, params, result| {
        let is_tag = ["latest", "safe", "finalized"].iter().any(|tag| params[0] == *tag);
        if is_tag && !result.is_null() {
            invent(result, |it| it.state_root = root);
        }
    }));
    let proof = Fault::answer("eth_getProof", move |proof| proof["accountProof"] = nodes.clone());
    [head, proof]
}

/// Block 0 has the form that Aura gives it: a step and a signature, and no nonce; so its fields do not hash to its name.
pub fn first_block_of_aura() -> Fault {
    Fault::Answer(Arc::new(|method, params, result| {
        if method == "eth_getBlockByNumber" && params[0] == "0x0" {
            let block = result.as_object_mut().unwrap();
            block.retain(|name, _| !["nonce", "mixHash"].contains(&name.as_str()));
            block.insert("step".to_owned(), json!("0"));
            block.insert("signature".to_owned(), json!("00".repeat(65)));
            block.insert("hash".to_owned(), json!(B256::repeat_byte(0xa0)));
        }
    }))
}

/// The newest blocks have a field that nobody knows yet, which their hashes are over.
pub fn headers_of_a_newer_fork() -> Fault {
    Fault::Answer(Arc::new(|method, params, result| {
        if method == "eth_getBlockByNumber" && params[0] != "0x0" && !result.is_null() {
            result["nextForksRoot"] = json!(B256::repeat_byte(6));
            result["hash"] = json!(B256::repeat_byte(5));
        }
    }))
}

/// Headers of the newest blocks are as London's, as those of some chains whose contracts are newer.
pub fn headers_without_later_fields() -> Fault {
    invented_head(|header| {
        header.withdrawals_root = None;
        (header.blob_gas_used, header.excess_blob_gas) = (None, None);
        (header.parent_beacon_block_root, header.requests_hash) = (None, None);
        (header.block_access_list_hash, header.slot_number) = (None, None);
        header.difficulty = U256::ONE;
    })
}

/// Headers have another hash than their own.
pub fn block_hash() -> Fault {
    header(|block| block["hash"] = json!(B256::repeat_byte(5)))
}

fn header(alter: impl Fn(&mut Value) + Send + Sync + 'static) -> Fault {
    Fault::Answer(Arc::new(move |method, _, result| {
        if method.starts_with("eth_getBlockBy") && !result.is_null() {
            alter(result);
        }
    }))
}

/// No event ever happened.
pub fn no_logs() -> Fault {
    Fault::answer("eth_getLogs", |logs| *logs = json!([]))
}

/// There is one event, by which a contract gave this wallet so many tokens at once.
pub fn invented_ids(contract: Address, to: Address, count: u64) -> Fault {
    let word = |number: u64| B256::from(U256::from(number));
    let consecutive =
        alloy_primitives::keccak256("ConsecutiveTransfer(uint256,uint256,address,address)");
    let first = 5_000_000;
    let event = json!({
        "address": contract,
        "topics": [consecutive, word(first), B256::ZERO, to.into_word()],
        "data": word(first + count - 1),
        "blockNumber": "0x1",
        "transactionIndex": "0x0",
        "logIndex": "0x0",
        "blockHash": null,
        "transactionHash": null,
        "removed": false,
    });
    Fault::Answer(Arc::new(move |method, params, logs| {
        if method == "eth_getLogs" {
            let topics = params[0]["topics"].as_array();
            let asked = topics.is_some_and(|it| it.len() > 1 && it[0] == json!(consecutive));
            *logs = if asked { json!([event]) } else { json!([]) };
        }
    }))
}

/// It is the chain with this id.
pub fn chain_id(id: &'static str) -> Fault {
    Fault::answer("eth_chainId", move |result| *result = json!(id))
}

/// The newest, safe and finalized blocks are all this one: the node has not moved on since.
pub fn head_stays_at(number: u64) -> Fault {
    let stale = json!(format!("{number:#x}"));
    Fault::Ask(Arc::new(move |_, params| {
        for param in params.as_array_mut().into_iter().flatten() {
            if ["latest", "safe", "finalized", "pending"].iter().any(|tag| param == tag) {
                *param = stale.clone();
            }
        }
    }))
}

fn slots(proof: &mut Value) -> impl Iterator<Item = &mut Value> {
    proof["storageProof"].as_array_mut().into_iter().flatten()
}

/// A gzip stream of about `size` zero bytes in a 160th of that: RFC 1952 around one RFC 1951 block of the
/// fixed code, in which 13 bits stand for 258 bytes. Its checksum is wrong, which only who unpacks it all
/// can know.
pub fn gzip_bomb(size: usize) -> Vec<u8> {
    let mut bytes = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let mut bits: (u64, u32) = (0, 0);
    let mut push = |value: u64, count: u32, bytes: &mut Vec<u8>| {
        bits.0 |= value << bits.1;
        bits.1 += count;
        while bits.1 >= 8 {
            bytes.push((bits.0 & 0xff) as u8);
            bits = (bits.0 >> 8, bits.1 - 8);
        }
    };
    let huffman = |code: u64, count: u32| code.reverse_bits() >> (64 - count); // sent from its high end
    push(0b011, 3, &mut bytes); // last block, fixed code
    push(huffman(0b0011_0000, 8), 8, &mut bytes); // the byte 0
    for _ in 0..size / 258 {
        push(huffman(0b1100_0101, 8), 8, &mut bytes); // 258 times
        push(0, 5, &mut bytes); // what was one byte before
    }
    push(0, 7, &mut bytes); // the end
    push(0, 7, &mut bytes);
    bytes.extend([0; 8]);
    bytes
}
