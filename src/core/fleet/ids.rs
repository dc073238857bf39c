//! What fleets, machines and their places are told apart by.

use std::fmt;
use std::str::FromStr;

use alloy_primitives::hex;

use crate::seats::TokenKey;

macro_rules! random_name {
    ($(#[$about:meta])* $name:ident, $bytes:literal) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $bytes]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl FromStr for $name {
            type Err = hex::FromHexError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let mut bytes = [0; $bytes];
                hex::decode_to_slice(text, &mut bytes)?;
                Ok(Self(bytes))
            }
        }
    };
}

random_name! {
    /// A fleet, by what was drawn when its store was first used: an emptied store is another one.
    FleetId, 16
}
random_name! {
    /// A machine, by what it has drawn itself: what the operating system calls it is copied with its image.
    MachineId, 8
}
/// One place: the seat of this number of a token, or of a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    pub token: TokenKey,
    pub number: u32,
}

/// How far the store had come when something was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

/// What keeps a machine's places for it, as the store numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseId(pub i64);

/// Higher than that of every seat of the token that was given before, by whichever machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fence(pub u64);

impl Fence {
    /// Bits of a revision. The rest, up to what every JSON parser keeps (53), counts how often the store was restored.
    const REVISION_BITS: u32 = 40;
    /// Above what a machine alone gives, which begins at the microseconds since 1970, until the year 2041.
    const FIRST_EPOCH: u64 = 2_048;
    /// No store was restored as often as that: a later epoch has no fences.
    pub const LAST_EPOCH: u32 = (1 << 13) - 1 - 2_048;

    pub fn new(epoch: u32, revision: Revision) -> Self {
        Self((Self::FIRST_EPOCH + u64::from(epoch)) << Self::REVISION_BITS | revision.0)
    }
}
