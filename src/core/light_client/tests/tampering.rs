//! Every field of every object, altered one at a time: each alteration is refused, or named here with the
//! reason why nothing rests on it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::mainnet::{CAPELLA, DENEB, ELECTRA_ROOT, FULU_ROOT, fixture};
use super::*;

/// What may be altered unnoticed.
const NOT_COVERED: [(&str, &str); 2] = [
    ("version", "not read: the fork follows from the slots"),
    (
        "data.signature_slot",
        "not signed. Any slot will do that is after the attested one, in the same period and fork: the \
         same committee then signs the same message. It decides nothing else",
    ),
];

/// Alters a copy of `json` in every way there is here, one at a time. How many there were, and the places at
/// which `is_taken` took one.
fn each_alteration(
    json: &Value,
    mut is_taken: impl FnMut(&Value) -> bool,
) -> (usize, BTreeSet<String>) {
    let mut places = Vec::new();
    walk(json, &mut Vec::new(), &mut places);
    let (mut tried, mut taken) = (0, BTreeSet::new());
    for place in places {
        let mut copy = json.clone();
        let original = place.iter().fold(&mut copy, |it, step| step.of(it)).clone();
        let mut found = alterations(&original);
        if place.last().is_some_and(Step::is_far_down) {
            found.truncate(1);
        }
        for (what, altered) in found {
            *place.iter().fold(&mut copy, |it, step| step.of(it)) = altered;
            tried += 1;
            if is_taken(&copy) {
                let steps = place.iter().cloned().chain(what);
                taken.insert(steps.map(|it| it.name()).collect::<Vec<_>>().join("."));
            }
        }
    }
    (tried, taken)
}

#[derive(Clone)]
enum Step {
    Key(String),
    Item(usize),
}

impl Step {
    fn of<'a>(&self, json: &'a mut Value) -> &'a mut Value {
        match self {
            Self::Key(key) => &mut json[key],
            Self::Item(index) => &mut json[index],
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Key(key) => key.clone(),
            Self::Item(index) => index.to_string(),
        }
    }

    /// One of a committee's many keys, for which one alteration has to do.
    fn is_far_down(&self) -> bool {
        matches!(self, Self::Item(20..))
    }
}

/// Every leaf, list and table.
fn walk(json: &Value, path: &mut Vec<Step>, places: &mut Vec<Vec<Step>>) {
    let children: Vec<(Step, &Value)> = match json {
        Value::Object(map) => map.iter().map(|(key, it)| (Step::Key(key.clone()), it)).collect(),
        Value::Array(list) => {
            list.iter().enumerate().map(|(index, it)| (Step::Item(index), it)).collect()
        }
        _ => Vec::new(),
    };
    places.push(path.clone());
    for (step, child) in children {
        path.push(step);
        walk(child, path, places);
        path.pop();
    }
}

/// What to put in the place of a value; and the key, where it is only that key that is gone.
fn alterations(json: &Value) -> Vec<(Option<Step>, Value)> {
    let whole = |it: Value| (None, it);
    match json {
        Value::String(text) if text.starts_with("0x") => altered_hex(text).map(whole).collect(),
        Value::String(text) => match text.parse::<u64>() {
            Ok(number) => [number.wrapping_add(1), number.wrapping_sub(1), 0, u64::MAX]
                .into_iter()
                .filter(|it| *it != number)
                .map(|it| json!(it.to_string()))
                .chain([json!(""), json!(number), Value::Null, json!(format!("0{number}"))])
                .map(whole)
                .collect(),
            Err(_) => [json!(""), json!("electra"), Value::Null].map(whole).to_vec(),
        },
        Value::Array(list) => {
            let mut shorter = list.clone();
            shorter.pop();
            let longer = [list.clone(), list[..1].to_vec()].concat();
            let mut swapped = list.clone();
            swapped.swap(0, list.len() - 1);
            let padded = [vec![json!(alloy_primitives::B256::ZERO)], list.clone()].concat();
            let lists = [shorter, longer, swapped, padded, Vec::new()].map(Value::Array);
            lists.into_iter().chain([Value::Null]).map(whole).collect()
        }
        Value::Object(map) => {
            let less = map.keys().map(|key| {
                let mut less = map.clone();
                less.remove(key);
                (Some(Step::Key(key.clone())), Value::Object(less))
            });
            less.chain([(None, json!({})), (None, Value::Null)]).collect()
        }
        _ => Vec::new(),
    }
}

