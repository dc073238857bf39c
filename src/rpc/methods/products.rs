//! Products and their tiers.

use std::sync::Arc;

use super::api::{ACTOR_TIME, Api, CHAIN_TIME};
use super::paging::page;
use crate::actors::chain_verifier::{FindUnavailable, Sight};
use crate::actors::tier_cache::{Install, Remove, TrustPublisher};
use crate::rpc::error::RpcError;
use crate::rpc::wire;
use alloy_primitives::{Address, U256};
use entitled_core::domain::ids::Token;
use entitled_core::domain::ownership::Finding;
use entitled_core::domain::peer::Permit;
use entitled_core::domain::product::{self, Grant, Product};

pub(super) async fn tiers(
    api: Arc<Api>,
    _: Permit,
    ask: wire::TierList,
) -> Result<wire::Listed<wire::Tier>, RpcError> {
    let products = api.reader.products();
    if let Some(product) = &ask.product
        && !products.products.contains_key(product)
    {
        return Err(RpcError::not_found("product"));
    }
    let asked = products
        .products
        .values()
        .map(|it| &it.product)
        .filter(|it| ask.product.as_ref().is_none_or(|id| it.id == *id));
    let tiers = asked.flat_map(|it| it.tiers.iter().map(|tier| wire::Tier::of(&it.id, tier)));
    page(tiers.collect(), ask.limit, ask.cursor.as_deref())
}

pub(super) async fn list(
    api: Arc<Api>,
    _: Permit,
    ask: wire::ProductList,
) -> Result<wire::Listed<wire::Product>, RpcError> {
    let products = api.reader.products();
    let all = products
        .products
        .values()
        .map(|it| wire::Product::of(&it.product, it.publisher.as_ref(), &it.source));
    page(all.collect(), ask.limit, ask.cursor.as_deref())
}

pub(super) async fn install(
    api: Arc<Api>,
    permit: Permit,
    ask: wire::ProductInstall,
) -> Result<wire::Installed, RpcError> {
    let order = Install { text: ask.toml, signature: ask.signature, asked: api.asked(&permit) };
    let product = api.cache.send(order).timeout(ACTOR_TIME).await??;
    let installed = api.reader.products().products.get(&product).cloned();
    let products = installed.iter().map(|it| it.product.clone()).collect();
    let question = FindUnavailable { products, every_chain: false };
    // It is installed, whatever becomes of this.
    let asked = api.verifier.send(question).timeout(ACTOR_TIME).await;
    let warnings = asked.ok().and_then(Result::ok).unwrap_or_default().warnings;
    Ok(wire::Installed {
        product: product.to_string(),
        warnings: warnings.iter().map(ToString::to_string).collect(),
    })
}

/// Asks the chains about a file that is not installed, or about all products that are, and changes nothing.
pub(super) async fn check(
    api: Arc<Api>,
    permit: Permit,
    ask: wire::ProductCheck,
) -> Result<wire::ProductChecked, RpcError> {
    let products: Vec<Product> = match &ask.toml {
        Some(text) => vec![product::parse(text).map_err(|faults| {
            let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
            RpcError::invalid_params(faults.join("; "))
        })?],
        None => api.reader.products().products.values().map(|it| it.product.clone()).collect(),
    };
    let question = FindUnavailable { products: products.clone(), every_chain: ask.toml.is_none() };
    let mut examined = api.verifier.send(question).timeout(ACTOR_TIME).await??;
    let mut endpoints = std::mem::take(&mut examined.endpoints);
    let proven =
        |grant: &&Grant| matches!(examined.chains.get(&grant.collection.chain), Some(Ok(())));
    let mut grants = Vec::new();
    for product in &products {
        let of_product = product.grants.iter().enumerate();
        for (index, grant) in of_product.filter(|(_, it)| proven(it)).take(GRANTS_TRIED) {
            let cause = unanswered(&api, permit.account(), grant).await?;
            grants.push(wire::GrantChecked {
                product: product.id.to_string(),
                key: format!("grants[{index}]"),
                contract: grant.collection.to_string(),
                rule: grant.rule.as_str(),
                answers: cause.is_none(),
                cause,
            });
        }
    }
    Ok(wire::ProductChecked {
        products: products.iter().map(|it| it.id.to_string()).collect(),
        warnings: examined.warnings.iter().map(ToString::to_string).collect(),
        chains: examined
            .chains
            .into_iter()
            .map(|(chain, proven)| wire::ChainProven {
                chain: chain.to_string(),
                proven: proven.is_ok(),
                cause: proven.err(),
                endpoints: endpoints
                    .remove(&chain)
                    .unwrap_or_default()
                    .into_iter()
                    .map(each)
                    .collect(),
            })
            .collect(),
        grants,
    })
}

fn each((url, proven): (String, Result<(), String>)) -> wire::EndpointProven {
    wire::EndpointProven { url, proven: proven.is_ok(), cause: proven.err() }
}

/// Of one product no more grants than this are tried, so that one question has a bounded cost.
const GRANTS_TRIED: usize = 16;

/// Nobody has its key: whether it holds something does not matter, but that the contract can say so.
const NOBODY: Address = Address::repeat_byte(0xde);

/// Why the contract does not answer what a grant's rule asks; nothing where it does.
async fn unanswered(api: &Api, uid: u32, grant: &Grant) -> Result<Option<String>, RpcError> {
    let id = grant.ids.first().unwrap_or(U256::ONE);
    let token = Token { collection: grant.collection, id };
    let question = Sight { token, wallet: Some(NOBODY), terms: vec![grant.terms()], uid };
    let seen = api.verifier.send(question).timeout(CHAIN_TIME).await??;
    Ok(match seen.finding {
        Finding::Unknown { cause, .. } => Some(cause.to_string()),
        Finding::Held { .. } | Finding::NotHeld { .. } => None,
    })
}

pub(super) async fn trust(
    api: Arc<Api>,
    permit: Permit,
    ask: wire::ProductTrust,
) -> Result<wire::Trusted, RpcError> {
    let wire::ProductTrust { product, publisher } = ask;
    let asked = api.asked(&permit);
    let order = TrustPublisher { product: product.clone(), publisher, asked };
    api.cache.send(order).timeout(ACTOR_TIME).await??;
    let pins = &api.reader.products().pins;
    Ok(wire::Trusted {
        product: product.to_string(),
        publisher: pins.get(&product).map(|it| it.key.to_string()),
    })
}

pub(super) async fn remove(
    api: Arc<Api>,
    permit: Permit,
    ask: wire::ProductRemove,
) -> Result<wire::Removed, RpcError> {
    let order = Remove { product: ask.product, asked: api.asked(&permit) };
    api.cache.send(order).timeout(ACTOR_TIME).await??;
    Ok(wire::Removed { removed: true })
}
