//! FlexNet's options file, as far as it can be said in a policy file.
//!
//! Pure: lines come in, and a policy file goes out beside what could not be said, by line. Nothing is left out silently: a rule
//! that kept somebody out, and got lost, would let them in.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::policy::{Policy, Who};
use super::policy_file::{LONGEST, MOST_RULES, MOST_SEATS};
use crate::domain::ids::{ProductId, TierName};

/// What the policy file is to be about.
#[derive(Debug)]
pub struct OptionsFor<'a> {
    pub product: &'a ProductId,
    pub tier: Option<&'a TierName>,
    /// The feature of the options file that the tier is in the place of; lines about others are left out, and said.
    pub feature: &'a str,
}

/// A line that has no place in a policy file, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    pub line: usize,
    pub text: String,
    pub why: String,
}

/// What came of an options file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// A policy file.
    pub policy: String,
    pub left_out: Vec<LeftOut>,
}

/// Reads an options file. `uid_of` gives the uid of a user's name on this machine.
pub fn import_options(
    text: &str,
    about: &OptionsFor<'_>,
    uid_of: impl Fn(&str) -> Option<u32>,
) -> Imported {
    let mut import = Import { about, uid_of, groups: BTreeMap::new(), found: Found::default() };
    let lines = whole_lines(text);
    // A group may be named before it is said who is in it.
    for (_, line) in &lines {
        let words = words(line);
        if let [keyword, name, users @ ..] = words.as_slice()
            && keyword.eq_ignore_ascii_case("GROUP")
        {
            let group = import.groups.entry((*name).to_owned()).or_default();
            group.extend(users.iter().map(|it| (*it).to_owned()));
        }
    }
    let mut left_out = Vec::new();
    for (line, text) in lines {
        if let Err(why) = import.line(&text) {
            left_out.push(LeftOut { line, text, why });
        }
    }
    Imported { policy: import.found.written(about), left_out }
}

/// Lines without comments, each with the number it begins at; a backslash at the end joins the next.
fn whole_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut is_open = false;
    for (at, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let goes_on = line.ends_with('\\');
        let line = line.trim_end_matches('\\').trim_end();
        match lines.last_mut().filter(|_| is_open) {
            Some((_, whole)) => {
                whole.push(' ');
                whole.push_str(line);
            }
            None => lines.push((at + 1, line.to_owned())),
        }
        is_open = goes_on;
    }
    lines.retain(|(_, it)| !it.trim().is_empty());
    lines
}

/// The words of a line; what stands in quotes is one.
fn words(line: &str) -> Vec<&str> {
    let pieces = line.split('"').enumerate();
    let words = pieces.flat_map(|(at, piece)| match at % 2 {
        1 => vec![piece],
        _ => piece.split_whitespace().collect(),
    });
    words.collect()
}

/// What was found.
#[derive(Debug, Default)]
struct Found {
    policy: Policy,
    linger: Option<u64>,
    max_borrow_hours: Option<u64>,
    low_water: Option<u32>,
}

struct Import<'a, F> {
    about: &'a OptionsFor<'a>,
    uid_of: F,
    groups: BTreeMap<String, Vec<String>>,
    found: Found,
}

type Said = Result<(), String>;

