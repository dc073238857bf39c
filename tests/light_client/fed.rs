//! A chain whose light client is fed by hand, at a time that the test sets.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use entitled::chain::{Brought, Chain, ChainSettings, ConsensusSettings, Now, SyncEvent};
use entitled::endpoint::EndpointSettings;
use entitled_core::domain::consensus::{Lineage, Synced};
use entitled_core::domain::ids::{ChainId, Timestamp};
use entitled_core::domain::ownership::{Finality, Trust};
use entitled_core::light_client::Specification;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::sync::text;
use crate::support::anvil::Anvil;
use crate::support::beacon::node::BeaconNode;
use crate::support::beacon::schedule::{Form, Schedule};

const DAY: Duration = Duration::from_secs(86_400);
/// The slot of the checkpoint.
const CHECKPOINT: u64 = 4;

struct Fed {
    // The node before what it stands before.
    node: BeaconNode,
    anvil: Anvil,
    /// Seconds since 1970.
    now: Arc<AtomicU64>,
    chain: Chain,
}

impl Fed {
    /// Caught up with a chain of 52 slots, of which the last period has some left; in the slot after them.
    async fn new() -> Self {
        let anvil = Anvil::start_in_the_past(Duration::from_secs(600));
        let node = BeaconNode::over(&anvil.address(), |time| Schedule::short(time, Form::Fulu));
        node.advance(52);
        let now = Arc::new(AtomicU64::new(node.chain().schedule.genesis_time + 53));
        let chain = open(&anvil, &node.specification(CHECKPOINT), &now);
        let fed = Self { node, anvil, now, chain };
        fed.bring_all().await;
        fed
    }

    async fn bring_all(&self) {
        let root = self.node.chain().block_at(CHECKPOINT).unwrap().root;
        let bootstrap = self.node.chain().bootstrap(root).unwrap();
        self.bring(Brought::Bootstrap { root, text: text(&bootstrap) }).await;
        for period in 0..3 {
            let update = self.node.chain().update(period).unwrap();
            self.bring(Brought::Updates { text: text(&json!([update])) }).await;
        }
        self.bring_finality().await;
        self.bring_head().await;
    }

    async fn bring_finality(&self) -> bool {
        let update = self.node.chain().finality_update().unwrap();
        self.bring(Brought::Finality { text: text(&update) }).await
    }

    async fn bring_head(&self) -> bool {
        let update: Value = self.node.chain().optimistic_update().unwrap();
        self.bring(Brought::Optimistic { text: text(&update) }).await
    }

    async fn bring(&self, brought: Brought) -> bool {
        self.chain.feed(Some(brought)).await.unwrap()
    }

    fn pass(&self, time: Duration) {
        self.now.fetch_add(time.as_secs(), Ordering::SeqCst);
    }

    /// What the newest signed block may claim.
    async fn claims(&self) -> Lineage {
        let block = self.chain.anchor(Finality::Latest).await.map_err(|it| it.to_string()).unwrap();
        block.anchor.attestation.unwrap().lineages[0]
    }
}

fn open(anvil: &Anvil, specification: &str, now: &Arc<AtomicU64>) -> Chain {
    let read = Arc::clone(now);
    let now = Now::new(move || {
        Timestamp::from_second(i64::try_from(read.load(Ordering::SeqCst)).unwrap()).unwrap()
    });
    let consensus = ConsensusSettings {
        specification: Specification::parse(specification).unwrap(),
        digest: None,
        text: None,
        beacon: Vec::new(),
        checkpoint: None,
        silence: Some(DAY),
        now: now.clone(),
    };
    let settings = ChainSettings {
        id: ChainId(31_337),
        rpc: vec![EndpointSettings::new(anvil.url().parse().unwrap())],
        trust: Trust::Consensus,
        quorum: 1,
        genesis: None,
        consensus: Some(consensus),
        pinned: Vec::new(),
        evm: None,
        retry: Duration::from_secs(30),
        poll: Duration::from_secs(1),
        now,
    };
    Chain::open(settings).unwrap()
}

/// Whoever withholds what is final does not hide for how long nothing was.
#[tokio::test(flavor = "multi_thread")]
async fn a_light_client_that_goes_on_to_a_head_alone_has_rested_as_well() {
    let fed = Fed::new().await;
    let before = fed.claims().await.rest_s;
    assert!(before < 100, "{before}");
    fed.pass(Duration::from_secs(1_000));
    assert!(!fed.bring_head().await, "it knows that head");
    assert_eq!(fed.claims().await.rest_s, before, "it did not go on");
    fed.node.advance(1);
    assert!(fed.bring_head().await);
    let rested = fed.claims().await.rest_s;
    assert!((1_000..1_100).contains(&rested), "{rested}");
    // Nor is it less once that is not withheld any more.
    fed.node.advance(9);
    assert!(fed.bring_finality().await);
    assert!(fed.claims().await.rest_s >= rested);
}

/// Also where the chain is known by the same name: one that came with the program was corrected.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_kept_by_another_calendar_is_not_gone_on_from() {
    let fed = Fed::new().await;
    let kept = kept(&fed).await;
    let genesis = fed.node.chain().schedule.genesis_time;
    let spec = fed.node.specification(CHECKPOINT);
    let now = format!("genesis_time = {genesis}");
    assert!(spec.contains(&now), "{spec}");
    for (genesis, goes_on) in [(genesis, true), (genesis + 86_400, false), (genesis - 12, false)] {
        let spec = spec.replace(&now, &format!("genesis_time = {genesis}"));
        let chain = open(&fed.anvil, &spec, &fed.now);
        chain.restore(&kept);
        let sync = chain.status(Timestamp::UNIX_EPOCH).sync.unwrap();
        assert_eq!(sync.checkpoint.is_some(), goes_on, "{sync:?}");
    }
}

/// What is kept once something more is final.
async fn kept(fed: &Fed) -> Synced {
    let (events, mut told) = mpsc::channel(64);
    let chain = fed.chain.clone();
    let following = tokio::spawn(async move { chain.sync(events).await });
    let kept = async {
        loop {
            fed.node.advance(1);
            fed.pass(Duration::from_secs(1));
            fed.bring_finality().await;
            while let Ok(event) = told.try_recv() {
                if let SyncEvent::Progress { synced, .. } = event {
                    return synced;
                }
            }
        }
    };
    let kept = tokio::time::timeout(Duration::from_secs(30), kept).await.unwrap();
    following.abort();
    kept
}
