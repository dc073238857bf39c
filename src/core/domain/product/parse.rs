//! From a product file's text to a [`Product`].
//!
//! Every mistake is found in one go, each with its line, its key and what would be right. What may be left
//! out: `version` (1), `trust` (`single`), `finality` (`finalized`), `provisional` (false), `refresh` (10m)
//! and `grace` (14d, or `refresh` where that is longer).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::document::{self, Flaw, Node, Place, Value};
use super::section::{
    Flaws, Section, duration, flag, moment, one_of, parsed, text, whole, words, written,
};
use super::{Fault, Feature, Price, Product, Tier};
use crate::domain::ids::TierName;
use crate::domain::ownership::{Finality, Trust};
use crate::domain::publisher::PublisherKey;
use checkpoints::checkpoints;

mod grant;
mod seats;

const DEFAULT_REFRESH: Duration = Duration::from_secs(600);
const DEFAULT_GRACE: Duration = Duration::from_secs(14 * 86_400);
const SHORTEST_REFRESH: Duration = Duration::from_millis(100);
const LONGEST_REFRESH: Duration = Duration::from_secs(30 * 86_400);
const LONGEST_GRACE: Duration = Duration::from_secs(3_660 * 86_400);

const MOST_TIERS: usize = 100;
const MOST_FEATURES: usize = 256;
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
    let publisher = publisher(&mut file);
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
    let grants = grant::grants(&mut file, &tiers);
    let checkpoints = checkpoints(&mut file);
    let seats = seats::seats(&mut file);
    file.finish();
    Some(Product {
        id: id?,
        name: name?,
        version,
        publisher,
        trust,
        finality,
        provisional,
        refresh,
        grace,
        tiers: tiers.read,
        grants,
        checkpoints,
        seats,
    })
}

fn publisher(file: &mut Section<'_>) -> Option<PublisherKey> {
    let named = file.has("publisher");
    let mut section = file.section("publisher");
    let key = if named { section.required("key", parsed) } else { None };
    section.finish();
    key
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
    let features = Arc::new(features(section.section("features")));
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

/// The features of a tier: names, and values of any of their kinds.
pub fn features(mut section: Section<'_>) -> BTreeMap<String, Feature> {
    let mut features = BTreeMap::new();
    let entries: Vec<(&str, &Node)> = section.entries().collect();
    if entries.len() > MOST_FEATURES {
        section.own_flaw(format!("may hold at most {MOST_FEATURES} features"));
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

mod checkpoints;
#[cfg(test)]
mod tests;
