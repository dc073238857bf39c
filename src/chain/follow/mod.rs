//! Follows the head of a chain: new blocks, reorganisations, events of watched contracts.
//!
//! Asked by: `facade`. Asks: each `source`, every so often, and sooner when `new_heads` hears of a new one. Never: proves anything.
//! What it tells are reasons to look again; missing one costs time, not truth.
//!
//! Where endpoints have to agree, each domain is followed by itself and whatever any of them tells is told, also what others told
//! before: a look may only then find as many that agree on the block.

pub(in crate::chain) mod events;
pub(in crate::chain) mod interest;
mod source;
pub(in crate::chain) mod window;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, U64};
use futures_util::FutureExt;
use serde_json::json;
use tokio::sync::{Notify, mpsc, watch};

use super::endpoint::backoff::Backoff;
use super::endpoint::error::EndpointError;
use super::endpoint::{BlockName, Endpoint, new_heads};
use super::inner::Chain;
use crate::endpoint;
use entitled_core::domain::ownership::{Cause, Finality, Trust};

use source::{Reach, Source};
use window::Window;

pub use events::Concerned;

/// Blocks whose events are read at once; after a longer pause everybody is told to look instead.
const READ: u64 = 2_000;
/// Contracts named in one request for events.
const CONTRACTS: usize = 256;
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Polls between two heads however often somebody says that there is a new one: one in so many.
const HINTED: u32 = 20;
/// And no more than one in this time, however rarely is polled otherwise.
const HINTED_AT_MOST: Duration = Duration::from_secs(1);
/// Endpoints of a source that are listened to for new heads.
const LISTENED_TO: usize = 2;
/// When nothing is watched and nobody has asked for so many polls, the pause between polls is so many times as
/// long, though no longer than this.
const IDLE_AFTER: u32 = 50;
const IDLE_SLOWER: u32 = 10;
const IDLE_PAUSE: Duration = Duration::from_secs(600);

/// Something happened on the chain, as an endpoint says. A hint, never a proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChainEvent {
    /// There is another newest block.
    Head,
    /// Blocks were replaced, or it is not certain what was missed.
    Reorg,
    /// Something of a contract changed, in this block or shortly before.
    Changed { contract: Address, concerned: Concerned, block: u64 },
    /// The chain became unreachable.
    Lost { cause: Cause },
    /// The chain is reachable again.
    Found,
}

/// What one poll found.
struct Polled {
    hash: B256,
    header: Header,
    /// The newest remembered block that is still of this chain.
    common: Option<u64>,
}

impl Polled {
    /// Whether it is a block remembered already, before the newest, whose number is given.
    fn is_older_than(&self, newest: u64) -> bool {
        self.common == Some(self.header.number) && self.header.number < newest
    }
}

/// The state of following.
struct Follower<'a> {
    chain: &'a Chain,
    source: &'a Source<'a>,
    reach: &'a Reach,
    window: Window,
    /// The first block whose events are not read yet.
    unread: Option<u64>,
    /// Blocks before that were left unread for good.
    left_out: bool,
    lost: bool,
}

/// Follows until nobody listens any more.
pub(super) async fn follow(
    chain: &Chain,
    watched: watch::Receiver<BTreeSet<Address>>,
    events: mpsc::Sender<ChainEvent>,
) {
    let (sources, reach) = &Source::all(chain);
    let following = sources
        .iter()
        .map(|source| follow_source(Follower::new(chain, source, reach), watched.clone(), &events));
    // None of these ends by itself, but the first.
    tokio::select! {
        () = events.closed() => {}
        _ = futures_util::future::join_all(following) => {}
        () = chain.pool().examine() => {}
    }
}

/// Polls, and more often when the source tells of new heads by itself: it hurries nobody but itself.
async fn follow_source(
    follower: Follower<'_>,
    watched: watch::Receiver<BTreeSet<Address>>,
    events: &mpsc::Sender<ChainEvent>,
) {
    let heard = Notify::new();
    let endpoints = follower.source.endpoints().iter().filter_map(|it| match it.address() {
        endpoint::Address::WebSocket(url) => Some(new_heads::listen(url, it.shown(), &heard)),
        _ => None,
    });
    let listening = futures_util::future::join_all(endpoints.take(LISTENED_TO));
    tokio::select! {
        () = poll(follower, watched, events, &heard) => {}
        () = async { listening.await; std::future::pending().await } => {}
    }
}

