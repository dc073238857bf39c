//! What a flight takes up of other looks, over a real ledger and a verifier that knows no chain: its own looks find
//! nothing out, so that the verdict is what others have recorded.

use std::path::PathBuf;

use alloy_primitives::{B256, U256};

use super::*;
use crate::actors::chain_verifier::{self, ChainEvent, ChainNews, ChainVerifier, Concerned};
use crate::actors::ownership_ledger::{
    AddWallet, Asked, Look, NewWallet, Origin, OwnershipLedger, RecordSightings,
};
use crate::actors::tier_cache::{CacheSettings, Check, Turns, VerdictReader};
use crate::products::{Catalogue, Loaded};
use crate::store::{Store, StoreSettings};
use entitled_core::domain::earlier::EarlierLooks;
use entitled_core::domain::entitlement::Code;
use entitled_core::domain::ids::{ChainId, Collection, Standard};
use entitled_core::domain::ownership::{
    Anchor, Finality, Finding, IdRanges, Reach, Rule, Target, Trust,
};
use entitled_core::domain::product::{Grant, Product, Tier, TokensOf};

const OWN: CustomerId = CustomerId::Uid(1000);
const WALLET: Address = Address::repeat_byte(1);

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn asked() -> Asked {
    Asked { by: "chain".into(), at: at(0) }
}

fn collection() -> Collection {
    let contract = Address::repeat_byte(0xcc);
    Collection { chain: ChainId(1), standard: Standard::Erc721, contract }
}

fn product() -> Product {
    let tier = Tier {
        name: "pro".parse().unwrap(),
        rank: 10,
        price: None,
        features: Default::default(),
        seats: None,
        expires_at: None,
    };
    let grant = Grant {
        tier: "pro".parse().unwrap(),
        collection: collection(),
        ids: IdRanges::every(),
        rule: Rule::Owner,
        reach: Reach::default(),
        tokens_of: TokensOf::Enumerable,
        from_block: 0,
    };
    Product {
        id: "acme-cad".parse().unwrap(),
        name: "Acme CAD".into(),
        version: 1,
        publisher: None,
        trust: Trust::Single,
        finality: Finality::Latest,
        provisional: true,
        refresh: Duration::from_secs(100),
        grace: Duration::from_secs(10_000),
        tiers: vec![tier],
        grants: vec![grant],
        checkpoints: Vec::new(),
        seats: entitled_core::domain::product::SeatTerms::default(),
    }
}

fn anchor(number: u64) -> Anchor {
    Anchor {
        chain: ChainId(1),
        number,
        hash: B256::with_last_byte(u8::try_from(number).unwrap()),
        time: at(0),
        finality: Finality::Latest,
        trust: Trust::Single,
        attestation: None,
    }
}

/// One recorded look at the one token there is.
fn seen(look: u64, finding: Finding) -> RecordSightings {
    let sighting = Sighting {
        look,
        seen_at: at(0),
        wallet: WALLET,
        rule: Rule::Owner,
        reach: Reach::default(),
        target: Target::Token(collection().token(U256::from(7))),
        finding,
        amount: None,
        whole: None,
        via: Vec::new(),
    };
    let look = Look { sightings: vec![sighting], ..Look::default() };
    RecordSightings { look, asked: asked() }
}

/// What the flight of a key is made of.
struct Bed {
    parts: Parts,
    store: Store,
    scene: Scene,
}

