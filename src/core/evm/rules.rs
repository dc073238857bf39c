//! The rules of the EVM at a block, and what a run by them leaves in doubt. Pure.
//!
//! Told by: the header, the configuration and the chain's specification. Asked by: `execute` and `signature`, of every
//! instruction and every call. Never: takes what a later fork may have changed for what a contract said.

use alloy_consensus::Header;
use alloy_primitives::{Address, address};
use revm::bytecode::opcode::{self, OpCode};
use revm::precompile::{PrecompileSpecId, Precompiles};
use revm::primitives::hardfork::SpecId;

use crate::domain::evm_fork::EvmFork;
use crate::domain::ids::{ChainId, Timestamp};
use crate::light_client::Specification;

/// Its price and its bounds are others since Osaka (EIP-7883, EIP-7823).
const MODEXP: Address = address!("0x0000000000000000000000000000000000000005");

/// The rules of the EVM at a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    spec: SpecId,
    /// They are these and no others. Else they are at least these: what later forks define may be in force as well.
    is_exact: bool,
}

/// Who names the rules of a block, beside its header.
#[derive(Debug, Clone, Copy, Default)]
pub struct Named {
    /// The specification that the chain is followed by, for the block's time.
    pub exactly: Option<EvmFork>,
    /// The configuration.
    pub at_least: Option<EvmFork>,
}

impl Rules {
    /// Those, and no others.
    pub const fn exactly(spec: SpecId) -> Self {
        Self { spec, is_exact: true }
    }

    /// Those, and perhaps what later forks define as well.
    pub const fn at_least(spec: SpecId) -> Self {
        Self { spec, is_exact: false }
    }

    /// Those of a block: of the specification its chain is followed by where that names any. Else they are as new as its
    /// header, the configuration and the built-in specification of its chain say, and may be newer: a fork need not add a
    /// field to headers, not every chain has those of Ethereum, and what people know grows old.
    pub fn at(chain: ChainId, header: &Header, named: Named) -> Self {
        if let Some(fork) = named.exactly {
            return Self::exactly(spec(fork));
        }
        let second = i64::try_from(header.timestamp).ok();
        let time = second.and_then(|it| Timestamp::from_second(it).ok());
        let known = time.and_then(|it| Specification::built_in(chain)?.evm_fork_at(it));
        let least = named.at_least.max(known).map_or(SpecId::BERLIN, spec);
        Self::at_least(told_by(header).max(least))
    }

    /// What it is run by.
    pub(crate) fn spec(self) -> SpecId {
        self.spec
    }

    /// Whether an instruction may do something else on the chain.
    pub(crate) fn doubt(self, instruction: u8) -> bool {
        // How the price of blobs is reckoned, each chain says for itself (EIP-7840, EIP-7892), and nothing here does.
        let is_price = instruction == opcode::BLOBBASEFEE && self.spec >= SpecId::CANCUN;
        is_price || !self.is_exact && since(instruction).is_none_or(|since| since > self.spec)
    }

    /// Whether code that is refused for its length may be taken on the chain: some have other bounds than Ethereum.
    pub(crate) fn doubt_lengths(self) -> bool {
        !self.is_exact
    }

    /// Whether a call of the contract at `callee`, with this code, may do something else on the chain: what comes with the
    /// EVM has no code, or a single byte as on Arbitrum and Avalanche, and lies where no contract can be.
    pub(crate) fn doubt_call(self, callee: Address, code: &[u8]) -> bool {
        if self.is_exact {
            return false;
        }
        let own = Precompiles::new(PrecompileSpecId::from_spec_id(self.spec));
        if own.contains(&callee) {
            return callee == MODEXP && self.spec < SpecId::OSAKA;
        }
        let is_low = callee.starts_with(&[0; 18]) && !callee.is_zero();
        code.len() == 1 || is_low && code.is_empty()
    }
}

const fn spec(fork: EvmFork) -> SpecId {
    match fork {
        EvmFork::Paris => SpecId::MERGE,
        EvmFork::Shanghai => SpecId::SHANGHAI,
        EvmFork::Cancun => SpecId::CANCUN,
        EvmFork::Prague => SpecId::PRAGUE,
        EvmFork::Osaka => SpecId::OSAKA,
        EvmFork::Amsterdam => SpecId::AMSTERDAM,
    }
}

/// The earliest rules that a header with these fields can be of: each of these forks added some, and the hash covers them.
fn told_by(header: &Header) -> SpecId {
    if header.block_access_list_hash.is_some() {
        SpecId::AMSTERDAM
    } else if header.requests_hash.is_some() {
        SpecId::PRAGUE
    } else if header.parent_beacon_block_root.is_some() {
        SpecId::CANCUN
    } else if header.withdrawals_root.is_some() {
        SpecId::SHANGHAI
    } else if header.base_fee_per_gas.is_some() && header.difficulty.is_zero() {
        SpecId::MERGE
    } else if header.base_fee_per_gas.is_some() {
        SpecId::LONDON
    } else {
        SpecId::BERLIN
    }
}

/// Since when an instruction means what it means now; `None` for what no fork known here defines.
fn since(instruction: u8) -> Option<SpecId> {
    OpCode::new(instruction)?;
    Some(match instruction {
        opcode::BASEFEE => SpecId::LONDON,
        // Randomness, where difficulty was (EIP-4399).
        opcode::DIFFICULTY => SpecId::MERGE,
        // What creates a contract has a bound and another price (EIP-3860).
        opcode::PUSH0 | opcode::CREATE | opcode::CREATE2 => SpecId::SHANGHAI,
        // What ends itself goes on to be, mostly (EIP-6780).
        opcode::SELFDESTRUCT
        | opcode::TLOAD
        | opcode::TSTORE
        | opcode::MCOPY
        | opcode::BLOBHASH
        | opcode::BLOBBASEFEE => SpecId::CANCUN,
        opcode::CLZ => SpecId::OSAKA,
        opcode::SLOTNUM | opcode::DUPN | opcode::SWAPN | opcode::EXCHANGE => SpecId::AMSTERDAM,
        _ => SpecId::BERLIN,
    })
}

#[cfg(test)]
mod tests;
