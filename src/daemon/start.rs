//! How each part is brought up.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix::Addr;
use anyhow::Context as _;
use tokio::sync::oneshot;

use super::reload::Reloader;
use super::{Source, catalogue, service_manager};
use crate::actors::chain_verifier::{self, ChainVerifier};
use crate::actors::ownership_ledger::{FindProgress, FindSealedKeys, OwnershipLedger, Progress};
use crate::actors::supervisor::{Policy, Tree};
use crate::actors::tier_cache::{self, CacheSettings, TierCache, VerdictReader};
use crate::actors::wallet_keeper::WalletKeeper;
use crate::chain::{self, Budget, Chain, ChainSettings, ConsensusSettings, EndpointSettings, Now};
use crate::clock::Clock;
use crate::config::{self, Config, Environment};
use crate::keys::{Census, KeyRing, KeyRingState, KeySource, MachineName, Settled};
use crate::products::{Catalogue, Loaded};
use crate::regular_file;
use crate::rpc::figures::SocketFigures;
use crate::rpc::front::Front;
use crate::rpc::methods::{Api, Control};
use crate::rpc::socket::doors::{self, Doors, SocketSettings};
use crate::rpc::socket::limits::{Limits, WriteRates};
use crate::rpc::socket::listen::{self, SocketSummary};
use crate::rpc::wire;
use crate::store::tables::notices::{self, Notice};
use crate::store::{Store, StoreSettings};
use entitled_core::domain::ownership::{Finality, Trust};
use entitled_core::domain::product::document::LONGEST_TEXT;
use entitled_core::light_client::Specification;

/// What could not be determined is tried again after this, and a no looked at again after that.
const RETRY: Duration = Duration::from_secs(5);
const RECHECK: Duration = Duration::from_secs(60);
/// Made beside the ledger once there is one, and never before.
const MACHINE_ID: &str = "machine-id";

/// Everything behind the sockets.
pub(super) struct House {
    pub(super) store: Store,
    pub(super) tree: Tree,
    pub(super) ledger: Addr<OwnershipLedger>,
    pub(super) cache: Addr<TierCache>,
    pub(super) clock: Clock,
    pub(super) reader: VerdictReader,
    pub(super) verifier: Addr<ChainVerifier>,
    keeper: Addr<WalletKeeper>,
    started: Duration,
    state_directory: PathBuf,
}

