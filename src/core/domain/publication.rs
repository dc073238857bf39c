//! What is done with a verdict that was worked out: whether it is kept as the answer, and whether it is told.
//!
//! Asked by: TierCache, of every verdict it makes. Never: keeps or tells anything itself.

use super::entitlement::{Question, Verdict, wants_look};
use super::ids::Timestamp;

/// What to do with a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Publication {
    /// It is the answer from now on, for the cache and for those who wait.
    pub kept: bool,
    /// Those who subscribed hear of it.
    pub told: bool,
}

impl Publication {
    /// Before a look at the chain a yes is the answer; a no that the look could still turn into a yes is none, and is
    /// told only to those to whom `told_holds` is `Some(false)`: what they were told last holds no more.
    pub fn of(
        verdict: &Verdict,
        (question, now): (&Question<'_>, Timestamp),
        looked: bool,
        told_holds: Option<bool>,
    ) -> Self {
        let kept = looked || verdict.is_valid() || !wants_look(question, now);
        Self { kept, told: kept || told_holds == Some(false) }
    }
}
