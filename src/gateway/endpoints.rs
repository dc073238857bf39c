//! The table of endpoints: the whole surface of the gateway. Each row is an address and the method it stands for.
//!
//! `parameters` reads a request by its row, `openapi` describes it, and the daemon decides the rest: what a parameter may
//! hold, who is entitled to what, and what is refused.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value;

use crate::rpc::openrpc;

/// What a client may ask about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Entitlements,
    Receipts,
    /// Making and linking the customer's wallets.
    Wallets,
    /// Looking at any token and any wallet on a chain, which costs proofs; and recording ownerships.
    Tokens,
    Seats,
}

impl Scope {
    pub(super) const WORDS: [(&'static str, Self); 5] = [
        ("entitlements", Self::Entitlements),
        ("receipts", Self::Receipts),
        ("wallets", Self::Wallets),
        ("tokens", Self::Tokens),
        ("seats", Self::Seats),
    ];

    pub(super) fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, it)| *it == self).map_or("", |(word, _)| word)
    }
}

/// How a row is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A question: the result, with a tag and how long it may be kept.
    Question,
    /// A question that looks at a chain, or one in whose body something is given.
    Work,
    /// Changes something; may carry an idempotency key.
    Change,
    /// Verdicts as events, until the client hangs up.
    Events,
    /// A seat, for as long as the client stays on the line.
    Seat,
    /// OpenFeature's form.
    Flags,
    /// JSON-RPC, of the methods of this table.
    Rpc,
}

/// What of a list a client sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Narrowing {
    /// All of it: it is the customer's own, and about no product.
    Nothing,
    /// Items whose product, under this name, is among the client's.
    Products(&'static str),
    /// Products, by the name of their file alone: where it lies on the daemon's machine is nobody's business.
    Catalogue,
    /// Seats and pools: the daemon tells those of the client's customer.
    Seats,
}

pub(super) struct Endpoint {
    pub(super) verb: &'static str,
    pub(super) path: &'static str,
    /// The method it stands for; empty for JSON-RPC, which names one itself.
    pub(super) method: &'static str,
    pub(super) kind: Kind,
    pub(super) scope: Scope,
    pub(super) query: &'static [&'static str],
    pub(super) body: &'static [&'static str],
    pub(super) narrowing: Narrowing,
}

const fn get(
    path: &'static str,
    method: &'static str,
    scope: Scope,
    query: &'static [&'static str],
    narrowing: Narrowing,
) -> Endpoint {
    let (verb, kind) = ("GET", Kind::Question);
    Endpoint { verb, path, method, kind, scope, query, body: &[], narrowing }
}

const fn post(
    path: &'static str,
    method: &'static str,
    kind: Kind,
    scope: Scope,
    body: &'static [&'static str],
) -> Endpoint {
    let (verb, narrowing) = ("POST", Narrowing::Nothing);
    Endpoint { verb, path, method, kind, scope, query: &[], body, narrowing }
}

const PAGE: &[&str] = &["limit", "cursor"];
const OF_PRODUCT: &[&str] = &["product", "limit", "cursor"];
const CHECK: &[&str] = &["feature", "publisher", "wait_ms"];
const PRODUCTS: Narrowing = Narrowing::Products("product");

use Kind::{Change, Events, Flags, Rpc, Seat, Work};
use Narrowing::Nothing;
use Scope::{Entitlements, Receipts, Seats, Tokens, Wallets};

