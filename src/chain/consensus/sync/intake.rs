//! Takes what was fetched or brought: reads it, has the light client judge it, and tells what came of it.
//!
//! Asked by: `passes`, and by `consensus` for what an administrator brings. Never: changes anything on what is
//! refused, or works on the light client in the way of those who read it.

use alloy_primitives::B256;

use super::descent::Descent;
use super::foundation::Offer;
use super::{ChainSync, SyncEvent, foundation};
use crate::chain::consensus::beacon::Query;
use entitled_core::domain::consensus::Synced;
use entitled_core::domain::ids::ChainId;
use entitled_core::light_client::{
    Applied, Bootstrap, Checkpoint, FinalityUpdate, LightClient, Malformed, OptimisticUpdate,
    RefusalKind, Refused, Update,
};

/// What an administrator brings from elsewhere: JSON, as the beacon API answers.
#[derive(Debug, Clone)]
pub enum Brought {
    /// Of the checkpoint with this root.
    Bootstrap {
        root: B256,
        text: Vec<u8>,
    },
    Updates {
        text: Vec<u8>,
    },
    Finality {
        text: Vec<u8>,
    },
    Optimistic {
        text: Vec<u8>,
    },
}

/// Why what was fetched or brought was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FeedError {
    #[error("the chain's trust is not `consensus`: it has no light client")]
    NoLightClient,
    #[error("it is not what it should be")]
    Malformed { source: Malformed },
    #[error("it is refused")]
    Refused { source: Refused },
    #[error("no checkpoint {root} is offered by a product, the configuration or the specification")]
    NotOffered { root: B256 },
    #[error("the checkpoint is of slot {slot}, which is longer ago than {max_age_s} seconds")]
    TooOld { slot: u64, max_age_s: u64 },
    #[error(
        "the checkpoint is of slot {slot}, which has not come: by this machine's clock it is slot {now}"
    )]
    NotYet { slot: u64, now: u64 },
    #[error("it has to begin from a checkpoint first")]
    NotBegun,
    #[error("the work on it was broken off")]
    BrokenOff,
}

impl FeedError {
    /// Whether whoever gave it is to be left alone, and not only what was given.
    pub(in crate::chain) fn is_lie(&self) -> bool {
        matches!(self, Self::Refused { source } if source.kind() == RefusalKind::Invalid)
    }
}

impl From<Malformed> for FeedError {
    fn from(source: Malformed) -> Self {
        Self::Malformed { source }
    }
}

impl From<Refused> for FeedError {
    fn from(source: Refused) -> Self {
        Self::Refused { source }
    }
}

/// An update of any kind that was read.
enum AnyUpdate {
    Update(Box<Update>),
    Finality(Box<FinalityUpdate>),
    Optimistic(Box<OptimisticUpdate>),
}

impl ChainSync {
    /// Takes what an administrator brings. `true` when something was learned from it.
    ///
    /// # Errors
    /// [`FeedError`]; what came before the part that is refused stays.
    pub(in crate::chain) async fn feed(
        &self,
        chain: ChainId,
        brought: Brought,
    ) -> Result<bool, FeedError> {
        let _alone = self.working.lock().await;
        match brought {
            Brought::Bootstrap { root, text } => self.begin_from_brought(chain, root, &text).await,
            Brought::Updates { text } => {
                let query = Query::Updates { from: 0, count: 0 };
                self.take(chain, query, &text).await
            }
            Brought::Finality { text } => self.take(chain, Query::Finality, &text).await,
            Brought::Optimistic { text } => self.take(chain, Query::Optimistic, &text).await,
        }
    }

    async fn begin_from_brought(
        &self,
        chain: ChainId,
        root: B256,
        text: &[u8],
    ) -> Result<bool, FeedError> {
        let now = self.now();
        let offer = {
            let state = self.state();
            let offers = self.offers(&state);
            let rested =
                |it| foundation::has_rested_too_long(it, &offers, &self.specification, now);
            if state.client.as_ref().is_some_and(|it| !rested(it)) {
                return Ok(false);
            }
            let offer = offers.iter().find(|it| it.root == root).copied();
            offer.ok_or(FeedError::NotOffered { root })?
        };
        let client = self.bootstrap(&offer, text).await?;
        self.adopt(chain, client).await;
        Ok(true)
    }

    /// A light client that begins from a checkpoint, if it is young enough.
    pub(in crate::chain) async fn bootstrap(
        &self,
        offer: &Offer,
        text: &[u8],
    ) -> Result<LightClient, FeedError> {
        let bootstrap = Bootstrap::from_json(text)?;
        let checkpoint = Checkpoint { root: offer.root, slot: offer.slot };
        let specification = self.specification.clone();
        let begun = tokio::task::spawn_blocking(move || {
            LightClient::bootstrap(&specification, &checkpoint, &bootstrap)
        });
        let client = begun.await.map_err(|_| FeedError::BrokenOff)??;
        // Proven now, even where nobody had named it.
        let (slot, now) = (foundation::settled_slot(&client), self.now_slot());
        if slot > now {
            // Nobody could say how old it is, and nothing of the present would be taken after it.
            return Err(FeedError::NotYet { slot, now });
        }
        if foundation::is_young(self.specification.time_of(slot), offer.max_age, self.now()) {
            Ok(client)
        } else {
            Err(FeedError::TooOld { slot, max_age_s: offer.max_age.as_secs() })
        }
    }

