//! The chain as it is: who holds which token at which block, and until when.

use alloy_primitives::B256;
use entitled_core::domain::ids::Timestamp;
use entitled_core::domain::ownership::Finality;

use crate::steps::{TOKENS, WALLETS};

/// When the first block was made.
pub const BEGAN: i64 = 1_800_000_000;

/// Seconds from block to block.
pub const SLOT: i64 = 12;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    pub number: u64,
    pub hash: B256,
    pub parent: B256,
    pub time: i64,
    /// The wallet that holds each token; none of ours if it is [`WALLETS`].
    pub holder: [u8; TOKENS],
    /// When each holding ends, if it does.
    pub until: [Option<i64>; TOKENS],
}

pub struct Chain {
    blocks: Vec<Block>,
    made: u64,
    /// What the next block will hold.
    pub holder: [u8; TOKENS],
    pub until: [Option<i64>; TOKENS],
}

impl Chain {
    pub fn new() -> Self {
        let holder = [WALLETS; TOKENS];
        let mut chain = Self { blocks: Vec::new(), made: 0, holder, until: [None; TOKENS] };
        for _ in 0..40 {
            chain.mine();
        }
        chain
    }

    pub fn mine(&mut self) {
        let number = self.blocks.len() as u64;
        self.made += 1;
        self.blocks.push(Block {
            number,
            parent: self.blocks.last().map_or(B256::ZERO, |it| it.hash),
            hash: B256::from(alloy_primitives::U256::from(self.made)),
            time: BEGAN + i64::try_from(number).unwrap() * SLOT,
            holder: self.holder,
            until: self.until,
        });
    }

    /// Replaces the newest blocks by as many others, and one more, in which nothing of theirs happened.
    pub fn reorganise(&mut self, depth: u64) {
        let depth = depth.min(lag(Finality::Safe) - 1) as usize;
        let kept = self.blocks.len() - depth;
        self.blocks.truncate(kept);
        let last = self.blocks.last().unwrap();
        (self.holder, self.until) = (last.holder, last.until);
        for _ in 0..=depth {
            self.mine();
        }
    }

    pub fn head(&self) -> &Block {
        self.blocks.last().unwrap()
    }

    /// The newest block of a finality, as an endpoint sees it that is so many blocks late.
    pub fn block(&self, finality: Finality, late: u64) -> &Block {
        let number = self.head().number.saturating_sub(lag(finality) + late);
        &self.blocks[number as usize]
    }

    pub fn at(&self, number: u64) -> Option<&Block> {
        self.blocks.get(number as usize)
    }
}

/// How many blocks the newest of a finality is behind the head.
fn lag(finality: Finality) -> u64 {
    match finality {
        Finality::Latest => 0,
        Finality::Safe => 8,
        Finality::Finalized => 16,
    }
}

pub fn time(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}
