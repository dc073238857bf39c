//! How the fake answers each method, and its subscriptions.

use std::sync::Arc;

use futures_util::FutureExt as _;
use jsonrpsee::core::{RegisterMethodError, SubscriptionResult};
use jsonrpsee::types::ErrorObjectOwned;
use jsonrpsee::{Extensions, PendingSubscriptionSink, RpcModule};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::front::Fake;
use super::marked::told;
use super::scenario::{MethodTerms, State};
use crate::rpc::error::{Code, RpcError};
use crate::rpc::methods::{
    Request, check_write, may_hold, page, parse, register_shapes, tier_of, wait,
};
use crate::rpc::{openrpc, wire};
use entitled_core::domain::entitlement::{self, Outcome, StepKind, Verdict};
use entitled_core::domain::ids::{CustomerId, ProductId};
use entitled_core::domain::peer::{Access, Peer, Permit, permit};

/// How long a subscriber may take to read what it is told.
const READ_TIME: std::time::Duration = std::time::Duration::from_secs(10);

/// Every method of the table, and the subscription.
pub(super) fn register(module: &mut RpcModule<Fake>) -> Result<(), RegisterMethodError> {
    register_shapes(module, |fake, request| answer(fake, request).boxed())?;
    module.register_subscription(
        "entitlement_subscribe",
        "entitlement_changed",
        "entitlement_unsubscribe",
        |params, pending, fake, extensions| async move {
            let ask = parse::<wire::OfProduct>(params.as_str());
            subscribe(fake, ask, pending, extensions).await
        },
    )?;
    Ok(())
}

/// The right of `peer`. Of a fake every user is the customer of its uid.
fn admit(peer: &Peer, access: Access, named: Option<CustomerId>) -> Result<Permit, RpcError> {
    Ok(permit(peer, access, CustomerId::Uid(peer.uid), named)?)
}

async fn answer(fake: Arc<Fake>, request: Request) -> Result<Box<RawValue>, RpcError> {
    let Request { name, access, writes, customer, params, peer } = request;
    let unknown = || RpcError::new(Code::PermissionDenied, "the caller is not known");
    let permit = admit(peer.as_ref().ok_or_else(unknown)?, access, customer)?;
    if writes {
        check_write(&fake.writes, peer.as_ref(), permit.customer())?;
    }
    if let Some(result) = stand_still(fake.terms(name), name).await? {
        return Ok(result);
    }
    let params = params.as_deref();
    match name {
        "entitlement_check" => raw(&fake.check(&permit, parse(params)?).await?),
        "entitlement_list" => raw(&fake.list(&permit, &parse(params)?).await?),
        "entitlement_explain" => raw(&fake.explain(&permit, parse(params)?).await?),
        "customer_tier" => raw(&fake.tier(&permit, parse(params)?).await?),
        "tier_list" => raw(&fake.tiers(&parse(params)?)?),
        "system_health" => raw(&fake.health()),
        "system_version" => raw(&wire::Version::of_this(None)),
        "system_reload" => raw(&fake.reread()?),
        "rpc_discover" => Ok(openrpc::json().to_owned()),
        name => {
            let why = format!(
                "no answer to {name}: this daemon is a fake; give it one by `[methods.{name}]` in its file"
            );
            Err(RpcError::new(Code::NotFound, why))
        }
    }
}

/// What a method's own terms say.
async fn stand_still(terms: MethodTerms, name: &str) -> Result<Option<Box<RawValue>>, RpcError> {
    tokio::time::sleep(terms.delay).await;
    match terms.error {
        Some(code) => {
            Err(RpcError::new(code, format!("a fake daemon's file has {name} answer this")))
        }
        None => Ok(terms.result),
    }
}

fn raw<T: Serialize>(reply: &T) -> Result<Box<RawValue>, RpcError> {
    to_raw_value(reply).map_err(|_| RpcError::new(Code::Internal, "the reply cannot be written"))
}

fn refused(state: &State, code: Code) -> RpcError {
    let said = "a fake daemon's file has this product answer an error";
    RpcError::new(code, state.detail.clone().unwrap_or_else(|| said.to_owned()))
}

impl Fake {
    /// What is so, once the delay of what was so has passed.
    async fn verdict(&self, permit: &Permit, product: &ProductId) -> Result<Verdict, RpcError> {
        let customer = permit.customer();
        let delay = self.look(product, customer, self.clock.moment()).map(|it| it.state.delay);
        tokio::time::sleep(delay.unwrap_or_default()).await;
        self.verdict_now(customer, product)
    }

    fn verdict_now(&self, customer: CustomerId, product: &ProductId) -> Result<Verdict, RpcError> {
        let now = self.clock.moment();
        let scene = self.look(product, customer, now);
        if let Some(state) = scene.as_ref().map(|it| &it.state)
            && let Some(code) = state.error
        {
            return Err(refused(state, code));
        }
        Ok(self.verdict_of(scene.as_ref(), (product, customer), now))
    }

    async fn check(
        &self,
        permit: &Permit,
        ask: wire::EntitlementCheck,
    ) -> Result<wire::Verdict, RpcError> {
        wait(ask.wait_ms)?;
        let verdict = self.verdict(permit, &ask.product).await;
        self.count(&ask.product, permit.customer(), self.clock.moment());
        let verdict = verdict?.narrowed(ask.publisher.as_ref(), ask.feature.as_deref());
        Ok(told(&verdict, self.clock.now()))
    }

