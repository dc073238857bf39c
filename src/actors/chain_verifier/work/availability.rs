//! What of products cannot be had on the chains as they are configured, and as they are.
//!
//! Does: [`FindUnavailable`]. Asked by: `rpc` and `daemon`, when products were installed or read again, to warn.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::actors::chain_verifier::Parts;
use crate::actors::chain_verifier::messages::{FindUnavailable, VerifierError};
use crate::chain::Chain;
use entitled_core::domain::ids::{ChainId, Collection};
use entitled_core::domain::ownership::{Cause, Finality, Trust};
use entitled_core::domain::product::availability::{Warning, warnings, without_contract};

/// A chain that does not answer within this is no reason to warn.
const PATIENCE: Duration = Duration::from_secs(4);

impl Parts {
    pub(in crate::actors::chain_verifier) async fn find_unavailable(
        self,
        ask: FindUnavailable,
    ) -> Result<Vec<Warning>, VerifierError> {
        let trusts: BTreeMap<ChainId, Trust> =
            self.chains.iter().map(|(id, chain)| (*id, chain.trust())).collect();
        let products = || ask.products.iter().map(|it| &it.product);
        let named: BTreeSet<Collection> = products().flat_map(|it| it.collections()).collect();
        let looks = self.chains.values().map(|chain| {
            let here = named.iter().filter(|it| it.chain == chain.id()).copied().collect();
            tokio::time::timeout(PATIENCE, self.absent(chain, here))
        });
        let found = futures_util::future::join_all(looks).await;
        let absent: BTreeSet<Collection> =
            found.into_iter().filter_map(|it| it.ok()?.ok()).flatten().collect();
        let of = |it| warnings(it, &trusts).into_iter().chain(without_contract(it, &absent));
        Ok(products().flat_map(of).collect())
    }

    /// Those whose contracts are proven not to be on the chain, at its head.
    async fn absent(
        &self,
        chain: &Chain,
        named: BTreeSet<Collection>,
    ) -> Result<BTreeSet<Collection>, Cause> {
        if named.is_empty() {
            return Ok(named);
        }
        let block = self.anchor(chain, Finality::Latest).await?;
        let contracts = named.iter().map(|it| it.contract).collect();
        let without = chain.without_code(&block, contracts).await?;
        Ok(named.into_iter().filter(|it| without.contains(&it.contract)).collect())
    }
}
