//! What of products cannot be had on the chains as they are configured, and as they are.
//!
//! Does: [`FindUnavailable`]. Asked by: `rpc` and `daemon`, when products were installed or read again, to warn.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use alloy_primitives::Address;

use crate::actors::chain_verifier::Parts;
use crate::actors::chain_verifier::messages::{Examined, FindUnavailable, VerifierError};
use crate::chain::Chain;
use entitled_core::domain::ids::{ChainId, Collection};
use entitled_core::domain::ownership::{Cause, Finality, Trust};
use entitled_core::domain::product::Product;
use entitled_core::domain::product::availability::{warnings, without_contract};

/// A chain that does not answer within this is no reason to warn.
const PATIENCE: Duration = Duration::from_secs(4);

impl Parts {
    pub(in crate::actors::chain_verifier) async fn find_unavailable(
        self,
        ask: FindUnavailable,
    ) -> Result<Examined, VerifierError> {
        let trusts: BTreeMap<ChainId, Trust> =
            self.chains.iter().map(|(id, chain)| (*id, chain.trust())).collect();
        let products = || ask.products.iter();
        let named: BTreeSet<Collection> = products().flat_map(Product::collections).collect();
        let here = |id| named.iter().filter(move |it| it.chain == id).copied();
        let asked = |it: &&Chain| ask.every_chain || here(it.id()).next().is_some();
        let looks = self.chains.values().filter(asked).map(|chain| async {
            let look = self.absent(chain, here(chain.id()).collect());
            let each = async {
                match ask.every_chain {
                    true => chain.endpoints_prove(PATIENCE).await,
                    false => Vec::new(),
                }
            };
            let (look, each) = tokio::join!(tokio::time::timeout(PATIENCE, look), each);
            (chain.id(), look, each)
        });
        let mut absent = BTreeSet::new();
        let (mut chains, mut endpoints) = (BTreeMap::new(), BTreeMap::new());
        for (chain, outcome, each) in futures_util::future::join_all(looks).await {
            let proven = match outcome {
                Ok(Ok(missing)) => {
                    absent.extend(missing);
                    Ok(())
                }
                Ok(Err(cause)) => Err(cause.to_string()),
                Err(_) => Err(format!("nothing was proven within {} seconds", PATIENCE.as_secs())),
            };
            chains.insert(chain, proven);
            endpoints.insert(chain, each);
        }
        let of = |it| warnings(it, &trusts).into_iter().chain(without_contract(it, &absent));
        Ok(Examined { warnings: products().flat_map(of).collect(), chains, endpoints })
    }

    /// Those whose contracts are proven not to be on the chain, at its head.
    async fn absent(
        &self,
        chain: &Chain,
        named: BTreeSet<Collection>,
    ) -> Result<BTreeSet<Collection>, Cause> {
        let block = self.anchor(chain, Finality::Latest).await?;
        // Where nothing is named, that of any account is a proof as well.
        let contracts = match named.is_empty() {
            true => BTreeSet::from([Address::ZERO]),
            false => named.iter().map(|it| it.contract).collect(),
        };
        let without = chain.without_code(&block, contracts).await?;
        Ok(named.into_iter().filter(|it| without.contains(&it.contract)).collect())
    }
}
