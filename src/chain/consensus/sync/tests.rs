//! A light client under a clock that the test moves.
#![allow(dead_code, unreachable_pub, reason = "the simulated chain offers more than is used here")]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use serde_json::Value;

use super::*;
use entitled_core::domain::consensus::objection;
use entitled_core::domain::ids::ChainId;

#[path = "../../../../tests/support/sync_committee.rs"]
mod sync_committee;

use sync_committee::{Network, Signed};

const CHAIN: ChainId = ChainId(31_337);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
/// The slot of the checkpoint.
const BEGIN: u64 = 40;

/// A light client to which a product offers a checkpoint, and what the tests do to it.
struct Bench {
    network: Network,
    sync: ChainSync,
    clock: Arc<AtomicI64>,
    offered: Checkpoint,
}

impl Bench {
    fn new() -> Self {
        let network = Network::small();
        let specification = Specification::parse(&network.specification()).unwrap();
        let clock = Arc::new(AtomicI64::new(0));
        let read = Arc::clone(&clock);
        let settings = ConsensusSettings {
            specification,
            digest: Some(B256::repeat_byte(9)),
            text: None,
            beacon: Vec::new(),
            checkpoint: None,
            silence: Some(365 * DAY),
            now: Now::new(move || Timestamp::from_second(read.load(Ordering::Relaxed)).unwrap()),
        };
        let sync = ChainSync::new(settings).unwrap();
        let offered = Checkpoint {
            chain: CHAIN,
            root: network.bootstrap(BEGIN).0,
            slot: None,
            max_age: 90 * DAY,
            spec: sync.digest,
        };
        sync.offer(&[offered]);
        Self { network, sync, clock, offered }
    }

    /// By the clock it is so long after this slot.
    fn at(&self, slot: u64, later: Duration) {
        let time = self.sync.specification.time_of(slot).as_second();
        self.clock.store(time + i64::try_from(later.as_secs()).unwrap(), Ordering::Relaxed);
    }

    async fn begin(&self) -> Result<bool, FeedError> {
        let (root, json) = self.network.bootstrap(BEGIN);
        self.sync.feed(CHAIN, Brought::Bootstrap { root, text: bytes(&json) }).await
    }

    fn signed(&self, finalized: u64, attested: u64) -> Signed {
        let participants = self.network.size;
        Signed { finalized, attested, signature: attested + 1, participants }
    }

    async fn finality(&self, finalized: u64, attested: u64) -> Result<bool, FeedError> {
        let text = bytes(&self.network.finality_update(self.signed(finalized, attested)));
        self.sync.feed(CHAIN, Brought::Finality { text }).await
    }

    async fn optimistic(&self, finalized: u64, attested: u64) -> Result<bool, FeedError> {
        let text = bytes(&self.network.optimistic_update(self.signed(finalized, attested)));
        self.sync.feed(CHAIN, Brought::Optimistic { text }).await
    }

    /// Whether a product that allows so much accepts what the newest head rests on.
    fn serves(&self, finality: Finality, max_age: Duration) -> bool {
        let attestation = self.sync.head(finality).ok().unwrap().attestation;
        objection(&[Checkpoint { max_age, ..self.offered }], CHAIN, &attestation).is_none()
    }
}

fn bytes(json: &Value) -> Vec<u8> {
    json.to_string().into_bytes()
}

/// Those who signed for the committee long ago may have sold their keys since: also a head that is not final yet is
/// taken after a rest, and the patience of another product is not this one's.
#[tokio::test]
async fn a_head_taken_after_a_rest_is_not_for_a_product_that_allows_less() {
    let bench = Bench::new();
    bench.at(70, Duration::ZERO);
    assert_eq!(bench.begin().await, Ok(true));
    assert_eq!(bench.finality(48, 60).await, Ok(true));
    assert!(bench.serves(Finality::Latest, HOUR) && bench.serves(Finality::Finalized, HOUR));
    bench.at(70, 2 * HOUR);
    assert_eq!(bench.optimistic(48, 62).await, Ok(true));
    assert!(!bench.serves(Finality::Latest, HOUR));
    assert!(bench.serves(Finality::Latest, DAY), "who allows more is served");
}

#[tokio::test]
async fn a_clock_before_or_long_after_the_checkpoint_begins_nothing() {
    let bench = Bench::new();
    bench.at(BEGIN - 1, Duration::ZERO);
    assert!(matches!(bench.begin().await, Err(FeedError::NotYet { .. })));
    bench.at(BEGIN, 91 * DAY);
    assert!(matches!(bench.begin().await, Err(FeedError::TooOld { .. })));
    bench.at(70, Duration::ZERO);
    assert_eq!(bench.begin().await, Ok(true));
}

#[tokio::test]
async fn a_clock_that_jumps_about_the_age_allowed_takes_nothing_and_gives_nothing() {
    let bench = Bench::new();
    bench.at(70, Duration::ZERO);
    bench.begin().await.unwrap();
    bench.finality(48, 60).await.unwrap();
    for later in [91 * DAY, 400 * DAY] {
        bench.at(70, later);
        let head = bench.sync.head(Finality::Finalized).map(drop);
        assert_eq!(head, Err(Cause::CheckpointTooOld));
        bench.at(70, Duration::ZERO);
        assert!(bench.serves(Finality::Finalized, HOUR));
    }
    // Back again, what was signed later has not come.
    bench.at(50, Duration::ZERO);
    assert!(bench.finality(56, 61).await.is_err());
    bench.at(70, Duration::ZERO);
    assert_eq!(bench.finality(56, 61).await, Ok(true));
    // Going on after a rest that nobody allows says so of all that comes.
    bench.at(70, 91 * DAY);
    assert_eq!(bench.finality(58, 62).await.ok(), Some(true));
    bench.at(70, Duration::ZERO);
    assert!(!bench.serves(Finality::Finalized, 90 * DAY));
}
