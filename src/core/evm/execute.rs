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
        const PRAGUE_FRACTION: u64 = 5_007_716;
        block.set_blob_excess_gas_and_price(excess, PRAGUE_FRACTION);
    }
    block
}

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
mod tests {
    use super::*;
    use crate::proof::account_proof::ProvenAccount;
    use crate::proof::state::testing::having;
    use alloy_primitives::{B256, hex};

    const AT: Address = Address::repeat_byte(0xc0);

    #[test]
    fn a_specification_knows_rules_that_no_header_tells() {
        let header = Header { requests_hash: Some(B256::ZERO), ..Header::default() };
        assert_eq!(rules(&header, None), SpecId::OSAKA);
        assert_eq!(rules(&header, Some(EvmFork::Prague)), SpecId::PRAGUE);
    }

    const UNLIMITED: Limits<'_> = Limits { gas: u64::MAX, go_on: &|| true };

    fn running(code: &[u8]) -> Attempt {
        limited(code, UNLIMITED)
    }

    fn limited(code: &[u8], limits: Limits<'_>) -> Attempt {
        let header = Header {
            number: 7,
            timestamp: 1_700_000_000,
            base_fee_per_gas: Some(1),
            requests_hash: Some(B256::ZERO),
            ..Header::default()
        };
        let (facts, library) = having(AT, code);
        let call = Call { to: AT, data: Bytes::new() };
        execute((31_337, spec(&header)), &header, (&facts, &library), &call, limits)
    }

    /// Code that returns what `push` leaves on the stack.
    fn returning(push: &[u8]) -> U256 {
        let code = [push, &hex!("5f5260205ff3")].concat();
        match running(&code).ended {
            Ok(Outcome::Returned(word)) => U256::from_be_slice(&word),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_contract_sees_the_block_and_nobody() {
        for (what, opcode, seen) in [
            ("number", 0x43, 7),
            ("timestamp", 0x42, 1_700_000_000),
            ("base fee", 0x48, 1),
            ("chain id", 0x46, 31_337),
            ("caller", 0x33, 0),
            ("origin", 0x32, 0),
            ("gas price", 0x3a, 0),
        ] {
            assert_eq!(returning(&[opcode]), U256::from(seen), "{what}");
        }
    }

    #[test]
    fn whoever_reads_the_block_is_found_out() {
        for opcode in 0x30..=0x4b_u8 {
            // With enough on the stack for whatever it takes; the hash is one of before all that is kept.
            let code = [&hex!("5f5f5f5f")[..], &[opcode, 0]].concat();
            let attempt = running(&code);
            let reads = (0x40..=0x45).contains(&opcode) || [0x48, 0x4a, 0x4b].contains(&opcode);
            assert_eq!(attempt.reads_block, reads, "{opcode:#x}");
        }
    }

    fn missing(need: Need) -> Result<Outcome, Stopped> {
        Err(Stopped::Missing(need))
    }

    #[test]
    fn what_is_not_proven_stops_it() {
        assert_eq!(running(&hex!("600754")).ended, missing(Need::Slot(AT, U256::from(7))));
        let other = Address::with_last_byte(0xaa);
        assert_eq!(running(&hex!("60aa31")).ended, missing(Need::Account(other)));
    }

    #[test]
    fn the_hash_of_an_earlier_block_is_refused() {
        assert_eq!(running(&hex!("600640")).ended, missing(Need::BlockHash(6)));
    }

    /// Jumps to its beginning for ever.
    const LOOP: [u8; 3] = hex!("5b5f56");

    #[test]
    fn an_endless_loop_ends() {
        assert_eq!(running(&LOOP).ended, Ok(Outcome::Halted));
    }

    #[test]
    fn an_endless_loop_ends_at_its_limit_of_gas() {
        let limits = Limits { gas: 100_000, ..UNLIMITED };
        let attempt = limited(&LOOP, limits);
        assert_eq!(attempt.ended, Err(Stopped::Limited));
        assert!((100_000..200_000).contains(&attempt.gas), "{}", attempt.gas);
    }

    #[test]
    fn an_endless_loop_ends_soon_when_told_to() {
        let asked = std::cell::Cell::new(0);
        let go_on = || {
            asked.set(asked.get() + 1);
            asked.get() < 3
        };
        let attempt = limited(&LOOP, Limits { gas: u64::MAX, go_on: &go_on });
        assert_eq!(attempt.ended, Err(Stopped::Limited));
        assert!(attempt.gas < 50_000, "{}", attempt.gas);
    }

    #[test]
    fn who_calls_itself_is_told_to_stop_as_often_as_who_jumps() {
        // CALL(gas, self), again and again in a row, without a jump.
        let code = hex!("5f5f5f5f5f305af150").repeat(1_000);
        let asked = std::cell::Cell::new(0);
        let go_on = || {
            asked.set(asked.get() + 1);
            asked.get() < 50
        };
        assert_eq!(
            limited(&code, Limits { gas: u64::MAX, go_on: &go_on }).ended,
            Err(Stopped::Limited)
        );
        assert_eq!(asked.get(), 50, "stopped at once, and nobody asked again");
    }

    #[test]
    fn gas_is_counted_until_something_is_missing() {
        // Four constants, and what it costs to try for an unproven slot.
        let attempt = running(&hex!("5f5f5f600754"));
        assert_eq!(attempt.gas, 9 + 100);
    }

    #[test]
    fn what_a_caller_passed_on_and_was_not_used_does_not_count() {
        // Calls itself some two hundred times deep, and reads the slot there.
        let attempt = running(&hex!("5a620dbba010600d57600754005b5f5f5f5f5f305af1"));
        assert_eq!(attempt.ended, missing(Need::Slot(AT, U256::from(7))));
        assert!((10_000..100_000).contains(&attempt.gas), "{}", attempt.gas);
    }

    #[test]
    fn no_code_is_a_proven_answer_and_an_unproven_account_is_none() {
        let (facts, library) = (Mutex::new(Facts::default()), Mutex::new(Library::default()));
        let call = Call { to: AT, data: Bytes::new() };
        let ended = || {
            let state = (&facts, &library);
            execute((1, SpecId::OSAKA), &Header::default(), state, &call, UNLIMITED).ended
        };
        assert_eq!(ended(), missing(Need::Account(AT)));
        locked(&facts).learn(AT, ProvenAccount { account: None, slots: Vec::new() });
        assert_eq!(ended(), Ok(Outcome::NoCode));
    }
}
