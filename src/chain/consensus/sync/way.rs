//! Fetches the way from a checkpoint to the newest signed block, whole, to be handed to somebody who has followed nothing.
//!
//! Asked by: `evidence`. Asks: `beacon`. Never: touches the light client that is followed, or gives a way it has not walked.

use std::collections::BTreeMap;
use std::ops::Range;

use alloy_primitives::B256;

use super::foundation::{self, Offer, Voucher};
use super::intake::FeedError;
use super::{ChainSync, Finality};
use crate::chain::consensus::beacon::{self, Query, Source};
use entitled_core::domain::consensus::{self, DEFAULT_MAX_AGE};
use entitled_core::light_client::{
    Bootstrap, Checkpoint, FinalityUpdate, OptimisticUpdate, Path, TipUpdate, Update,
};

/// What was signed last, as fetched.
enum Tip {
    Finality(Box<FinalityUpdate>),
    Optimistic(Box<OptimisticUpdate>),
}

impl Tip {
    fn update(&self) -> TipUpdate<'_> {
        match self {
            Self::Finality(it) => TipUpdate::Finality(it),
            Self::Optimistic(it) => TipUpdate::Optimistic(it),
        }
    }
}

impl ChainSync {
    /// The text of the specification, where it does not come with the program.
    pub(in crate::chain) fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// The way from one of `checkpoints`, or where none is of this chain from one that comes with the program; and the
    /// execution block at its end.
    ///
    /// # Errors
    /// Why there is none, for people.
    pub(in crate::chain) async fn way(
        &self,
        checkpoints: &[consensus::Checkpoint],
        finality: Finality,
    ) -> Result<(Path, B256), String> {
        let mut trouble =
            "the product names no checkpoint that is young enough to begin from now".to_owned();
        for offer in self.beginnings(checkpoints) {
            for source in beacon::ordered(&self.sources) {
                match self.way_from(source, offer, finality).await {
                    Ok(found) => return Ok(found),
                    Err(why) => trouble = format!("{} {why}", source.shown()),
                }
            }
        }
        Err(trouble)
    }

    /// What the product lets a way begin from, the best first.
    fn beginnings(&self, checkpoints: &[consensus::Checkpoint]) -> Vec<Offer> {
        let chain = self.specification.chain();
        let named: Vec<_> = checkpoints.iter().filter(|it| it.chain == chain).collect();
        let mut offers = Vec::new();
        for it in named.iter().filter(|it| it.spec == self.digest) {
            let (root, slot, max_age) = (it.root, it.slot, it.max_age);
            offers.push(Offer { root, slot, max_age, by: Voucher::Product });
        }
        if named.is_empty() && self.digest.is_none() {
            let program = self.own.iter().filter(|it| it.by == Voucher::Program);
            offers.extend(program.map(|it| Offer { max_age: DEFAULT_MAX_AGE, ..*it }));
        }
        foundation::in_order(&offers, &self.specification, self.now()).copied().collect()
    }

    async fn way_from(
        &self,
        source: &Source,
        offer: Offer,
        finality: Finality,
    ) -> Result<(Path, B256), String> {
        let specification = &self.specification;
        let said = |error: FeedError| error.to_string();
        let text = one(source, Query::Bootstrap(offer.root)).await?;
        let begin = Bootstrap::from_json(&text).map_err(|it| said(it.into()))?;
        let since = specification.time_of(begin.slot());
        if !foundation::is_young(since, offer.max_age, self.now()) {
            return Err("has a checkpoint that is too old".to_owned());
        }
        let tip = match finality {
            Finality::Latest => {
                let text = one(source, Query::Optimistic).await?;
                let read = OptimisticUpdate::from_json(&text);
                Tip::Optimistic(read.map_err(|it| said(it.into()))?.into())
            }
            Finality::Safe | Finality::Finalized => {
                let text = one(source, Query::Finality).await?;
                Tip::Finality(
                    FinalityUpdate::from_json(&text).map_err(|it| said(it.into()))?.into(),
                )
            }
        };
        // What was signed later than now is refused in the end, and the way there has no end.
        let (last, present) = (tip.update().period(specification), self.present_period());
        if last > present {
            return Err(format!("says what is signed in period {last}, and this is {present}"));
        }
        let periods = specification.period_of(begin.slot())..last;
        let updates = self.updates(source, periods).await?;
        let checkpoint = Checkpoint { root: offer.root, slot: offer.slot };
        let (specification, now_slot) = (specification.clone(), self.now_slot());
        let walked = tokio::task::spawn_blocking(move || {
            let path = Path::build(&specification, &begin, &updates, tip.update())?;
            let reached = path.walk(&specification, &checkpoint, now_slot)?;
            Ok::<_, FeedError>((path, reached.execution))
        });
        match walked.await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                Err(format!("gave a way that cannot be walked: {}", cause.unwrap_or_default()))
            }
            Err(_) => Err(FeedError::BrokenOff.to_string()),
        }
    }

    fn present_period(&self) -> u64 {
        self.specification.period_of(self.now_slot())
    }

    /// The updates of some periods, as many at a time as a source gives; of each period one, however many it gives.
    async fn updates(&self, source: &Source, periods: Range<u64>) -> Result<Vec<Update>, String> {
        let mut found: BTreeMap<u64, Update> = BTreeMap::new();
        let mut from = periods.start;
        while from < periods.end {
            let query = Query::Updates { from, count: periods.end - from };
            let pieces = source.ask(query).await.map_err(|fault| fault.to_string())?;
            for piece in pieces {
                for update in Update::list_from_json(&piece).map_err(|error| error.to_string())? {
                    let period = self.specification.period_of(update.attested_slot());
                    if (from..periods.end).contains(&period) {
                        found.insert(period, update);
                    }
                }
            }
            match found.last_key_value() {
                Some((newest, _)) if *newest >= from => from = *newest + 1,
                _ => return Err(format!("does not have the update of period {from}")),
            }
        }
        Ok(found.into_values().collect())
    }
}

async fn one(source: &Source, query: Query) -> Result<Vec<u8>, String> {
    let pieces = source.ask(query).await.map_err(|fault| fault.to_string())?;
    pieces.into_iter().next().ok_or_else(|| "gave nothing".to_owned())
}
