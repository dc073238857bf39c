//! What goes wrong again and again is told once, and then now and then: whoever makes it go wrong fills no log.

use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

const PERIOD: Duration = Duration::from_secs(10);

pub(super) struct Seldom(Option<DefaultDirectRateLimiter>);

impl Seldom {
    pub(super) fn new() -> Self {
        Self(Quota::with_period(PERIOD).map(RateLimiter::direct))
    }

    /// Whether it is to be told now.
    pub(super) fn is_due(&self) -> bool {
        self.0.as_ref().is_none_or(|it| it.check().is_ok())
    }
}
