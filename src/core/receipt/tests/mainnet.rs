//! Mainnet's own committees: the way from a checkpoint, and how much it takes.

use std::path::PathBuf;

use crate::light_client::{
    Bootstrap, Checkpoint, FinalityUpdate, LightClient, Path, Specification, TipUpdate, Update,
};
use crate::receipt::format;

fn fixture(name: &str) -> Option<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures");
    std::fs::read(folder.join(name)).ok()
}

/// Capella's recording has six updates in a row.
#[test]
fn a_path_leads_where_the_light_client_leads_and_takes_a_twentieth_of_it() {
    let Some(bootstrap) = fixture("mainnet-capella/lc_bootstrap.json") else { return };
    let updates = fixture("mainnet-capella/lc_updates.json").unwrap();
    let finality = fixture("mainnet-capella/lc_finality.json").unwrap();
    let spec = Specification::named("mainnet").unwrap();
    let begin = Bootstrap::from_json(&bootstrap).unwrap();
    let updates = Update::list_from_json(&updates).unwrap();
    let tip = FinalityUpdate::from_json(&finality).unwrap();
    let path = Path::build(&spec, &begin, &updates, TipUpdate::Finality(&tip)).unwrap();

    let checkpoint = Checkpoint { root: path.checkpoint(), slot: Some(begin.slot()) };
    let now = 20_000_000;
    let reached = path.walk(&spec, &checkpoint, now).unwrap();
    let mut client = LightClient::bootstrap(&spec, &checkpoint, &begin).unwrap();
    for update in &updates {
        client.apply_update(&spec, update, now).unwrap();
    }
    client.apply_finality(&spec, &tip, now).unwrap();
    let head = client.finalized().unwrap();
    assert_eq!((reached.slot, reached.execution), (head.slot, head.execution_hash));
    assert_eq!(reached.participation, head.participation);

    let bytes = format::path_bytes(&path).len();
    let periods = path.steps.len();
    assert!(periods > 0);
    assert!(bytes < 2 * 1024 * (periods + 1), "{bytes} bytes for {periods} periods");
}
