//! Our executor over proven state beside the node's own `eth_call`: every contract of `tests/contracts`, every
//! function that changes nothing, arguments that are there and that are not. The same bytes, or the same revert.
//! What our executor refuses by design is listed, and must be refused.

use std::collections::BTreeSet;
use std::time::Duration;

use alloy_dyn_abi::{DynSolType, DynSolValue};
use alloy_primitives::{Address, B256, Bytes, U256, hex};
use entitled::chain::{Block, Chain, ChainSettings, Now, Outcome};
use entitled::endpoint::EndpointSettings;
use entitled_core::domain::evm_fork::EvmFork;
use entitled_core::domain::ids::ChainId;
use entitled_core::domain::ownership::{Cause, Finality, Trust};
use futures_util::{StreamExt as _, stream};
use serde_json::json;

use crate::abi::{Artifact, Function, Scene};
use crate::node;
use crate::support::anvil::Anvil;
use crate::support::contract::Contract;
use crate::support::eventually;
use crate::support::faults::Fault;
use crate::support::licences::{ACCOUNT_REGISTRY, Accounts, DELEGATE_REGISTRY, Delegations, Lock};
use crate::support::proxy::Proxy;
use crate::support::stage::stranger;
use crate::support::wallet::Wallet;

/// Calls asked at the same time.
const TOGETHER: usize = 32;

/// What gets no answer from us, although the node has one or runs out of gas: contract and function.
const REFUSED: &[(&str, &str)] = &[
    // Hashes of earlier blocks are not proven.
    ("AcceptsByBlockHash", "fallback"),
    ("Opcodes", "hashOf"),
    // Each chain has a fraction of its own.
    ("Opcodes", "blobBaseFee"),
    // Where nothing is, some chains have a contract of their own.
    ("Opcodes", "precompiled"),
    ("ReadsBlockHash", "ownerOf"),
    // More slots, one after the other, than are proven for one call.
    ("ScanningLicence", "ownerOf"),
    ("SlowForSome", "stir"),
    // All the gas there is may take longer than anybody's time.
    ("LoopsForEver", "ownerOf"),
    ("LoopsOverSignatures", "fallback"),
];
/// What takes all the gas there is, and is asked once.
const SLOW: [(&str, &str); 4] = [
    ("LoopsForEver", "ownerOf"),
    ("LoopsOverSignatures", "fallback"),
    ("ReadsForSignatures", "fallback"),
    ("ReadsWithoutEnd", "ownerOf"),
];

/// What a contract is asked, beside its own functions, whatever it is.
const EVERYBODY: [&str; 8] = [
    "ownerOf(uint256)",
    "balanceOf(address)",
    "balanceOf(address,uint256)",
    "tokenOfOwnerByIndex(address,uint256)",
    "supportsInterface(bytes4)",
    "isValidSignature(bytes32,bytes)",
    "userOf(uint256)",
    "expiresAt(uint256)",
];

/// A contract on the chain and what it is asked.
pub struct Subject {
    pub name: String,
    pub address: Address,
    /// The function's name, and the call.
    pub questions: Vec<(String, Bytes)>,
}

pub struct Stand {
    pub anvil: Anvil,
    pub subjects: Vec<Subject>,
}

fn holder() -> Address {
    Wallet::numbered(1).address()
}

pub fn open(id: u64, url: String) -> Chain {
    open_by(Some(EvmFork::Osaka), id, url)
}

/// A chain of which these rules are at least in force.
pub fn open_by(evm: Option<EvmFork>, id: u64, url: String) -> Chain {
    Chain::open(ChainSettings {
        id: ChainId(id),
        rpc: vec![EndpointSettings::new(url.parse().unwrap())],
        trust: Trust::Single,
        quorum: 1,
        genesis: None,
        consensus: None,
        pinned: Vec::new(),
        evm,
        retry: Duration::from_secs(1),
        poll: Duration::from_millis(100),
        now: Now::new(jiff::Timestamp::now),
    })
    .unwrap()
}

impl Scene {
    pub fn new() -> Self {
        let numbers = [0, 1, 7, 41].map(U256::from).to_vec();
        let signature = Wallet::numbered(1).sign("anything");
        let texts = vec![Bytes::new(), Bytes::from_static(&[7; 33]), signature.parse().unwrap()];
        Self { addresses: vec![holder(), stranger(), Address::ZERO], numbers, texts }
    }
}

