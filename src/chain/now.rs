//! What the time is, as whoever opens a chain says it.
//!
//! Asked by: `endpoint/pool`, `consensus/sync`. Never: reads a clock itself.

use std::sync::Arc;

use entitled_core::domain::ids::Timestamp;

/// What the time is, never before what was proven of the chain.
#[derive(Clone)]
pub struct Now(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Now {
    pub fn new(read: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    pub(in crate::chain) fn read(&self) -> Timestamp {
        (self.0)()
    }
}

impl std::fmt::Debug for Now {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Now")
    }
}