    /// Has the chain followed by this light client from now on.
    pub(in crate::chain) async fn adopt(&self, chain: ChainId, client: LightClient) {
        let checkpoint = client.start();
        let slot = foundation::settled_slot(&client);
        let age = foundation::age_of(&self.specification, slot, self.now());
        tracing::info!(%chain, root = %checkpoint.root, slot = checkpoint.slot, "the light client begins");
        {
            let mut state = self.state();
            state.client = Some(client);
            state.descent = Some(Descent::begin(checkpoint.root, age));
            state.disagreeing.clear();
            (state.caught_up, state.stalled) = (false, false);
        }
        self.keep(chain).await;
    }

    /// Reads and applies what a source gave or an administrator brought. `true` when something was learned.
    pub(in crate::chain) async fn take(
        &self,
        chain: ChainId,
        query: Query,
        text: &[u8],
    ) -> Result<bool, FeedError> {
        let updates = match query {
            Query::Updates { .. } => Update::list_from_json(text)?
                .into_iter()
                .map(|it| AnyUpdate::Update(it.into()))
                .collect(),
            Query::Finality => vec![AnyUpdate::Finality(FinalityUpdate::from_json(text)?.into())],
            Query::Optimistic => {
                vec![AnyUpdate::Optimistic(OptimisticUpdate::from_json(text)?.into())]
            }
            Query::Bootstrap(_) => Vec::new(),
        };
        let mut learned = false;
        for update in updates {
            let applied = self.apply(update).await?;
            learned |= applied.is_news();
            if let Applied::Advanced { finalized, optimistic, committee } = applied {
                self.tell(chain, (finalized, optimistic), committee.is_some()).await;
            }
        }
        Ok(learned)
    }

    /// Works on a copy, so that nobody who asks for a head waits for signatures. Keys that were found valid
    /// stay so, whatever becomes of the update.
    async fn apply(&self, update: AnyUpdate) -> Result<Applied, FeedError> {
        let client = self.state().client.clone();
        let mut client = client.ok_or(FeedError::NotBegun)?;
        let (specification, now_slot) = (self.specification.clone(), self.now_slot());
        let settled = foundation::settled_slot(&client);
        let rest = foundation::age_of(&specification, settled, self.now());
        let work = tokio::task::spawn_blocking(move || {
            let applied = match &update {
                AnyUpdate::Update(it) => client.apply_update(&specification, it, now_slot),
                AnyUpdate::Finality(it) => client.apply_finality(&specification, it, now_slot),
                AnyUpdate::Optimistic(it) => client.apply_optimistic(&specification, it, now_slot),
            };
            (client, applied)
        });
        let (client, applied) = work.await.map_err(|_| FeedError::BrokenOff)?;
        {
            let mut state = self.state();
            state.client = Some(client);
            // Also to a head alone: what is final may be withheld, so that nobody sees for how long nothing was.
            if let (Ok(true), Some(descent)) =
                (applied.as_ref().map(|it| it.is_news()), &mut state.descent)
            {
                descent.rest(rest);
            }
        }
        if let Err(refused) = &applied
            && refused.kind() == RefusalKind::Equivocation
        {
            self.note_equivocation(refused.to_string());
        }
        Ok(applied?)
    }

    /// No source can make that up, so none is to blame; what was taken first stays.
    fn note_equivocation(&self, said: String) {
        let mut state = self.state();
        if state.equivocation.as_ref() != Some(&said) {
            tracing::error!(said, "validators signed two histories: a person has to look at this");
            state.equivocation = Some(said);
        }
    }

    async fn tell(&self, chain: ChainId, (finalized, optimistic): (bool, bool), committee: bool) {
        if finalized || committee {
            self.keep(chain).await;
        }
        if !finalized && !optimistic {
            return;
        }
        let (number, events) = {
            let state = self.state();
            let client = state.client.as_ref();
            let newest = client.and_then(|it| it.optimistic().or(it.finalized()));
            (newest.and_then(|it| it.execution_number), state.events.clone())
        };
        if let Some(events) = events {
            // Nobody listening means that the daemon is ending.
            let _ = events.send(SyncEvent::Head { number, finalized }).await;
        }
    }

    /// Has what is known kept.
    pub(in crate::chain) async fn keep(&self, chain: ChainId) {
        let (synced, events) = {
            let mut state = self.state();
            let state = &mut *state;
            let (Some(client), Some(descent), Some(events)) =
                (&state.client, &state.descent, &state.events)
            else {
                return;
            };
            let slot = foundation::settled_slot(client);
            state.lowest = state.lowest.max(client.finalized().map_or(0, |it| it.slot));
            let time = self.specification.time_of(slot);
            let bytes = foundation::save(&self.specification, self.digest, (client, descent));
            (Synced { chain, slot, time, bytes }, events.clone())
        };
        let seconds_per_slot = self.specification.seconds_per_slot();
        let _ = events.send(SyncEvent::Progress { synced, seconds_per_slot }).await;
    }
}