impl Stand {
    pub fn new(anvil: Anvil) -> Self {
        Self { anvil, subjects: Vec::new() }
    }

    /// Puts every contract there is on the chain, and what it is asked on the list.
    fn with_all(anvil: Anvil) -> Self {
        let mut stand = Self::new(anvil);
        let artifacts = Artifact::all();
        let of = |name: &str| artifacts.iter().find(|it| it.name == name).unwrap();
        for artifact in &artifacts {
            let address = match artifact.name.as_str() {
                "ProxiedLicence" | "BeaconLicence" => {
                    let code = stand.deploy(of("Licence"), vec![]);
                    stand.deploy(artifact, vec![code.into()])
                }
                // What stands before a lock, and the locks: they have a test of their own.
                name if name == "Behind" || name.starts_with("PublicLock") => continue,
                "SharedWallet" => {
                    let owner = |it: Address| DynSolValue::Bytes(it.to_vec());
                    let owners = vec![owner(holder()), owner(stranger())];
                    stand.deploy(artifact, vec![DynSolValue::Array(owners)])
                }
                _ => stand.deploy_usually(artifact),
            };
            let asked_as = match artifact.name.as_str() {
                "ProxiedLicence" | "BeaconLicence" => "Licence",
                name => name,
            };
            stand.ask(&artifact.name, of(asked_as), address);
        }
        stand.with_accounts(&of);
        // An account with a key that has borrowed a licence's code (EIP-7702), and nobody at all.
        let lent = stand.deploy(of("Licence"), vec![]);
        let borrower = Address::repeat_byte(0xb0);
        let code = hex::encode_prefixed([&hex!("ef0100")[..], lent.as_slice()].concat());
        stand.anvil.call("anvil_setCode", json!([borrower, code]));
        stand.anvil.mine(1);
        stand.ask("Borrower", of("Licence"), borrower);
        stand.ask("Nobody", of("Licence"), Address::repeat_byte(0xee));
        stand
    }

    /// Locks of every version with a key that ends, one that does not, and one that has ended.
    fn with_locks(&mut self) {
        let artifacts = Artifact::all();
        for version in Lock::VERSIONS {
            let lock = Lock::deploy(&self.anvil, version, Duration::from_secs(3_600));
            lock.buy(&self.anvil, holder());
            lock.grant(&self.anvil, stranger(), None);
            let ended = Wallet::numbered(3).address();
            lock.buy(&self.anvil, ended);
            lock.cancel(&self.anvil, ended, lock.key_of(&self.anvil, ended));
            let name = format!("PublicLockV{version}");
            let artifact = artifacts.iter().find(|it| it.name == name).unwrap();
            self.ask(&name, artifact, lock.contract.address);
        }
    }

