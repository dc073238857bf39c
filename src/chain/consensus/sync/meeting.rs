//! Whether the sources are where the clock is, before anything is taken that the clock is to judge.
//!
//! Asked by: `passes`. Never: takes anything, or believes more of what is said than that somebody says it.

use std::time::Duration;

use super::{ChainSync, foundation};
use crate::chain::consensus::beacon;
use crate::chain::consensus::beacon::Query;
use entitled_core::domain::product::section::written;
use entitled_core::light_client::{FinalityUpdate, OptimisticUpdate};

/// How far the clock may be ahead of the sources where a rest or a beginning is to be judged by it.
const APART: Duration = Duration::from_secs(3_600);

/// The slot of what was signed, by an answer to this question.
fn attested(query: Query, text: &[u8]) -> Option<u64> {
    match query {
        Query::Optimistic => OptimisticUpdate::from_json(text).ok().map(|it| it.attested_slot()),
        _ => FinalityUpdate::from_json(text).ok().map(|it| it.attested_slot()),
    }
}

impl ChainSync {
    /// Whether any source is where the clock is. What comes after a rest counts as that rested for good, and what is begun from
    /// as that old; and a clock that is ahead for a moment only shows in that nobody is there.
    pub(super) async fn meet(&self) -> Result<(), String> {
        let now = self.now();
        let age = |slot| foundation::age_of(&self.specification, slot, now);
        let settled = self.state().client.as_ref().map(foundation::settled_slot);
        // Where the administrator expects to hear less often, so much later.
        let apart = APART.max(self.silence);
        if settled.is_some_and(|it| age(it) <= apart) {
            return Ok(());
        }
        let mut nearest: Option<Duration> = None;
        for source in beacon::ordered(&self.sources) {
            // While nothing becomes final, some tell the last that did for long, though committees go on signing.
            for query in [Query::Finality, Query::Optimistic] {
                let Ok(pieces) = source.ask(query).await else { continue };
                let Some(late) = pieces.first().and_then(|it| attested(query, it)).map(age) else {
                    continue;
                };
                if late <= apart {
                    return Ok(());
                }
                nearest = Some(nearest.map_or(late, |it| it.min(late)));
            }
        }
        // Where nothing is heard, what follows says why.
        nearest.map_or(Ok(()), |late| {
            Err(format!(
                "the newest that a source in `beacon` has is {} old by this machine's clock: one of the two is wrong",
                written(Duration::from_secs(late.as_secs()))
            ))
        })
    }
}
