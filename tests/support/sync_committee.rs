//! A beacon chain that exists only as what a light client sees of it: headers, committees with keys of our
//! own, and their signatures. Answers are those of a beacon node's light client API, as JSON.
//!
//! Trees are built in the plainest way there is, from generalized indices alone, and share no code with the
//! light client: so its hashing is judged by another's. The execution blocks may be real ones.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use alloy_primitives::{B256, U256, hex, uint};
use blst::min_pk::{AggregatePublicKey, PublicKey, SecretKey};
use serde_json::{Value, json};

const CIPHERSUITE: &[u8] = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";
/// How many points the curve's group has.
pub const ORDER: U256 =
    uint!(0x73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001_U256);

/// A row of the fork table.
#[derive(Clone)]
pub struct Row {
    pub name: &'static str,
    pub epoch: u64,
    pub version: u8,
    pub form: Form,
    /// Generalized indices, in the state: the finalized root, the current and the next committee.
    pub state: [u64; 3],
    /// In the body: the payload, or the block hash.
    pub execution: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    None,
    Capella,
    Deneb,
    BlockHash,
}

pub struct Network {
    pub genesis_time: u64,
    pub seconds_per_slot: u64,
    pub slots_per_epoch: u64,
    pub epochs_per_period: u64,
    pub size: usize,
    pub chain: u64,
    pub forks: Vec<Row>,
    /// Execution blocks by slot, as `eth_getBlockByNumber` gives them. Other slots have one of their own.
    pub blocks: BTreeMap<u64, Value>,
    /// Changes every committee's keys, so that two networks differ in nothing else.
    pub seed: u8,
    /// After so many periods the same committees serve again.
    pub different: u64,
    committees: RefCell<BTreeMap<u64, Rc<Committee>>>,
}

pub struct Committee {
    keys: Vec<SecretKey>,
    json: Value,
    root: B256,
}

/// What a committee signs.
#[derive(Clone, Copy)]
pub struct Signed {
    pub finalized: u64,
    pub attested: u64,
    pub signature: u64,
    pub participants: usize,
}

/// Fulu as it is, but from the start.
pub const FULU: Row = Row {
    name: "fulu",
    epoch: 0,
    version: 6,
    form: Form::Deneb,
    state: [169, 86, 87],
    execution: 25,
};

fn sha(left: B256, right: B256) -> B256 {
    let both = [left.0, right.0].concat();
    B256::from_slice(ring::digest::digest(&ring::digest::SHA256, &both).as_ref())
}

/// The tree's root by the definition: of no more than one leaf it is the leaf, else that of both halves.
pub fn plain_root(leaves: &[B256], width: usize) -> B256 {
    if width == 1 {
        return leaves.first().copied().unwrap_or_default();
    }
    let half = width / 2;
    let (left, right) = leaves.split_at(half.min(leaves.len()));
    sha(plain_root(left, half), plain_root(right, half))
}

fn number(value: u64) -> B256 {
    B256::from(U256::from(value).to_le_bytes::<32>())
}

/// A tree of which only some places matter; everything else is filled with what depends on its place.
pub struct Tree(pub Vec<(u64, B256)>);

impl Tree {
    fn node(&self, index: u64) -> B256 {
        if let Some((_, leaf)) = self.0.iter().find(|(at, _)| *at == index) {
            return *leaf;
        }
        let below = |at: u64| at > index && at >> (at.ilog2() - index.ilog2()) == index;
        if self.0.iter().any(|(at, _)| below(*at)) {
            return sha(self.node(2 * index), self.node(2 * index + 1));
        }
        sha(number(index), B256::repeat_byte(0x5a))
    }

    pub fn root(&self) -> B256 {
        self.node(1)
    }

    /// From the sibling of `index` up.
    pub fn branch(&self, index: u64) -> Vec<B256> {
        (0..index.ilog2()).map(|step| self.node((index >> step) ^ 1)).collect()
    }
}

fn key_root(key: &[u8; 48]) -> B256 {
    sha(B256::from_slice(&key[..32]), B256::right_padding_from(&key[32..]))
}

