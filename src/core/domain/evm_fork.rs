//! The forks of the EVM that are known here.

/// Rules of the EVM, by the names the execution specifications give them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EvmFork {
    Paris,
    Shanghai,
    Cancun,
    Prague,
    Osaka,
    Amsterdam,
}

impl EvmFork {
    /// As files spell them.
    pub const NAMES: [(&str, Self); 6] = [
        ("paris", Self::Paris),
        ("shanghai", Self::Shanghai),
        ("cancun", Self::Cancun),
        ("prague", Self::Prague),
        ("osaka", Self::Osaka),
        ("amsterdam", Self::Amsterdam),
    ];
}
