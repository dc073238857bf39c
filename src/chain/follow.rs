//! Follows the head of a chain: new blocks, reorganisations, transfers of watched contracts.
//!
//! Asked by: `mod`. Asks: `pool`, every so often. Never: proves anything. What it tells are reasons to
//! look again; missing one costs time, not truth.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::hash::Hasher;
use std::sync::Arc;
use std::time::Duration;

use alloy_consensus::Header;
use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::U64;
use alloy_primitives::U256;
use futures_util::FutureExt;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Chain;
use super::endpoint::BlockName;
use super::endpoint::Endpoint;
use super::erc721::CONSECUTIVE;
use super::erc721::TRANSFER;
use super::erc721::transferred;
use super::refusal::Refusal;
use crate::domain::ownership::Anchor;
use crate::domain::ownership::Cause;
use crate::domain::ownership::Finality;
use crate::domain::ownership::Trust;

/// Blocks remembered, and how deep a reorganisation is followed.
const WINDOW: usize = 64;
/// Blocks whose events are read at once; after a longer pause the older ones are left out.
const READ: u64 = 2_000;
/// Ids told of with one request, beyond one for each event.
const IDS: usize = 10_000;
/// Contracts named in one request for events.
const CONTRACTS: usize = 256;
/// No longer than this for one poll.
const DEADLINE: Duration = Duration::from_secs(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A token that changed hands, as an event says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    pub id: U256,
    pub from: Address,
    pub to: Address,
}

/// Something happened on the chain, as one endpoint says. A hint, never a proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChainEvent {
    /// The newest block changed. Its anchor is `latest` and `single`.
    Head { anchor: Anchor },
    /// Blocks from this number on are no longer those seen before, or are gone.
    Reorg { from: u64 },
    /// Tokens of a contract moved in a block.
    Transfers { contract: Address, moved: Vec<Moved>, block: u64 },
    /// The chain became unreachable.
    Lost { cause: Cause },
    /// The chain is reachable again.
    Found,
}

/// The last blocks seen: number and hash, oldest first, not necessarily without gaps.
#[derive(Debug, Clone, Default)]
struct Window(VecDeque<(u64, B256)>);

impl Window {
    fn newest(&self) -> Option<(u64, B256)> {
        self.0.back().copied()
    }

    /// Forgets every block after `number`.
    fn cut(&mut self, number: Option<u64>) {
        self.0.retain(|(it, _)| number.is_some_and(|number| *it <= number));
    }

    fn push(&mut self, number: u64, hash: B256) {
        self.cut(number.checked_sub(1));
        if self.0.len() == WINDOW {
            self.0.pop_front();
        }
        self.0.push_back((number, hash));
    }

    fn has(&self, number: u64, hash: B256) -> bool {
        self.0.contains(&(number, hash))
    }

    /// The number of the first block that is no longer there, when `common` is the newest that is.
    fn first_gone(&self, common: Option<u64>) -> Option<u64> {
        let gone = |number: &u64| common.is_none_or(|common| *number > common);
        let first = self.0.iter().map(|(number, _)| *number).find(gone)?;
        // Between the common block and the first one remembered as gone there may be more.
        Some(common.map_or(first, |it| it + 1))
    }
}

/// What one poll found.
struct Polled {
    hash: B256,
    header: Header,
    /// The newest remembered block that is still of this chain.
    common: Option<u64>,
}

/// The state of following.
struct Follower<'a> {
    chain: &'a Chain,
    window: Window,
    /// The first block whose events are not read yet.
    unread: Option<u64>,
    lost: bool,
}