    /// The delegate registry with delegations in it, and an account bound to a token.
    fn with_accounts<'a>(&mut self, of: &impl Fn(&str) -> &'a Artifact) {
        let licence = Contract::licence(&self.anvil);
        licence.mint(&self.anvil, holder(), 7);
        let delegations = Delegations::install(&self.anvil);
        let (vault, hot) = (stranger(), holder());
        delegations.all(&self.anvil, vault, hot, B256::ZERO, true);
        delegations.token(&self.anvil, (vault, hot), (licence.address, 7), B256::ZERO, true);
        self.ask("Delegations", of("DelegateRegistry"), DELEGATE_REGISTRY);
        let accounts = Accounts::install(&self.anvil);
        let account = accounts.create(&self.anvil, licence.address, 7);
        self.ask("Account", of("ERC6551Account"), account);
        self.ask("Accounts", of("ERC6551Registry"), ACCOUNT_REGISTRY);
    }

    /// Deploys with the holder's address wherever the constructor wants one.
    fn deploy_usually(&self, artifact: &Artifact) -> Address {
        let first = |it: &DynSolType| Scene::new().values(it).remove(0);
        self.deploy(artifact, artifact.constructor().iter().map(first).collect())
    }

    pub fn deploy(&self, artifact: &Artifact, arguments: Vec<DynSolValue>) -> Address {
        let code = artifact.json["bytecode"].as_str().unwrap();
        let arguments = hex::encode(DynSolValue::Tuple(arguments).abi_encode_params());
        let receipt = self.anvil.send(None, &format!("{code}{arguments}"));
        receipt["contractAddress"].as_str().unwrap().parse().unwrap()
    }

    /// All functions of a contract, what everybody is asked, and what is no question.
    pub fn ask(&mut self, name: &str, artifact: &Artifact, address: Address) {
        let mut scene = Scene::new();
        scene.addresses.push(address);
        let functions = artifact.functions();
        let mut questions: Vec<(String, Bytes)> = Vec::new();
        for function in &functions {
            let calls = function.questions(&scene, functions.len());
            questions.extend(calls.into_iter().map(|call| (function.name.clone(), call)));
        }
        let own = |call: &Bytes| questions.iter().any(|(_, it)| it.get(..4) == call.get(..4));
        let mut more: Vec<Bytes> =
            EVERYBODY.iter().flat_map(|it| Function::of(it).questions(&scene, 1)).collect();
        more.extend([Bytes::new(), hex!("00").into(), hex!("deadbeef").into()]);
        more.retain(|it| !own(it));
        questions.extend(more.into_iter().map(|call| ("fallback".to_owned(), call)));
        if name == "Opcodes" {
            questions.extend(precompiles().map(|call| ("precompiled".to_owned(), call)));
        }
        let slow = |function: &str| SLOW.contains(&(name, function));
        if let Some(slow) = questions.iter().position(|(function, _)| slow(function)) {
            let once = questions[slow].clone();
            questions.retain(|(function, _)| *function != once.0);
            questions.push(once);
        }
        self.subjects.push(Subject { name: name.to_owned(), address, questions });
    }

    /// Changes something in every contract that lets anybody; many do not.
    fn change(&self, changes: &[(&str, Vec<DynSolValue>)]) {
        let mut last = json!(null);
        for subject in &self.subjects {
            for (signature, arguments) in changes {
                let data = Function::of(signature).call(arguments.clone());
                let transaction = json!({
                    "from": self.anvil.account(0), "to": subject.address, "data": data, "gas": "0x200000",
                });
                last = self.anvil.call("eth_sendTransaction", json!([transaction]));
            }
        }
        eventually("the last change is on the chain", || {
            let receipt = self.anvil.call("eth_getTransactionReceipt", json!([last]));
            if receipt.is_null() { Err("not yet".to_owned()) } else { Ok(()) }
        });
    }

    /// Asks both everything, at one block. What differs, as lines.
    pub async fn differences(&self, chain: &Chain, block: &Block) -> Vec<String> {
        let (mut lines, mut refused) = (Vec::new(), BTreeSet::new());
        for subject in &self.subjects {
            let calls: Vec<(Address, Bytes)> =
                subject.questions.iter().map(|(_, call)| (subject.address, call.clone())).collect();
            let node = node::outcomes(&self.anvil, block.anchor.hash, &calls);
            let ours: Vec<Result<Outcome, Cause>> = stream::iter(calls)
                .map(|(to, data)| chain.call(block, to, data))
                .buffered(TOGETHER)
                .collect()
                .await;
            for (((function, call), ours), node) in subject.questions.iter().zip(ours).zip(node) {
                if ours.is_err() {
                    refused.insert((subject.name.as_str(), function.as_str()));
                }
                if !same(&subject.name, function, &ours, &node) {
                    let (name, call) = (&subject.name, shortened(call));
                    lines.push(format!(
                        "{name}.{function} {call}: {ours:?}, but the node: {node:?}"
                    ));
                }
            }
        }
        let asked = |name: &str, function: &str| {
            let subject = self.subjects.iter().find(|it| it.name == name);
            subject.is_some_and(|it| it.questions.iter().any(|it| it.0 == function))
        };
        // What takes all the gas there is may be done before its time is over, on a machine with nothing else to do.
        let must = REFUSED.iter().filter(|it| !SLOW.contains(it));
        let others = must.filter(|it| asked(it.0, it.1) && !refused.contains(*it));
        lines.extend(
            others.map(|(name, function)| format!("{name}.{function} is no longer refused")),
        );
        lines
    }
}

fn shortened(call: &Bytes) -> String {
    let text = call.to_string();
    text.chars().take(300).collect()
}

