//! How each part is brought up.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix::Addr;
use anyhow::Context as _;
use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use super::seats::{fleet, start_seats};
use super::{Source, catalogue, chains, service_manager};
use crate::actors::chain_verifier::{self, ChainVerifier};
use crate::actors::ownership_ledger::{
    Asked, FindProgress, FindSealedKeys, OwnershipLedger, Progress,
};
use crate::actors::seat_keeper::SeatKeeper;
use crate::actors::supervisor::{Policy, Tree};
use crate::actors::tier_cache::{self, CacheSettings, TierCache, Turns, VerdictReader};
use crate::actors::wallet_keeper::WalletKeeper;
use crate::clock::Clock;
use crate::config::{self, Config, Environment, FLEET, MACHINE_ID, SEATS};
use crate::descriptor_store::DescriptorStore;
use crate::keys::{Census, KeyRing, KeyRingState, KeySource, MachineName, Outcome, Settled};
use crate::products::{Catalogue, Loaded};
use crate::rpc::error::RpcError;
use crate::rpc::figures::SocketFigures;
use crate::rpc::front::Front;
use crate::rpc::methods::{Api, Control};
use crate::rpc::openrpc;
use crate::rpc::socket::doors::{self, Doors, SocketSettings};
use crate::rpc::socket::groups::Groups;
use crate::rpc::socket::limits::{Limits, WriteRates};
use crate::rpc::socket::listen::{self, SocketSummary};
use crate::rpc::socket::workers;
use crate::rpc::wire;
use crate::seat_policies::Policies;
use crate::store::tables::notices::{self, Notice};
use crate::store::tables::publishers;
use crate::store::{self, Store, StoreSettings};
use entitled_core::domain::earlier::EarlierLooks;
use entitled_core::domain::ids::{ProductId, Timestamp};
use entitled_core::domain::ownership::{Finality, Trust};
use entitled_core::domain::publisher::Pin;

/// What could not be determined is tried again after this, and a no looked at again after that.
const RETRY: Duration = Duration::from_secs(5);
const RECHECK: Duration = Duration::from_secs(60);

/// Everything behind the sockets.
pub(super) struct House {
    pub(super) store: Store,
    pub(super) tree: Tree,
    pub(super) ledger: Addr<OwnershipLedger>,
    pub(super) cache: Addr<TierCache>,
    pub(super) clock: Clock,
    pub(super) reader: VerdictReader,
    pub(super) verifier: Addr<ChainVerifier>,
    pub(super) seats: Addr<SeatKeeper>,
    /// What is kept for the next start.
    pub(super) descriptors: DescriptorStore,
    keeper: Addr<WalletKeeper>,
    started: Duration,
    state_directory: PathBuf,
    machine_name: String,
}

fn cache_settings(config: &Config) -> CacheSettings {
    CacheSettings { refresh: config.cache.refresh, retry: RETRY, recheck: RECHECK }
}

