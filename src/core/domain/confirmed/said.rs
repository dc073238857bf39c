//! What a sighting says, as bytes to be hashed.

use crate::domain::ownership::{Finding, Sighting, Target};
use crate::domain::rule::Via;

/// What a sighting says of its question, whichever look it is of. Each part has a fixed width or its length before it, so
/// that no two lists have the same bytes.
pub(super) fn say(bytes: &mut Vec<u8>, sighting: &Sighting) {
    let length = |it: usize| u32::try_from(it).unwrap_or(u32::MAX).to_be_bytes();
    match &sighting.target {
        Target::Token(token) => {
            bytes.push(0);
            bytes.extend(token.id.to_be_bytes::<32>());
        }
        Target::Rest { ids, .. } => {
            bytes.push(1);
            bytes.extend(length(ids.ranges().len()));
            for end in ids.ranges().iter().flat_map(|(from, to)| [from, to]) {
                bytes.extend(end.to_be_bytes::<32>());
            }
        }
    }
    match &sighting.finding {
        Finding::Held { until: None, .. } => bytes.push(0),
        Finding::Held { until: Some(until), .. } => {
            bytes.push(1);
            bytes.extend(until.as_nanosecond().to_be_bytes());
        }
        Finding::NotHeld { .. } => bytes.push(2),
        Finding::Unknown { .. } => bytes.push(3),
    }
    if let Some(amount) = sighting.amount {
        // No other byte at this place: what was said before there were amounts has the bytes it had.
        bytes.push(0xff);
        bytes.extend(amount.to_be_bytes::<32>());
    }
    if let Some(whole) = sighting.whole {
        bytes.push(0xfe);
        bytes.extend(whole.to_be_bytes::<32>());
    }
    bytes.extend(length(sighting.via.len()));
    for via in &sighting.via {
        let (kind, address) = match via {
            Via::Vault(address) => (0, address),
            Via::Account(address) => (1, address),
        };
        bytes.push(kind);
        bytes.extend(address.as_slice());
    }
}