    async fn list(
        &self,
        permit: &Permit,
        ask: &wire::EntitlementList,
    ) -> Result<wire::Listed<wire::Verdict>, RpcError> {
        wait(ask.wait_ms)?;
        let mut verdicts = Vec::new();
        for product in self.scenario().products.keys() {
            verdicts.push(self.verdict(permit, product).await?);
        }
        let now = self.clock.now();
        let items = verdicts.iter().filter(|it| permit.is_admin() || may_hold(it));
        page(items.map(|it| told(it, now)).collect(), ask.limit, ask.cursor.as_deref())
    }

    async fn explain(
        &self,
        permit: &Permit,
        ask: wire::OfProduct,
    ) -> Result<wire::Explanation, RpcError> {
        let verdict = self.verdict(permit, &ask.product).await?;
        let outcome = match verdict.code {
            code if code.is_valid() => Outcome::Yes,
            entitlement::Code::Undetermined => Outcome::Unknown,
            _ => Outcome::No,
        };
        let step = entitlement::Step {
            kind: StepKind::Grant,
            subject: "a fake daemon".to_owned(),
            outcome,
            reason: "its file says so, and nothing is proven".to_owned(),
            count: None,
        };
        let verdict = told(&verdict, self.clock.now());
        Ok(wire::Explanation { verdict, steps: vec![(&step).into()] })
    }

    async fn tier(
        &self,
        permit: &Permit,
        ask: wire::OfProduct,
    ) -> Result<Option<wire::CustomerTier>, RpcError> {
        let verdict = self.verdict(permit, &ask.product).await?;
        Ok(tier_of(told(&verdict, self.clock.now())))
    }

    /// The tiers that the states of the products name.
    fn tiers(&self, ask: &wire::TierList) -> Result<wire::Listed<wire::Tier>, RpcError> {
        let scenario = self.scenario();
        if ask.product.as_ref().is_some_and(|it| !scenario.products.contains_key(it)) {
            return Err(RpcError::not_found("product"));
        }
        let asked = scenario
            .products
            .iter()
            .filter(|(id, _)| ask.product.as_ref().is_none_or(|it| it == *id));
        let mut tiers = Vec::new();
        for (id, product) in asked {
            let of_product = product.tiers().into_iter().map(|it| wire::Tier::of(id, &it));
            tiers.extend(of_product);
        }
        page(tiers, ask.limit, ask.cursor.as_deref())
    }

    pub(super) fn health(&self) -> wire::Health {
        let up = self.clock.monotonic().saturating_sub(self.started);
        wire::Health {
            status: "ok",
            fake: true,
            actors: Vec::new(),
            chains: Vec::new(),
            store: wire::StoreHealth { status: "ok", recovered: None },
            seats: wire::SeatsHealth::unavailable(),
            fleet: None,
            uptime_s: up.as_secs(),
            version: env!("CARGO_PKG_VERSION"),
        }
    }

    fn reread(&self) -> Result<wire::Reload, RpcError> {
        let products = self.reload().map_err(|why| RpcError::new(Code::Conflict, why))?;
        Ok(wire::Reload {
            products,
            faults: Vec::new(),
            warnings: Vec::new(),
            applied: vec!["products".to_owned(), "methods".to_owned()],
            needs_restart: Vec::new(),
        })
    }
}

async fn subscribe(
    fake: Arc<Fake>,
    ask: Result<wire::OfProduct, RpcError>,
    pending: PendingSubscriptionSink,
    extensions: Extensions,
) -> SubscriptionResult {
    let begun = begin(&fake, ask, &extensions).await;
    let (permit, product) = match begun {
        Ok(begun) => begun,
        Err(error) => {
            pending.reject(ErrorObjectOwned::from(error)).await;
            return Ok(());
        }
    };
    let sink = pending.accept().await?;
    let mut changes = fake.changes();
    let mut said: Option<Verdict> = None;
    loop {
        changes.mark_unchanged();
        // What cannot be answered is not told; another state may be.
        if let Ok(verdict) = fake.verdict(&permit, &product).await
            && said.as_ref().is_none_or(|it| it.says_otherwise(&verdict))
        {
            let message = to_raw_value(&told(&verdict, fake.clock.now()))?;
            sink.send_timeout(message, READ_TIME).await?;
            said = Some(verdict);
        }
        tokio::select! {
            () = sink.closed() => return Ok(()),
            _ = changes.changed() => {}
        }
    }
}

async fn begin(
    fake: &Fake,
    ask: Result<wire::OfProduct, RpcError>,
    extensions: &Extensions,
) -> Result<(Permit, ProductId), RpcError> {
    let ask = ask?;
    let unknown = || RpcError::new(Code::PermissionDenied, "the caller is not known");
    let peer = extensions.get::<Peer>().ok_or_else(unknown)?;
    let permit = admit(peer, Access::Anybody, ask.customer)?;
    stand_still(fake.terms("entitlement_subscribe"), "entitlement_subscribe").await?;
    Ok((permit, ask.product))
}