impl House {
    /// Opens the store and starts the actors, each after those it rests on.
    pub(super) async fn build(
        config: &Config,
        source: &Source,
        runtime: tokio::runtime::Handle,
        stored: Vec<(String, OwnedFd)>,
    ) -> anyhow::Result<Self> {
        let clock = Clock::system();
        let started = clock.monotonic();
        // What keeps it from starting comes before anything is touched.
        let policies = seat_policies(config)?;
        let fleet = fleet(config, &clock)?;
        let store = open_store(config, &clock)?;
        let tree = Tree::new(Policy::default());
        let catalogue = catalogue(config, source.environment.uid);
        let pins = store.read(publishers::all).context("the store cannot be read")?;
        let pinned =
            keep_pins(&store, &pins, load(&catalogue, &pins, clock.now()), clock.now()).await;
        let reader = open_reader(config, pinned, &clock);
        let ledger = start_ledger(&tree, &store, &reader);
        let progress = ledger.send(FindProgress).await?.context("the store cannot be read")?;
        raise_floors(&progress, &clock);
        let opened = chains::open_all(config, &clock)?;
        chains::go_on_from(&progress, &opened);
        let meeting = Arc::new(OnceLock::new());
        // No turn is given up between these, so that each is there when the one before it begins.
        let cache = tree.start(
            "tier_cache",
            TierCache::new(tier_cache::Parts {
                reader: reader.clone(),
                ledger: ledger.clone(),
                verifier: Arc::clone(&meeting),
                clock: clock.clone(),
                earlier: earlier_looks(&progress, &clock),
                settings: cache_settings(config),
                catalogue,
                turns: Turns::default(),
                warmed: tier_cache::KEPT_AT_MOST,
            }),
        );
        let parts = chain_verifier::Parts::new(
            opened,
            ledger.clone(),
            cache.clone().recipient(),
            (clock.clone(), progress.last_look),
            runtime,
        );
        let verifier = tree.start("chain_verifier", ChainVerifier::new(parts));
        let _ = meeting.set(verifier.clone());
        let sealed = ledger.send(FindSealedKeys).await?.context("the store cannot be read")?;
        let census = Census::of(sealed.iter().map(|it| it.record.as_slice()));
        let (keys, machine) = open_keys(config, source, &census)?;
        let machine_name = machine.as_str().to_owned();
        let keeper =
            WalletKeeper::new(&ledger, keys, machine).with_chains(verifier.clone().recipient());
        let keeper = tree.start("wallet_keeper", keeper);
        let state_directory = config.store.path.parent().unwrap_or(Path::new(".")).to_owned();
        let (parts, told) = ((&tree, &cache, &ledger, fleet), (&clock, &reader));
        let (seats, descriptors) = start_seats((policies, stored), config, parts, told).await?;
        Ok(Self {
            store,
            tree,
            ledger,
            cache,
            clock,
            reader,
            keeper,
            seats,
            descriptors,
            verifier,
            started,
            state_directory,
            machine_name,
        })
    }

