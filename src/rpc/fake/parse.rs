//! From a file's tables to a [`Scenario`]. Every mistake is noted with its line and key, as in product files.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::{U256, address};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use super::marked::marked;
use super::scenario::{Begins, Course, MethodTerms, Product, Scenario, State, Step};
use crate::rpc::error;
use crate::rpc::methods::ROWS;
use crate::rpc::openrpc;
use entitled_core::domain::entitlement::Code;
use entitled_core::domain::ids::{Account, ChainId, Collection, CustomerId, ProductId, Standard};
use entitled_core::domain::product::document::Node;
use entitled_core::domain::product::features;
use entitled_core::domain::product::section::{
    Section, duration, flag, one_of, parsed, text, whole, words,
};

const MOST_PRODUCTS: usize = 100;
const MOST_STEPS: usize = 100;
const MOST_CUSTOMERS: usize = 100;
const LONGEST_DETAIL: usize = 1_024;

const SHORTEST: Duration = Duration::from_millis(1);
/// No two states follow each other faster.
const SHORTEST_STATE: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(3_660 * 86_400);
const LONGEST_DELAY: Duration = Duration::from_secs(600);
const DEFAULT_GRACE: Duration = Duration::from_secs(14 * 86_400);

/// A development chain's number: nothing of value is on it.
const NO_REAL_CHAIN: ChainId = ChainId(31_337);

/// What the fake answers by itself, of products and of itself.
pub(super) const OWN: [&str; 10] = [
    "entitlement_check",
    "entitlement_list",
    "entitlement_explain",
    "entitlement_subscribe",
    "customer_tier",
    "tier_list",
    "system_health",
    "system_version",
    "system_reload",
    "rpc_discover",
];

/// Reads `[products]` and `[methods]`.
pub fn read(root: &mut Section<'_>) -> Scenario {
    Scenario { products: products(root), methods: methods(root) }
}

fn products(root: &mut Section<'_>) -> BTreeMap<ProductId, Product> {
    let mut table = root.section("products");
    let entries: Vec<(&str, &Node)> = table.entries().collect();
    if !(1..=MOST_PRODUCTS).contains(&entries.len()) {
        root.flaw(
            "products",
            format!("must have 1 to {MOST_PRODUCTS} products (`[products.NAME]`)"),
        );
    }
    let mut products = BTreeMap::new();
    for (key, node) in entries.into_iter().take(MOST_PRODUCTS) {
        let path = table.path(key);
        match key.parse::<ProductId>() {
            Ok(id) => {
                products.insert(id, product(Section::of(node, path, root.flaws())));
            }
            Err(error) => root.flaws().add(&node.place, &path, error.to_string()),
        }
    }
    products
}

fn product(mut section: Section<'_>) -> Product {
    let base = state(&mut section, &plain());
    let sections = section.sections("for");
    if sections.len() > MOST_CUSTOMERS {
        section.flaw("for", format!("may have at most {MOST_CUSTOMERS} customers"));
    }
    let mut customers = BTreeMap::new();
    for mut own in sections.into_iter().take(MOST_CUSTOMERS) {
        let customer: Option<CustomerId> = own.required("customer", parsed);
        if customer.is_some_and(|it| customers.contains_key(&it)) {
            own.flaw("customer", "has a course already");
        }
        let first = state(&mut own, &base);
        let course = course(own, first);
        customers.extend(customer.map(|it| (it, course)));
    }
    Product { everybody: course(section, base), customers }
}

fn course(mut section: Section<'_>, first: State) -> Course {
    let sections = section.sections("then");
    if sections.len() > MOST_STEPS {
        section.flaw("then", format!("may have at most {MOST_STEPS} states"));
    }
    let mut before = first.clone();
    let mut then = Vec::new();
    for mut each in sections.into_iter().take(MOST_STEPS) {
        let begins = begins(&mut each);
        let restart = each.optional("restart", duration(SHORTEST, LONGEST_DELAY));
        let state = State { restart, ..state(&mut each, &before) };
        before = state.clone();
        each.finish();
        then.extend(begins.map(|begins| Step { begins, state: Arc::new(state) }));
    }
    let repeat = section.optional("repeat", duration(SHORTEST_STATE, LONGEST));
    section.finish();
    Course { first: Arc::new(first), then, repeat }
}

fn begins(section: &mut Section<'_>) -> Option<Begins> {
    let after = section.optional("after", duration(SHORTEST_STATE, LONGEST));
    let checks = section.optional("after_checks", whole(1, 1_000_000));
    if section.has("after") == section.has("after_checks") {
        section.flaw("after", "must be given, or `after_checks`, and not both");
    }
    after.map(Begins::After).or(checks.map(Begins::AfterChecks))
}

