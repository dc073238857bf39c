//! Finds which tokens some event said went to a wallet. Hints for `look`, which proves each of them.
//!
//! Asked by: `look`, `follow`. Asks: `pool`. Never: concludes anything from an event that is not there.

use std::sync::Arc;

use alloy_primitives::{Address, B256, U64, U256};
use alloy_rpc_types_eth::Log;
use futures_util::FutureExt;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::chain::endpoint::Endpoint;
use crate::chain::endpoint::pool::Pool;
use entitled_core::domain::ownership::{Cause, IdRanges, Scan};
use entitled_core::evm::pinned::Pinned;
use entitled_core::standards::erc721::{CONSECUTIVE, TRANSFER, transferred};

/// Blocks asked for at first; halved when refused, half as many more when answered.
const FIRST_WIDTH: u64 = 2_000;
const WIDEST: u64 = 1_000_000;
/// Requests in one look. What is not read then is read in the next.
const REQUESTS: usize = 500;
/// Readings in one look, each by endpoints that had no batch in those before.
const PASSES: usize = 3;
/// Ids remembered for one wallet and collection.
const IDS: usize = 10_000;
/// How far to step back when the chain is no longer the one that was read.
const STEP_BACK: u64 = 64;

/// The widths of the ranges to ask for.
#[derive(Debug, Clone, Copy)]
struct Width(u64);

impl Width {
    fn grown(self) -> Self {
        Self((self.0 + self.0.div_ceil(2)).min(WIDEST))
    }

    /// `None` when one block is refused already.
    fn halved(self) -> Option<Self> {
        (self.0 > 1).then_some(Self(self.0 / 2))
    }
}

/// A reading in progress: whose transfers, how far, and who tells of them.
pub(in crate::chain) struct Reading<'a> {
    pool: &'a Pool,
    block: &'a Pinned,
    contract: Address,
    wallet: Address,
    from_block: u64,
    deadline: Instant,
    /// What was known at the beginning of how far was read.
    begun: Option<(u64, B256)>,
    scan: Scan,
    /// Who told of events since the reading last began.
    tellers: Vec<Arc<Endpoint>>,
    /// Who did so before, and left something out, or named more than there is room for.
    doubted: Vec<Arc<Endpoint>>,
    passes: usize,
    /// Since it last began, more ids were named than there was room for.
    overflowed: bool,
}

impl<'a> Reading<'a> {
    /// Of events of `contract` that went to `wallet`, up to `block`.
    pub(in crate::chain) fn new(
        pool: &'a Pool,
        block: &'a Pinned,
        (contract, wallet): (Address, Address),
        (from_block, scan): (u64, Scan),
        deadline: Instant,
    ) -> Self {
        let (tellers, doubted, begun) = (Vec::new(), Vec::new(), scan.read_to);
        Self {
            pool,
            block,
            contract,
            wallet,
            from_block,
            deadline,
            begun,
            scan,
            tellers,
            doubted,
            passes: 1,
            overflowed: false,
        }
    }

    /// Every id that some event named, so far.
    pub(in crate::chain) fn ids(&self) -> Vec<U256> {
        self.scan.ids.iter().copied().collect()
    }

    /// Takes out ids that are `refuted`: proven not to be the wallet's. An endpoint may name any it likes, and those that
    /// are the wallet's need the room.
    pub(in crate::chain) fn forget(&mut self, refuted: impl Fn(&U256) -> bool) {
        self.scan.ids.retain(|id| !refuted(id));
    }

    /// Whether what came was more than there was room for.
    pub(in crate::chain) fn overflowed(&self) -> bool {
        self.overflowed
    }

    /// Begins again, to ask those who told nothing yet. `false`: there are none, or enough were asked.
    pub(in crate::chain) fn doubt(&mut self) -> bool {
        let told = !self.tellers.is_empty();
        self.doubted.append(&mut self.tellers);
        let others = self.doubted.len() < self.pool.all().len();
        self.passes += 1;
        let again = told && others && self.passes <= PASSES;
        if again {
            self.scan.read_to = self.begun;
            self.overflowed = false;
        }
        again
    }

    /// How far was read. What was `missing` is looked for from the start, and so it is where no room could be made: then
    /// no more is kept than the ids that are proven to be `held`.
    pub(in crate::chain) fn end(mut self, missing: bool, held: impl Fn(&U256) -> bool) -> Scan {
        let no_room = self.scan.ids.len() >= IDS && !self.scan.ids.iter().all(&held);
        if missing || (self.overflowed && no_room) {
            self.scan.read_to = None;
            self.scan.ids.retain(held);
        }
        self.scan
    }

