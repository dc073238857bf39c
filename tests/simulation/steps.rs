//! What can happen, and how it is made up from a seed. A step means something in any state, so that steps can be
//! left out of a list.

pub const TOKENS: usize = 3;
pub const WALLETS: u8 = 4;
pub const CUSTOMERS: u8 = 3;
pub const PRODUCTS: u8 = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Blocks are made, with what was sent before.
    Mine {
        blocks: u64,
    },
    /// A token goes to a wallet, or to somebody else.
    Send {
        token: usize,
        to: u8,
    },
    /// A holding ends so many seconds after the head, has ended, or never ends.
    Until {
        token: usize,
        seconds: Option<i64>,
    },
    Reorganise {
        depth: u64,
    },
    Wait {
        seconds: i64,
    },
    /// A program asks.
    Check {
        customer: u8,
        product: u8,
    },
    Subscribe {
        customer: u8,
        product: u8,
    },
    /// The daemon looks again by itself, or because something happened on the chain.
    Refresh {
        customer: u8,
        product: u8,
    },
    /// What is under way goes on by one step; several are under way at once.
    Advance {
        which: u8,
        late: u64,
        fails: Fails,
    },
    Suspend {
        token: usize,
        on: bool,
    },
    Activate {
        customer: u8,
        on: bool,
    },
    Link {
        wallet: u8,
        customer: u8,
    },
    Unlink {
        wallet: u8,
    },
    /// A product file that grants the same tokens by another contract, which nobody has anything of, or again by
    /// the one.
    Install {
        product: u8,
        other: bool,
    },
    Restart,
}

/// What of a look fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fails {
    Nothing,
    /// The question about one token.
    Token(usize),
    /// The head.
    Latest,
    /// The product's own finality.
    Settled,
    All,
}

/// Numbers from a seed (splitmix64).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    pub fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    fn token(&mut self) -> usize {
        self.below(TOKENS as u64) as usize
    }

    fn small(&mut self, end: u8) -> u8 {
        self.below(u64::from(end)) as u8
    }

    fn fails(&mut self) -> Fails {
        match self.below(16) {
            0 => Fails::Token(self.token()),
            1 => Fails::Latest,
            2 => Fails::Settled,
            3 => Fails::All,
            _ => Fails::Nothing,
        }
    }

    pub fn steps(&mut self, count: usize) -> Vec<Step> {
        (0..count).map(|_| self.step()).collect()
    }

    fn step(&mut self) -> Step {
        let (customer, product) = (self.small(CUSTOMERS), self.small(PRODUCTS));
        match self.below(100) {
            0..8 => Step::Mine { blocks: if self.one_in(4) { 20 } else { 1 } },
            8..14 => Step::Send { token: self.token(), to: self.small(WALLETS + 1) },
            14..17 => {
                let seconds = match self.below(4) {
                    0 => None,
                    1 => Some(-1),
                    _ => Some(self.below(600) as i64),
                };
                Step::Until { token: self.token(), seconds }
            }
            17..19 => Step::Reorganise { depth: 1 + self.below(4) },
            19..24 => {
                let most = if self.one_in(4) { 2_000 } else { 60 };
                Step::Wait { seconds: 1 + self.below(most) as i64 }
            }
            24..44 => Step::Check { customer, product },
            44..46 => Step::Subscribe { customer, product },
            46..52 => Step::Refresh { customer, product },
            52..86 => Step::Advance {
                which: self.small(8),
                late: if self.one_in(4) { self.below(4) } else { 0 },
                fails: self.fails(),
            },
            86..89 => Step::Suspend { token: self.token(), on: self.one_in(2) },
            89..91 => Step::Activate { customer, on: self.one_in(2) },
            91..95 => Step::Link { wallet: self.small(WALLETS), customer },
            95..97 => Step::Unlink { wallet: self.small(WALLETS) },
            97..99 => Step::Install { product, other: self.one_in(2) },
            _ => Step::Restart,
        }
    }
}
