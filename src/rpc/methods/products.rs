//! Products and their tiers.

use std::sync::Arc;

use super::api::{ACTOR_TIME, Api};
use super::paging::page;
use crate::actors::chain_verifier::FindUnavailable;
use crate::actors::tier_cache::{Install, Remove, TrustPublisher};
use crate::rpc::error::RpcError;
use crate::rpc::wire;
use entitled_core::domain::peer::Permit;

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
    let question = FindUnavailable { products: installed.into_iter().collect() };
    // It is installed, whatever becomes of this.
    let asked = api.verifier.send(question).timeout(ACTOR_TIME).await;
    let warnings = asked.ok().and_then(Result::ok).unwrap_or_default();
    Ok(wire::Installed {
        product: product.to_string(),
        warnings: warnings.iter().map(ToString::to_string).collect(),
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