impl Committee {
    fn new(seed: u8, period: u64, size: usize) -> Self {
        let secret = |member: usize| {
            let mut material = [seed; 32];
            material[..8].copy_from_slice(&period.to_le_bytes());
            material[8..16].copy_from_slice(&(member as u64).to_le_bytes());
            SecretKey::key_gen(&material, &[]).unwrap()
        };
        let keys: Vec<SecretKey> = (0..size).map(secret).collect();
        let public: Vec<PublicKey> = keys.iter().map(SecretKey::sk_to_pk).collect();
        let all: Vec<&PublicKey> = public.iter().collect();
        let sum = AggregatePublicKey::aggregate(&all, false).unwrap().to_public_key();
        let roots: Vec<B256> = public.iter().map(|it| key_root(&it.to_bytes())).collect();
        let root = sha(plain_root(&roots, size), key_root(&sum.to_bytes()));
        let pubkeys: Vec<String> =
            public.iter().map(|it| hex::encode_prefixed(it.to_bytes())).collect();
        let aggregate = hex::encode_prefixed(sum.to_bytes());
        Self { keys, json: json!({"pubkeys": pubkeys, "aggregate_pubkey": aggregate}), root }
    }

    /// The sum of many signatures of one message is the signature by the sum of their keys.
    fn sign(&self, message: B256, participants: usize) -> Value {
        let sum = self.keys[..participants]
            .iter()
            .fold(U256::ZERO, |sum, key| sum.add_mod(U256::from_be_bytes(key.to_bytes()), ORDER));
        let key = SecretKey::from_bytes(&sum.to_be_bytes::<32>()).unwrap();
        let sum = key.sign(message.as_slice(), CIPHERSUITE, &[]);
        let mut bits = vec![0_u8; self.keys.len() / 8];
        for member in 0..participants {
            bits[member / 8] |= 1 << (member % 8);
        }
        json!({
            "sync_committee_bits": hex::encode_prefixed(bits),
            "sync_committee_signature": hex::encode_prefixed(sum.to_bytes()),
        })
    }
}

impl Network {
    /// Small and quick: 8 slots to an epoch, 4 epochs to a period, committees of 32, in Fulu from the start.
    pub fn small() -> Self {
        Self {
            genesis_time: 1_700_000_000,
            seconds_per_slot: 12,
            slots_per_epoch: 8,
            epochs_per_period: 4,
            size: 32,
            chain: 31_337,
            forks: vec![FULU],
            blocks: BTreeMap::new(),
            seed: 1,
            different: u64::MAX,
            committees: RefCell::default(),
        }
    }

    /// The chain's specification, as a file would have it. Begin from the bootstrap's own root.
    pub fn specification(&self) -> String {
        let hash = |byte: u8| B256::repeat_byte(byte);
        let mut text = format!(
            "name = \"simulated\"\nchain = \"eip155:{}\"\ngenesis_time = {}\n\
             genesis_validators_root = \"{}\"\ngenesis_block = \"{}\"\nseconds_per_slot = {}\n\
             slots_per_epoch = {}\nepochs_per_period = {}\ncommittee_size = {}\n",
            self.chain,
            self.genesis_time,
            self.genesis_validators_root(),
            hash(0xee),
            self.seconds_per_slot,
            self.slots_per_epoch,
            self.epochs_per_period,
            self.size,
        );
        for row in &self.forks {
            let form = match row.form {
                Form::None => "none",
                Form::Capella => "capella",
                Form::Deneb => "deneb",
                Form::BlockHash => "block_hash",
            };
            text += &format!(
                "[[forks]]\nname = \"{}\"\nepoch = {}\nversion = \"0x{:02x}000000\"\n",
                row.name, row.epoch, row.version,
            );
            if row.form != Form::None {
                let [finalized, current, next] = row.state;
                text += &format!(
                    "execution_header = \"{form}\"\nexecution_gindex = {}\nfinalized_root_gindex = \
                     {finalized}\ncurrent_sync_committee_gindex = {current}\n\
                     next_sync_committee_gindex = {next}\n",
                    row.execution,
                );
            }
        }
        text
    }

    pub fn genesis_validators_root(&self) -> B256 {
        B256::repeat_byte(0x77)
    }

    pub fn period(&self, slot: u64) -> u64 {
        slot / self.slots_per_epoch / self.epochs_per_period
    }

    /// The first slot of a period.
    pub fn slot_of_period(&self, period: u64) -> u64 {
        period * self.epochs_per_period * self.slots_per_epoch
    }

    pub fn committee(&self, period: u64) -> Rc<Committee> {
        let period = period % self.different;
        let mut known = self.committees.borrow_mut();
        let new = || Rc::new(Committee::new(self.seed, period, self.size));
        Rc::clone(known.entry(period).or_insert_with(new))
    }

    /// Another committee for a period, as a chain would have that split before it.
    pub fn replace_committee(&mut self, period: u64, seed: u8) {
        let other = Rc::new(Committee::new(seed, period, self.size));
        self.committees.get_mut().insert(period, other);
    }

