//! Contracts called, and code read, at one block of a chain.
//!
//! Asked by: `facade`, `look`. Asks: `evm`. Never: answers from anything that was not proven at that block.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use alloy_primitives::{Address, B256, Bytes};
use tokio::time::Instant;

use super::block::Block;
use super::evm::executor::Asker;
use super::inner::{Chain, Inner};
use entitled_core::domain::ownership::Cause;
use entitled_core::evm::execute::{Call, Outcome};
use entitled_core::proof::state::{Need, locked};

/// No longer than this for one token.
pub(super) const TOKEN_DEADLINE: Duration = Duration::from_secs(30);
/// Accounts whose code is fetched together.
const CODES: usize = 256;

impl Chain {
    /// Calls a contract as nobody (the zero address) and says how that ended, proven: over the block's state, with its own
    /// number and time, and some 30 million gas. The step every answer is made of, for whoever measures or checks it.
    ///
    /// # Errors
    /// Why that could not be found out. [`Cause::Contract`]: the call asks for more than is proven for any contract.
    pub async fn call(&self, block: &Block, to: Address, data: Bytes) -> Result<Outcome, Cause> {
        if block.anchor.chain != self.id() {
            return Err(Cause::NotConfigured);
        }
        let calls = (vec![Call { to, data }], Asker::Caller);
        let ended = self.run(block, calls, Instant::now() + TOKEN_DEADLINE).await;
        ended.into_iter().next().unwrap_or(Err(Cause::Contract))
    }

    pub(super) async fn run(
        &self,
        block: &Block,
        calls: (Vec<Call>, Asker),
        deadline: Instant,
    ) -> Vec<Result<Outcome, Cause>> {
        self.0.run_loop.run(&self.0.pool, &block.pinned, calls, deadline).await
    }

    /// The proven code of each account; empty where there is none.
    pub(super) async fn codes(
        &self,
        block: &Block,
        accounts: BTreeSet<Address>,
        deadline: Instant,
    ) -> Result<BTreeMap<Address, Bytes>, Cause> {
        let Inner { run_loop, pool, .. } = &*self.0;
        let accounts: Vec<Address> = accounts.into_iter().collect();
        let mut codes = BTreeMap::new();
        for part in accounts.chunks(CODES) {
            let lacking = |need: &Need| !block.pinned.facts().has(need, &locked(&run_loop.library));
            let needs = part.iter().map(|it| Need::Account(*it)).filter(lacking).collect();
            run_loop.fetch(pool, &block.pinned, &needs, deadline).await?;
            let code_of = |it: &Address| Some((*it, block.pinned.facts().code_hash(*it)?));
            let hashes: Vec<(Address, B256)> = part.iter().filter_map(code_of).collect();
            let needs = hashes.iter().map(|(it, hash)| Need::Code(*it, *hash));
            let needs = needs.filter(lacking).collect();
            run_loop.fetch(pool, &block.pinned, &needs, deadline).await?;
            for (account, hash) in hashes {
                let code = locked(&run_loop.library).code(hash).ok_or(Cause::Unreachable)?;
                codes.insert(account, code.original_bytes());
            }
        }
        Ok(codes)
    }
}
