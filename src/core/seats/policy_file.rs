//! A policy file: what an administrator says of the seats of one product, or of one tier of it.

use std::sync::Arc;
use std::time::Duration;

use super::policy::{Policy, Who};
use crate::domain::ids::{ProductId, TierName};
use crate::domain::product::document::{self, Flaw, Node, Place, Value};
use crate::domain::product::section::{Flaws, Section, duration, one_of, parsed, whole, words};

/// Who is asked for by a rule; more rules of a kind are a mistake.
pub(super) const MOST_RULES: usize = 1_000;
const LONGEST_UNIT: usize = 256;
pub(super) const MOST_SEATS: u32 = 1_000_000;
pub(super) const LONGEST: Duration = Duration::from_secs(30 * 86_400);
/// A seat is not taken away from somebody who has only just got it.
const MIN_REMOVE: Duration = Duration::from_secs(120);
/// A week, as administrators of other licence servers know it.
const MAX_BORROW: Duration = Duration::from_secs(168 * 3_600);

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyFile {
    pub product: ProductId,
    /// `None`: for every tier that has no file of its own.
    pub tier: Option<TierName>,
    pub policy: Policy,
    /// Where it says whom it is about.
    pub place: Place,
}

/// What is so where no file says otherwise: first come, first served.
pub fn usual_policy() -> Policy {
    Policy { min_remove: MIN_REMOVE, max_borrow: MAX_BORROW, ..Policy::default() }
}

/// Reads a policy file; `source` goes into the place of every mistake.
///
/// # Errors
/// All mistakes found, in the order of their lines.
pub fn parse_policy(source: &Arc<str>, text: &str) -> Result<PolicyFile, Vec<Flaw>> {
    let table = document::read(source, text)?;
    let flaws = Flaws::default();
    let place = Place { source: Arc::clone(source), line: 0 };
    let file = policy_file(Section::root(&table, place, &flaws));
    match file {
        Some(file) if flaws.is_empty() => Ok(file),
        _ => Err(flaws.into_sorted()),
    }
}

/// `None` only together with a noted mistake.
fn policy_file(mut file: Section<'_>) -> Option<PolicyFile> {
    let usual = usual_policy();
    let product = file.required("product", parsed);
    let tier = file.optional("tier", parsed);
    let place = file.node("product").map_or_else(Place::default, |it| it.place.clone());
    let policy = Policy {
        linger: file.or("linger", usual.linger, duration(Duration::ZERO, LONGEST)),
        min_remove: file.or("min_remove", usual.min_remove, duration(Duration::ZERO, LONGEST)),
        low_water: file.or("low_water", usual.low_water, whole(0, MOST_SEATS)),
        max_borrow: file.or("max_borrow", usual.max_borrow, duration(Duration::ZERO, LONGEST)),
        users_lend: file.or(
            "lend",
            usual.users_lend,
            one_of(&[("administrators", false), ("users", true)]),
        ),
        express: file.or("queue", usual.express, one_of(&[("fifo", false), ("express", true)])),
        reserve: numbered(&mut file, "reserve"),
        max: numbered(&mut file, "max"),
        include: named(&mut file, "include"),
        exclude: named(&mut file, "exclude"),
    };
    file.finish();
    Some(PolicyFile { product: product?, tier, policy, place })
}

/// `[{ uid = 1000 }, { unit = "render@*.service" }]`
fn named(file: &mut Section<'_>, key: &'static str) -> Vec<Who> {
    let mut rules = Vec::new();
    for mut rule in rules_of(file, key) {
        rules.extend(who(&mut rule));
        rule.finish();
    }
    rules
}

/// `[{ gid = 100, seats = 2 }]`
fn numbered(file: &mut Section<'_>, key: &'static str) -> Vec<(Who, u32)> {
    let mut rules = Vec::new();
    for mut rule in rules_of(file, key) {
        let who = who(&mut rule);
        let seats = rule.required("seats", whole(0, MOST_SEATS));
        rule.finish();
        rules.extend(who.zip(seats));
    }
    rules
}

fn rules_of<'a>(file: &mut Section<'a>, key: &'static str) -> Vec<Section<'a>> {
    let count = |node: &Node| match &node.value {
        Value::List(items) => items.len(),
        _ => 0,
    };
    if file.node(key).is_some_and(|it| count(it) > MOST_RULES) {
        file.flaw(key, format!("must have at most {MOST_RULES} rules"));
        return Vec::new();
    }
    file.sections(key)
}

fn who(rule: &mut Section<'_>) -> Option<Who> {
    let uid = rule.optional("uid", whole(0, u32::MAX - 1)).map(Who::Uid);
    let gid = rule.optional("gid", whole(0, u32::MAX - 1)).map(Who::Gid);
    let unit = rule.optional("unit", words(LONGEST_UNIT)).map(Who::Unit);
    let user_unit = rule.optional("user_unit", words(LONGEST_UNIT));
    let given = ["uid", "gid", "unit"].into_iter().filter(|it| rule.has(it)).count();
    if given != 1 {
        rule.own_flaw("must name one of `uid`, `gid` and `unit`");
    } else if rule.has("user_unit") && !rule.has("uid") {
        rule.own_flaw("must name the `uid` whose `user_unit` it is");
    }
    match (uid, user_unit) {
        (Some(Who::Uid(uid)), Some(unit)) => Some(Who::UserUnit(uid, unit)),
        (uid, _) => uid.or(gid).or(unit),
    }
}

#[cfg(test)]
mod tests;
