//! Judges a signature at a block, fetching and proving what the steps of `signature` look at.
//!
//! Asked by: `facade`. Asks: `run_loop`, for what has to be proven; `executor`, for a place to run at.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio::time::Instant;

use super::effort::Effort;
use super::executor::{Asker, goes_on};
use super::limits::{ACCOUNTS, BUSY, GAS, MISSES};
use super::run_loop::RunLoop;
use crate::chain::endpoint::error::EndpointError;
use crate::chain::endpoint::pool::Pool;
use entitled_core::domain::ownership::Cause;
use entitled_core::domain::wallet_proof::{NotSigned, SignedBy};
use entitled_core::evm::gas_meter::Limits;
use entitled_core::evm::pinned::Pinned;
use entitled_core::evm::signature::{Ground, SignedHash, Stop};
use entitled_core::proof::state::Need;

/// No longer than this for one signature. Anybody may name the contract that is run for it.
const DEADLINE: Duration = Duration::from_secs(15);

/// How one attempt went, and what it cost.
struct Attempt {
    judged: Result<Result<SignedBy, NotSigned>, Stop>,
    accounts: usize,
    gas: u64,
    /// Of a processor.
    took: Duration,
}

/// Judges a signature, fetching and proving what that takes.
pub(in crate::chain) async fn prove(
    run_loop: &RunLoop,
    pool: &Pool,
    block: &Arc<Pinned>,
    signed: SignedHash,
) -> Result<Result<SignedBy, NotSigned>, Cause> {
    let deadline = Instant::now() + DEADLINE;
    let signed = Arc::new(signed);
    let (mut gas, mut took) = (GAS, Duration::ZERO);
    for _ in 0..MISSES {
        let attempt = attempt(run_loop, block, &signed, (gas, deadline)).await?;
        gas = gas.saturating_sub(attempt.gas);
        took += attempt.took;
        if Instant::now() >= deadline {
            return Err(EndpointError::Late.cause());
        }
        if attempt.accounts > ACCOUNTS || took >= BUSY {
            return Err(Cause::Contract);
        }
        let need = match attempt.judged {
            Ok(signed_by) => return Ok(signed_by),
            Err(Stop::RulesInDoubt) => {
                run_loop.executor.rules_in_doubt();
                return Err(Cause::Contract);
            }
            Err(Stop::Doubt | Stop::Lacking(Need::BlockHash(_))) => return Err(Cause::Contract),
            Err(Stop::Lacking(need)) => need,
        };
        run_loop.fetch(pool, block, &BTreeSet::from([need]), deadline).await?;
    }
    Err(Cause::Contract)
}

/// One attempt, at a place for contracts that anybody may name.
async fn attempt(
    run_loop: &RunLoop,
    block: &Arc<Pinned>,
    signed: &Arc<SignedHash>,
    (gas, deadline): (u64, Instant),
) -> Result<Attempt, Cause> {
    let (chain, library) = (run_loop.executor.chain, Arc::clone(&run_loop.library));
    let (block, signed) = (Arc::clone(block), Arc::clone(signed));
    let work = move |given_up: &AtomicBool| {
        let effort = Effort::begin();
        let go_on = || goes_on(given_up, deadline, &effort);
        let limits = Limits { gas, go_on: &go_on };
        let rules = (chain, block.rules);
        let mut ground = Ground::new(rules, &block.header, (&block.facts, &library), limits);
        let judged = ground.judge(&signed);
        let (accounts, gas) = (ground.accounts(), gas - ground.gas());
        Attempt { judged, accounts, gas, took: effort.so_far() }
    };
    let done = run_loop.executor.at_place(Asker::Caller, deadline, work).await;
    let late = Instant::now() >= deadline;
    done.ok_or_else(|| if late { EndpointError::Late.cause() } else { Cause::Contract })
}
