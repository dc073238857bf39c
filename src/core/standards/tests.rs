use alloy_primitives::B256;

use crate::domain::ids::{ChainId, Timestamp};
use crate::domain::ownership::{Anchor, Finality, Trust};

/// Block 100, a thousand seconds after 1970.
pub(crate) fn anchor() -> Anchor {
    Anchor {
        chain: ChainId(1),
        number: 100,
        hash: B256::ZERO,
        time: Timestamp::from_second(1_000).unwrap(),
        finality: Finality::Latest,
        trust: Trust::Single,
        attestation: None,
    }
}