    /// What answers behind the sockets.
    pub(super) fn front(
        &self,
        reload: impl Fn(Asked) -> BoxFuture<'static, Result<wire::Reload, RpcError>>
        + Send
        + Sync
        + 'static,
        figures: Arc<SocketFigures>,
        lost_records: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> anyhow::Result<Front> {
        let control = Control {
            reload: Box::new(reload),
            document: openrpc::json,
            machine: self.machine_name.clone(),
            started: self.started,
            counts: Default::default(),
            subscriptions: Default::default(),
            lost_records: Box::new(lost_records),
            state_directory: self.state_directory.clone(),
        };
        let api = Api {
            reader: self.reader.clone(),
            cache: self.cache.clone(),
            ledger: self.ledger.clone(),
            keeper: self.keeper.clone(),
            verifier: self.verifier.clone(),
            seats: self.seats.clone(),
            clock: self.clock.clone(),
            tree: self.tree.clone(),
            control,
            writes: WriteRates::new(nix::unistd::geteuid().as_raw()),
            groups: Groups::default(),
        };
        Ok(Front::new(api, figures)?)
    }
}

/// What is said of floating seats. A rule that is not understood may be one that keeps somebody out, so there is no start
/// without it.
pub(super) fn seat_policies(config: &Config) -> anyhow::Result<Policies> {
    Policies::load(&config.seats.dirs).map_err(|faults| {
        let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("{}", told.join("\n"))
    })
}

/// The products as their files say, as far as those are of whom the ledger names.
fn load(catalogue: &Catalogue, pins: &BTreeMap<ProductId, Pin>, now: Timestamp) -> Loaded {
    let products = catalogue.load(&Loaded { pins: pins.clone(), ..Loaded::default() }, now);
    for fault in &products.faults {
        tracing::warn!(event = "product_refused", %fault, "a product file is refused");
    }
    products
}

/// Keeps whose files the products take. Where that fails there are only those of which nothing new has to be kept.
async fn keep_pins(
    store: &Store,
    before: &BTreeMap<ProductId, Pin>,
    mut loaded: Loaded,
    now: Timestamp,
) -> Loaded {
    let pins = loaded.pins_since(before);
    if pins.is_empty() {
        return loaded;
    }
    let asked = Asked { by: "daemon".to_owned(), at: now };
    let changed: Vec<ProductId> = pins.keys().cloned().collect();
    let kept = store.write(move |changes| publishers::keep(changes, &pins, &asked)).await;
    if let Err(error) = kept {
        tracing::error!(%error, "who publishes the products could not be kept: products signed anew are not taken up");
        loaded.products.retain(|id, _| !changed.contains(id));
        loaded.pins.clone_from(before);
    }
    loaded
}

/// The cache, empty, and the products.
fn open_reader(config: &Config, products: Loaded, clock: &Clock) -> VerdictReader {
    for warning in super::unavailable(config, &products) {
        tracing::warn!("{warning}");
    }
    VerdictReader::new(config.cache.capacity, products, wire::Verdict::render_open, clock.clone())
}

fn open_store(config: &Config, clock: &Clock) -> anyhow::Result<Store> {
    let state = config.store.path.parent().unwrap_or(Path::new("."));
    let settings = StoreSettings {
        path: config.store.path.clone(),
        cache_bytes: usize::try_from(config.store.cache_bytes).unwrap_or(usize::MAX),
        backups: usize::try_from(config.store.backups).unwrap_or(usize::MAX),
        witness: Some(state.join(MACHINE_ID)),
        reserved: names_in(state, config),
        progress: store::Progress::told_to(|it| service_manager::starting(&it.to_string())),
    };
    let store = Store::open(settings, clock.now())?;
    for Notice { at, said } in store.read(notices::all)? {
        tracing::error!(event = "store_damaged", %at, what = said, "acknowledge by `entitlectl store acknowledge`");
    }
    Ok(store)
}

/// What else is in the state directory, by its names.
fn names_in(state: &Path, config: &Config) -> Vec<String> {
    let key = match &config.keys.source {
        KeySource::File(path) | KeySource::Passphrase(path) => Some(path),
        KeySource::Credential(_) => None,
    };
    let sockets = [&config.socket.path, &config.socket.admin_path];
    let paths = config.products.dirs.iter().chain(key).chain(sockets);
    let below = paths.filter_map(|it| it.strip_prefix(state).ok()?.iter().next());
    let own = [FLEET, MACHINE_ID, SEATS].map(str::to_owned);
    below.map(|it| it.to_string_lossy().into_owned()).chain(own).collect()
}

/// Whose records change is forgotten by who answers from them.
fn start_ledger(tree: &Tree, store: &Store, reader: &VerdictReader) -> Addr<OwnershipLedger> {
    let forgetting = reader.clone();
    let ledger = OwnershipLedger::new(store.clone())
        .telling(Arc::new(move |whose| forgetting.forget(whose)));
    tree.start("ownership_ledger", ledger)
}

/// Who vouched for a floor is not kept; of a block that was final it is.
fn raise_floors(progress: &Progress, clock: &Clock) {
    progress.loan_time.into_iter().for_each(|it| clock.raise_loans(it));
    for (chain, time) in &progress.floors {
        clock.raise_floor(*chain, *time, Trust::Single);
        if clock.is_rolled_back(*chain) {
            tracing::warn!(event = "clock_rolled_back", %chain, floor = %time, "the clock is behind what the chain has proven");
        }
    }
    for it in progress.heads.iter().filter(|it| it.finality == Finality::Finalized) {
        clock.raise_floor(it.chain, it.time, it.trust);
    }
}

/// Once all that is known of the time is known to the clock.
fn earlier_looks(progress: &Progress, clock: &Clock) -> EarlierLooks {
    let until = clock.now_on(progress.floors.iter().map(|(chain, _)| *chain));
    EarlierLooks { last: progress.last_look, until }
}

fn open_keys(
    config: &Config,
    source: &Source,
    census: &Census,
) -> anyhow::Result<(KeyRing, MachineName)> {
    let state = config.store.path.parent().unwrap_or(Path::new("."));
    let credentials = source.environment.variables.get("CREDENTIALS_DIRECTORY");
    let keys = KeyRing::open_for(config.keys.source.clone(), credentials.map(Path::new), census);
    let Settled { outcome, aside } = keys.settled();
    match outcome {
        None => {}
        Some(Outcome::Finished) => {
            tracing::warn!("a rotation of the keys was cut off; it is finished now")
        }
        Some(Outcome::Undone) => tracing::warn!("a rotation of the keys was cut off; it is undone"),
    }
    for file in aside {
        let file = file.display();
        tracing::warn!(event = "key_set_aside", %file, "no wallet here is sealed under this key; destroy it, unless another ledger needs it");
    }
    if let KeyRingState::Locked { reason } = keys.state() {
        tracing::error!(
            event = "keys_locked",
            reason,
            "managed wallets are locked; everything else works"
        );
    }
    let machine = MachineName::read_or_make(&state.join(MACHINE_ID))?;
    Ok((keys, machine))
}

pub(super) fn open_doors(config: &Config, environment: &Environment) -> anyhow::Result<Doors> {
    let (uid, system) = (environment.uid, environment.is_service());
    // Below /tmp anybody could have made the directory first.
    let shared = Path::new("/tmp").join(format!("entitled-{uid}"));
    if config.socket.path.parent() == Some(&shared) {
        config::make_private_directory(&shared, uid)
            .with_context(|| format!("the directory {} cannot be used", shared.display()))?;
    }
    let settings = SocketSettings {
        path: config.socket.path.clone(),
        admin_path: config.socket.admin_path.clone(),
        admin_group: Some(config.socket.admin_group.clone()).filter(|_| system),
        delegates: config.socket.delegates.clone(),
        public_mode: 0o666,
        admin_mode: if system { 0o660 } else { 0o600 },
        metrics: config.metrics.listen,
        threads: usize::try_from(config.socket.threads).unwrap_or(1),
    };
    Ok(doors::open_doors(&settings)?)
}

pub(super) fn limits(limits: &config::Limits) -> Limits {
    let size = |it: u32| usize::try_from(it).unwrap_or(usize::MAX);
    Limits {
        request_bytes: size(limits.request_bytes),
        admin_request_bytes: size(limits.admin_request_bytes),
        depth: size(limits.depth),
        batch: size(limits.batch),
        in_flight: size(limits.in_flight),
        subscriptions: size(limits.subscriptions),
        connections: size(limits.connections),
        connections_reserved: size(limits.connections_reserved),
        connections_per_uid: size(limits.connections_per_uid),
        in_flight_per_uid: size(limits.in_flight_per_uid),
        reply_bytes_per_uid: size(limits.reply_bytes_per_uid),
        rate_per_second: limits.requests_per_second,
        rate_burst: limits.burst,
        first_byte: limits.first_byte,
        write: limits.write,
        idle: limits.idle,
        ..Limits::default()
    }
}

/// Serves the sockets on a thread of their own until `stop`.
pub(super) fn socket_thread(
    doors: Doors,
    front: Arc<Front>,
    limits: Limits,
    stop: oneshot::Receiver<()>,
    done: oneshot::Sender<SocketSummary>,
) -> anyhow::Result<std::thread::JoinHandle<()>> {
    let runtime = workers::runtime()?;
    let serve = move || {
        let stopped = async {
            // The daemon's end of it being gone means the same.
            let _ = stop.await;
        };
        let summary = runtime.block_on(listen::serve(doors, front, limits, stopped));
        let _ = done.send(summary);
    };
    std::thread::Builder::new()
        .name("entitled-socket".to_owned())
        .spawn(serve)
        .context("cannot start a thread")
}

#[cfg(test)]
mod tests;
