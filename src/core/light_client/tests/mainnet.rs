//! Mainnet's own data, Capella to Fulu. It lies beside the checkout; where it does not, these tests say so and
//! pass, and where changes are judged one of them fails.

use std::path::PathBuf;

use alloy_primitives::{B256, Bytes, U256, b256, keccak256};
use alloy_trie::proof::verify_proof;
use alloy_trie::{Nibbles, TrieAccount};
use serde_json::Value;

use crate::light_client::*;

/// Later than every signature in the data.
pub(super) const NOW: u64 = 20_000_000;
pub(super) const CAPELLA: &str = "mainnet-capella/lc_";
pub(super) const DENEB: &str = "mainnet-deneb/";

const CAPELLA_ROOT: B256 =
    b256!("5afc212a7924789b2bc86acad3ab3a6ffb1f6e97253ea50bee7f4f51422c9275");
const DENEB_ROOT: B256 = b256!("f783c545d2dd90cee6c4cb92a9324323ef397f6ec85e1a3d61c48cf6cfc979e2");

pub(super) const ELECTRA_ROOT: B256 =
    b256!("d9717ecc253684291f828688f311ba74d05af74c31654f6e14077669fca62f6a");
pub(super) const FULU_ROOT: B256 =
    b256!("9bcb90ec3a294591b77dd2a58e973578715cdc0e6eeeb286bc06dd120057f18b");

/// Where the recordings are, if they are anywhere: beside the checkout, whose `src/core` this package is.
pub(super) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures")
}

/// `None`, having said so, where the data is not there.
pub(super) fn fixture(name: &str) -> Option<Vec<u8>> {
    let text = std::fs::read(folder().join(name)).ok();
    if text.is_none() {
        eprintln!("skipped: {name} is not beside the checkout");
    }
    text
}

pub(super) fn mainnet() -> Specification {
    Specification::named("mainnet").unwrap()
}

/// A client of the era's checkpoint, before any update.
pub(super) fn begun(era: &str) -> Option<LightClient> {
    let bootstrap = fixture(&format!("{era}bootstrap.json"))?;
    let root = if era == CAPELLA { CAPELLA_ROOT } else { DENEB_ROOT };
    let bootstrap = Bootstrap::from_json(&bootstrap).unwrap();
    let checkpoint = Checkpoint { root, slot: None };
    Some(LightClient::bootstrap(&mainnet(), &checkpoint, &bootstrap).unwrap())
}

/// Capella's client after its six updates.
pub(super) fn followed() -> Option<LightClient> {
    let mut client = begun(CAPELLA)?;
    for update in Update::list_from_json(&fixture("mainnet-capella/lc_updates.json")?).unwrap() {
        client.apply_update(&mainnet(), &update, NOW).unwrap();
    }
    Some(client)
}

#[test]
fn six_periods_of_capella_follow_from_the_checkpoint() {
    let (Some(mut client), Some(list)) =
        (begun(CAPELLA), fixture("mainnet-capella/lc_updates.json"))
    else {
        return;
    };
    let spec = mainnet();
    let mut learned = Vec::new();
    for update in Update::list_from_json(&list).unwrap() {
        assert_eq!(client.wants(&spec, NOW), Some(spec.period_of(update.attested_slot())));
        match client.apply_update(&spec, &update, NOW).unwrap() {
            Applied::Advanced { committee, .. } => learned.extend(committee),
            Applied::Nothing => panic!("an update of {} told nothing", update.attested_slot()),
        }
    }
    assert_eq!(learned, [863, 864, 865, 866, 867, 868]);
    let head = client.finalized().unwrap();
    assert_eq!((head.slot, head.execution_number), (7_104_096, Some(17_917_816)));
}