async fn poll(
    mut follower: Follower<'_>,
    mut watched: watch::Receiver<BTreeSet<Address>>,
    events: &mpsc::Sender<ChainEvent>,
    heard: &Notify,
) {
    let chain = follower.chain;
    let mut woken = chain.interest().woken.subscribe();
    let mut failures = 0_u32;
    let poll = chain.poll();
    loop {
        // Whoever asks or watches from here on is noticed in the pause.
        watched.mark_unchanged();
        woken.mark_unchanged();
        let pause = match follower.poll(&watched, events).await {
            Ok(true) => {
                failures = 0;
                let is_idle = watched.borrow().is_empty()
                    && !chain.interest().within(poll.saturating_mul(IDLE_AFTER));
                if is_idle { idle_pause(poll) } else { poll }
            }
            Ok(false) => {
                failures = failures.saturating_add(1);
                pause(poll, failures)
            }
            Err(_) => return,
        };
        let hurry = (poll / HINTED).min(HINTED_AT_MOST);
        tokio::time::sleep(hurry).await;
        tokio::select! {
            () = tokio::time::sleep(pause.saturating_sub(hurry)) => {}
            () = heard.notified(), if failures == 0 => {}
            _ = woken.changed(), if pause > poll && failures == 0 => {}
            changed = watched.changed(), if pause > poll && failures == 0 => {
                if changed.is_err() {
                    // Nobody will ever change what is watched; go on with what is.
                    tokio::time::sleep(poll).await;
                }
            }
        }
    }
}

fn idle_pause(poll: Duration) -> Duration {
    poll.saturating_mul(IDLE_SLOWER).min(IDLE_PAUSE.max(poll))
}

/// How long to wait after so many failures in a row: twice as long each time, at most four polls or
/// half a minute; and of that a random part, so that many daemons do not come back at once.
fn pause(poll: Duration, failures: u32) -> Duration {
    let longest = poll.saturating_mul(4).min(LONGEST_PAUSE).max(poll.min(LONGEST_PAUSE));
    Backoff { first: poll.min(longest), longest }.jittered(failures.saturating_sub(1))
}

type Told = Result<bool, mpsc::error::SendError<ChainEvent>>;

impl<'a> Follower<'a> {
    /// Goes on from the newest block that is known, be it of the run before: what happened while nobody followed is
    /// news as well.
    fn new(chain: &'a Chain, source: &'a Source<'a>, reach: &'a Reach) -> Self {
        let known = chain.pool().head_order().known_ever(Finality::Latest).cloned();
        let mut window = Window::default();
        if let Some(known) = &known {
            window.push(known.header.number, known.hash);
        }
        let unread = known.map(|it| it.header.number.saturating_add(1));
        Self { chain, source, reach, window, unread, left_out: false, lost: false }
    }

    /// One poll. `false`: nothing was found out.
    async fn poll(
        &mut self,
        watched: &watch::Receiver<BTreeSet<Address>>,
        events: &mpsc::Sender<ChainEvent>,
    ) -> Told {
        let polled = match self.head().await {
            Ok(polled) => polled,
            Err(cause) => {
                if !std::mem::replace(&mut self.lost, true) && self.reach.is_lost_by_one_more() {
                    events.send(ChainEvent::Lost { cause }).await?;
                }
                return Ok(false);
            }
        };
        if std::mem::take(&mut self.lost) && self.reach.is_found_by_one_less() {
            events.send(ChainEvent::Found).await?;
        }
        if self.is_late(&polled) {
            return Ok(true);
        }
        self.tell(&polled, events).await?;
        let contracts: Vec<Address> = watched.borrow().iter().copied().collect();
        self.read_events(polled.header.number, &contracts, events).await
    }

    /// Whether the source is late, while another one is not.
    fn is_late(&self, polled: &Polled) -> bool {
        let newest = self.window.newest().filter(|(number, _)| polled.is_older_than(*number));
        newest.is_some_and(|(number, _)| self.source.is_reached_elsewhere(number))
    }

    /// The newest block. Of several endpoints one that is late names an older block of the same chain; that is no
    /// reorganisation, unless nobody names a newer one.
    async fn head(&self) -> Result<Polled, Cause> {
        let (window, source) = (&self.window, self.source);
        let late = &AtomicBool::new(false);
        let newer = |endpoint: Arc<Endpoint>| {
            async move {
                let polled = newest(&endpoint, window).await?;
                match window.newest() {
                    Some((number, _)) if polled.is_older_than(number) => {
                        late.store(true, Ordering::Relaxed);
                        Err(EndpointError::Behind { number })
                    }
                    _ => Ok(polled),
                }
            }
            .boxed()
        };
        let any = |endpoint: Arc<Endpoint>| async move { newest(&endpoint, window).await }.boxed();
        if source.endpoints().len() > 1 {
            let found = source.first(newer).await;
            if found.is_ok() || !late.load(Ordering::Relaxed) {
                return found;
            }
        }
        source.first(any).await
    }

