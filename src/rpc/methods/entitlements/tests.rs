//! Subscriptions, over real actors and a real store of which a record can be made unreadable.

use jsonrpsee::core::params::ObjectParams;
use serde_json::Value;

use super::*;
use crate::actors::chain_verifier::{self, ChainVerifier};
use crate::actors::ownership_ledger::OwnershipLedger;
use crate::actors::seat_keeper::{self, Kept, SeatKeeper};
use crate::actors::supervisor::{Policy, Tree};
use crate::actors::tier_cache::{self, CacheSettings, TierCache, VerdictReader};
use crate::actors::wallet_keeper::WalletKeeper;
use crate::clock::Clock;
use crate::keys::{KeyRing, KeySource, MachineName};
use crate::products::{Catalogue, Loaded};
use crate::rpc::methods::control::Control;
use crate::rpc::socket::groups::Groups;
use crate::rpc::socket::limits::WriteRates;
use crate::seat_policies::Policies;
use crate::store::testing::spoil_the_machines_record;
use crate::store::{Store, StoreSettings};
use actix::Actor;
use entitled_core::domain::ids::Timestamp;
use entitled_core::domain::peer::Door;

const A_DAY: Duration = Duration::from_secs(86_400);

/// What a subscription is answered by. No product is installed, and nothing looks again by itself.
struct Bed {
    module: RpcModule<Api>,
    store: Store,
    _dir: tempfile::TempDir,
}

fn bed() -> Bed {
    let dir = tempfile::tempdir().unwrap();
    let (clock, _) = Clock::manual(Timestamp::from_second(1_800_000_000).unwrap());
    let settings = StoreSettings::at(dir.path().join("ledger.redb"));
    let store = Store::open(settings, clock.now()).unwrap();
    let ledger = OwnershipLedger::new(store.clone()).start();
    let reader = VerdictReader::new(16, Loaded::default(), |_| Vec::new(), clock.clone());
    let parts = tier_cache::Parts {
        reader: reader.clone(),
        ledger: ledger.clone(),
        verifier: Arc::default(),
        clock: clock.clone(),
        earlier: Default::default(),
        settings: CacheSettings { refresh: A_DAY, retry: A_DAY, recheck: A_DAY },
        catalogue: Catalogue::new(Vec::new(), 0),
        turns: tier_cache::Turns::default(),
        warmed: 0,
    };
    let cache = TierCache::new(parts).start();
    let (news, runtime) = (cache.clone().recipient(), tokio::runtime::Handle::current());
    let chains =
        chain_verifier::Parts::new(Vec::new(), ledger.clone(), news, (clock.clone(), 0), runtime);
    let verifier = ChainVerifier::new(chains).start();
    let keys = KeyRing::open(KeySource::File(dir.path().join("kek")), None);
    let machine = MachineName::read_or_make(&dir.path().join("machine-id")).unwrap();
    let keeper = WalletKeeper::new(&ledger, keys, machine).start();
    let control = Control {
        reload: Box::new(|_| Box::pin(std::future::pending())),
        document: crate::rpc::openrpc::json,
        machine: "entitled-0123456789ab.localhost".to_owned(),
        started: Duration::ZERO,
        counts: Default::default(),
        subscriptions: Default::default(),
        state_directory: dir.path().to_owned(),
        lost_records: Box::new(|| 0),
    };
    let parts = seat_keeper::Parts {
        cache: cache.clone(),
        ledger: ledger.clone(),
        reader: reader.clone(),
        clock: clock.clone(),
        dirs: Vec::new(),
        fleet: None,
    };
    let seats = SeatKeeper::new(parts, Policies::default(), Kept::default()).start();
    let api = Api {
        reader,
        cache,
        ledger,
        keeper,
        verifier,
        seats,
        clock,
        tree: Tree::new(Policy::default()),
        control,
        writes: WriteRates::new(0),
        groups: Groups::default(),
    };
    let mut module = RpcModule::new(api);
    register_subscription(&mut module).unwrap();
    let peer = Peer {
        uid: 1000,
        gid: 1000,
        pid: None,
        door: Door::Public,
        account: 1000,
        chose_gid: false,
        shares_uid: false,
    };
    module.extensions_mut().insert(peer);
    Bed { module, store, _dir: dir }
}

#[actix::test]
async fn what_could_not_be_answered_at_first_is_told_as_soon_as_it_can_be() {
    let bed = bed();
    spoil_the_machines_record(&bed.store).await;
    let mut ask = ObjectParams::new();
    ask.insert("product", "acme-cad").unwrap();
    let mut told = bed.module.subscribe("entitlement_subscribe", ask, 8).await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(500), told.next::<Value>()).await;
    assert!(early.is_err(), "what is known cannot be read: {early:?}");
    spoil_the_machines_record(&bed.store).await;
    let next = tokio::time::timeout(Duration::from_secs(20), told.next::<Value>()).await;
    let (verdict, _) = next.expect("it is asked again").unwrap().unwrap();
    assert_eq!(verdict["product"], "acme-cad", "{verdict}");
}
