use super::*;

fn settings(trust: Trust, quorum: usize, rpc: &[&str]) -> ChainSettings {
    ChainSettings {
        id: ChainId(1),
        rpc: rpc.iter().map(|it| EndpointSettings::new(*it)).collect(),
        trust,
        quorum,
        genesis: None,
        pinned: Vec::new(),
        retry: Duration::from_secs(30),
        poll: Duration::from_secs(12),
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
    assert!(matches!(consensus, ChainError::Consensus { .. }));
    let small = refused(settings(Trust::Quorum, 1, &[one, other]));
    assert!(matches!(small, ChainError::QuorumTooSmall { .. }));
    let large = refused(settings(Trust::Quorum, 2, &[one, two]));
    assert!(matches!(large, ChainError::QuorumTooLarge { domains: 1, .. }));
    assert!(Chain::open(settings(Trust::Quorum, 2, &[one, other])).is_ok());
}

#[test]
fn a_wrong_endpoint_is_named_by_its_place_and_not_repeated() {
    let error = refused(settings(Trust::Single, 1, &["https://a.example", "KEY"]));
    assert!(matches!(error, ChainError::Endpoint { number: 2, .. }));
    assert!(!format!("{error} {error:?}").contains("KEY"));
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
