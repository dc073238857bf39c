//! The specification's own test vectors, Capella to Gloas: sequences of updates, and Merkle proofs. Made with
//! eth-consensus-specs' tests, for the minimal preset, which is a chain's specification like any other.
//!
//! What is fed is what a beacon node would serve of each update. Forced updates are left out on purpose
//! (docs/trust.md): from one on that the protocol makes, the client may be behind it and never elsewhere.

mod ssz;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use alloy_primitives::{B256, FixedBytes};
use ring::digest;

use super::*;
use crate::light_client::merkle;
use crate::light_client::merkle::GeneralizedIndex;
use crate::light_client::wire::CommitteeKeys;
use ssz::Fork;

const FOLDER: &str = "light-client-vectors/minimal";
/// A whole update is altered at one byte of so many.
const STRIDE: usize = 23;

/// The folders of one kind of vectors, of all forks. Empty, having said so, where they are not.
fn vectors(below: &str) -> Vec<(Fork, PathBuf)> {
    let mut found = Vec::new();
    for fork in Fork::ALL {
        let folder = mainnet::folder().join(FOLDER).join(fork.name()).join("light_client");
        let Ok(entries) = std::fs::read_dir(folder.join(below)) else {
            eprintln!("skipped: the vectors of {} are not beside the checkout", fork.name());
            continue;
        };
        let mut folders: Vec<PathBuf> = entries.map(|it| it.unwrap().path()).collect();
        folders.sort();
        found.extend(folders.into_iter().map(|it| (fork, it)));
    }
    found
}

fn unpacked(folder: &Path, name: &str) -> Vec<u8> {
    let packed = std::fs::read(folder.join(format!("{name}.ssz_snappy"))).unwrap();
    snap::raw::Decoder::new().decompress_vec(&packed).unwrap()
}

/// The lines of a YAML file, one fact each: those that go on in the next one are joined.
fn lines(folder: &Path, name: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in std::fs::read_to_string(folder.join(name)).unwrap().lines() {
        match lines.last_mut() {
            Some(last) if !line.contains(':') && last.ends_with(": ") => last.push_str(line.trim()),
            _ => lines.push(line.to_owned()),
        }
    }
    lines
}

fn fact(line: &str) -> (&str, &str) {
    let (key, value) = line.split_once(':').unwrap_or((line, ""));
    (key.trim_start_matches(['-', ' ']), value.trim().trim_matches('\''))
}

/// What a folder says of its chain.
struct Rules {
    facts: BTreeMap<String, String>,
    /// From which epoch on there are so many blobs: part of the names of forks since Fulu (EIP-7892).
    blobs: Vec<(u64, u64)>,
    specification: Specification,
    root: B256,
}

impl Rules {
    fn read(folder: &Path) -> Self {
        let mut facts = BTreeMap::new();
        let mut epochs = Vec::new();
        let mut most = Vec::new();
        for line in lines(folder, "config.yaml").iter().chain(&lines(folder, "meta.yaml")) {
            match fact(line) {
                ("EPOCH", epoch) => epochs.push(epoch.parse().unwrap()),
                ("MAX_BLOBS_PER_BLOCK", number) if line.starts_with(' ') => {
                    most.push(number.parse().unwrap());
                }
                (key, value) => drop(facts.insert(key.to_owned(), value.to_owned())),
            }
        }
        let mut blobs: Vec<(u64, u64)> = epochs.into_iter().zip(most).collect();
        let most = facts.get("MAX_BLOBS_PER_BLOCK_ELECTRA").map(|it| it.parse().unwrap());
        blobs.extend(begins(&facts, Fork::Electra).zip(most));
        let specification = Specification::parse(&text(&facts)).unwrap();
        let root = ssz::root(&facts["trusted_block_root"]);
        Self { facts, blobs, specification, root }
    }