impl<F: Fn(&str) -> Option<u32>> Import<'_, F> {
    fn line(&mut self, line: &str) -> Said {
        let words = words(line);
        let Some((keyword, rest)) = words.split_first() else { return Ok(()) };
        match (keyword.to_ascii_uppercase().as_str(), rest) {
            ("GROUP", _) => Ok(()),
            ("RESERVE", [count, feature, kind, names @ ..]) => {
                self.concerns(feature)?;
                let rule = (self.one(kind, names)?, number(count, u64::from(MOST_SEATS))?);
                add(&mut self.found.policy.reserve, [rule])
            }
            ("MAX", [count, feature, kind, names @ ..]) => {
                self.concerns(feature)?;
                let rule = (self.one(kind, names)?, number(count, u64::from(MOST_SEATS))?);
                add(&mut self.found.policy.max, [rule])
            }
            ("INCLUDE", [feature, kind, names @ ..]) => {
                self.concerns(feature)?;
                let who = self.all(kind, names)?;
                add(&mut self.found.policy.include, who)
            }
            ("EXCLUDE", [feature, kind, names @ ..]) => {
                self.concerns(feature)?;
                let who = self.all(kind, names)?;
                add(&mut self.found.policy.exclude, who)
            }
            ("INCLUDEALL", [kind, names @ ..]) => {
                let who = self.all(kind, names)?;
                add(&mut self.found.policy.include, who)
            }
            ("EXCLUDEALL", [kind, names @ ..]) => {
                let who = self.all(kind, names)?;
                add(&mut self.found.policy.exclude, who)
            }
            ("LINGER", [feature, seconds]) => {
                self.concerns(feature)?;
                self.found.linger = Some(u64::from(number(seconds, LONGEST.as_secs())?));
                Ok(())
            }
            ("BORROW_LOWWATER", [feature, count]) => {
                self.concerns(feature)?;
                self.found.low_water = Some(number(count, u64::from(MOST_SEATS))?);
                Ok(())
            }
            ("MAX_BORROW_HOURS", [feature, hours]) => {
                self.concerns(feature)?;
                let hours = number(hours, LONGEST.as_secs() / 3_600)?;
                self.found.max_borrow_hours = Some(u64::from(hours));
                Ok(())
            }
            (keyword, _) => Err(why_not(keyword).to_owned()),
        }
    }

    /// A feature may name one of its licences after a colon, and that is a difference that a policy does not know.
    fn concerns(&self, feature: &str) -> Said {
        let (name, pair) = feature.split_once([':', ' ']).unwrap_or((feature, ""));
        match (name == self.about.feature, pair.is_empty()) {
            (true, true) => Ok(()),
            (true, false) => {
                Err(format!("a pool has no part that is told apart by `{pair}`; use a tier"))
            }
            (false, _) => Err(format!(
                "it is about the feature `{name}`, and not about `{}`",
                self.about.feature
            )),
        }
    }

    /// One of whom a number can be said.
    fn one(&self, kind: &str, names: &[&str]) -> Result<Who, String> {
        let who = self.all(kind, names)?;
        match who.as_slice() {
            [one] => Ok(one.clone()),
            _ => Err(format!(
                "a number for {} users between them needs a group of the system: make one, and write `gid`",
                who.len()
            )),
        }
    }

    /// All that are named.
    fn all(&self, kind: &str, names: &[&str]) -> Result<Vec<Who>, String> {
        let uid = |name: &str| {
            (self.uid_of)(name)
                .map(Who::Uid)
                .ok_or_else(|| format!("there is no user `{name}` on this machine"))
        };
        match (kind.to_ascii_uppercase().as_str(), names) {
            ("USER", [name]) => Ok(vec![uid(name)?]),
            ("GROUP", [name]) => match self.groups.get(*name) {
                Some(users) if !users.is_empty() => users.iter().map(|it| uid(it)).collect(),
                _ => Err(format!("the file has no GROUP `{name}` with users")),
            },
            ("HOST" | "HOST_GROUP" | "INTERNET", _) => Err(
                "seats are counted on the machine that asks, so a rule about others has no place here; link the wallet \
                 on the machines that may use it".to_owned(),
            ),
            ("DISPLAY", _) => Err("the kernel knows users and control groups, and no displays".to_owned()),
            ("PROJECT", _) => Err(
                "LM_PROJECT is what the caller says of itself; use a unit of the service manager".to_owned(),
            ),
            _ => Err("whom it is about is not understood".to_owned()),
        }
    }
}