    async fn tell(
        &mut self,
        polled: &Polled,
        events: &mpsc::Sender<ChainEvent>,
    ) -> Result<(), mpsc::error::SendError<ChainEvent>> {
        let number = polled.header.number;
        if self.window.newest() == Some((number, polled.hash)) {
            return Ok(());
        }
        if let Some(from) = self.window.first_gone(polled.common) {
            events.send(ChainEvent::Reorg).await?;
            // The newest may be below all that are gone.
            self.unread = self.unread.map(|it| it.min(from).min(number));
        }
        self.window.cut(polled.common);
        // Where nothing was ever known there is nothing that was missed.
        self.unread = self.unread.or(Some(number));
        self.window.push(number, polled.hash);
        let block = (polled.hash, &polled.header);
        if self.chain.anchored(block, Finality::Latest, Trust::Single).is_ok() {
            events.send(ChainEvent::Head).await?;
        }
        Ok(())
    }

    /// Events of the blocks not read yet, up to `to`. When that fails they are read with the next poll. Of what is left
    /// out nobody knows whom it concerns: everybody is told, once events can be read again.
    async fn read_events(
        &mut self,
        to: u64,
        contracts: &[Address],
        events: &mpsc::Sender<ChainEvent>,
    ) -> Told {
        // No chain gets there, but an endpoint may say so.
        let to = to.min(u64::MAX - 1);
        let (unread, earliest) = (self.unread.unwrap_or(to), (to + 1).saturating_sub(READ));
        // At the start it is not known for a moment what is watched.
        if unread > to || contracts.is_empty() {
            return Ok(true);
        }
        let from = unread.max(earliest);
        self.left_out |= unread < earliest;
        for part in contracts.chunks(CONTRACTS) {
            let changes = match self.changes(from, to, part).await {
                Ok(changes) => changes,
                Err(cause) => {
                    // Perhaps it is too much at once: then the older half is given up.
                    let half =
                        if cause == Cause::Unsupported { (to - from).div_ceil(2) } else { 0 };
                    self.left_out |= half > 0;
                    self.unread = Some(from + half);
                    return Ok(true);
                }
            };
            for (contract, concerned) in changes {
                events.send(ChainEvent::Changed { contract, concerned, block: to }).await?;
            }
        }
        self.unread = Some(to + 1);
        if std::mem::take(&mut self.left_out) {
            events.send(ChainEvent::Reorg).await?;
        }
        Ok(true)
    }

    /// Whom the events of these blocks concern, by contract.
    async fn changes(
        &self,
        from: u64,
        to: u64,
        contracts: &[Address],
    ) -> Result<BTreeMap<Address, Concerned>, Cause> {
        let filter = &json!({
            "address": contracts,
            "topics": [events::topics()],
            "fromBlock": U64::from(from),
            "toBlock": U64::from(to),
        });
        let ask = |endpoint: Arc<Endpoint>| {
            async move {
                let asked = endpoint.ask("eth_getLogs", json!([filter]));
                asked.await as Result<Vec<alloy_rpc_types_eth::Log>, EndpointError>
            }
            .boxed()
        };
        let logs = self.source.first(ask).await?;
        let mut changes = events::Changes::default();
        for log in logs.iter().filter(|it| contracts.contains(&it.address())) {
            if changes.take(&log.inner) {
                self.chain.heard(log.address(), events::words(&log.inner));
            }
        }
        Ok(changes.into_inner())
    }
}

/// The newest block of an endpoint, and the newest remembered block that is on the way to it.
async fn newest(endpoint: &Endpoint, window: &Window) -> Result<Polled, EndpointError> {
    let latest = endpoint.header(BlockName::Tag("latest")).await?;
    let no_head = || EndpointError::Pruned { message: "no latest block".to_owned() };
    let (hash, header) = latest.ok_or_else(no_head)?;
    let parent = header.number.checked_sub(1);
    if window.has(header.number, hash) {
        let common = Some(header.number);
        return Ok(Polled { hash, header, common });
    }
    if let Some(parent) = parent
        && window.newest() == Some((parent, header.parent_hash))
    {
        return Ok(Polled { hash, header, common: Some(parent) });
    }
    let mut common = None;
    for (number, known) in window.newest_first() {
        if *number >= header.number {
            continue;
        }
        let same = match endpoint.header(BlockName::Number(*number)).await? {
            Some((now, _)) => now == *known,
            None => false,
        };
        if same {
            common = Some(*number);
            break;
        }
    }
    Ok(Polled { hash, header, common })
}

#[cfg(test)]
mod tests;