    /// Puts bytes that are no key in the place of a member's, and tells the chain's trees.
    pub fn spoil_key(&mut self, period: u64, member: usize) {
        let mut spoiled = Committee::new(self.seed, period, self.size);
        spoiled.json["pubkeys"][member] = json!(hex::encode_prefixed([0x9f; 48]));
        let bytes = |it: &Value| hex::decode_to_array::<_, 48>(it.as_str().unwrap()).unwrap();
        let keys = spoiled.json["pubkeys"].as_array().unwrap();
        let roots: Vec<B256> = keys.iter().map(|it| key_root(&bytes(it))).collect();
        let aggregate = key_root(&bytes(&spoiled.json["aggregate_pubkey"]));
        spoiled.root = sha(plain_root(&roots, self.size), aggregate);
        self.committees.get_mut().insert(period, Rc::new(spoiled));
    }

    fn row(&self, slot: u64) -> &Row {
        let epoch = slot / self.slots_per_epoch;
        self.forks.iter().rfind(|it| it.epoch <= epoch).unwrap()
    }

    fn envelope(&self, slot: u64, data: &Value) -> Value {
        json!({"version": self.row(slot).name, "data": data})
    }

    /// The answer of `light_client/bootstrap`, and the root to trust.
    pub fn bootstrap(&self, slot: u64) -> (B256, Value) {
        let (root, header) = self.header(slot, slot, None);
        let row = self.row(slot);
        let period = self.period(slot);
        let branch = self.state(slot, None).branch(row.state[1]);
        let data = json!({
            "header": header,
            "current_sync_committee": self.committee(period).json,
            "current_sync_committee_branch": branch,
        });
        (root, self.envelope(slot, &data))
    }

    /// One entry of the answer of `light_client/updates`.
    pub fn update(&self, it: Signed) -> Value {
        let row = self.row(it.attested);
        let (finalized_root, finalized_header) = self.header(it.finalized, it.attested, None);
        let final_root = Some(finalized_root);
        let (root, attested_header) = self.header(it.attested, it.attested, final_root);
        let state = self.state(it.attested, final_root);
        let signer = self.committee(self.period(it.signature));
        let data = json!({
            "attested_header": attested_header,
            "next_sync_committee": self.committee(self.period(it.attested) + 1).json,
            "next_sync_committee_branch": state.branch(row.state[2]),
            "finalized_header": finalized_header,
            "finality_branch": state.branch(row.state[0]),
            "sync_aggregate": signer.sign(self.signing_root(root, it.signature), it.participants),
            "signature_slot": it.signature.to_string(),
        });
        self.envelope(it.attested, &data)
    }

    /// The answer of `light_client/finality_update`.
    pub fn finality_update(&self, it: Signed) -> Value {
        without(self.update(it), &["next_sync_committee", "next_sync_committee_branch"])
    }

    /// The answer of `light_client/optimistic_update`.
    pub fn optimistic_update(&self, it: Signed) -> Value {
        without(self.finality_update(it), &["finalized_header", "finality_branch"])
    }

    fn signing_root(&self, root: B256, signature_slot: u64) -> B256 {
        let version = self.row(signature_slot - 1).version;
        let fork = sha(B256::right_padding_from(&[version]), self.genesis_validators_root());
        let domain = [&[7, 0, 0, 0], &fork[..28]].concat();
        sha(root, B256::from_slice(&domain))
    }

    fn state(&self, slot: u64, finalized: Option<B256>) -> Tree {
        let row = self.row(slot);
        let period = self.period(slot);
        let mut leaves = vec![
            (row.state[1], self.committee(period).root),
            (row.state[2], self.committee(period + 1).root),
        ];
        leaves.extend(finalized.map(|root| (row.state[0], root)));
        Tree(leaves)
    }