fn altered_hex(text: &str) -> impl Iterator<Item = Value> {
    let digits = text.len() - 2;
    let mut found = Vec::new();
    for at in [digits / 2, 0, digits.saturating_sub(1)] {
        let mut altered = text.to_owned().into_bytes();
        if let Some(digit) = altered.get_mut(2 + at) {
            *digit = if *digit == b'0' { b'1' } else { b'0' };
            found.push(json!(String::from_utf8(altered).unwrap()));
        }
    }
    let shorter = text.get(..text.len() - 2).filter(|it| it.len() >= 2).map(|it| json!(it));
    let others = [json!(format!("{text}00")), json!("0x"), json!(7), Value::Null];
    found.into_iter().chain(shorter).chain(others)
}

/// Whether the client takes it, and what it then holds to be true is what the honest one said.
fn judge(
    client: &LightClient,
    honest: &LightClient,
    apply: impl FnOnce(&mut LightClient) -> Option<Applied>,
) -> bool {
    let mut copy = client.clone();
    let applied = apply(&mut copy);
    if applied.is_none() {
        let state = |it: &LightClient| (it.finalized.clone(), it.optimistic.clone(), it.period);
        assert_eq!(state(&copy), state(client), "a refused claim has changed something");
        return false;
    }
    let root = |head: Option<&Head>| head.map(|it| (it.beacon_root, it.execution_hash));
    assert_eq!(root(copy.finalized()), root(honest.finalized()));
    assert_eq!(root(copy.optimistic()), root(honest.optimistic()));
    true
}

/// Fails unless exactly what is named above was taken.
fn expect((tried, accepted): (usize, BTreeSet<String>), least: usize, covered: &[&str]) {
    let expected: BTreeSet<String> = NOT_COVERED
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .filter(|it| !covered.contains(&it.as_str()))
        .collect();
    assert!(tried >= least, "only {tried} alterations");
    assert_eq!(accepted, expected);
}

fn tamper_with_update(spec: &Specification, client: &LightClient, json: &Value, least: usize) {
    let take = |copy: &mut LightClient, json: &Value| {
        let update = Update::from_json(&bytes(json)).ok()?;
        copy.apply_update(spec, &update, NOW).ok()
    };
    let mut honest = client.clone();
    take(&mut honest, json).unwrap();
    let outcome = each_alteration(json, |json| judge(client, &honest, |copy| take(copy, json)));
    expect(outcome, least, &[]);
}

fn tamper_with_finality(spec: &Specification, client: &LightClient, json: &Value) {
    let take = |copy: &mut LightClient, json: &Value| {
        let update = FinalityUpdate::from_json(&bytes(json)).ok()?;
        copy.apply_finality(spec, &update, NOW).ok()
    };
    let mut honest = client.clone();
    take(&mut honest, json).unwrap();
    let outcome = each_alteration(json, |json| judge(client, &honest, |copy| take(copy, json)));
    expect(outcome, 300, &[]);
}

fn tamper_with_optimistic(spec: &Specification, client: &LightClient, json: &Value) {
    let take = |copy: &mut LightClient, json: &Value| {
        let update = OptimisticUpdate::from_json(&bytes(json)).ok()?;
        copy.apply_optimistic(spec, &update, NOW).ok()
    };
    let mut honest = client.clone();
    take(&mut honest, json).unwrap();
    let outcome = each_alteration(json, |json| judge(client, &honest, |copy| take(copy, json)));
    expect(outcome, 150, &[]);
}

