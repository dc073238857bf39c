//! One pass after the other: begin, catch up period by period, then listen for what was signed last.
//!
//! Asked by: `consensus`, for as long as the chain is followed. Asks: `beacon`. Each step is kept before the next
//! one begins, so that it can end at any time and goes on where it was. Never: asks a second source for what
//! the first one gave.

use std::time::Duration;

use alloy_primitives::B256;
use tokio::sync::mpsc;

use super::foundation::{Offer, Voucher};
use super::intake::FeedError;
use super::{ChainSync, SyncEvent, foundation};
use crate::chain::consensus::beacon;
use crate::chain::consensus::beacon::{Query, Source, SourceFault};
use entitled_core::domain::ids::ChainId;
use entitled_core::light_client::{LightClient, Update};

/// How old the newest signed block may be, in slots, before another source is asked too.
const LATE_SLOTS: u64 = 2;
/// How old the newest finalized block may be, in epochs, before another source is asked too.
const LATE_EPOCHS: u64 = 3;
/// At most so many passes between two attempts to find out whether a checkpoint agrees.
const COMPARE_EVERY: u32 = 256;

/// The checkpoint, the newest slots that are final and signed, and the period wanted next.
type Reached = (B256, u64, u64, Option<u64>);

impl ChainSync {
    /// Follows until nobody listens any more.
    pub(in crate::chain) async fn run(
        &self,
        chain: ChainId,
        poll: Duration,
        events: mpsc::Sender<SyncEvent>,
    ) {
        self.state().events = Some(events.clone());
        let slot = Duration::from_secs(self.specification.seconds_per_slot());
        let mut number = 0_u32;
        loop {
            tokio::select! {
                () = events.closed() => break,
                () = self.pass(chain, number) => {}
            }
            number = number.wrapping_add(1);
            tokio::select! {
                () = events.closed() => break,
                () = self.kick.notified() => number = 0,
                () = tokio::time::sleep(poll.min(slot)) => {}
            }
        }
        self.state().events = None;
    }

    async fn pass(&self, chain: ChainId, number: u32) {
        let _alone = self.working.lock().await;
        let before = self.reached();
        let apart = self.meet().await.err();
        let mut trouble = match apart {
            None => self.begin(chain).await.err(),
            Some(_) => apart.clone(),
        };
        if apart.is_none() && self.state().client.is_some() {
            trouble = self.catch_up(chain).await.err().or(trouble);
            for query in [Query::Finality, Query::Optimistic] {
                trouble = self.listen(chain, query).await.err().or(trouble);
            }
            let stalled = self.reached() == before;
            {
                let mut state = self.state();
                (state.moving, state.stalled) = (false, stalled);
            }
            self.note_presence().await;
            // Each time after twice as long: it costs a fetch, and may never come to anything.
            if number.is_power_of_two() || number.is_multiple_of(COMPARE_EVERY) {
                self.compare_checkpoints(chain).await;
            }
        }
        let mut state = self.state();
        if trouble.is_some() && trouble != state.trouble {
            tracing::info!(%chain, trouble, "the light client cannot go on yet");
        }
        state.trouble = trouble;
    }

    /// How far the light client is.
    fn reached(&self) -> Option<Reached> {
        let state = self.state();
        let client = state.client.as_ref()?;
        let wanted = client.wants(&self.specification, u64::MAX);
        let settled = foundation::settled_slot(client);
        Some((client.start().root, settled, client.highest_slot(), wanted))
    }

    /// Begins from a checkpoint, where there is nothing to go on from.
    async fn begin(&self, chain: ChainId) -> Result<(), String> {
        let (offers, now) = {
            let (state, now) = (self.state(), self.now());
            let offers = self.offers(&state);
            let specification = &self.specification;
            let rested = |it| foundation::has_rested_too_long(it, &offers, specification, now);
            if state.client.as_ref().is_some_and(|it| !rested(it)) {
                return Ok(());
            }
            (offers, now)
        };
        let mut trouble =
            "no checkpoint that is young enough is offered; a product's update, `checkpoint` in the configuration or `entitlectl chain sync --from` can bring one".to_owned();
        for offer in foundation::in_order(&offers, &self.specification, now) {
            match self.begin_from(offer).await {
                Ok(client) => {
                    self.adopt(chain, client).await;
                    return Ok(());
                }
                Err(why) => trouble = format!("checkpoint {}: {why}", offer.root),
            }
        }
        Err(trouble)
    }