/// The endpoints in the order of the documents: first the six of old.
pub(super) const ENDPOINTS: &[Endpoint] = &[
    post("/api/v1/wallets", "wallet_create", Change, Wallets, &["label"]),
    get("/api/v1/wallets/{customer_id}", "wallet_list", Wallets, PAGE, Nothing),
    post("/api/v1/tokens/verify", "token_verify", Work, Tokens, &["token", "wallet"]),
    post("/api/v1/customers/tier", "customer_tier", Work, Entitlements, &["product"]),
    get("/api/v1/tiers", "tier_list", Entitlements, OF_PRODUCT, PRODUCTS),
    post(
        "/api/v1/tokens/ownership",
        "ownership_record",
        Change,
        Tokens,
        &["token", "wallet", "transaction"],
    ),
    get("/api/v1/products", "product_list", Entitlements, PAGE, Narrowing::Catalogue),
    get(
        "/api/v1/products/{product}/entitlement",
        "entitlement_check",
        Entitlements,
        CHECK,
        Nothing,
    ),
    get(
        "/api/v1/products/{product}/explanation",
        "entitlement_explain",
        Entitlements,
        &[],
        Nothing,
    ),
    get(
        "/api/v1/products/{product}/features/{feature}",
        "entitlement_check",
        Entitlements,
        &["publisher", "wait_ms"],
        Nothing,
    ),
    post("/api/v1/products/{product}/receipt", "entitlement_receipt", Work, Receipts, &["nonce"]),
    get(
        "/api/v1/entitlements",
        "entitlement_list",
        Entitlements,
        &["wait_ms", "limit", "cursor"],
        PRODUCTS,
    ),
    get("/api/v1/customer", "customer_get", Entitlements, &[], Nothing),
    get("/api/v1/wallets", "wallet_list", Wallets, PAGE, Nothing),
    post("/api/v1/wallets/challenges", "wallet_challenge", Change, Wallets, &["address", "chain"]),
    post("/api/v1/wallets/links", "wallet_link", Change, Wallets, &["message", "signature"]),
    get("/api/v1/tokens", "token_list", Entitlements, OF_PRODUCT, PRODUCTS),
    get("/api/v1/ownerships", "ownership_list", Wallets, &["active", "limit", "cursor"], Nothing),
    get("/api/v1/seats", "seat_list", Seats, OF_PRODUCT, Narrowing::Seats),
    post(
        "/api/v1/seats",
        "seat_acquire",
        Seat,
        Seats,
        &["product", "feature", "tier", "count", "wait_ms"],
    ),
    post(
        "/api/v1/seats/loans",
        "seat_borrow",
        Change,
        Seats,
        &["product", "feature", "tier", "for_ms"],
    ),
    post("/api/v1/seats/{seat}/release", "seat_release", Work, Seats, &["product"]),
    Endpoint {
        verb: "GET",
        path: "/api/v1/events",
        method: "entitlement_subscribe",
        kind: Events,
        scope: Entitlements,
        query: &["product"],
        body: &[],
        narrowing: Nothing,
    },
    Endpoint {
        query: &["product"],
        ..post("/ofrep/v1/evaluate/flags", "entitlement_check", Flags, Entitlements, &["context"])
    },
    post("/ofrep/v1/evaluate/flags/{key}", "entitlement_check", Flags, Entitlements, &["context"]),
    post("/rpc", "", Rpc, Entitlements, &[]),
];

/// What a path comes to.
pub(super) enum Route {
    Found(&'static Endpoint, Vec<(&'static str, String)>),
    /// The path is there, for these verbs.
    OtherVerb(Vec<&'static str>),
    Nowhere,
}

/// The row of a request. A path that is written out goes before one with a parameter.
pub(super) fn route(verb: &str, path: &str) -> Route {
    let fitting = ENDPOINTS.iter().filter_map(|it| matched(it.path, path).map(|given| (it, given)));
    let mut fitting: Vec<_> = fitting.collect();
    let least = fitting.iter().map(|(_, given)| given.len()).min();
    fitting.retain(|(_, given)| Some(given.len()) == least);
    let verbs: Vec<&str> = fitting.iter().map(|(it, _)| it.verb).collect();
    let verb = if verb == "HEAD" { "GET" } else { verb };
    match fitting.into_iter().find(|(it, _)| it.verb == verb) {
        Some((endpoint, given)) => Route::Found(endpoint, given),
        None if verbs.is_empty() => Route::Nowhere,
        None => Route::OtherVerb(verbs),
    }
}

/// The parameters of `path`, if it has the form of `pattern`.
fn matched(pattern: &'static str, path: &str) -> Option<Vec<(&'static str, String)>> {
    let (mut pattern, mut path) = (pattern.split('/'), path.split('/'));
    let mut given = Vec::new();
    loop {
        match (pattern.next(), path.next()) {
            (None, None) => return Some(given),
            (Some(wanted), Some(part)) => match parameter(wanted) {
                Some(name) if !part.is_empty() => given.push((name, decoded(part)?)),
                None if wanted == part => {}
                _ => return None,
            },
            _ => return None,
        }
    }
}

fn parameter(part: &'static str) -> Option<&'static str> {
    part.strip_prefix('{').and_then(|it| it.strip_suffix('}'))
}

/// A part of a path without its percent signs; `None` for what is no text.
fn decoded(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        rest = more;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = rest.get(2..)?;
    }
    String::from_utf8(bytes).ok()
}

/// The parameters of each method that has an endpoint, by the daemon's own document, each with its schema.
pub(super) static PARAMETERS: LazyLock<BTreeMap<&'static str, BTreeMap<String, Value>>> =
    LazyLock::new(|| {
        let methods = openrpc::document()["methods"].as_array();
        let named = |name: &str| methods?.iter().find(|it| it["name"] == name);
        let rows = ENDPOINTS.iter().filter_map(|it| Some((it.method, named(it.method)?)));
        let schema = |it: &Value| Some((it["name"].as_str()?.to_owned(), it["schema"].clone()));
        rows.map(|(name, method)| {
            let params = method["params"].as_array().into_iter().flatten();
            (name, params.filter_map(schema).collect())
        })
        .collect()
    });

/// Whether a method is asked for a customer.
pub(super) fn names_customer(method: &str) -> bool {
    PARAMETERS.get(method).is_some_and(|it| it.contains_key("customer"))
}

#[cfg(test)]
mod tests;
