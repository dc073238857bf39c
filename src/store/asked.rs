//! Who wants a change of the store, and when: the store has no clock, and knows nobody.

use entitled_core::domain::ids::Timestamp;

/// Who wants a change, and when.
#[derive(Debug, Clone)]
pub struct Asked {
    pub by: String,
    pub at: Timestamp,
}
