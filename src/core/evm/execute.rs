//! Runs a contract's own function over proven state. Pure: no network, no clock.
//!
//! Asked by: `chain/evm/executor`. Never: lets a contract see anything but the block it is pinned to. The caller and
//! origin are the zero address, the gas price is zero, and every block field comes from the verified
//! header, so that a contract cannot tell us from anybody else.

use std::collections::BTreeSet;
use std::sync::Mutex;

use alloy_consensus::Header;
use alloy_eips::eip7840::BlobParams;
use alloy_primitives::{Address, Bytes, KECCAK256_EMPTY, U256};
use revm::context::result::{EVMError, ExecutionResult};
use revm::context::{BlockEnv, ContextTr, JournalTr};
use revm::context_interface::block::BlobExcessGasAndPrice;
use revm::handler::EvmTr;
use revm::primitives::hardfork::SpecId;
use revm::primitives::{AddressMap, HashSet};
use revm::{Context, InspectSystemCallEvm, MainBuilder, MainContext};

use super::gas_meter::{GasMeter, Limits};
use crate::light_client::EvmFork;
use crate::proof::state::{Facts, Library, Miss, Need, View, locked};

/// A question to a contract: its address and the encoded call.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Call {
    pub to: Address,
    pub data: Bytes,
}

/// How a call ended. Each of these is proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Returned(Bytes),
    Reverted(Bytes),
    /// Out of gas, an invalid opcode and the like.
    Halted,
    /// There is no code at the address, hence nobody to ask.
    NoCode,
}

/// Why an attempt came to no end of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// This is not proven yet.
    Missing(Need),
    /// It reached its limits.
    Limited,
}

/// The end of one attempt, everything it looked at until then, and the gas it took.
#[derive(Debug)]
pub struct Attempt {
    pub ended: Result<Outcome, Stopped>,
    pub touched: BTreeSet<Need>,
    pub gas: u64,
    /// Whether it asked for the block's number, time or the like.
    pub reads_block: bool,
}

impl Attempt {
    /// That an earlier one still holds.
    pub fn recalled(outcome: Outcome) -> Self {
        Self { ended: Ok(outcome), touched: BTreeSet::new(), gas: 0, reads_block: false }
    }
}

/// Runs `call` at the block of `header`, on chain `chain`, with the gas of a system call, which revm takes to be 30
/// million and what it costs to begin, as long as `limits` allow.
///
/// A system call is run without a sender's account, fees or a reward to the block's beneficiary, so that
/// nothing has to be proven but what the contract itself looks at.
pub fn execute(
    (chain, spec): (u64, SpecId),
    header: &Header,
    (facts, library): (&Mutex<Facts>, &Mutex<Library>),
    call: &Call,
    limits: Limits<'_>,
) -> Attempt {
    let code = locked(facts).code_hash(call.to);
    let touched = BTreeSet::from([Need::Account(call.to)]);
    let at_once = match code {
        None => Some(Err(Stopped::Missing(Need::Account(call.to)))),
        Some(KECCAK256_EMPTY) => Some(Ok(Outcome::NoCode)),
        Some(_) => None,
    };
    if let Some(ended) = at_once {
        return Attempt { ended, touched, gas: 0, reads_block: false };
    }
    let mut view = View { facts, library, touched };
    let mut meter = GasMeter::new(limits);
    let mut evm = Context::mainnet()
        .with_db(&mut view)
        .with_block(block(header))
        .modify_cfg_chained(|cfg| {
            cfg.set_spec_and_mainnet_gas_params(spec);
            cfg.chain_id = chain;
        })
        .build_mainnet_with_inspector(&mut meter);
    // What is warm in every transaction, and not in a system call: the price of looking there would tell.
    // But not who gets the fees: what comes out would hang on that.
    let (context, precompiles) = evm.ctx_precompiles();
    context.journal_mut().warm_precompiles(precompiles.warm_addresses());
    let nobody = AddressMap::from_iter([(Address::ZERO, HashSet::default())]);
    context.journal_mut().warm_access_list(nobody);
    let data = call.data.clone();
    let result = evm.inspect_one_system_call_with_caller(Address::ZERO, call.to, data);
    drop(evm);
    let ended = match result {
        _ if meter.is_stopped() => Err(Stopped::Limited),
        Ok(ExecutionResult::Success { output, .. }) => Ok(Outcome::Returned(output.into_data())),
        Ok(ExecutionResult::Revert { output, .. }) => Ok(Outcome::Reverted(output)),
        Ok(ExecutionResult::Halt { .. }) => Ok(Outcome::Halted),
        Err(EVMError::Database(Miss(need))) => Err(Stopped::Missing(need)),
        Err(_) => Ok(Outcome::Halted),
    };
    let (gas, reads_block) = (meter.gas(), meter.reads_block());
    Attempt { ended, touched: view.touched, gas, reads_block }
}

pub(crate) fn block(header: &Header) -> BlockEnv {
    let mut block = BlockEnv {
        number: U256::from(header.number),
        beneficiary: header.beneficiary,
        timestamp: U256::from(header.timestamp),
        gas_limit: header.gas_limit,
        basefee: header.base_fee_per_gas.unwrap_or_default(),
        difficulty: header.difficulty,
        prevrandao: Some(header.mix_hash),
        blob_excess_gas_and_price: None,
        slot_num: header.slot_number.unwrap_or_default(),
    };
    if let Some(excess) = header.excess_blob_gas {
        // The update fraction of Prague (EIP-7691). Chains may set another (EIP-7840), which a header
        // does not say; only BLOBBASEFEE depends on it.
        // Not by revm's own function: in its 128 bits it comes to false prices, and of some headers to no end.
        let blob_gasprice = BlobParams::prague().calc_blob_fee(excess);
        let told = BlobExcessGasAndPrice { excess_blob_gas: excess, blob_gasprice };
        block.blob_excess_gas_and_price = Some(told);
    }
    block
}

/// The rules of the EVM at a block.
pub type Rules = SpecId;

/// The rules of the block: those that a specification of its chain names for its time, else those that its header
/// tells.
pub fn rules(header: &Header, named: Option<EvmFork>) -> SpecId {
    match named {
        None => spec(header),
        Some(EvmFork::Paris) => SpecId::MERGE,
        Some(EvmFork::Shanghai) => SpecId::SHANGHAI,
        Some(EvmFork::Cancun) => SpecId::CANCUN,
        Some(EvmFork::Prague) => SpecId::PRAGUE,
        Some(EvmFork::Osaka) => SpecId::OSAKA,
        Some(EvmFork::Amsterdam) => SpecId::AMSTERDAM,
    }
}

/// The rules of the block, told from the fields its header has: each of these forks added some, and the
/// hash covers them. Osaka added none, so that its rules stand for Prague's as well; it only adds to them.
fn spec(header: &Header) -> SpecId {
    if header.block_access_list_hash.is_some() {
        SpecId::AMSTERDAM
    } else if header.requests_hash.is_some() {
        SpecId::OSAKA
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

#[cfg(test)]
mod tests;