fn tamper_with_bootstrap(spec: &Specification, root: alloy_primitives::B256, json: &Value) {
    let outcome = each_alteration(json, |json| {
        let checkpoint = Checkpoint { root, slot: None };
        Bootstrap::from_json(&bytes(json))
            .is_ok_and(|it| LightClient::bootstrap(spec, &checkpoint, &it).is_ok())
    });
    expect(outcome, 300, &["data.signature_slot"]);
}

#[test]
fn a_simulated_bootstrap() {
    let network = Network::small();
    let (root, json) = network.bootstrap(40);
    tamper_with_bootstrap(&specification(&network), root, &json);
}

#[test]
fn a_simulated_update() {
    let network = Network::small();
    let client = super::begun(&network, 32);
    let json = network.update(all(&network, 40, 55));
    tamper_with_update(&specification(&network), &client, &json, 600);
}

#[test]
fn a_simulated_finality_update() {
    let network = Network::small();
    let client = super::begun(&network, 32);
    let json = network.finality_update(all(&network, 40, 55));
    tamper_with_finality(&specification(&network), &client, &json);
}

#[test]
fn a_simulated_optimistic_update() {
    let network = Network::small();
    let client = super::begun(&network, 32);
    let json = network.optimistic_update(all(&network, 40, 55));
    tamper_with_optimistic(&specification(&network), &client, &json);
}

fn read(name: &str) -> Option<Value> {
    fixture(name).map(|it| serde_json::from_slice(&it).unwrap())
}

#[test]
fn mainnets_bootstraps() {
    let spec = mainnet::mainnet();
    for (era, at) in [(DENEB, 0), (CAPELLA, 1)] {
        let Some(json) = read(&format!("{era}bootstrap.json")) else { return };
        tamper_with_bootstrap(&spec, spec.checkpoints()[at].root, &json);
    }
    for (folder, root) in [("mainnet-electra", ELECTRA_ROOT), ("mainnet-fulu", FULU_ROOT)] {
        let Some(json) = read(&format!("{folder}/bootstrap/{root}.json")) else { return };
        tamper_with_bootstrap(&spec, root, &json);
    }
}

#[test]
fn mainnets_updates() {
    let spec = mainnet::mainnet();
    let after = |(mut client, updates): (LightClient, Vec<Update>)| {
        client.apply_update(&spec, &updates[0], NOW).unwrap();
        client
    };
    for (client, name) in [
        (mainnet::begun(DENEB), "mainnet-deneb/update.json"),
        (mainnet::electra().map(|it| it.0), "mainnet-electra/updates/1421.json"),
        (mainnet::electra().map(after), "mainnet-electra/updates/1422.json"),
        (mainnet::fulu(), "mainnet-fulu/updates/1711.json"),
    ] {
        let (Some(client), Some(json)) = (client, read(name)) else { return };
        tamper_with_update(&spec, &client, &json[0], 1_000);
    }
}

#[test]
fn mainnets_finality_updates() {
    let spec = mainnet::mainnet();
    for (client, name) in [
        (mainnet::begun(DENEB), "mainnet-deneb/finality_update.json"),
        (mainnet::followed(), "mainnet-capella/lc_finality.json"),
        (mainnet::fulu(), "mainnet-fulu/finality_update.json"),
    ] {
        let (Some(client), Some(json)) = (client, read(name)) else { return };
        tamper_with_finality(&spec, &client, &json);
    }
}

#[test]
fn mainnets_optimistic_update() {
    for (client, name) in [
        (mainnet::followed(), "mainnet-capella/lc_optimistic.json"),
        (mainnet::fulu(), "mainnet-fulu/optimistic_update.json"),
    ] {
        let (Some(client), Some(json)) = (client, read(name)) else { return };
        tamper_with_optimistic(&mainnet::mainnet(), &client, &json);
    }
}