impl House {
    /// Opens the store and starts the actors, each after those it rests on.
    pub(super) async fn build(
        config: &Config,
        source: &Source,
        runtime: tokio::runtime::Handle,
    ) -> anyhow::Result<Self> {
        let clock = Clock::system();
        let started = clock.monotonic();
        let store = open_store(config, &clock)?;
        let tree = Tree::new(Policy::default());
        let catalogue = catalogue(config, source.environment.uid);
        let reader = open_reader(config, &catalogue);
        let forgetting = reader.clone();
        let ledger = OwnershipLedger::new(store.clone())
            .telling(Arc::new(move |whose| forgetting.forget(whose)));
        let ledger = tree.start("ownership_ledger", ledger);
        let progress = ledger.send(FindProgress).await?.context("the store cannot be read")?;
        raise_floors(&progress, &clock);
        let chains = open_chains(config, &clock)?;
        go_on_from(&progress, &chains);
        let meeting = Arc::new(OnceLock::new());
        // No turn is given up between these, so that each is there when the one before it begins.
        let cache = tree.start(
            "tier_cache",
            TierCache::new(tier_cache::Parts {
                reader: reader.clone(),
                ledger: ledger.clone(),
                verifier: Arc::clone(&meeting),
                clock: clock.clone(),
                settings: CacheSettings {
                    refresh: config.cache.refresh,
                    retry: RETRY,
                    recheck: RECHECK,
                },
                catalogue,
                turn: Arc::default(),
                known: Arc::new(progress.customers_with_wallets),
            }),
        );
        let parts = chain_verifier::Parts::new(
            chains,
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
        let keeper =
            WalletKeeper::new(&ledger, keys, machine).with_chains(verifier.clone().recipient());
        let keeper = tree.start("wallet_keeper", keeper);
        let state_directory = config.store.path.parent().unwrap_or(Path::new(".")).to_owned();
        Ok(Self {
            store,
            tree,
            ledger,
            cache,
            clock,
            reader,
            keeper,
            verifier,
            started,
            state_directory,
        })
    }

    /// What answers behind the sockets.
    pub(super) fn front(
        &self,
        reloader: &Arc<Reloader>,
        figures: Arc<SocketFigures>,
        lost_records: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> anyhow::Result<Front> {
        let reloader = Arc::clone(reloader);
        let control = Control {
            reload: Box::new(move |asked| {
                let reloader = Arc::clone(&reloader);
                Box::pin(async move { reloader.reload(asked).await })
            }),
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
            clock: self.clock.clone(),
            tree: self.tree.clone(),
            control,
            writes: WriteRates::new(nix::unistd::geteuid().as_raw()),
        };
        Ok(Front::new(api, figures)?)
    }
}

/// The cache, empty, and the products as they are.
fn open_reader(config: &Config, catalogue: &Catalogue) -> VerdictReader {
    let products = catalogue.load(&Loaded::default());
    for fault in &products.faults {
        tracing::warn!(event = "product_refused", %fault, "a product file is refused");
    }
    for warning in super::unavailable(config, &products) {
        tracing::warn!("{warning}");
    }
    VerdictReader::new(config.cache.capacity, products, wire::Verdict::render_open)
}

fn open_store(config: &Config, clock: &Clock) -> anyhow::Result<Store> {
    let state = config.store.path.parent().unwrap_or(Path::new("."));
    let settings = StoreSettings {
        path: config.store.path.clone(),
        cache_bytes: usize::try_from(config.store.cache_bytes).unwrap_or(usize::MAX),
        backups: usize::try_from(config.store.backups).unwrap_or(usize::MAX),
        witness: Some(state.join(MACHINE_ID)),
        reserved: names_in(state, config),
        progress: service_manager::starting,
    };
    let store = Store::open(settings, clock.now())?;
    for Notice { at, said } in store.read(notices::all)? {
        tracing::error!(event = "store_damaged", %at, what = said, "acknowledge by `entitlectl store acknowledge`");
    }
    Ok(store)
}

/// What else the configuration has in the state directory, by its names.
fn names_in(state: &Path, config: &Config) -> Vec<String> {
    let key = match &config.keys.source {
        config::KeySource::File(path) => Some(path),
        config::KeySource::Credential(_) | config::KeySource::Passphrase => None,
    };
    let sockets = [&config.socket.path, &config.socket.admin_path];
    let paths = config.products.dirs.iter().chain(key).chain(sockets);
    let below = paths.filter_map(|it| it.strip_prefix(state).ok()?.iter().next());
    below.map(|it| it.to_string_lossy().into_owned()).collect()
}

/// Has chains go on from where those of the same ids were.
/// Who vouched for a floor is not kept; of a block that was final it is.
fn raise_floors(progress: &Progress, clock: &Clock) {
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

pub(super) fn go_on_from(progress: &Progress, chains: &[Chain]) {
    for chain in chains {
        chain.go_on_from(&progress.heads);
        let own = progress.light_clients.iter().filter(|it| it.chain == chain.id());
        own.for_each(|it| chain.restore(it));
    }
}

/// The text of a chain's specification, where it is in a file.
pub(super) fn specification_text(chain: &config::Chain) -> anyhow::Result<Option<String>> {
    let Some(config::Spec::File(path)) = &chain.spec else { return Ok(None) };
    let text = regular_file::read_text(path, LONGEST_TEXT);
    text.map(Some).with_context(|| format!("cannot read the specification {}", path.display()))
}

/// How the validators of a chain are followed. A specification in a file is told from those built in by the
/// SHA-256 of its text, which a product that accepts it names.
fn consensus(chain: &config::Chain, clock: &Clock) -> anyhow::Result<ConsensusSettings> {
    let (text, clock, id) = (specification_text(chain)?, clock.clone(), chain.id);
    let named = match &chain.spec {
        Some(config::Spec::File(path)) => path.display().to_string(),
        Some(config::Spec::BuiltIn(name)) => name.clone(),
        None => String::new(),
    };
    let specification = match &text {
        Some(text) => Some(Specification::parse(text).with_context(|| named.clone())?),
        None => Specification::named(&named),
    };
    Ok(ConsensusSettings {
        specification: specification.with_context(|| format!("no specification {named}"))?,
        digest: text.map(|it| chain::digest(it.as_bytes())),
        beacon: chain.beacon.iter().map(|it| it.expose().to_owned()).collect(),
        checkpoint: chain.checkpoint,
        silence: chain.silence,
        now: Now::new(move || clock.now_on([id])),
    })
}

pub(super) fn open_chains(config: &Config, clock: &Clock) -> anyhow::Result<Vec<Chain>> {
    config.chains.iter().map(|it| open_chain(it, clock)).collect()
}

pub(super) fn open_chain(it: &config::Chain, clock: &Clock) -> anyhow::Result<Chain> {
    let (present, id) = (clock.clone(), it.id);
    let settings = ChainSettings {
        id,
        rpc: it.rpc.iter().map(endpoint).collect(),
        trust: it.trust,
        quorum: it.quorum,
        genesis: it.genesis,
        pinned: it.pinned.clone(),
        retry: it.retry,
        poll: it.poll,
        now: Now::new(move || present.vouched_now_on(id)),
        consensus: (it.trust == Trust::Consensus).then(|| consensus(it, clock)).transpose()?,
    };
    Ok(Chain::open(settings)?)
}

fn endpoint(it: &config::Endpoint) -> EndpointSettings {
    let config::Terms { cost, budget, units, headers } = it.terms.clone();
    let own =
        |it: config::Budget| Budget { units_per_second: it.units_per_second, burst: it.burst };
    EndpointSettings {
        url: it.expose().to_owned(),
        headers: headers.iter().map(|it| (it.name.clone(), it.expose().to_owned())).collect(),
        cost,
        budget: budget.map(own),
        units,
    }
}

fn open_keys(
    config: &Config,
    source: &Source,
    census: &Census,
) -> anyhow::Result<(KeyRing, MachineName)> {
    let state = config.store.path.parent().unwrap_or(Path::new("."));
    let key_source = match &config.keys.source {
        config::KeySource::File(path) => KeySource::File(path.clone()),
        config::KeySource::Credential(name) => KeySource::Credential(name.clone()),
        config::KeySource::Passphrase => KeySource::Passphrase(state.join("kek.passphrase")),
    };
    let credentials = source.environment.variables.get("CREDENTIALS_DIRECTORY");
    let keys = KeyRing::open_for(key_source, credentials.map(Path::new), census);
    match keys.settled() {
        Settled::Nothing => {}
        Settled::Finished => {
            tracing::warn!("a rotation of the keys was cut off; it is finished now")
        }
        Settled::Undone => tracing::warn!("a rotation of the keys was cut off; it is undone"),
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
        public_mode: 0o666,
        admin_mode: if system { 0o660 } else { 0o600 },
        metrics: config.metrics.listen,
        threads: usize::try_from(config.socket.threads).unwrap_or(1),
    };
    Ok(doors::open_doors(&settings)?)
}

pub(super) fn limits(config: &Config) -> Limits {
    let size = |it: u32| usize::try_from(it).unwrap_or(usize::MAX);
    let limits = &config.socket.limits;
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

/// A runtime of one thread of its own.
pub(super) fn worker(name: &'static str) -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        // Looking up a name blocks a thread until the resolver gives up: with as many as this, names that
        // cannot be resolved on one chain take none from the others.
        .max_blocking_threads(32)
        .thread_name(name)
        .enable_all()
        .build()
        .context("cannot start a thread")
}

/// Serves the sockets on a thread of their own until `stop`.
pub(super) fn socket_thread(
    doors: Doors,
    front: Arc<Front>,
    limits: Limits,
    stop: oneshot::Receiver<()>,
    done: oneshot::Sender<SocketSummary>,
) -> anyhow::Result<std::thread::JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
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
