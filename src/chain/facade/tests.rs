use std::time::Duration;

use super::*;
use crate::chain::consensus::sync::{ConsensusSettings, SyncState};
use crate::chain::now::Now;
use crate::endpoint::EndpointSettings;
use entitled_core::domain::consensus::Checkpoint;
use entitled_core::domain::ids::ChainId;
use entitled_core::light_client;

fn settings(trust: Trust, quorum: usize, rpc: &[&str]) -> ChainSettings {
    ChainSettings {
        id: ChainId(1),
        rpc: rpc.iter().map(|it| EndpointSettings::new(it.parse().unwrap())).collect(),
        trust,
        quorum,
        genesis: None,
        consensus: None,
        pinned: Vec::new(),
        evm: None,
        retry: Duration::from_secs(30),
        poll: Duration::from_secs(12),
        now: Now::new(now),
    }
}

fn refused(settings: ChainSettings) -> ChainError {
    Chain::open(settings).err().expect("these settings should be refused")
}

#[test]
fn settings_are_checked_before_anybody_is_asked() {
    let (one, two) = ("https://a.example.com/KEY", "https://b.example.com/KEY");
    let other = "https://c.example.org/KEY";
    assert!(matches!(refused(settings(Trust::Single, 1, &[])), ChainError::NoEndpoint { .. }));
    let consensus = refused(settings(Trust::Consensus, 1, &[one]));
    assert!(matches!(consensus, ChainError::NoSpecification { .. }));
    let small = refused(settings(Trust::Quorum, 1, &[one, other]));
    assert!(matches!(small, ChainError::QuorumTooSmall { .. }));
    let large = refused(settings(Trust::Quorum, 2, &[one, two]));
    assert!(matches!(large, ChainError::QuorumTooLarge { domains: 1, .. }));
    assert!(Chain::open(settings(Trust::Quorum, 2, &[one, other])).is_ok());
}

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn following(specification: &str, beacon: &str) -> ChainSettings {
    let consensus = ConsensusSettings {
        specification: light_client::Specification::named(specification).unwrap(),
        digest: None,
        text: None,
        beacon: vec![beacon.parse().unwrap()],
        checkpoint: None,
        silence: None,
        now: Now::new(now),
    };
    let settings = settings(Trust::Consensus, 1, &["/nonexistent/node.ipc"]);
    ChainSettings { consensus: Some(consensus), ..settings }
}

#[test]
fn the_specification_must_be_of_the_chain_and_of_its_block_0() {
    let other = refused(following("sepolia", "/srv/mirror"));
    assert!(matches!(other, ChainError::OtherSpecification { other: ChainId(11_155_111), .. }));
    let genesis = Some(B256::repeat_byte(1));
    let named = refused(ChainSettings { genesis, ..following("mainnet", "/srv/mirror") });
    assert!(matches!(named, ChainError::OtherGenesis { .. }));
    let wrong = refused(following("mainnet", "ws://a.example/KEY"));
    assert!(matches!(wrong, ChainError::Beacon { .. }));
    assert!(!format!("{wrong} {wrong:?}").contains("KEY"));
}

/// The checkpoints that are built in are years old by then.
#[tokio::test]
async fn without_a_young_checkpoint_there_is_no_anchor() {
    let chain = Chain::open(following("mainnet", "/srv/mirror")).unwrap();
    for finality in [Finality::Latest, Finality::Finalized] {
        assert_eq!(chain.anchor(finality).await.err(), Some(Cause::CheckpointTooOld));
    }
    assert_eq!(chain.status(now()).sync.unwrap().state, SyncState::NoCheckpoint);
    let root = B256::repeat_byte(1);
    let max_age = Duration::from_secs(86_400);
    chain.offer(&[Checkpoint { chain: ChainId(1), root, slot: None, max_age, spec: None }]);
    assert_eq!(chain.anchor(Finality::Latest).await.err(), Some(Cause::NotSynced));
    assert_eq!(chain.status(now()).sync.unwrap().wants_bootstrap, [root]);
    let elsewhere = Checkpoint { chain: ChainId(5), root, slot: None, max_age, spec: None };
    chain.offer(&[elsewhere]);
    assert_eq!(chain.anchor(Finality::Latest).await.err(), Some(Cause::CheckpointTooOld));
}

#[test]
fn the_status_shows_no_key() {
    let chain = Chain::open(settings(Trust::Single, 1, &["https://u:KEY@a.example/KEY?KEY"]));
    let status = format!("{:?}", chain.unwrap().status(Timestamp::UNIX_EPOCH));
    assert!(status.contains("https://a.example") && !status.contains("KEY"), "{status}");
}

#[tokio::test]
async fn a_chain_that_nobody_serves_is_unreachable() {
    let chain = Chain::open(settings(Trust::Single, 1, &["/nonexistent/node.ipc"])).unwrap();
    let cause = chain.anchor(Finality::Latest).await.err();
    assert_eq!(cause, Some(Cause::Unreachable));
    let status = chain.status(Timestamp::UNIX_EPOCH);
    assert_eq!((status.state, status.endpoints[0].state), ("down", "down"));
    assert_eq!(status.endpoints[0].faults, std::collections::BTreeMap::from([("down", 1)]));
}