#[test]
fn capellas_finality_and_optimistic_updates_are_taken() {
    let (Some(mut client), Some(finality), Some(optimistic)) = (
        followed(),
        fixture("mainnet-capella/lc_finality.json"),
        fixture("mainnet-capella/lc_optimistic.json"),
    ) else {
        return;
    };
    let spec = mainnet();
    let finality = FinalityUpdate::from_json(&finality).unwrap();
    let advanced =
        |finalized, optimistic| Ok(Applied::Advanced { finalized, optimistic, committee: None });
    assert_eq!(client.apply_finality(&spec, &finality, NOW), advanced(true, true));
    let optimistic = OptimisticUpdate::from_json(&optimistic).unwrap();
    assert_eq!(client.apply_optimistic(&spec, &optimistic, NOW), advanced(false, true));
    assert_eq!(client.finalized().unwrap().slot, 7_109_344);
    let head = client.optimistic().unwrap();
    assert_eq!((head.slot, head.participation, &*head.fork), (7_109_431, 510, "capella"));
    assert_eq!(head.time, spec.time_of(head.slot));
}

/// The whole way: a signature of mainnet's committee, a state root, an account, a slot.
#[test]
fn a_slot_follows_from_denebs_signature() {
    let (Some(mut client), Some(finality), Some(proof)) = (
        begun(DENEB),
        fixture("mainnet-deneb/finality_update.json"),
        fixture("mainnet-deneb/eth_getProof.json"),
    ) else {
        return;
    };
    let finality = FinalityUpdate::from_json(&finality).unwrap();
    client.apply_finality(&mainnet(), &finality, NOW).unwrap();
    let root = client.finalized().unwrap().execution_state_root.unwrap();
    let proof: Value = serde_json::from_slice(&proof).unwrap();
    let proof = &proof["result"];
    let read = |value: &Value| value.as_str().unwrap().parse::<U256>().unwrap();
    let hash = |value: &Value| value.as_str().unwrap().parse::<B256>().unwrap();
    let nodes = |value: &Value| serde_json::from_value::<Vec<Bytes>>(value.clone()).unwrap();
    let address: alloy_primitives::Address = proof["address"].as_str().unwrap().parse().unwrap();
    let account = TrieAccount {
        nonce: read(&proof["nonce"]).to(),
        balance: read(&proof["balance"]),
        storage_root: hash(&proof["storageHash"]),
        code_hash: hash(&proof["codeHash"]),
    };
    let key = Nibbles::unpack(keccak256(address));
    let encoded = Some(alloy_rlp::encode(account));
    verify_proof(root, key, encoded, &nodes(&proof["accountProof"])).unwrap();
    let slot = &proof["storageProof"][0];
    assert!(read(&slot["value"]).is_zero());
    let key = Nibbles::unpack(keccak256(read(&slot["key"]).to_be_bytes::<32>()));
    verify_proof(account.storage_root, key, None, &nodes(&slot["proof"])).unwrap();
}

#[test]
fn denebs_update_brings_the_next_committee() {
    let (Some(mut client), Some(update)) = (begun(DENEB), fixture("mainnet-deneb/update.json"))
    else {
        return;
    };
    let update = Update::list_from_json(&update).unwrap().remove(0);
    let learned = Applied::Advanced { finalized: false, optimistic: false, committee: Some(1_168) };
    assert_eq!(client.apply_update(&mainnet(), &update, NOW), Ok(learned));
    assert_eq!(
        client.apply_update(&mainnet(), &update, NOW).unwrap_err().kind(),
        RefusalKind::NotUseful
    );
}

#[test]
fn the_built_in_checkpoints_and_blocks_are_those_of_the_data() {
    let spec = mainnet();
    let roots: Vec<B256> = spec.checkpoints().iter().map(|it| it.root).collect();
    assert_eq!(roots, [DENEB_ROOT, CAPELLA_ROOT]);
    for (era, update, at) in [(DENEB, "finality_update.json", 0), (CAPELLA, "finality.json", 1)] {
        let client = if era == DENEB { begun(era) } else { followed() };
        let (Some(mut client), Some(update)) = (client, fixture(&format!("{era}{update}"))) else {
            return;
        };
        assert_eq!(client.start(), {
            let first = begun(era).unwrap().start();
            assert_eq!(first, spec.checkpoints()[at]);
            first
        });
        client.apply_finality(&spec, &FinalityUpdate::from_json(&update).unwrap(), NOW).unwrap();
        let head = client.finalized().unwrap();
        let pinned = spec.pinned_blocks()[at];
        assert_eq!(
            (Some(pinned.number), pinned.hash),
            (head.execution_number, head.execution_hash)
        );
    }
}

