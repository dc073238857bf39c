//! Runs a contract's own function over proven state. Pure: no network, no clock.
//!
//! Asked by: `gather`. Never: lets a contract see anything but the block it is pinned to. The caller and
//! origin are the zero address, the gas price is zero, and every block field comes from the verified
//! header, so that a contract cannot tell us from anybody else.

use std::collections::BTreeSet;

use alloy_consensus::Header;
use alloy_primitives::Address;
use alloy_primitives::Bytes;
use alloy_primitives::KECCAK256_EMPTY;
use alloy_primitives::U256;
use revm::Context;
use revm::MainBuilder;
use revm::MainContext;
use revm::SystemCallEvm;
use revm::context::BlockEnv;
use revm::context::result::EVMError;
use revm::context::result::ExecutionResult;
use revm::primitives::hardfork::SpecId;

use super::state::Facts;
use super::state::Library;
use super::state::Miss;
use super::state::Need;
use super::state::View;

/// A question to a contract: its address and the encoded call.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Call {
    pub(super) to: Address,
    pub(super) data: Bytes,
}

/// How a call ended. Each of these is proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Returned(Bytes),
    Reverted(Bytes),
    /// Out of gas, an invalid opcode and the like.
    Halted,
    /// There is no code at the address, hence nobody to ask.
    NoCode,
}

/// The end of one attempt, and everything it looked at until then.
#[derive(Debug)]
pub(super) struct Attempt {
    /// `Err`: it stopped for want of this.
    pub(super) ended: Result<Outcome, Need>,
    pub(super) touched: BTreeSet<Need>,
}

/// Runs `call` at the block of `header`, on chain `chain`, with the 30 million gas of a system call.
///
/// A system call is run without a sender's account, fees or a reward to the block's beneficiary, so that
/// nothing has to be proven but what the contract itself looks at.
pub(super) fn execute(
    chain: u64,
    header: &Header,
    (facts, library): (&Facts, &Library),
    call: &Call,
) -> Attempt {
    let code = facts.code_hash(call.to);
    let touched = BTreeSet::from([Need::Account(call.to)]);
    match code {
        None => return Attempt { ended: Err(Need::Account(call.to)), touched },
        Some(KECCAK256_EMPTY) => return Attempt { ended: Ok(Outcome::NoCode), touched },
        Some(_) => {}
    }
    let mut view = View { facts, library, touched };
    let spec = spec(header);
    let mut evm = Context::mainnet()
        .with_db(&mut view)
        .with_block(block(header))
        .modify_cfg_chained(|cfg| {
            cfg.set_spec_and_mainnet_gas_params(spec);
            cfg.chain_id = chain;
        })
        .build_mainnet();
    let result = evm.system_call_one_with_caller(Address::ZERO, call.to, call.data.clone());
    drop(evm);
    let ended = match result {
        Ok(ExecutionResult::Success { output, .. }) => Ok(Outcome::Returned(output.into_data())),
        Ok(ExecutionResult::Revert { output, .. }) => Ok(Outcome::Reverted(output)),
        Ok(ExecutionResult::Halt { .. }) => Ok(Outcome::Halted),
        Err(EVMError::Database(Miss(need))) => Err(need),
        Err(_) => Ok(Outcome::Halted),
    };
    Attempt { ended, touched: view.touched }
}

pub(super) fn block(header: &Header) -> BlockEnv {
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

/// The rules of the block, told from the fields its header has: each of these forks added some, and the
/// hash covers them. Osaka added none, so that its rules stand for Prague's as well; it only adds to them.
pub(super) fn spec(header: &Header) -> SpecId {
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
    use crate::chain::proof::ProvenAccount;
    use alloy_primitives::B256;
    use alloy_primitives::hex;
    use alloy_primitives::keccak256;
    use alloy_trie::TrieAccount;

    const AT: Address = Address::repeat_byte(0xc0);

    fn running(code: &[u8]) -> Attempt {
        let hash = keccak256(code);
        let (mut facts, mut library) = (Facts::default(), Library::default());
        let storage_root = B256::repeat_byte(9);
        let account = TrieAccount { code_hash: hash, storage_root, ..TrieAccount::default() };
        facts.learn(AT, ProvenAccount { account: Some(account), slots: Vec::new() });
        library.learn(AT, hash, Bytes::copy_from_slice(code));
        let header = Header {
            number: 7,
            timestamp: 1_700_000_000,
            base_fee_per_gas: Some(1),
            requests_hash: Some(B256::ZERO),
            ..Header::default()
        };
        execute(31_337, &header, (&facts, &library), &Call { to: AT, data: Bytes::new() })
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
    fn what_is_not_proven_stops_it() {
        assert_eq!(running(&hex!("600754")).ended, Err(Need::Slot(AT, U256::from(7))));
        let other = Address::with_last_byte(0xaa);
        assert_eq!(running(&hex!("60aa31")).ended, Err(Need::Account(other)));
    }

    #[test]
    fn the_hash_of_an_earlier_block_is_refused() {
        assert_eq!(running(&hex!("600640")).ended, Err(Need::BlockHash(6)));
    }

    #[test]
    fn an_endless_loop_ends() {
        assert_eq!(running(&hex!("5b5f56")).ended, Ok(Outcome::Halted));
    }

    #[test]
    fn no_code_is_a_proven_answer_and_an_unproven_account_is_none() {
        let (mut facts, library) = (Facts::default(), Library::default());
        let call = Call { to: AT, data: Bytes::new() };
        let attempt = execute(1, &Header::default(), (&facts, &library), &call);
        assert_eq!(attempt.ended, Err(Need::Account(AT)));
        facts.learn(AT, ProvenAccount { account: None, slots: Vec::new() });
        let attempt = execute(1, &Header::default(), (&facts, &library), &call);
        assert_eq!(attempt.ended, Ok(Outcome::NoCode));
    }
}