    /// A header of `slot` in an object of `container`'s fork, and its beacon root.
    fn header(&self, slot: u64, container: u64, finalized: Option<B256>) -> (B256, Value) {
        let (row, outer) = (self.row(slot), self.row(container));
        let payload = self.payload(slot);
        let hash: B256 = payload["block_hash"].as_str().unwrap().parse().unwrap();
        let inner = payload_tree(&payload, row.form);
        let leaf = if row.form == Form::BlockHash { hash } else { inner.root() };
        let body = Tree(vec![(row.execution, leaf)]);
        let state_root = self.state(slot, finalized).root();
        let (parent_root, body_root) = (sha(number(slot), state_root), body.root());
        let leaves = [number(slot), number(7), parent_root, state_root, body_root];
        let beacon = json!({
            "slot": slot.to_string(),
            "proposer_index": "7",
            "parent_root": parent_root,
            "state_root": state_root,
            "body_root": body_root,
        });
        let mut branch = body.branch(row.execution);
        let header = match outer.form {
            Form::None => json!({"beacon": beacon}),
            Form::BlockHash => {
                if row.form != Form::BlockHash {
                    let place = if row.form == Form::Capella { 16 + 12 } else { 32 + 12 };
                    branch = [inner.branch(place), branch].concat();
                }
                let padding = outer.execution.ilog2() as usize - branch.len();
                let branch = [vec![B256::ZERO; padding], branch].concat();
                json!({"beacon": beacon, "execution_block_hash": hash, "execution_branch": branch})
            }
            form => {
                let mut payload = payload;
                if row.form == Form::Capella && form == Form::Deneb {
                    payload["blob_gas_used"] = json!("0");
                    payload["excess_blob_gas"] = json!("0");
                }
                json!({"beacon": beacon, "execution": payload, "execution_branch": branch})
            }
        };
        (plain_root(&leaves, 8), header)
    }

    /// The execution payload header of a slot.
    fn payload(&self, slot: u64) -> Value {
        let of_slot = |salt: u64| sha(number(slot), number(salt));
        let made_up = json!({
            "parentHash": of_slot(1), "miner": "0x00000000000000000000000000000000000000fe",
            "stateRoot": of_slot(2), "receiptsRoot": of_slot(3),
            "logsBloom": hex::encode_prefixed([0x11; 256]), "mixHash": of_slot(4),
            "number": format!("{slot:#x}"), "gasLimit": "0x1c9c380", "gasUsed": "0x5208",
            "timestamp": format!("{:#x}", self.genesis_time + slot * self.seconds_per_slot),
            "extraData": "0x656e7469746c6564", "baseFeePerGas": "0x3b9aca07", "hash": of_slot(5),
            "blobGasUsed": "0x20000", "excessBlobGas": "0x60000",
        });
        let block = self.blocks.get(&slot).unwrap_or(&made_up);
        let digits = |key: &str| {
            let number: U256 = block[key].as_str().map_or(U256::ZERO, |it| it.parse().unwrap());
            json!(number.to_string())
        };
        let mut payload = json!({
            "parent_hash": block["parentHash"], "fee_recipient": block["miner"],
            "state_root": block["stateRoot"], "receipts_root": block["receiptsRoot"],
            "logs_bloom": block["logsBloom"], "prev_randao": block["mixHash"],
            "block_number": digits("number"), "gas_limit": digits("gasLimit"),
            "gas_used": digits("gasUsed"), "timestamp": digits("timestamp"),
            "extra_data": block["extraData"], "base_fee_per_gas": digits("baseFeePerGas"),
            "block_hash": block["hash"], "transactions_root": of_slot(6), "withdrawals_root": of_slot(7),
        });
        if self.row(slot).form == Form::Deneb {
            payload["blob_gas_used"] = digits("blobGasUsed");
            payload["excess_blob_gas"] = digits("excessBlobGas");
        }
        payload
    }
}

/// The fields of a payload header as leaves of a tree.
fn payload_tree(payload: &Value, form: Form) -> Tree {
    let bytes = |key: &str| hex::decode(payload[key].as_str().unwrap()).unwrap();
    let digits = |key: &str| {
        let number: U256 = payload[key].as_str().unwrap().parse().unwrap();
        B256::from(number.to_le_bytes::<32>())
    };
    let short = |key: &str| B256::right_padding_from(&bytes(key));
    let bloom: Vec<B256> = bytes("logs_bloom").chunks(32).map(B256::from_slice).collect();
    let extra = sha(short("extra_data"), number(bytes("extra_data").len() as u64));
    let mut leaves = vec![
        short("parent_hash"),
        short("fee_recipient"),
        short("state_root"),
        short("receipts_root"),
        plain_root(&bloom, 8),
        short("prev_randao"),
        digits("block_number"),
        digits("gas_limit"),
        digits("gas_used"),
        digits("timestamp"),
        extra,
        digits("base_fee_per_gas"),
        short("block_hash"),
        short("transactions_root"),
        short("withdrawals_root"),
    ];
    let width: usize = if form == Form::Deneb { 32 } else { 16 };
    if form == Form::Deneb {
        leaves.extend([digits("blob_gas_used"), digits("excess_blob_gas")]);
    }
    leaves.resize(width, B256::ZERO);
    Tree((width as u64..).zip(leaves).collect())
}

fn without(mut envelope: Value, keys: &[&str]) -> Value {
    for key in keys {
        envelope["data"].as_object_mut().unwrap().remove(*key);
    }
    envelope
}
