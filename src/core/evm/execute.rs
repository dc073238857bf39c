//! Runs a contract's own function over proven state. Pure: no network, no clock.
//!
//! Asked by: `chain/evm/executor`. Never: lets a contract see anything but the block it is pinned to. The caller and
//! origin are the zero address, the gas price is zero, and every block field comes from the verified
//! header, so that a contract cannot tell us from anybody else.

use std::collections::BTreeSet;
use std::sync::Mutex;

use alloy_consensus::Header;
use alloy_primitives::{Address, Bytes, KECCAK256_EMPTY, U256};
use revm::context::result::{EVMError, ExecutionResult};
use revm::context::{BlockEnv, ContextTr, JournalTr};
use revm::handler::EvmTr;
use revm::primitives::{AddressMap, HashSet};
use revm::{Context, InspectSystemCallEvm, MainBuilder, MainContext};

use super::gas_meter::{GasMeter, Limits};
use super::rules::Rules;
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
    /// It did what the rules of a later fork, or of its own chain, may tell otherwise.
    RulesInDoubt,
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
    (chain, rules): (u64, Rules),
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
    let mut meter = GasMeter::new(limits, rules);
    let mut evm = Context::mainnet()
        .with_db(&mut view)
        .with_block(block(header))
        .modify_cfg_chained(|cfg| {
            cfg.set_spec_and_mainnet_gas_params(rules.spec());
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
    let ended = match (meter.stopped(), result) {
        (Some(stopped), _) => Err(stopped),
        (None, Ok(ExecutionResult::Success { output, .. })) => {
            Ok(Outcome::Returned(output.into_data()))
        }
        (None, Ok(ExecutionResult::Revert { output, .. })) => Ok(Outcome::Reverted(output)),
        (None, Ok(ExecutionResult::Halt { .. })) => Ok(Outcome::Halted),
        (None, Err(EVMError::Database(Miss(need)))) => Err(Stopped::Missing(need)),
        (None, Err(_)) => Ok(Outcome::Halted),
    };
    let (gas, reads_block) = (meter.gas(), meter.reads_block());
    Attempt { ended, touched: view.touched, gas, reads_block }
}

pub(crate) fn block(header: &Header) -> BlockEnv {
    BlockEnv {
        number: U256::from(header.number),
        beneficiary: header.beneficiary,
        timestamp: U256::from(header.timestamp),
        gas_limit: header.gas_limit,
        basefee: header.base_fee_per_gas.unwrap_or_default(),
        difficulty: header.difficulty,
        prevrandao: Some(header.mix_hash),
        // Only BLOBBASEFEE depends on it, which is in doubt by any rules.
        blob_excess_gas_and_price: None,
        slot_num: header.slot_number.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests;