/// Follows until nobody listens any more.
pub(super) async fn follow(
    chain: &Chain,
    watched: watch::Receiver<BTreeSet<Address>>,
    events: mpsc::Sender<ChainEvent>,
) {
    let mut follower = Follower { chain, window: Window::default(), unread: None, lost: false };
    let mut failures = 0_u32;
    let poll = chain.poll();
    loop {
        let told = tokio::select! {
            () = events.closed() => return,
            told = follower.poll(&watched, &events) => told,
        };
        let pause = match told {
            Ok(true) => {
                failures = 0;
                poll
            }
            Ok(false) => {
                failures = failures.saturating_add(1);
                pause(poll, failures)
            }
            Err(_) => return,
        };
        tokio::select! {
            () = events.closed() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// How long to wait after so many failures in a row: twice as long each time, at most four polls or
/// half a minute; and of that a random part, so that many daemons do not come back at once.
fn pause(poll: Duration, failures: u32) -> Duration {
    let longest = poll.saturating_mul(4).min(LONGEST_PAUSE).max(poll.min(LONGEST_PAUSE));
    let whole = poll.saturating_mul(1 << failures.saturating_sub(1).min(4)).min(longest);
    let random = std::hash::RandomState::new().build_hasher().finish() % 512;
    whole / 2 + (whole / 1024) * u32::try_from(random).unwrap_or_default()
}

type Told = Result<bool, mpsc::error::SendError<ChainEvent>>;

impl Follower<'_> {
    /// One poll. `false`: nothing was found out.
    async fn poll(
        &mut self,
        watched: &watch::Receiver<BTreeSet<Address>>,
        events: &mpsc::Sender<ChainEvent>,
    ) -> Told {
        let polled = match self.head().await {
            Ok(polled) => polled,
            Err(cause) => {
                if !self.lost {
                    self.lost = true;
                    events.send(ChainEvent::Lost { cause }).await?;
                }
                return Ok(false);
            }
        };
        if self.lost {
            self.lost = false;
            events.send(ChainEvent::Found).await?;
        }
        self.tell(&polled, events).await?;
        let contracts: Vec<Address> = watched.borrow().iter().copied().collect();
        self.read_events(polled.header.number, &contracts, events).await
    }

    async fn head(&self) -> Result<Polled, Cause> {
        let window = &self.window;
        let ask = |endpoint: Arc<Endpoint>| async move { newest(&endpoint, window).await }.boxed();
        self.chain.pool().first(Instant::now() + DEADLINE, ask).await
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
            events.send(ChainEvent::Reorg { from }).await?;
            self.unread = self.unread.map(|it| it.min(from));
        }
        self.window.cut(polled.common);
        // At first there is nothing to compare with, and nothing older that was missed.
        self.unread = self.unread.or(Some(number));
        self.window.push(number, polled.hash);
        let block = (polled.hash, &polled.header);
        if let Ok(anchor) = self.chain.anchored(block, Finality::Latest, Trust::Single) {
            events.send(ChainEvent::Head { anchor }).await?;
        }
        Ok(())
    }

    /// Events of the blocks not read yet, up to `to`. When that fails they are read with the next poll.
    async fn read_events(
        &mut self,
        to: u64,
        contracts: &[Address],
        events: &mpsc::Sender<ChainEvent>,
    ) -> Told {
        let from = self.unread.unwrap_or(to).max((to + 1).saturating_sub(READ));
        if from > to {
            return Ok(true);
        }
        for part in contracts.chunks(CONTRACTS) {
            let moves = match self.moves(from, to, part).await {
                Ok(moves) => moves,
                Err(cause) => {
                    // Perhaps it is too much at once: then the older half is given up.
                    let later = from + (to - from).div_ceil(2);
                    self.unread = Some(if cause == Cause::Unsupported { later } else { from });
                    return Ok(true);
                }
            };
            for ((block, contract), moved) in moves {
                events.send(ChainEvent::Transfers { contract, moved, block }).await?;
            }
        }
        self.unread = Some(to + 1);
        Ok(true)
    }

    async fn moves(
        &self,
        from: u64,
        to: u64,
        contracts: &[Address],
    ) -> Result<BTreeMap<(u64, Address), Vec<Moved>>, Cause> {
        let filter = &json!({
            "address": contracts,
            "topics": [[TRANSFER, CONSECUTIVE]],
            "fromBlock": U64::from(from),
            "toBlock": U64::from(to),
        });
        let ask = |endpoint: Arc<Endpoint>| {
            async move {
                let asked = endpoint.ask("eth_getLogs", json!([filter]));
                asked.await as Result<Vec<alloy_rpc_types_eth::Log>, Refusal>
            }
            .boxed()
        };
        let logs = self.chain.pool().first(Instant::now() + DEADLINE, ask).await?;
        let mut moves = BTreeMap::<_, Vec<Moved>>::new();
        let mut left = IDS;
        for log in logs {
            let (Some(block), Some(it)) = (log.block_number, transferred(&log.inner)) else {
                continue;
            };
            if contracts.contains(&log.address()) {
                let moved = moves.entry((block, log.address())).or_default();
                // Of each at least one, so that everybody concerned is named.
                let before = moved.len();
                let (from, to) = (it.from, it.to);
                moved.extend(it.ids().take(left.max(1)).map(|id| Moved { id, from, to }));
                left = left.saturating_sub(moved.len() - before);
            }
        }
        Ok(moves)
    }
}

/// The newest block of an endpoint, and the newest remembered block that is on the way to it.
async fn newest(endpoint: &Endpoint, window: &Window) -> Result<Polled, Refusal> {
    let latest = endpoint.header(BlockName::Tag("latest")).await?;
    let no_head = || Refusal::Pruned { message: "no latest block".to_owned() };
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
    for (number, known) in window.0.iter().rev() {
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
mod tests {
    use super::*;

    fn hash(of: u8) -> B256 {
        B256::repeat_byte(of)
    }

    fn window(blocks: &[(u64, u8)]) -> Window {
        Window(blocks.iter().map(|(number, of)| (*number, hash(*of))).collect())
    }

    #[test]
    fn the_window_is_bounded_and_keeps_the_newest() {
        let mut window = Window::default();
        for number in 0..200 {
            window.push(number, hash(1));
        }
        assert_eq!(window.0.len(), WINDOW);
        assert_eq!(window.newest(), Some((199, hash(1))));
    }

    #[test]
    fn a_block_takes_the_place_of_all_from_its_number_on() {
        let mut window = window(&[(1, 1), (2, 2), (3, 3)]);
        window.push(2, hash(9));
        assert_eq!(window.0, [(1, hash(1)), (2, hash(9))]);
    }

    #[test]
    fn a_reorganisation_begins_after_the_last_common_block() {
        let window = window(&[(1, 1), (2, 2), (5, 5)]);
        assert_eq!(window.first_gone(Some(5)), None);
        assert_eq!(window.first_gone(Some(2)), Some(3));
        assert_eq!(window.first_gone(Some(1)), Some(2));
        assert_eq!(window.first_gone(None), Some(1));
        assert_eq!(Window::default().first_gone(None), None);
    }

    #[test]
    fn the_pause_grows_but_never_beyond_four_polls_or_half_a_minute() {
        for poll in [Duration::from_millis(100), Duration::from_secs(12), Duration::from_secs(3600)]
        {
            for failures in 1..100 {
                let pause = pause(poll, failures);
                assert!(pause <= (poll * 4).min(LONGEST_PAUSE), "{poll:?} {failures} {pause:?}");
                assert!(pause >= poll.min(LONGEST_PAUSE) / 2, "{poll:?} {failures} {pause:?}");
            }
        }
    }
}
