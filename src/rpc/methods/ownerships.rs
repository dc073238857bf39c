//! Tokens and who holds them.

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy_primitives::{Address, U256};

use super::api::{ACTOR_TIME, Api, CHAIN_TIME};
use super::paging::{after, page_by_key, page_size};
use crate::actors::chain_verifier::{Claim, Sight};
use crate::actors::ownership_ledger::{
    CustomersOf, HistoryOf, ListOwnerships, SetSuspension, WalletsOf,
};
use crate::rpc::error::{Code, RpcError};
use crate::rpc::wire;
use entitled_core::domain::customer::Wallet;
use entitled_core::domain::ids::{CustomerId, Standard, Token};
use entitled_core::domain::ownership::{ENDED, Finding, Ownership, Rule, Suspension, Terms};
use entitled_core::domain::peer::Permit;
use entitled_core::domain::product::Grant;

/// Of one token no more than so many different terms are asked.
const MOST_TERMS: usize = 4;

const ELSEWHERE: &str = "the wallet is a contract on another chain, and counts on that one only";

pub(super) async fn verify(
    api: Arc<Api>,
    permit: Permit,
    ask: wire::TokenVerify,
) -> Result<wire::Sighting, RpcError> {
    if ask.wallet.is_none() && ask.token.collection.standard == Standard::Erc1155 {
        return Err(RpcError::invalid_params(
            "`wallet` is needed: an erc1155 token has many holders",
        ));
    }
    let terms = terms_of(&api, &ask.token);
    let question = Sight { token: ask.token, wallet: ask.wallet, terms, uid: permit.account() };
    let seen = api.verifier.send(question).timeout(CHAIN_TIME).await??;
    let (holding, until, cause) = match &seen.finding {
        Finding::Held { until: Some(end), anchor } if *end <= anchor.time => {
            ("ended", (*end != ENDED).then(|| end.to_string()), None)
        }
        Finding::Held { until, .. } => ("held", until.map(|it| it.to_string()), None),
        Finding::NotHeld { .. } => ("not_held", None, None),
        Finding::Unknown { cause, .. } => ("unknown", None, Some(cause.to_string())),
    };
    let anchor = seen.finding.anchor();
    Ok(wire::Sighting {
        token: seen.token.to_string(),
        wallet: seen.wallet.map(|it| it.to_string()),
        rule: seen.terms.rule.as_str(),
        via: seen.via.iter().map(ToString::to_string).collect(),
        holding,
        held: seen.amount.map(|it| it.to_string()),
        min: seen.amount.map(|_| seen.terms.rule.least().to_string()),
        cause,
        until,
        trust: anchor.map(|it| it.trust.as_str()),
        anchor: anchor.map(Into::into),
        seen_at: seen.seen_at.to_string(),
    })
}

/// Under what terms the installed products count the token as held, the most valuable tier's first; plain
/// holding for a token no product knows.
fn terms_of(api: &Api, token: &Token) -> Vec<Terms> {
    let products = api.reader.products();
    let mut grants: Vec<(u32, Terms)> = Vec::new();
    for product in products.products.values().map(|it| &it.product) {
        let named = product.grants.iter().filter(|it| it.grants(token));
        let rank = |it: &Grant| product.tier(&it.tier).map_or(0, |tier| tier.rank);
        grants.extend(named.map(|it| (rank(it), it.terms())));
    }
    grants.sort_by_key(|(rank, terms)| (std::cmp::Reverse(*rank), *terms));
    let mut terms: Vec<Terms> = Vec::new();
    for (_, each) in grants {
        if terms.len() < MOST_TERMS && !terms.contains(&each) {
            terms.push(each);
        }
    }
    if terms.is_empty() {
        terms.push(Terms::direct(match token.collection.standard {
            Standard::Erc721 => Rule::Owner,
            Standard::Erc1155 => Rule::Balance { min: U256::ONE },
        }));
    }
    terms
}

pub(super) async fn tokens(
    api: Arc<Api>,
    permit: Permit,
    ask: wire::TokenList,
) -> Result<wire::Listed<wire::HeldToken>, RpcError> {
    let limit = page_size(ask.limit)?;
    let mut whose = Owners::of(&api, &permit, ask.customer).await?;
    let found =
        whose.ownerships(&api, Some(true), after(ask.cursor.as_deref())?, limit + 1).await?;
    whose.learn(&api, &found).await?;
    let products = api.reader.products();
    let asked = |id: &_| ask.product.as_ref().is_none_or(|it| it == id);
    let rows = |held: &Ownership| {
        let leads =
            products.products.values().filter(|it| asked(&it.product.id)).filter_map(|it| {
                Some((it.product.id.to_string(), it.product.tier_of(&held.token)?))
            });
        let mut rows: Vec<_> =
            leads.map(|(product, tier)| (Some(product), Some(tier.name.to_string()))).collect();
        if rows.is_empty() && ask.product.is_none() {
            rows.push((None, None));
        }
        rows
    };
    let paged = page_by_key(
        found,
        limit,
        |it| it.number.to_string(),
        |held| {
            let row = |(product, tier)| wire::HeldToken {
                token: held.token.to_string(),
                product,
                tier,
                wallet: held.wallet.to_string(),
                customer: whose.customer(held.wallet).map(|it| it.to_string()),
                active: held.is_active(),
            };
            rows(&held).into_iter().map(row).collect::<Vec<_>>()
        },
    );
    Ok(wire::Listed {
        items: paged.items.into_iter().flatten().collect(),
        next_cursor: paged.next_cursor,
    })
}