    /// The fork whose name, with any number of blobs, is this digest (`compute_fork_digest`).
    fn fork(&self, named: &str) -> Fork {
        let named: FixedBytes<4> = named.parse().unwrap();
        let validators = ssz::root(&self.facts["genesis_validators_root"]);
        let is_named = |fork: &Fork| {
            let Some(version) = version(&self.facts, *fork) else { return false };
            let name = sha256(&[merkle::short(version.as_slice()), validators].concat());
            let masks = self
                .blobs
                .iter()
                .map(|(epoch, most)| sha256(&[epoch.to_le_bytes(), most.to_le_bytes()].concat()));
            let masks = masks.filter(|_| *fork >= Fork::Fulu).chain([B256::ZERO]);
            masks.into_iter().any(|mask| (name ^ mask)[..4] == named[..])
        };
        Fork::ALL.into_iter().find(is_named).unwrap_or_else(|| panic!("no fork is {named}"))
    }
}

fn sha256(bytes: &[u8]) -> B256 {
    B256::from_slice(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// A fork's version, and the epoch it begins with; a file may be silent of those that never come.
fn version(facts: &BTreeMap<String, String>, fork: Fork) -> Option<FixedBytes<4>> {
    let version = facts.get(&format!("{}_FORK_VERSION", fork.name().to_uppercase()));
    version.map(|it| it.parse().unwrap())
}

fn begins(facts: &BTreeMap<String, String>, fork: Fork) -> Option<u64> {
    let epoch = facts.get(&format!("{}_FORK_EPOCH", fork.name().to_uppercase()));
    epoch.map(|it| it.parse().unwrap()).filter(|it| *it != u64::MAX)
}

/// The minimal preset as a chain's specification.
fn text(facts: &BTreeMap<String, String>) -> String {
    let zero = B256::ZERO;
    let mut text = format!(
        "name = \"minimal\"\nchain = \"eip155:5\"\ngenesis_time = 0\ngenesis_block = \"{zero}\"\n\
         genesis_validators_root = \"{}\"\nseconds_per_slot = 6\nslots_per_epoch = 8\n\
         epochs_per_period = 8\ncommittee_size = {}\n",
        facts["genesis_validators_root"],
        ssz::COMMITTEE,
    );
    for fork in Fork::ALL {
        let (Some(epoch), Some(version)) = (begins(facts, fork), version(facts, fork)) else {
            continue;
        };
        let form = match fork {
            Fork::Capella => "capella",
            Fork::Deneb | Fork::Electra | Fork::Fulu => "deneb",
            Fork::Gloas => "block_hash",
        };
        let [current, next, finalized, execution] = fork.indices();
        text.push_str(&format!(
            "[[forks]]\nname = \"{}\"\nepoch = {epoch}\nversion = \"{}\"\n\
             execution_header = \"{form}\"\nexecution_gindex = {execution}\n\
             finalized_root_gindex = {finalized}\ncurrent_sync_committee_gindex = {current}\n\
             next_sync_committee_gindex = {next}\n",
            fork.name(),
            version,
        ));
    }
    text
}

/// One step of a sequence, and what the protocol knows after it: slots and roots.
#[derive(Default)]
struct Step {
    kind: String,
    facts: BTreeMap<String, String>,
    finalized: (u64, B256),
    optimistic: (u64, B256),
}

fn steps(folder: &Path) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut optimistic = false;
    for line in lines(folder, "steps.yaml") {
        let (key, value) = fact(&line);
        if line.starts_with('-') {
            steps.push(Step { kind: key.to_owned(), ..Step::default() });
        }
        let step = steps.last_mut().unwrap();
        match key {
            "finalized_header" | "optimistic_header" => optimistic = key == "optimistic_header",
            "slot" if optimistic => step.optimistic.0 = value.parse().unwrap(),
            "slot" => step.finalized.0 = value.parse().unwrap(),
            "beacon_root" if optimistic => step.optimistic.1 = ssz::root(value),
            "beacon_root" => step.finalized.1 = ssz::root(value),
            _ => drop(step.facts.insert(key.to_owned(), value.to_owned())),
        }
    }
    steps
}

/// What is known: the newest final and the newest signed header, or where it began.
fn known(client: &LightClient) -> [(u64, B256); 2] {
    let start = (client.start.slot, client.start.root);
    let of = |head: &Head| (head.slot, head.beacon_root);
    let finalized = client.finalized().map_or(start, of);
    [finalized, client.optimistic().map_or(finalized, of).max(finalized)]
}

/// Feeds an update as a beacon node would serve it; every refusal must be one of what is of no use.
fn feed(client: &mut LightClient, spec: &Specification, data: &Value, now: u64) {
    let empty = |name: &str| {
        let branch = data[name].as_array().unwrap();
        branch.iter().all(|it| *it == json_zero())
    };
    let text = bytes(data);
    let mut taken = Vec::new();
    if !empty("next_sync_committee_branch") {
        taken.push(client.apply_update(spec, &Update::from_json(&text).unwrap(), now));
    }
    if !empty("finality_branch") {
        taken.push(client.apply_finality(spec, &FinalityUpdate::from_json(&text).unwrap(), now));
    }
    taken.push(client.apply_optimistic(spec, &OptimisticUpdate::from_json(&text).unwrap(), now));
    for refused in taken.into_iter().filter_map(Result::err) {
        assert_eq!(refused.kind(), RefusalKind::NotUseful, "{refused}");
    }
}

fn json_zero() -> Value {
    serde_json::json!(B256::ZERO)
}

/// How many altered copies of a whole update there were; none is taken.
fn alter(client: &LightClient, rules: &Rules, (fork, whole): (Fork, &[u8]), now: u64) -> usize {
    let take = |bytes_of: &[u8]| {
        let data = ssz::update(fork, bytes_of)?;
        let update = Update::from_json(&bytes(&data)).ok()?;
        let mut copy = client.clone();
        let applied = copy.apply_update(&rules.specification, &update, now).ok()?;
        (applied != Applied::Nothing).then_some(())
    };
    if take(whole).is_none() {
        return 0;
    }
    let unsigned = ssz::unsigned(fork, whole);
    let places = (0..whole.len()).step_by(STRIDE).filter(|it| !unsigned.contains(it));
    let mut tried = 0;
    for place in places {
        let mut copy = whole.to_vec();
        copy[place] ^= 1;
        assert!(take(&copy).is_none(), "byte {place} of {} was altered", whole.len());
        tried += 1;
    }
    tried
}

/// Runs one sequence: whether the protocol forced an update in it, and how many altered copies were refused.
fn run(folder: &Path) -> (bool, usize) {
    let rules = Rules::read(folder);
    let spec = &rules.specification;
    let fork = rules.fork(&rules.facts["bootstrap_fork_digest"]);
    let bootstrap = ssz::bootstrap(fork, &unpacked(folder, "bootstrap")).unwrap();
    let bootstrap = Bootstrap::from_json(&bytes(&bootstrap)).unwrap();
    let checkpoint = Checkpoint { root: rules.root, slot: None };
    let mut client = LightClient::bootstrap(spec, &checkpoint, &bootstrap).unwrap();
    let (mut forced, mut altered) = (false, 0);
    for (at, step) in steps(folder).iter().enumerate() {
        let before = known(&client);
        match step.kind.as_str() {
            "process_update" => {
                let fork = rules.fork(&step.facts["update_fork_digest"]);
                let whole = unpacked(folder, &step.facts["update"]);
                let now = step.facts["current_slot"].parse().unwrap();
                altered += alter(&client, &rules, (fork, &whole), now);
                feed(&mut client, spec, &ssz::update(fork, &whole).unwrap(), now);
            }
            "force_update" => forced |= before != [step.finalized, step.optimistic],
            // A store has no form here that a fork could change.
            "upgrade_store" => {}
            other => panic!("what is {other}?"),
        }
        for (mine, theirs) in known(&client).into_iter().zip([step.finalized, step.optimistic]) {
            let behind = forced && mine.0 < theirs.0;
            assert!(mine == theirs || behind, "{folder:?}, step {at}: {mine:?}, not {theirs:?}");
        }
    }
    (forced, altered)
}

#[test]
fn every_sequence_is_taken_as_the_protocol_takes_it() {
    let folders = vectors("sync/pyspec_tests");
    let mut forced = BTreeSet::new();
    let mut altered = 0;
    for (fork, folder) in &folders {
        let (was_forced, refused) = run(folder);
        altered += refused;
        if was_forced {
            forced.insert((*fork, folder.file_name().unwrap().to_owned()));
        }
    }
    eprintln!("{} sequences, {altered} altered copies refused", folders.len());
    if !folders.is_empty() {
        assert_eq!(folders.len(), 33);
        let expected = Fork::ALL.map(|it| (it, "light_client_sync".into()));
        assert_eq!(forced, BTreeSet::from(expected), "elsewhere nothing was forced");
        assert!(altered > 5_000, "only {altered} altered copies");
    }
}

/// A leaf, its place and the way up, as a proof's file says.
fn proof(folder: &Path) -> (B256, u64, Vec<B256>) {
    let lines = lines(folder, "proof.yaml");
    let of = |name: &str| lines.iter().map(|it| fact(it)).find(|it| it.0 == name).unwrap().1;
    let branch = lines.iter().filter_map(|it| it.strip_prefix("- ")).map(ssz::root).collect();
    (ssz::root(of("leaf")), of("leaf_index").parse().unwrap(), branch)
}

/// Where a branch leads, by the definition.
fn climb(leaf: B256, index: u64, branch: &[B256]) -> B256 {
    let up = |(node, index): (B256, u64), beside: &B256| {
        let pair = if index % 2 == 0 { [node, *beside] } else { [*beside, node] };
        (sha256(&pair.concat()), index / 2)
    };
    branch.iter().fold((leaf, index), up).0
}

#[test]
fn every_merkle_proof_leads_where_it_should() {
    let (mut proofs, mut committees, mut altered) = (0, 0, 0);
    let mut roots = BTreeSet::new();
    for below in ["BeaconState", "BeaconBlockBody"] {
        for (fork, folder) in vectors(&format!("single_merkle_proof/{below}")) {
            let (leaf, index, branch) = proof(&folder);
            assert!(fork.indices().contains(&index), "{folder:?}: {index}");
            let place = GeneralizedIndex::new(index).unwrap();
            let root = climb(leaf, index, &branch);
            let leads = |leaf, branch: &Vec<B256>| {
                merkle::leads_to(&root, leaf, branch, place, place.depth())
            };
            assert!(leads(leaf, &branch), "{folder:?}");
            for at in 0..branch.len() {
                let mut other = branch.clone();
                other[at].0[at] ^= 1;
                assert!(!leads(leaf, &other), "{folder:?}: step {at}");
                altered += 1;
            }
            assert!(!leads(leaf, &branch[1..].to_vec()) && !leads(root, &branch), "{folder:?}");
            // All proofs of one state are of one root.
            roots.insert((fork, below, root));
            if folder.to_string_lossy().contains("sync_committee") {
                let size = ssz::COMMITTEE;
                let is_leaf = |it: Value| {
                    let keys: CommitteeKeys = serde_json::from_value(it).unwrap();
                    keys.root(size) == Ok(leaf)
                };
                let whole = unpacked(&folder, "object");
                assert!(ssz::committees(&whole).any(is_leaf), "{folder:?}: nobody's root");
                committees += 1;
            }
            proofs += 1;
        }
    }
    eprintln!("{proofs} proofs, {committees} committees' roots, {altered} altered copies refused");
    if proofs > 0 {
        assert_eq!((proofs, committees, roots.len()), (20, 10, 10));
    }
}