impl Bed {
    /// In which the token was seen to be held at block 10, and a flight has gathered that. Its looks are recorded in
    /// `ledger`, where that is another than the one that everybody else has.
    async fn new(store: Store, ledger: Option<Addr<OwnershipLedger>>) -> Self {
        let own = OwnershipLedger::new(store.clone()).start();
        let installed = Installed {
            product: product(),
            features: Arc::default(),
            source: PathBuf::from("acme-cad.toml"),
            publisher: None,
            signed: None,
        };
        let key = Key { customer: OWN, product: installed.product.id.clone() };
        let mut products = Loaded::default();
        products.products.insert(key.product.clone(), Arc::new(installed));
        let (clock, _) = Clock::manual(at(1));
        let parts = Parts {
            reader: VerdictReader::new(16, products, |_| Vec::new(), clock.clone()),
            ledger: own.clone(),
            verifier: Arc::default(),
            clock: clock.clone(),
            earlier: EarlierLooks::default(),
            settings: CacheSettings {
                refresh: Duration::from_secs(100),
                retry: Duration::from_secs(5),
                recheck: Duration::from_secs(60),
            },
            catalogue: Catalogue::new(Vec::new(), 0),
            turns: Turns::default(),
            warmed: 0,
        };
        let cache = TierCache::new(parts.clone()).start();
        let runtime = tokio::runtime::Handle::current();
        let looks_in = (ledger.unwrap_or(own), cache.recipient());
        let verifier =
            chain_verifier::Parts::new(Vec::new(), looks_in.0, looks_in.1, (clock, 9), runtime);
        assert!(parts.verifier.set(ChainVerifier::new(verifier).start()).is_ok());
        let origin = Origin::Linked { nonce: None, contract: None, proof: None };
        let new = NewWallet { address: WALLET, customer: OWN, label: None, origin };
        parts.ledger.send(AddWallet { new, asked: asked() }).await.unwrap().unwrap();
        let mut held = seen(1, Finding::Held { until: None, anchor: anchor(10) });
        let rest = Target::Rest { collection: collection(), ids: IdRanges::every() };
        let none = Finding::NotHeld { anchor: anchor(10) };
        let rest = Sighting { target: rest, finding: none, ..held.look.sightings[0].clone() };
        held.look.sightings.push(rest);
        parts.ledger.send(held).await.unwrap().unwrap();
        let scene = gather(&parts, &key).await.unwrap();
        assert_eq!(scene.verdict(&parts.clock).code, Code::Valid);
        Self { parts, store, scene }
    }

    /// Another's look sees at block 20 that the token is sold.
    async fn sell(&self) {
        let sold = seen(2, Finding::NotHeld { anchor: anchor(20) });
        self.parts.ledger.send(sold).await.unwrap().unwrap();
    }

    /// Whether the flight says yes after its look, if it says anything.
    async fn says_yes(&mut self) -> Option<bool> {
        look(&self.parts, &mut self.scene).await.ok()?;
        Some(self.scene.verdict(&self.parts.clock).is_valid())
    }
}

/// Runs a test with a store of its own.
fn with_store<F: Future<Output = ()>>(talk: impl FnOnce(Store) -> F) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(StoreSettings::at(dir.path().join("ledger.redb")), at(0)).unwrap();
    actix::System::new().block_on(talk(store.clone()));
    store.close().unwrap();
}

#[test]
fn a_sale_that_another_look_has_seen_meanwhile_is_taken_up() {
    with_store(|store| async move {
        let mut bed = Bed::new(store, None).await;
        bed.sell().await;
        assert_eq!(bed.says_yes().await, Some(false));
    });
}

#[test]
fn what_nobody_else_has_seen_anything_of_stays_as_it_was_known() {
    with_store(|store| async move {
        let mut bed = Bed::new(store, None).await;
        assert_eq!(bed.says_yes().await, Some(true));
    });
}

#[test]
fn a_flight_that_cannot_read_what_others_have_seen_says_nothing() {
    with_store(|store| async move {
        let mut bed = Bed::new(store, None).await;
        bed.sell().await;
        bed.store.close().unwrap();
        assert_eq!(bed.says_yes().await, None);
    });
}

#[test]
fn a_look_that_was_not_recorded_is_not_taken_for_that_of_another() {
    with_store(|store| async move {
        let gone = OwnershipLedger::new(store.clone()).start();
        gone.send(Leave).await.unwrap();
        let mut bed = Bed::new(store, Some(gone)).await;
        bed.sell().await;
        assert_eq!(bed.says_yes().await, Some(false));
    });
}

#[test]
fn what_happens_while_no_answer_is_cached_is_looked_at_with_the_next_one() {
    with_store(|store| async move {
        let bed = Bed::new(store, None).await;
        let looks = async || bed.parts.ledger.send(LooksRecorded).await.unwrap();
        let cache = TierCache::new(Parts { warmed: 8, ..bed.parts.clone() }).start();
        assert_eq!(looks().await, 1);
        let wallets = BTreeSet::from([WALLET]);
        let moved = ChainEvent::Changed {
            contract: collection().contract,
            concerned: Concerned::Wallets(wallets),
            block: 0,
        };
        cache.send(ChainNews { chain: ChainId(1), what: moved }).await.unwrap();
        let mut landing = cache.send(Check { key: bed.scene.key.clone() }).await.unwrap();
        landing.wait_for(Option::is_some).await.unwrap();
        for _ in 0..300 {
            if looks().await > 1 {
                break;
            }
            actix_rt::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(looks().await, 2, "what is known is young, and yet there is a look");
    });
}

/// Ends the ledger.
#[derive(Message)]
#[rtype(result = "()")]
struct Leave;

impl Handler<Leave> for OwnershipLedger {
    type Result = ();
    fn handle(&mut self, _: Leave, context: &mut Self::Context) {
        context.stop();
    }
}