fn same(name: &str, function: &str, ours: &Result<Outcome, Cause>, node: &Outcome) -> bool {
    let refused = REFUSED.contains(&(name, function));
    match (ours, node) {
        // Unreachable: its time was over before what it may look at.
        (Err(cause), _) => refused && matches!(cause, Cause::Contract | Cause::Unreachable),
        (Ok(Outcome::NoCode), Outcome::Returned(nothing)) => nothing.is_empty(),
        (Ok(ours), node) => ours == node,
    }
}

/// Every precompiled contract, with input that suits one of them and with nonsense.
fn precompiles() -> impl Iterator<Item = Bytes> {
    let one = |size: usize| [vec![0; size - 1], vec![1]].concat();
    let recover = {
        let hash = alloy_primitives::eip191_hash_message("anything");
        let signature = hex::decode(Wallet::numbered(1).sign("anything")).unwrap();
        let v = [vec![0; 31], vec![signature[64]]].concat();
        [&hash[..], &v, &signature[..64]].concat()
    };
    // 3 to the power of 5, modulo 7.
    let power = [one(32), one(32), one(32), hex!("030507").to_vec()].concat();
    let p256 = hex!(
        "4cee90eb86eaa050036147a12d49004b6b9c72bd725d39d4785011fe190f0b4d"
        "a73bd4903f0ce3b639bbbf6e8e80d16931ff4bcf5993d58468e8fb19086e8cac"
        "36dbcd03009df8c59286b162af3bd7fcc0450c9aa81be5d10d312af6c66b1d60"
        "4aebd3099c618202fcfe16ae7770b0c49ab5eadf74b754204a3bb6060e44eff3"
        "7618b065f9832de4ca6ca971a7a1adc826d0f7c00181a5fb2ddf79ae00b4e10e"
    );
    // One round over zeros; BN254's generator, twice; zeros stand for the point at infinity.
    let blake = [vec![0, 0, 0, 1], vec![0; 208], vec![1]].concat();
    let generator = [one(32), [vec![0; 31], vec![2]].concat()].concat();
    let inputs = [
        vec![],
        recover,
        power,
        p256.to_vec(),
        blake,
        generator.repeat(2),
        [generator, one(32)].concat(),
        vec![0; 192],
        vec![0; 256],
        vec![0; 384],
        vec![0; 512],
        vec![0xff; 160],
    ];
    let ask = Function::of("precompiled(uint16,bytes)");
    let numbers = (0..=0x12_u64).chain([0x100, 0x101]);
    numbers.flat_map(move |it| {
        let number = DynSolValue::Uint(U256::from(it), 16);
        let call = |input: &Vec<u8>| ask.call(vec![number.clone(), input.clone().into()]);
        inputs.iter().map(call).collect::<Vec<_>>()
    })
}

pub fn report(lines: &[String]) {
    let shown: Vec<&str> = lines.iter().take(20).map(String::as_str).collect();
    assert!(lines.is_empty(), "{} differences:\n{}", lines.len(), shown.join("\n"));
}

/// An hour of the far future.
const HOUR: u64 = 4_000_000_000;

fn seconds(it: u64) -> DynSolValue {
    DynSolValue::Uint(U256::from(it), 64)
}

fn id(it: u64) -> DynSolValue {
    U256::from(it).into()
}

impl Stand {
    fn with_tokens() -> Self {
        Self::with_all(Anvil::start()).filled()
    }

    fn filled(self) -> Self {
        self.change(&[
            ("mint(address,uint256)", vec![holder().into(), id(7)]),
            ("mint(address,uint256)", vec![holder().into(), id(0)]),
            ("mint(address,uint256)", vec![stranger().into(), id(41)]),
            ("issue(address,uint256,uint256)", vec![holder().into(), id(7), id(3)]),
            ("setUser(uint256,address,uint64)", vec![id(7), stranger().into(), seconds(HOUR)]),
            ("renewSubscription(uint256,uint64)", vec![id(7), seconds(3_600)]),
            ("setTerm(uint256,uint256,uint256)", vec![id(7), id(1), id(HOUR)]),
        ]);
        self
    }