pub(super) async fn list(
    api: Arc<Api>,
    permit: Permit,
    ask: wire::OwnershipList,
) -> Result<wire::Listed<wire::Ownership>, RpcError> {
    let limit = page_size(ask.limit)?;
    let mut whose = Owners::of(&api, &permit, ask.customer).await?;
    let found =
        whose.ownerships(&api, ask.active, after(ask.cursor.as_deref())?, limit + 1).await?;
    whose.learn(&api, &found).await?;
    Ok(page_by_key(
        found,
        limit,
        |it| it.number.to_string(),
        |it| wire::Ownership::of(&it, whose.customer(it.wallet)),
    ))
}

pub(super) async fn record(
    api: Arc<Api>,
    permit: Permit,
    ask: wire::OwnershipRecord,
) -> Result<wire::Ownership, RpcError> {
    let customer = permit.customer();
    let wallets = api.ledger.send(WalletsOf { customer }).timeout(ACTOR_TIME).await??;
    let chain = ask.token.collection.chain;
    let by_contract = match wallets.iter().find(|it| it.active && it.address == ask.wallet) {
        Some(wallet) if wallet.counts_on(chain) => wallet.chain.is_some(),
        Some(_) => return Err(RpcError::new(Code::Conflict, ELSEWHERE)),
        None => return Err(RpcError::not_found("wallet of this customer")),
    };
    let claim = Claim {
        token: ask.token,
        wallet: ask.wallet,
        by_contract,
        terms: terms_of(&api, &ask.token),
        customer,
        wallets: wallets.iter().map(|it| it.address).collect(),
        transaction: ask.transaction,
        uid: permit.account(),
        asked: api.asked(&permit),
    };
    let ownership = api.verifier.send(claim).timeout(CHAIN_TIME).await??;
    Ok(wire::Ownership::of(&ownership, Some(customer)))
}

pub(super) async fn history(
    api: Arc<Api>,
    permit: Permit,
    ask: wire::OwnershipHistory,
) -> Result<wire::Listed<wire::Ownership>, RpcError> {
    let limit = page_size(ask.limit)?;
    let mut whose = Owners::of(&api, &permit, None).await?;
    let after = after(ask.cursor.as_deref())?;
    // Elsewhere than on the admin socket, what other customers held is not told.
    let wallets = whose.wallets.clone();
    let question = HistoryOf { token: ask.token, wallets, after, limit: limit + 1 };
    let found = api.ledger.send(question).timeout(ACTOR_TIME).await??;
    whose.learn(&api, &found).await?;
    Ok(page_by_key(
        found,
        limit,
        |it| it.number.to_string(),
        |it| wire::Ownership::of(&it, whose.customer(it.wallet)),
    ))
}

pub(super) async fn suspend(
    api: Arc<Api>,
    permit: Permit,
    ask: wire::OwnershipSuspend,
) -> Result<wire::Listed<wire::Ownership>, RpcError> {
    let reason = ask.reason.trim();
    if reason.is_empty() || reason.chars().count() > 500 {
        return Err(RpcError::invalid_params("`reason` must have 1 to 500 characters"));
    }
    let at = api.clock.now();
    let suspension = Suspension { reason: reason.to_owned(), by: permit.asker(), at };
    set_suspension(&api, &permit, ask.token, Some(suspension)).await
}

pub(super) async fn reinstate(
    api: Arc<Api>,
    permit: Permit,
    ask: wire::OwnershipSuspend,
) -> Result<wire::Listed<wire::Ownership>, RpcError> {
    set_suspension(&api, &permit, ask.token, None).await
}

async fn set_suspension(
    api: &Api,
    permit: &Permit,
    token: Token,
    suspension: Option<Suspension>,
) -> Result<wire::Listed<wire::Ownership>, RpcError> {
    let order = SetSuspension { token, suspension, asked: api.asked(permit) };
    let concerned = api.ledger.send(order).timeout(ACTOR_TIME).await??;
    let mut whose = Owners::everybody();
    whose.learn(api, &concerned).await?;
    let item = |it: &Ownership| wire::Ownership::of(it, whose.customer(it.wallet));
    Ok(wire::Listed { items: concerned.iter().map(item).collect(), next_cursor: None })
}

/// Whose ownerships a caller may see.
struct Owners {
    /// `None` for everybody's.
    wallets: Option<Vec<Wallet>>,
    customers: BTreeMap<Address, CustomerId>,
}

impl Owners {
    fn everybody() -> Self {
        Self { wallets: None, customers: BTreeMap::new() }
    }

    /// The permit's customer; on the admin socket everybody, unless a customer is named.
    async fn of(api: &Api, permit: &Permit, named: Option<CustomerId>) -> Result<Self, RpcError> {
        if permit.is_admin() && named.is_none() {
            return Ok(Self::everybody());
        }
        let question = WalletsOf { customer: permit.customer() };
        let wallets = api.ledger.send(question).timeout(ACTOR_TIME).await??;
        let customers = wallets.iter().map(|it| (it.address, it.customer)).collect();
        Ok(Self { wallets: Some(wallets), customers })
    }

    /// Whose these ownerships are, where anybody's may be among them.
    async fn learn(&mut self, api: &Api, found: &[Ownership]) -> Result<(), RpcError> {
        if self.wallets.is_none() {
            let question = CustomersOf { wallets: found.iter().map(|it| it.wallet).collect() };
            self.customers.extend(api.ledger.send(question).timeout(ACTOR_TIME).await??);
        }
        Ok(())
    }

    fn customer(&self, wallet: Address) -> Option<CustomerId> {
        self.customers.get(&wallet).copied()
    }

    async fn ownerships(
        &self,
        api: &Api,
        active: Option<bool>,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Ownership>, RpcError> {
        let question = ListOwnerships { wallets: self.wallets.clone(), active, after, limit };
        Ok(api.ledger.send(question).timeout(ACTOR_TIME).await??)
    }
}
