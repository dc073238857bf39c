//! The endpoints of a chain side by side: how far each is, by which a late one is told. Pure.
//!
//! Asked by: `health`, of one among them; `pool` collects it.

use std::time::Duration;

use tokio::time::Instant;

/// A head this much older than others is late, even on a chain with very fast blocks.
const LEAST_LAG: Duration = Duration::from_secs(60);
/// Blocks an endpoint may be late.
const LAG_BLOCKS: u32 = 5;

/// The newest block an endpoint named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::chain) struct Head {
    pub(in crate::chain) number: u64,
    /// Seconds since 1970, as the block says.
    pub(in crate::chain) time: u64,
    /// When it was named.
    pub(in crate::chain) at: Instant,
}

/// What is known of all endpoints of a chain, against which one is judged.
#[derive(Debug, Clone, Default)]
pub(in crate::chain) struct Peers {
    /// Of every endpoint that named one, this one included.
    pub(in crate::chain) heads: Vec<Head>,
    pub(in crate::chain) block_time: Duration,
}

impl Peers {
    /// How much older than it could be a head is when it counts as late.
    pub(in crate::chain) fn lag(&self) -> Duration {
        LEAST_LAG.max(self.block_time.saturating_mul(LAG_BLOCKS))
    }
}
