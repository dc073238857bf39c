//! Real answers, altered at random: nothing panics, and nothing false is believed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alloy_primitives::{Address, KECCAK256_EMPTY, U256};
use alloy_trie::EMPTY_ROOT_HASH;
use entitled::chain::{Known, Look};
use entitled_core::domain::ids::{ChainId, Collection, Standard, Timestamp};
use entitled_core::domain::ownership::{
    Finality, Finding, IdRanges, Rule, Sighting, Target, Terms,
};
use entitled_core::domain::product::TokensOf;
use proptest::prelude::{ProptestConfig, any, prop, proptest};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::differential::open;
use crate::support::anvil::Anvil;
use crate::support::contract::Contract;
use crate::support::faults::Fault;
use crate::support::proxy::Proxy;
use crate::support::stage::stranger;
use crate::support::wallet::Wallet;

fn holder() -> Address {
    Wallet::numbered(1).address()
}

/// Ways to alter a value.
const KINDS: u8 = 18;

/// What happens to one value in an answer.
fn alter(value: &mut Value, how: u8, with: u64) {
    let text = value.as_str().map(str::to_owned);
    *value = match (how % KINDS, text) {
        (0, _) => json!(null),
        (1, _) => json!(true),
        (2, _) => json!(with),
        (3, _) => json!("0x"),
        (4, _) => json!(format!("{with:#x}")),
        (5, _) => json!([]),
        (6, _) => json!({}),
        (7, _) => json!(holder().into_word()),
        (8, _) => json!("0x0"),
        (16, _) => json!(KECCAK256_EMPTY),
        (17, _) => json!(EMPTY_ROOT_HASH),
        (9, _) => json!([value.clone(), value.clone()]),
        (10, Some(text)) => {
            json!(text.chars().take(with as usize % (text.len() + 1)).collect::<String>())
        }
        (11, Some(text)) => json!(format!("{text}{with:x}")),
        (12, Some(text)) => {
            let mut bytes = text.into_bytes();
            let at = with as usize % bytes.len().max(1);
            if let Some(byte) = bytes.get_mut(at) {
                *byte = if *byte == b'0' { b'1' } else { b'0' };
            }
            json!(String::from_utf8(bytes).unwrap())
        }
        (13, Some(text)) => json!(text.replace("0x", "0X")),
        (_, _) => match value.take() {
            Value::Array(mut all) if !all.is_empty() => {
                let at = with as usize % all.len();
                if how.is_multiple_of(2) {
                    drop(all.remove(at))
                } else {
                    all.rotate_left(at.max(1))
                }
                all.into()
            }
            Value::Object(mut all) => {
                let key = all.keys().nth(with as usize % all.len().max(1)).cloned();
                key.and_then(|it| all.remove(&it));
                all.into()
            }
            other => other,
        },
    };
}

/// The places of all values in an answer, as JSON pointers; the whole is the first.
fn places(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    match value {
        Value::Array(parts) => parts
            .iter()
            .enumerate()
            .for_each(|(key, part)| places(part, &format!("{at}/{key}"), all)),
        Value::Object(parts) => {
            parts.iter().for_each(|(key, part)| places(part, &format!("{at}/{key}"), all));
        }
        _ => {}
    }
}

/// The answers from the `first` on are altered, each in one place, as the `changes` say.
fn altering(first: usize, changes: Vec<(u16, u8, u64)>) -> Fault {
    let seen = Mutex::new(0_usize);
    Fault::Answer(Arc::new(move |method, _, result| {
        let mut seen = seen.lock().unwrap();
        *seen += 1;
        // Another chain or none is no alteration but another question.
        let Some(index) = seen.checked_sub(first + 1) else { return };
        let Some((place, how, with)) = changes.get(index).filter(|_| method != "eth_chainId")
        else {
            return;
        };
        let mut all = Vec::new();
        places(result, "", &mut all);
        // Half of them where it matters most: in the fields of the whole, and in the values of slots.
        if place % 2 == 0 {
            all.retain(|it| it.matches('/').count() <= 1 || it.ends_with("/value"));
        }
        let place = &all[*place as usize / 2 % all.len()];
        alter(result.pointer_mut(place).unwrap(), *how, *with);
    }))
}

/// Token 7 is the holder's in one contract and somebody else's in the other, in both the only one.
struct Stand {
    proxy: Proxy,
    held: Contract,
    other: Contract,
    anvil: Anvil,
}

impl Stand {
    fn new() -> Self {
        let anvil = Anvil::start();
        let deploy = |to: Address| {
            let contract = Contract::deploy(&anvil, "PlainLicence", None);
            contract.mint(&anvil, to, 7);
            contract
        };
        let (held, other) = (deploy(holder()), deploy(stranger()));
        anvil.finalize();
        Self { proxy: Proxy::start(&anvil.address()), held, other, anvil }
    }