    /// Only some questions to each contract, where the block or the node is the point and not the contract; and
    /// none that takes long.
    fn fewer(mut self) -> Self {
        for subject in &mut self.subjects {
            let (mut number, name) = (0, subject.name.clone());
            subject.questions.retain(|(function, _)| {
                number += 1;
                let it = (name.as_str(), function.as_str());
                number % 4 == 1 && !REFUSED.contains(&it) && !SLOW.contains(&it)
            });
        }
        self.subjects.retain(|it| !it.questions.is_empty());
        self
    }

    fn change_hands(&self) {
        self.change(&[
            ("burn(uint256)", vec![id(7)]),
            ("mint(address,uint256)", vec![stranger().into(), id(7)]),
            ("mint(address,uint256)", vec![holder().into(), id(1)]),
            ("setUser(uint256,address,uint64)", vec![id(7), holder().into(), seconds(1)]),
            ("setTerm(uint256,uint256,uint256)", vec![id(7), id(1), id(2)]),
            ("cancelSubscription(uint256)", vec![id(7)]),
            ("takeBack(address,uint256,uint256)", vec![holder().into(), id(7), id(1)]),
            ("prepare()", vec![]),
            ("handOver(address)", vec![stranger().into()]),
        ]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_contract_says_the_same_to_us_and_to_the_node() {
    let stand = Stand::with_tokens();
    let chain = open(31_337, stand.anvil.url());
    let block = chain.anchor(Finality::Latest).await.unwrap();
    report(&stand.differences(&chain, &block).await);
    let asked: usize = stand.subjects.iter().map(|it| it.questions.len()).sum();
    eprintln!("{asked} calls of {} contracts", stand.subjects.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_lock_says_the_same_to_us_and_to_the_node() {
    let mut stand = Stand::new(Anvil::start());
    stand.with_locks();
    let chain = open(31_337, stand.anvil.url());
    let block = chain.anchor(Finality::Latest).await.unwrap();
    report(&stand.differences(&chain, &block).await);
    stand.anvil.increase_time(Duration::from_secs(7_200));
    let later = chain.anchor(Finality::Latest).await.unwrap();
    report(&stand.differences(&chain, &later).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn and_so_it_does_of_an_older_block() {
    let stand = Stand::with_tokens().fewer();
    let chain = open(31_337, stand.anvil.url());
    let block = chain.anchor(Finality::Latest).await.unwrap();
    stand.change_hands();
    assert_ne!(chain.anchor(Finality::Latest).await.unwrap().anchor, block.anchor);
    report(&stand.differences(&chain, &block).await);
}

/// By number instead of hash, and without `eth_createAccessList`.
#[tokio::test(flavor = "multi_thread")]
async fn and_so_it_does_with_a_node_that_offers_less() {
    let stand = Stand::with_tokens().fewer();
    stand.change_hands();
    let proxy = Proxy::start(&stand.anvil.address());
    proxy.fault(Fault::RefuseBlockHashes);
    proxy.fault_in("eth_createAccessList", Fault::Error { code: -32601, message: "unknown" });
    let chain = open(31_337, proxy.url());
    let block = chain.anchor(Finality::Latest).await.unwrap();
    report(&stand.differences(&chain, &block).await);
    assert!(proxy.calls("eth_createAccessList") > 0, "nobody wanted a hint");
}

/// What was proven before is proven again by what did not change, and answers are remembered: nothing of that
/// may show.
#[tokio::test(flavor = "multi_thread")]
async fn and_so_it_does_as_the_chain_goes_on() {
    let stand = Stand::with_tokens().fewer();
    let chain = open(31_337, stand.anvil.url());
    let code_of = |name: &str| {
        let address = stand.subjects.iter().find(|it| it.name == name).unwrap().address;
        (address, stand.anvil.call("eth_getCode", json!([address, "latest"])))
    };
    for round in 0..5 {
        let block = chain.anchor(Finality::Latest).await.unwrap();
        report(&stand.differences(&chain, &block).await);
        match round {
            0 => stand.anvil.mine(3),
            1 => stand.change_hands(),
            2 => stand.anvil.increase_time(Duration::from_secs(86_400)),
            // Other code at an address whose storage stays as it was.
            _ => {
                let ((at, _), (_, code)) = (code_of("PlainLicence"), code_of("SoladyLicence"));
                stand.anvil.call("anvil_setCode", json!([at, code]));
                stand.anvil.mine(1);
            }
        }
    }
}