impl Found {
    fn written(&self, about: &OptionsFor<'_>) -> String {
        let mut text = format!("product = \"{}\"\n", about.product);
        if let Some(tier) = about.tier {
            let _ = writeln!(text, "tier = \"{tier}\"");
        }
        if let Some(seconds) = self.linger {
            let _ = writeln!(text, "linger = \"{seconds}s\"");
        }
        if let Some(count) = self.low_water {
            let _ = writeln!(text, "low_water = {count}");
        }
        if let Some(hours) = self.max_borrow_hours {
            let _ = writeln!(text, "max_borrow = \"{hours}h\"");
        }
        let Policy { reserve, max, include, exclude, .. } = &self.policy;
        for (key, rules) in [("reserve", reserve), ("max", max)] {
            let rules =
                rules.iter().map(|(who, seats)| format!("{{ {}, seats = {seats} }}", named(who)));
            list(&mut text, key, &rules.collect::<Vec<_>>());
        }
        for (key, rules) in [("include", include), ("exclude", exclude)] {
            let rules = rules.iter().map(|it| format!("{{ {} }}", named(it)));
            list(&mut text, key, &rules.collect::<Vec<_>>());
        }
        text
    }
}

fn list(text: &mut String, key: &str, rules: &[String]) {
    if !rules.is_empty() {
        let _ = writeln!(text, "{key} = [{}]", rules.join(", "));
    }
}

fn named(who: &Who) -> String {
    match who {
        Who::Uid(uid) => format!("uid = {uid}"),
        Who::Gid(gid) => format!("gid = {gid}"),
        Who::Unit(unit) => format!("unit = {unit:?}"),
        Who::UserUnit(uid, unit) => format!("uid = {uid}, user_unit = {unit:?}"),
    }
}

fn add<T>(rules: &mut Vec<T>, more: impl IntoIterator<Item = T>) -> Said {
    let before = rules.len();
    rules.extend(more);
    if rules.len() > MOST_RULES {
        rules.truncate(before);
        return Err(format!("a policy file has at most {MOST_RULES} rules of a kind"));
    }
    Ok(())
}

fn number(text: &str, most: u64) -> Result<u32, String> {
    let number = text.parse::<u32>().ok().filter(|it| u64::from(*it) <= most);
    number.ok_or_else(|| format!("`{text}` is no whole number up to {most}"))
}

/// Why a keyword has no place.
fn why_not(keyword: &str) -> &'static str {
    match keyword {
        "RESERVE" | "MAX" | "INCLUDE" | "EXCLUDE" | "INCLUDEALL" | "EXCLUDEALL" | "LINGER"
        | "BORROW_LOWWATER" | "MAX_BORROW_HOURS" => {
            "it has more or fewer words than it should have"
        }
        "TIMEOUT" | "TIMEOUTALL" => {
            "a seat ends with its process; that nobody uses a running program is known to the program alone"
        }
        "INCLUDE_BORROW" | "EXCLUDE_BORROW" | "INCLUDEALL_BORROW" | "EXCLUDEALL_BORROW" => {
            "who may borrow is who may have a seat"
        }
        "INCLUDE_ENTITLEMENT" | "EXCLUDE_ENTITLEMENT" => {
            "there are no entitlements to be activated"
        }
        "MAX_OVERDRAFT" => {
            "what may be used beyond the capacity is the vendor's to say, in the product file: `overage`"
        }
        "NOLOG" | "REPORTLOG" | "DEBUGLOG" => {
            "what is given and what ends is always in the log of the system and the audit"
        }
        "GROUPCASEINSENSITIVE" => "names of users are as the system has them",
        "HOST_GROUP" | "FQDN_MATCHING" => {
            "seats are counted on the machine that asks, so what is said of others has no place here"
        }
        "LINGER_DELETE" | "AUTOMATIC_REREAD" | "COMMUTER_MAX_CHECKOUT" => {
            "there is nothing of the kind"
        }
        _ => "the keyword is not known",
    }
}

#[cfg(test)]
mod tests;