    /// Looks at both contracts, as a daemon would that knows nothing yet; what comes out that is false.
    async fn falsehoods(&self, ways: &[TokensOf]) -> Vec<String> {
        let chain = open(31_337, self.proxy.url());
        let mut false_ones = Vec::new();
        for (contract, is_held) in [(self.held, true), (self.other, false)] {
            let Ok(block) = chain.anchor(Finality::Latest).await else { continue };
            let true_head = self.anvil.block("latest")["hash"].clone();
            if json!(block.anchor.hash) != true_head {
                // An older block, or one made up from scratch: who trusts one endpoint has to take that.
                continue;
            }
            let (chain_id, standard) = (ChainId(31_337), Standard::Erc721);
            let collection = Collection { chain: chain_id, standard, contract: contract.address };
            let known = BTreeMap::from([(U256::from(7), Known::default())]);
            for tokens_of in ways.iter().copied() {
                let look = Look {
                    wallet: holder(),
                    by_contract: false,
                    collection,
                    ids: &IdRanges::only(U256::from(7)),
                    terms: Terms::direct(Rule::Owner),
                    tokens_of,
                    from_block: 0,
                    known: if tokens_of == TokensOf::Ids { &known } else { &BTreeMap::new() },
                    scans: BTreeMap::new(),
                    number: 1,
                    seen_at: Timestamp::UNIX_EPOCH,
                };
                let deadline = Instant::now() + Duration::from_secs(60);
                let looked = chain.look(&block, &look, deadline).await;
                let found = &looked.sightings;
                false_ones.extend(
                    found
                        .iter()
                        .filter(|it| is_false(it, found, is_held))
                        .map(|it| format!("{it:?}")),
                );
            }
        }
        false_ones
    }
}

/// Held is false of the other contract. Not held is false of token 7 of ours, and of the rest unless token 7
/// was sighted by itself.
fn is_false(sighting: &Sighting, all: &[Sighting], is_held: bool) -> bool {
    let held = matches!(sighting.finding, Finding::Held { .. });
    let not_held = matches!(sighting.finding, Finding::NotHeld { .. });
    let itself = all.iter().any(|it| {
        matches!(it.target, Target::Token(_)) && matches!(it.finding, Finding::Held { .. })
    });
    match sighting.target {
        Target::Token(_) => (held && !is_held) || (not_held && is_held),
        Target::Rest { .. } => held || (not_held && is_held && !itself),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, max_shrink_iters: 30, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_altered_nothing_false_is_believed(
        rounds in prop::collection::vec(
            (0_usize..14, prop::collection::vec((any::<u16>(), any::<u8>(), any::<u64>()), 1..6)), 1..2,
        )
    ) {
        STAND.with(|stand| {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            for (first, changes) in rounds {
                stand.proxy.fault(altering(first, changes));
                let falsehoods = runtime.block_on(stand.falsehoods(&WAYS));
                assert!(falsehoods.is_empty(), "{falsehoods:?}");
            }
        });
    }
}

const WAYS: [TokensOf; 2] = [TokensOf::Logs, TokensOf::Ids];

/// Every field of a proof that says something, replaced by everything, in every answer alike.
#[tokio::test(flavor = "multi_thread")]
async fn no_field_of_a_proof_can_be_another() {
    const FIELDS: [&str; 11] = [
        "/address",
        "/nonce",
        "/balance",
        "/codeHash",
        "/storageHash",
        "/accountProof",
        "/accountProof/0",
        "/storageProof",
        "/storageProof/0/key",
        "/storageProof/0/value",
        "/storageProof/0/proof",
    ];
    let stand = Stand::new();
    for field in FIELDS {
        for how in 0..KINDS {
            stand.proxy.fault(Fault::Answer(Arc::new(move |method, _, result| {
                if let (Some(value), "eth_getProof") = (result.pointer_mut(field), method) {
                    alter(value, how, 1);
                }
            })));
            let falsehoods = stand.falsehoods(&[TokensOf::Ids]).await;
            assert!(falsehoods.is_empty(), "{field}, alteration {how}: {falsehoods:?}");
        }
    }
}

thread_local! {
    static STAND: Stand = Stand::new();
}

#[tokio::test(flavor = "multi_thread")]
async fn unaltered_everything_is_found() {
    let stand = Stand::new();
    assert_eq!(stand.falsehoods(&WAYS).await, Vec::<String>::new());
    let chain = open(31_337, stand.proxy.url());
    let block = chain.anchor(Finality::Latest).await.unwrap();
    let token = |contract: Contract| {
        let (chain, standard) = (ChainId(31_337), Standard::Erc721);
        Collection { chain, standard, contract: contract.address }.token(U256::from(7))
    };
    assert_eq!(chain.holder_of(&block, token(stand.held), Rule::Owner).await, Ok(Some(holder())));
    assert_eq!(
        chain.holder_of(&block, token(stand.other), Rule::Owner).await,
        Ok(Some(stranger()))
    );
}
