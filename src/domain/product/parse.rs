//! From a product file's text to a [`Product`].
//!
//! Every mistake is found in one go, each with its line, its key and what would be right. What may be left
//! out: `version` (1), `trust` (`single`), `finality` (`finalized`), `provisional` (false), `refresh` (10m)
//! and `grace` (14d, or `refresh` where that is longer).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::U256;

use self::checkpoints::checkpoints;
use super::document::{self, Flaw, Node, Place, Value};
use super::section::{
    Flaws, Section, duration, flag, moment, one_of, parsed, text, whole, words, written,
};
use super::{Fault, Feature, Grant, Price, Product, Tier, TokensOf};
use crate::domain::ids::{Collection, Standard, TierName, Token, clip, parse_token_id};
use crate::domain::ownership::{Finality, IdRanges, Rule, Trust};

const DEFAULT_REFRESH: Duration = Duration::from_secs(600);
const DEFAULT_GRACE: Duration = Duration::from_secs(14 * 86_400);
const SHORTEST_REFRESH: Duration = Duration::from_millis(100);
const LONGEST_REFRESH: Duration = Duration::from_secs(30 * 86_400);
const LONGEST_GRACE: Duration = Duration::from_secs(3_660 * 86_400);

const MOST_TIERS: usize = 100;
const MOST_GRANTS: usize = 1_000;
const MOST_FEATURES: usize = 256;
/// In one grant, single ids counting as ranges.
const MOST_RANGES: usize = 10_000;
/// In all grants whose tokens are found by their listed ids: each costs a question to the chain.
const MOST_LISTED_IDS: u64 = 10_000;
const LONGEST_FEATURE_TEXT: usize = 1_024;
const LONGEST_NAME: usize = 256;

/// Reads a product file.
///
/// # Errors
/// All mistakes found, in the order of their lines.
pub fn parse(text: &str) -> Result<Product, Vec<Fault>> {
    let faults = |flaws: Vec<Flaw>| flaws.into_iter().map(fault).collect::<Vec<_>>();
    let table = document::read(&Arc::from(""), text).map_err(faults)?;
    let flaws = Flaws::default();
    let product = product(Section::root(&table, Place::default(), &flaws));
    match product {
        Some(product) if flaws.is_empty() => Ok(product),
        _ => Err(faults(flaws.into_sorted())),
    }
}

fn fault(flaw: Flaw) -> Fault {
    Fault { line: flaw.place.line, key: flaw.key, message: flaw.message }
}

/// `None` only together with a noted mistake.
fn product(mut file: Section<'_>) -> Option<Product> {
    let id = file.required("product", parsed);
    let name = file.required("name", words(LONGEST_NAME));
    let version = file.or("version", 1, whole(1, u32::MAX));
    let trust = file.or("trust", Trust::Single, one_of(&TRUST));
    let finality = file.or("finality", Finality::Finalized, one_of(&FINALITY));
    let provisional = file.or("provisional", false, flag);
    let refresh = file.or("refresh", DEFAULT_REFRESH, duration(SHORTEST_REFRESH, LONGEST_REFRESH));
    let grace =
        file.or("grace", DEFAULT_GRACE.max(refresh), duration(SHORTEST_REFRESH, LONGEST_GRACE));
    if grace < refresh {
        file.flaw("grace", format!("must be at least `refresh` ({})", written(refresh)));
    }
    let tiers = tiers(&mut file);
    let grants = grants(&mut file, &tiers);
    let checkpoints = checkpoints(&mut file);
    file.finish();
    Some(Product {
        id: id?,
        name: name?,
        version,
        trust,
        finality,
        provisional,
        refresh,
        grace,
        tiers: tiers.read,
        grants,
        checkpoints,
    })
}

const TRUST: [(&str, Trust); 3] =
    [("single", Trust::Single), ("quorum", Trust::Quorum), ("consensus", Trust::Consensus)];

const FINALITY: [(&str, Finality); 3] =
    [("finalized", Finality::Finalized), ("safe", Finality::Safe), ("latest", Finality::Latest)];

struct Tiers {
    /// Lowest rank first.
    read: Vec<Tier>,
    /// Also those with a mistake in them, so that a grant of one is not reported besides.
    named: BTreeSet<TierName>,
}