/// What is answered about a product of which the file says nothing but its name.
fn plain() -> State {
    let contract = address!("0xFa4e000000000000000000000000000000000001");
    let holder = address!("0xFa4e000000000000000000000000000000000002");
    let collection = Collection { chain: NO_REAL_CHAIN, standard: Standard::Erc721, contract };
    State {
        code: Code::Valid,
        error: None,
        detail: None,
        tier: "full".parse().ok(),
        rank: 1,
        features: Arc::default(),
        seats: None,
        publisher: None,
        token: collection.token(U256::from(1)),
        wallet: Account { chain: NO_REAL_CHAIN, address: holder },
        provisional: false,
        stale: false,
        expires_in: None,
        grace_for: DEFAULT_GRACE,
        delay: Duration::ZERO,
        restart: None,
    }
}

/// The state that a table describes: what it does not say is as in the state before it, but for errors and texts.
fn state(section: &mut Section<'_>, before: &State) -> State {
    let codes = Code::ALL.map(|it| (it.as_str(), it));
    let has_features = section.has("features");
    let given = Arc::new(features(section.section("features")));
    let state = State {
        code: section.or("code", before.code, one_of(&codes)),
        error: section.optional("error", error_code),
        detail: section.optional("detail", words(LONGEST_DETAIL)),
        tier: section.optional("tier", parsed).or_else(|| before.tier.clone()),
        rank: section.or("rank", before.rank, whole(0, u32::MAX)),
        features: if has_features { given } else { before.features.clone() },
        seats: section.optional("seats", whole(1, u32::MAX)).or(before.seats),
        publisher: section.optional("publisher", parsed).or_else(|| before.publisher.clone()),
        token: section.or("token", before.token, parsed),
        wallet: section.or("wallet", before.wallet, parsed),
        provisional: section.or("provisional", before.provisional, flag),
        stale: section.or("stale", before.stale, flag),
        expires_in: section.optional("expires_in", duration(SHORTEST_STATE, LONGEST)),
        grace_for: section.or("grace_for", before.grace_for, duration(SHORTEST_STATE, LONGEST)),
        delay: section.or("delay", before.delay, delay),
        restart: None,
    };
    if section.has("code") && section.has("error") {
        section.flaw("error", "goes in the place of `code`; give one of them");
    }
    if section.has("expires_in") && state.code != Code::Valid {
        section.flaw("expires_in", "only a `VALID` expires");
    }
    state
}

fn delay(node: &Node) -> Result<Duration, String> {
    duration(Duration::ZERO, LONGEST_DELAY)(node)
}

/// Any error but those that are met before any method is.
fn error_code(node: &Node) -> Result<error::Code, String> {
    let before = [error::Code::ParseError, error::Code::InvalidRequest];
    let all: Vec<(&str, error::Code)> = error::Code::ALL
        .iter()
        .filter(|it| !before.contains(it))
        .map(|it| (it.name(), *it))
        .collect();
    one_of(&all)(node)
}

fn methods(root: &mut Section<'_>) -> BTreeMap<String, MethodTerms> {
    let mut table = root.section("methods");
    let entries: Vec<(&str, &Node)> = table.entries().collect();
    let mut methods = BTreeMap::new();
    for (key, node) in entries {
        let path = table.path(key);
        let is_known = key == "entitlement_subscribe" || ROWS.iter().any(|it| it.name == key);
        if !is_known {
            root.flaws().add(&node.place, &path, "no such method; rpc_discover lists them");
            continue;
        }
        let terms = method(key, Section::of(node, path, root.flaws()));
        methods.insert(key.to_owned(), terms);
    }
    methods
}

fn method(name: &str, mut section: Section<'_>) -> MethodTerms {
    let delay = section.or("delay", Duration::ZERO, delay);
    let error = section.optional("error", error_code);
    let result = section.optional("result", json);
    let example = section.or("example", false, flag);
    let ways = ["error", "result", "example"].iter().filter(|it| section.has(it)).count();
    if ways > 1 {
        section.flaw("error", "goes in the place of `result` and `example`; give one of them");
    }
    if OWN.contains(&name) && (result.is_some() || example) {
        let what =
            "is answered by what `[products]` and the daemon itself are; give `error` or `delay`";
        section.flaw(if result.is_some() { "result" } else { "example" }, what);
    }
    let shown = if example { example_of(name) } else { None };
    if example && shown.is_none() {
        section.flaw("example", "the API's document has no example of this method");
    }
    section.finish();
    MethodTerms { delay, error, result: result.or(shown).and_then(|it| raw(&marked(it))) }
}

fn json(node: &Node) -> Result<Value, String> {
    serde_json::from_str(text(node)?).map_err(|error| format!("must be JSON in a text: {error}"))
}

/// The result of a method as the API's document shows it.
fn example_of(name: &str) -> Option<Value> {
    let methods = openrpc::document()["methods"].as_array()?;
    let method = methods.iter().find(|it| it["name"] == name)?;
    method.pointer("/examples/0/result/value").cloned()
}

fn raw(value: &Value) -> Option<Box<RawValue>> {
    to_raw_value(value).ok()
}