    /// Reads on from where the last reading ended.
    ///
    /// # Errors
    /// Why it came no further.
    pub(in crate::chain) async fn read(&mut self) -> Result<(), Cause> {
        // No chain gets further, whatever an endpoint says.
        let last = self.block.header.number.min(u64::MAX - 1);
        let mut from = self.begin().await?;
        let mut width = Width(FIRST_WIDTH);
        let mut read_to = None;
        let mut result = Ok(());
        for _ in 0..REQUESTS {
            if from > last {
                break;
            }
            let to = last.min(from.saturating_add(width.0 - 1));
            match self.range(from, to).await {
                Ok(()) => {
                    read_to = Some(to);
                    from = to + 1;
                    width = width.grown();
                }
                Err(cause) => match width.halved().filter(|_| may_be_the_width(&cause)) {
                    Some(narrower) => width = narrower,
                    None => {
                        result = Err(cause);
                        break;
                    }
                },
            }
        }
        if let Some(number) = read_to {
            self.note(number).await?;
        }
        if from <= last && result.is_ok() { Err(Cause::Undiscovered) } else { result }
    }

    /// The first block to read: after the last one read, if that is still a block of this chain.
    async fn begin(&mut self) -> Result<u64, Cause> {
        let Some((number, hash)) = self.scan.read_to else { return Ok(self.from_block) };
        if number == self.block.header.number && hash == self.block.hash {
            return Ok(number + 1);
        }
        let now = named(self.pool, number, self.deadline).await?;
        let next = if now == Some(hash) { number + 1 } else { number.saturating_sub(STEP_BACK) };
        Ok(next.max(self.from_block))
    }

    async fn range(&mut self, from: u64, to: u64) -> Result<(), Cause> {
        let (logs, teller) = self.logs(from, to).await?;
        if !self.tellers.iter().any(|it| Arc::ptr_eq(it, &teller)) {
            self.tellers.push(teller);
        }
        let moved = logs.iter().filter_map(|log| transferred(&log.inner));
        // Joined first: however many events name the same ids, each is gone through once.
        let ids = IdRanges::new(moved.filter(|it| it.to == self.wallet).map(|it| it.range()));
        let room = IDS.saturating_sub(self.scan.ids.len());
        let mut others = ids.iter().filter(|id| !self.scan.ids.contains(id));
        let fitting: Vec<U256> = others.by_ref().take(room).collect();
        let overflows = others.next().is_some();
        // Of many blocks, fewer are asked for. Of one, what there is room for is better than nothing.
        if overflows && from < to {
            return Err(Cause::Undiscovered);
        }
        self.scan.ids.extend(fitting);
        self.overflowed |= overflows;
        if overflows { Err(Cause::Undiscovered) } else { Ok(()) }
    }

    /// Both kinds of events, which name the receiver in different places.
    async fn logs(&self, from: u64, to: u64) -> Result<(Vec<Log>, Arc<Endpoint>), Cause> {
        let wallet = self.wallet.into_word();
        let filter = |topics: Value| {
            let (from, to) = (U64::from(from), U64::from(to));
            let filter = json!({
                "address": self.contract, "topics": topics, "fromBlock": from, "toBlock": to,
            });
            ("eth_getLogs", json!([filter]))
        };
        let questions = &[
            filter(json!([TRANSFER, null, wallet])),
            filter(json!([CONSECUTIVE, null, null, wallet])),
        ];
        let ask = |endpoint: Arc<Endpoint>| {
            async move {
                let logs: Vec<Vec<Log>> = endpoint.ask_all(questions).await?;
                Ok((logs.concat(), endpoint))
            }
            .boxed()
        };
        self.pool.first_but(&self.doubted, self.deadline, ask).await
    }

    /// Remembers how far was read, by the hash of that block.
    async fn note(&mut self, number: u64) -> Result<(), Cause> {
        let hash = if number == self.block.header.number {
            Some(self.block.hash)
        } else {
            named(self.pool, number, self.deadline).await?
        };
        self.scan.read_to = hash.map(|hash| (number, hash)).or(self.scan.read_to);
        Ok(())
    }
}

/// Whether asking for less may help. Silence may be a node that works too long on a wide range, and what is not discovered
/// may be more than there is room for.
fn may_be_the_width(cause: &Cause) -> bool {
    matches!(cause, Cause::Unsupported | Cause::Unreachable | Cause::Pruned | Cause::Undiscovered)
}

async fn named(pool: &Pool, number: u64, deadline: Instant) -> Result<Option<B256>, Cause> {
    let ask = |endpoint: Arc<Endpoint>| async move { endpoint.hash_of(number).await }.boxed();
    pool.first(deadline, ask).await
}

#[cfg(test)]
mod tests;