fn tiers(file: &mut Section<'_>) -> Tiers {
    let mut tiers = Tiers { read: Vec::new(), named: BTreeSet::new() };
    let mut table = file.section("tiers");
    let mut of_rank: BTreeMap<u32, TierName> = BTreeMap::new();
    let entries: Vec<(&str, &Node)> = table.entries().collect();
    if !(1..=MOST_TIERS).contains(&entries.len()) {
        file.flaw("tiers", format!("must define 1 to {MOST_TIERS} tiers (`[tiers.NAME]`)"));
    }
    for (key, node) in entries.into_iter().take(MOST_TIERS) {
        let mut section = Section::of(node, table.path(key), file.flaws());
        let name = match key.parse::<TierName>() {
            Ok(name) => name,
            Err(error) => {
                file.flaws().add(&node.place, &table.path(key), error.to_string());
                continue;
            }
        };
        tiers.named.insert(name.clone());
        let rank = section.required("rank", whole(0, u32::MAX));
        if let Some(other) = rank.and_then(|rank| of_rank.insert(rank, name.clone())) {
            section.flaw("rank", format!("must be unique; tier `{other}` has the same"));
        }
        tiers.read.extend(tier(section, name, rank));
    }
    tiers.read.sort_by_key(|it| it.rank);
    tiers
}

fn tier(mut section: Section<'_>, name: TierName, rank: Option<u32>) -> Option<Tier> {
    let priced = section.has("price");
    let price = section.section("price");
    let price = if priced { read_price(price) } else { None };
    let features = features(section.section("features"));
    let seats = section.optional("seats", whole(1, u32::MAX));
    let expires_at = section.optional("expires_at", moment);
    section.finish();
    Some(Tier { name, rank: rank?, price, features, seats, expires_at })
}

fn read_price(mut section: Section<'_>) -> Option<Price> {
    let amount = section.required("amount", |node| {
        let text = text(node)?;
        if is_decimal(text) {
            Ok(text.to_owned())
        } else {
            Err("must be a decimal number as text, such as \"49.00\"".to_owned())
        }
    });
    let currency = section.required("currency", words(16));
    let per = section.optional(
        "per",
        one_of(&[("day", "day"), ("week", "week"), ("month", "month"), ("year", "year")]),
    );
    section.finish();
    Some(Price { amount: amount?, currency: currency?, per: per.map(str::to_owned) })
}

fn is_decimal(text: &str) -> bool {
    let digits = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit());
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    text.len() <= 40 && digits(whole) && digits(fraction)
}

fn features(mut section: Section<'_>) -> BTreeMap<String, Feature> {
    let mut features = BTreeMap::new();
    let entries: Vec<(&str, &Node)> = section.entries().collect();
    if entries.len() > MOST_FEATURES {
        let (place, path) = (section.place(), section.path(""));
        section.flaws().add(place, &path, format!("may hold at most {MOST_FEATURES} features"));
    }
    for (key, node) in entries.into_iter().take(MOST_FEATURES) {
        match is_feature_name(key).and_then(|()| feature(node)) {
            Ok(feature) => {
                features.insert(key.to_owned(), feature);
            }
            Err(message) => section.flaws().add(&node.place, &section.path(key), message),
        }
    }
    features
}

fn is_feature_name(key: &str) -> Result<(), String> {
    let allowed = |it: u8| it.is_ascii_alphanumeric() || b"._-".contains(&it);
    if (1..=64).contains(&key.len()) && key.bytes().all(allowed) {
        Ok(())
    } else {
        Err("a feature's name must be 1 to 64 of letters, digits, `.`, `_` and `-`".to_owned())
    }
}

fn feature(node: &Node) -> Result<Feature, String> {
    match &node.value {
        Value::Flag(flag) => Ok(Feature::Flag(*flag)),
        Value::Whole(whole) => Ok(Feature::Whole(*whole)),
        Value::Number(number) => Ok(Feature::Number(*number)),
        Value::Text(text) if text.len() <= LONGEST_FEATURE_TEXT => Ok(Feature::Text(text.clone())),
        Value::Text(_) => Err(format!("must be at most {LONGEST_FEATURE_TEXT} bytes")),
        other => Err(format!("must be true or false, a number or a text, not {}", other.kind())),
    }
}

fn grants(file: &mut Section<'_>, tiers: &Tiers) -> Vec<Grant> {
    let sections = file.sections("grants");
    // What is not a list at all was noted already.
    let is_empty = file.node("grants").is_none_or(|it| it.value == Value::List(Vec::new()));
    if is_empty || sections.len() > MOST_GRANTS {
        file.flaw("grants", format!("must be 1 to {MOST_GRANTS} grants (`[[grants]]`)"));
    }
    let mut listed = 0_u64;
    let mut grants = Vec::new();
    for section in sections.into_iter().take(MOST_GRANTS) {
        let (place, path) = (section.place().clone(), section.path("ids"));
        let Some(grant) = grant(section, tiers) else { continue };
        // Every id under `ids` is a mistake that was noted already.
        if grant.tokens_of == TokensOf::Ids && !grant.ids.is_every() {
            listed = listed.saturating_add(grant.ids.count().unwrap_or(u64::MAX));
            if listed > MOST_LISTED_IDS {
                let message = format!(
                    "lists more than {MOST_LISTED_IDS} ids, all grants taken together; use `tokens_of = \"enumerable\"` or \"logs\""
                );
                file.flaws().add(&place, &path, message);
                return grants;
            }
        }
        grants.push(grant);
    }
    grants
}