    async fn begin_from(&self, offer: &Offer) -> Result<LightClient, String> {
        let query = Query::Bootstrap(offer.root);
        let mut trouble = "no source is configured in `beacon`".to_owned();
        for source in beacon::ordered(&self.sources) {
            match source.ask(query).await {
                Err(fault) => trouble = said(source, &fault),
                Ok(pieces) => {
                    match self.bootstrap(offer, pieces.first().map_or(&[], |it| it)).await {
                        Ok(client) => return Ok(client),
                        Err(error) => trouble = judge(source, query, &error),
                    }
                }
            }
        }
        Err(trouble)
    }

    /// Learns committee after committee, as long as there is one to be had.
    async fn catch_up(&self, chain: ChainId) -> Result<(), String> {
        loop {
            let Some((from, count)) = self.missing() else { return Ok(()) };
            {
                let mut state = self.state();
                state.moving |= count > 1 && !state.caught_up && !state.stalled;
            }
            let learned = self.learn(chain, Query::Updates { from, count }).await;
            // The update of the present period can be had once a block of that period is final, and not
            // before: that it is not there yet is no trouble.
            match (&learned, count) {
                // Later, to want committees is no way on yet: where none comes, the chain is silent.
                (Ok(true), _) if self.missing().is_some_and(|(next, _)| next > from) => {
                    self.state().moving |= count > 1;
                }
                (Err(_), 2..) => return learned.map(drop),
                _ => return Ok(()),
            }
        }
    }

    /// The first period whose committee's successor is not known, and how many there are to the present.
    fn missing(&self) -> Option<(u64, u64)> {
        let now_slot = self.now_slot();
        let state = self.state();
        let from = state.client.as_ref()?.wants(&self.specification, now_slot)?;
        let present = self.specification.period_of(now_slot);
        Some((from, present.saturating_sub(from).saturating_add(1)))
    }

    /// Asks one source after the other until something new was learned.
    async fn learn(&self, chain: ChainId, query: Query) -> Result<bool, String> {
        let mut trouble = None;
        for source in beacon::ordered(&self.sources) {
            match source.ask(query).await {
                Err(fault) => trouble = Some(said(source, &fault)),
                Ok(pieces) => {
                    let mut learned = false;
                    for piece in pieces {
                        match self.take(chain, query, &piece).await {
                            Ok(news) => learned |= news,
                            Err(error) => {
                                trouble = Some(judge(source, query, &error));
                                break;
                            }
                        }
                    }
                    if learned {
                        return Ok(true);
                    }
                }
            }
        }
        trouble.map_or(Ok(false), Err)
    }

    /// Asks what was signed last. A source that withholds it is found out by the time, and the next one asked.
    async fn listen(&self, chain: ChainId, query: Query) -> Result<(), String> {
        let mut trouble = None;
        for source in beacon::ordered(&self.sources) {
            match source.ask(query).await {
                Err(fault) => trouble = Some(said(source, &fault)),
                Ok(pieces) => {
                    let text = pieces.first().map_or(&[][..], |it| it);
                    if let Err(error) = self.take(chain, query, text).await {
                        trouble = Some(judge(source, query, &error));
                    }
                }
            }
            if self.is_present(query) {
                return Ok(());
            }
        }
        trouble.map_or(Ok(()), Err)
    }

    /// Whether what is known is as young as can be expected.
    fn is_present(&self, query: Query) -> bool {
        let (now, state) = (self.now_slot(), self.state());
        let Some(client) = &state.client else { return false };
        match query {
            Query::Optimistic => {
                client.optimistic().is_some_and(|it| it.slot.saturating_add(LATE_SLOTS) >= now)
            }
            _ => client.finalized().is_some_and(|it| {
                let epoch = |slot| self.specification.epoch_of(slot);
                epoch(it.slot).saturating_add(LATE_EPOCHS) >= epoch(now)
            }),
        }
    }

    /// Tells when the present was reached.
    async fn note_presence(&self) {
        let is_there = self.head(entitled_core::domain::ownership::Finality::Finalized).is_ok();
        let events = {
            let mut state = self.state();
            let news = is_there && !state.caught_up;
            state.caught_up = is_there || state.caught_up;
            state.events.clone().filter(|_| news)
        };
        if let Some(events) = events {
            let _ = events.send(SyncEvent::CaughtUp).await;
        }
    }