/// Where `CI` is set the recordings are there, unless `ENTITLED_WITHOUT_RECORDINGS` says that there are none.
#[test]
fn the_recordings_are_there_in_ci() {
    let all = [
        "mainnet-capella",
        "mainnet-deneb",
        "mainnet-electra",
        "mainnet-fulu",
        "light-client-vectors",
        "execution-apis",
    ];
    let absent: Vec<&str> = all.into_iter().filter(|it| !folder().join(it).is_dir()).collect();
    let set = |name| std::env::var_os(name).is_some();
    let required = set("CI") && !set("ENTITLED_WITHOUT_RECORDINGS");
    assert!(absent.is_empty() || !required, "{absent:?} must be in {}", folder().display());
    if !absent.is_empty() {
        eprintln!("skipped: {absent:?} are not beside the checkout");
    }
}

/// From the last checkpoint of Deneb over the fork, and through the period after it.
#[test]
fn electras_committees_follow_from_a_checkpoint_of_deneb() {
    let Some((mut client, updates)) = electra() else { return };
    let spec = mainnet();
    let mut learned = Vec::new();
    for update in updates {
        assert_eq!(client.wants(&spec, NOW), Some(spec.period_of(update.attested_slot())));
        match client.apply_update(&spec, &update, NOW).unwrap() {
            Applied::Advanced { finalized: true, optimistic: true, committee } => {
                learned.extend(committee);
            }
            other => panic!("an update of {}: {other:?}", update.attested_slot()),
        }
    }
    assert_eq!(learned, [1_422, 1_423]);
    let head = client.finalized().unwrap();
    assert_eq!((head.slot, &*head.fork), (11_651_008, "electra"));
}

/// Electra's recordings: a client of the checkpoint, and the updates that follow.
pub(super) fn electra() -> Option<(LightClient, Vec<Update>)> {
    let client = begun_from("mainnet-electra", ELECTRA_ROOT)?;
    let mut updates = Vec::new();
    for period in [1_421, 1_422] {
        let text = fixture(&format!("mainnet-electra/updates/{period}.json"))?;
        updates.extend(Update::list_from_json(&text).unwrap());
    }
    Some((client, updates))
}

pub(super) fn fulu() -> Option<LightClient> {
    begun_from("mainnet-fulu", FULU_ROOT)
}

fn begun_from(folder: &str, root: B256) -> Option<LightClient> {
    let bootstrap = fixture(&format!("{folder}/bootstrap/{root}.json"))?;
    let bootstrap = Bootstrap::from_json(&bootstrap).unwrap();
    Some(LightClient::bootstrap(&mainnet(), &Checkpoint { root, slot: None }, &bootstrap).unwrap())
}

#[test]
fn fulus_present_is_taken_at_its_time_and_not_before() {
    let (Some(mut client), Some(update), Some(finality), Some(optimistic)) = (
        fulu(),
        fixture("mainnet-fulu/updates/1711.json"),
        fixture("mainnet-fulu/finality_update.json"),
        fixture("mainnet-fulu/optimistic_update.json"),
    ) else {
        return;
    };
    let spec = mainnet();
    let present = 14_018_020;
    let update = Update::list_from_json(&update).unwrap().remove(0);
    // Attested and final before the checkpoint: what it tells is the next committee.
    let learned = Applied::Advanced { finalized: false, optimistic: false, committee: Some(1_712) };
    assert_eq!(client.apply_update(&spec, &update, present), Ok(learned));
    let finality = FinalityUpdate::from_json(&finality).unwrap();
    let early = client.apply_finality(&spec, &finality, present - 1).unwrap_err();
    assert_eq!(early.kind(), RefusalKind::NotUseful, "{early}");
    client.apply_finality(&spec, &finality, present).unwrap();
    assert_eq!(client.finalized().unwrap().slot, 14_017_952);
    let optimistic = OptimisticUpdate::from_json(&optimistic).unwrap();
    // The finality update has told of this head already.
    assert_eq!(client.apply_optimistic(&spec, &optimistic, present), Ok(Applied::Nothing));
    let head = client.optimistic().unwrap();
    assert_eq!((head.slot, &*head.fork), (14_018_019, "fulu"));
}