fn grant(mut section: Section<'_>, tiers: &Tiers) -> Option<Grant> {
    let tier: Option<TierName> = section.required("tier", parsed);
    if let Some(tier) = tier.as_ref().filter(|it| !tiers.named.contains(it)) {
        section.flaw("tier", format!("there is no tier `{tier}` in this file"));
    }
    let scope = section.required("token", scope);
    let given = section.optional("ids", ranges);
    let rule = section.or("rule", Rule::Owner, rule);
    if let Some(Scope { collection, .. }) = scope.as_ref().filter(|it| it.is_not_erc721()) {
        section.flaw(
            "token",
            format!("rule `owner` needs an erc721 token: eip155:{}/erc721:0x…", collection.chain.0),
        );
    }
    if section.has("ids") && scope.as_ref().is_some_and(|it| it.id.is_some()) {
        section.flaw("ids", "`token` names an id already; leave one of the two out");
    }
    let listed = section.has("ids") || scope.as_ref().is_some_and(|it| it.id.is_some());
    let default = if listed { TokensOf::Ids } else { TokensOf::Enumerable };
    let tokens_of = section.or("tokens_of", default, one_of(&TOKENS_OF));
    if tokens_of == TokensOf::Ids && !listed {
        section.flaw("tokens_of", "needs `ids`, or an id in `token`");
    }
    let from_block = section.or("from_block", 0, whole(0, u64::MAX >> 1));
    section.or("delegation", (), |node| match flag(node)? {
        false => Ok(()),
        true => Err("is not available in this version; leave it out, or say false".to_owned()),
    });
    section.optional("min", |_| -> Result<(), String> {
        Err("belongs to rule `balance`, which is not available in this version".to_owned())
    });
    section.finish();
    let Scope { collection, id } = scope?;
    // Ids that could not be read must not turn into every id.
    let ids = match (id, given, listed) {
        (Some(id), _, _) => IdRanges::only(id),
        (None, Some(given), _) => given,
        (None, None, false) => IdRanges::every(),
        (None, None, true) => return None,
    };
    Some(Grant { tier: tier?, collection, ids, rule, tokens_of, from_block })
}

const TOKENS_OF: [(&str, TokensOf); 3] =
    [("enumerable", TokensOf::Enumerable), ("logs", TokensOf::Logs), ("ids", TokensOf::Ids)];

fn rule(node: &Node) -> Result<Rule, String> {
    match text(node)? {
        "owner" => Ok(Rule::Owner),
        other @ ("user" | "subscription" | "unlock" | "balance") => {
            Err(format!("rule `{other}` is not available in this version; available: owner"))
        }
        other => Err(format!("there is no rule `{}`; available: owner", clip(other))),
    }
}

/// A whole collection, or one token of it.
struct Scope {
    collection: Collection,
    id: Option<U256>,
}

impl Scope {
    fn is_not_erc721(&self) -> bool {
        self.collection.standard != Standard::Erc721
    }
}

fn scope(node: &Node) -> Result<Scope, String> {
    let text = text(node)?;
    if text.matches('/').count() > 1 {
        let token: Token = text.parse().map_err(|error| format!("{error}"))?;
        return Ok(Scope { collection: token.collection, id: Some(token.id) });
    }
    let collection = text.parse().map_err(|error| format!("{error}"))?;
    Ok(Scope { collection, id: None })
}

fn ranges(node: &Node) -> Result<IdRanges, String> {
    let Value::List(items) = &node.value else {
        return Err(format!(
            "must be a list such as [\"1-999\", \"2000\"], not {}",
            node.value.kind()
        ));
    };
    if !(1..=MOST_RANGES).contains(&items.len()) {
        return Err(format!("must name 1 to {MOST_RANGES} ids or ranges"));
    }
    Ok(IdRanges::new(items.iter().map(range).collect::<Result<Vec<_>, _>>()?))
}

fn range(node: &Node) -> Result<(U256, U256), String> {
    let text = match &node.value {
        Value::Text(text) => text.clone(),
        Value::Whole(number) => number.to_string(),
        other => return Err(format!("holds {}; write ids as \"7\" or \"1-999\"", other.kind())),
    };
    let (first, last) = text.split_once('-').unwrap_or((&text, &text));
    let id = |text: &str| parse_token_id(text.trim()).map_err(|error| error.to_string());
    match (id(first)?, id(last)?) {
        (first, last) if first > last => {
            Err(format!("`{}` is the wrong way round: write \"{last}-{first}\"", clip(&text)))
        }
        ends => Ok(ends),
    }
}

mod checkpoints;
#[cfg(test)]
mod tests;