    /// Finds out whether checkpoints that products vouch for lead to the committee we follow: another light
    /// client goes from each of them to where we are.
    async fn compare_checkpoints(&self, chain: ChainId) {
        let unknown: Vec<Offer> = {
            let state = self.state();
            let Some(descent) = &state.descent else { return };
            let open =
                |it: &&Offer| !descent.leads_from(it.root) && !state.disagreeing.contains(&it.root);
            let offers = foundation::in_order(&state.offered, &self.specification, self.now());
            offers.filter(|it| it.by == Voucher::Product).filter(open).copied().collect()
        };
        for offer in unknown {
            match self.leads_here(&offer).await {
                Ok(Some(agreement)) => self.agree(chain, offer.root, agreement).await,
                Ok(None) => {}
                Err(why) => {
                    tracing::info!(%chain, root = %offer.root, why, "a checkpoint could not be compared");
                }
            }
        }
    }

    async fn agree(&self, chain: ChainId, root: B256, (age, period): (Duration, u64)) {
        let events = {
            let mut state = self.state();
            let Some(descent) = &mut state.descent else { return };
            descent.agree(root, age, period);
            state.events.clone()
        };
        tracing::info!(%chain, %root, period, "another checkpoint leads to the same committee");
        self.keep(chain).await;
        if let Some(events) = events {
            let _ = events.send(SyncEvent::Agreed).await;
        }
    }

    /// Goes from a checkpoint to the period we are in: how old it was, and that period, if the committee there is
    /// ours. `None`: it is another one, or it is ahead of us, or cannot get there yet.
    async fn leads_here(&self, offer: &Offer) -> Result<Option<(Duration, u64)>, String> {
        let mut other = self.begin_from(offer).await?;
        let slot = foundation::settled_slot(&other);
        let age = foundation::age_of(&self.specification, slot, self.now());
        loop {
            let Some(own) = self.state().client.clone() else { return Ok(None) };
            if other.period() > own.period() {
                return Ok(None);
            }
            if other.period() == own.period() {
                let period = own.period();
                if other.committee_root() == own.committee_root() {
                    return Ok(Some((age, period)));
                }
                tracing::error!(root = %offer.root, period, "a checkpoint leads to another committee");
                self.state().disagreeing.insert(offer.root);
                return Ok(None);
            }
            let count = own.period() - other.period() + 1;
            let before = (other.period(), other.wants(&self.specification, u64::MAX));
            other = self.lead_on(other, count).await?;
            if (other.period(), other.wants(&self.specification, u64::MAX)) == before {
                return Ok(None);
            }
        }
    }

    /// Takes the next updates into a light client that is not the one we follow.
    async fn lead_on(&self, client: LightClient, count: u64) -> Result<LightClient, String> {
        let now_slot = self.now_slot();
        let Some(from) = client.wants(&self.specification, now_slot) else { return Ok(client) };
        let query = Query::Updates { from, count };
        let mut trouble = "no source is configured in `beacon`".to_owned();
        for source in beacon::ordered(&self.sources) {
            let pieces = match source.ask(query).await {
                Ok(pieces) => pieces,
                Err(fault) => {
                    trouble = said(source, &fault);
                    continue;
                }
            };
            let (mut client, specification) = (client.clone(), self.specification.clone());
            let work = tokio::task::spawn_blocking(move || {
                for piece in pieces {
                    for update in Update::list_from_json(&piece)? {
                        client.apply_update(&specification, &update, now_slot)?;
                    }
                }
                Ok::<_, FeedError>(client)
            });
            match work.await {
                Ok(Ok(client)) => return Ok(client),
                Ok(Err(error)) => trouble = judge(source, query, &error),
                Err(_) => trouble = FeedError::BrokenOff.to_string(),
            }
        }
        Err(trouble)
    }
}

fn said(source: &Source, fault: &SourceFault) -> String {
    match (fault, source.status().last_error) {
        (SourceFault::Resting, Some(before)) => format!("{} {fault}: {before}", source.shown()),
        _ => format!("{} {fault}", source.shown()),
    }
}

/// What follows for a source from what it gave.
fn judge(source: &Source, query: Query, error: &FeedError) -> String {
    let why = match error {
        FeedError::Malformed { source } => source.to_string(),
        FeedError::Refused { source } => source.to_string(),
        other => other.to_string(),
    };
    if error.is_lie() {
        source.refute(query, &why);
    } else if matches!(error, FeedError::Malformed { .. }) {
        source.garbled(why.clone());
    }
    format!("{}: {why}", source.shown())
}
