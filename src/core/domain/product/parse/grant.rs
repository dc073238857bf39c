//! The `[[grants]]` of a product file: which token, under which rule, leads to which tier.
//!
//! Owns: which rule goes with which kind of token and which way of finding a wallet's tokens. A grant is
//! refused here when "holds none" could never be proven of it, so that it is not found out by a customer.

use alloy_primitives::{B256, U256, hex};

use super::Tiers;
use crate::domain::ids::{Collection, Standard, TierName, Token, clip, parse_token_id};
use crate::domain::ownership::{IdRanges, Reach, Rule};
use crate::domain::product::document::{Node, Value};
use crate::domain::product::section::{Section, flag, one_of, parsed, text, whole};
use crate::domain::product::{Grant, TokensOf};

const MOST_GRANTS: usize = 1_000;
/// In one grant, single ids counting as ranges.
const MOST_RANGES: usize = 10_000;
/// In all grants whose tokens are found by their listed ids: each costs a question to the chain.
const MOST_LISTED_IDS: u64 = 10_000;

pub(super) fn grants(file: &mut Section<'_>, tiers: &Tiers) -> Vec<Grant> {
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
    let rule = rule(&mut section);
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
    let reach = Reach {
        delegation: delegation(&mut section),
        token_bound: section.or("token_bound", false, flag),
    };
    if let (Some(rule), Some(scope)) = (rule, &scope) {
        fits(&section, rule, scope);
        provable(&section, (rule, reach), tokens_of);
    }
    section.finish();
    let Scope { collection, id } = scope?;
    // Ids that could not be read must not turn into every id.
    let ids = match (id, given, listed) {
        (Some(id), _, _) => IdRanges::only(id),
        (None, Some(given), _) => given,
        (None, None, false) => IdRanges::every(),
        (None, None, true) => return None,
    };
    Some(Grant { tier: tier?, collection, ids, rule: rule?, reach, tokens_of, from_block })
}

const TOKENS_OF: [(&str, TokensOf); 3] =
    [("enumerable", TokensOf::Enumerable), ("logs", TokensOf::Logs), ("ids", TokensOf::Ids)];

const RULES: [(&str, Rule); 6] = [
    ("owner", Rule::Owner),
    ("balance", Rule::Balance { min: U256::ONE }),
    ("user", Rule::User),
    ("subscription", Rule::Subscription),
    ("expiry", Rule::Expiry),
    ("unlock", Rule::Unlock),
];

/// `None` together with a noted mistake.
fn rule(section: &mut Section<'_>) -> Option<Rule> {
    let rule = match section.has("rule") {
        true => section.optional("rule", one_of(&RULES)),
        false => Some(Rule::Owner),
    };
    // Known also to who left the rule out, or got it wrong.
    section.node("rule");
    section.node("min");
    match rule? {
        Rule::Balance { min } if !section.has("min") => Some(Rule::Balance { min }),
        Rule::Balance { .. } => section.optional("min", least).map(|min| Rule::Balance { min }),
        rule => {
            let misplaced = |_: &Node| Err("belongs to rule `balance`; leave it out".to_owned());
            section.optional::<()>("min", misplaced);
            Some(rule)
        }
    }
}

/// That the token is of a kind the rule can be asked of.
fn fits(section: &Section<'_>, rule: Rule, scope: &Scope) {
    let (wanted, word) = match rule {
        Rule::Balance { .. } => (Standard::Erc1155, "erc1155"),
        _ => (Standard::Erc721, "erc721"),
    };
    let Collection { chain, standard, .. } = scope.collection;
    if standard == wanted {
        return;
    }
    let mut message = format!("rule `{}` needs an {word} token: {chain}/{word}:0x…", rule.as_str());
    match (standard, section.has("rule")) {
        (Standard::Erc1155, false) => message.push_str("; or say `rule = \"balance\"`"),
        // A count names no token, and a verdict rests on one.
        (Standard::Erc721, _) => message.push_str("; for erc721 use `rule = \"owner\"`"),
        _ => {}
    }
    section.flaw("token", message);
}

/// That it can be proven of a wallet to hold none: every token it might hold can be found.
fn provable(section: &Section<'_>, (rule, reach): (Rule, Reach), tokens_of: TokensOf) {
    let by = rule.as_str();
    match (rule, tokens_of) {
        (Rule::Balance { .. }, TokensOf::Enumerable | TokensOf::Logs) => {
            let key = if section.has("tokens_of") { "tokens_of" } else { "ids" };
            section.flaw(key, format!("rule `{by}` needs listed ids: `ids`, or an id in `token`"));
        }
        (Rule::User | Rule::Unlock, TokensOf::Logs) => section.flaw(
            "tokens_of",
            format!("rule `{by}` needs \"ids\" or \"enumerable\": events cannot prove that there are no others"),
        ),
        _ => {}
    }
    if !reach.token_bound {
        return;
    }
    match (rule, tokens_of) {
        (Rule::Balance { .. }, _) => section.flaw(
            "token_bound",
            format!("does not go with rule `{by}`: an erc1155 contract does not say who holds a token"),
        ),
        (_, TokensOf::Logs) | (Rule::Unlock, TokensOf::Enumerable) => section.flaw(
            "token_bound",
            "needs to know all tokens there are: list their ids, or use `tokens_of = \"enumerable\"` (a lock does not list all its keys: list the ids)",
        ),
        _ => {}
    }
}

/// `true`, `false`, or the rights that are enough: `{ rights = "licence" }`.
fn delegation(section: &mut Section<'_>) -> Option<B256> {
    let is_table = section.node("delegation").is_some_and(|it| matches!(it.value, Value::Table(_)));
    if !is_table {
        return section.or("delegation", false, flag).then_some(B256::ZERO);
    }
    let mut table = section.section("delegation");
    let rights = table.optional("rights", rights);
    table.finish();
    Some(rights.unwrap_or_default())
}

/// Thirty-two bytes, as hexadecimal digits or as the text they begin with.
fn rights(node: &Node) -> Result<B256, String> {
    const WANTED: &str =
        "must be a text of 1 to 32 printable ASCII characters, or 0x and 64 hexadecimal digits";
    let text = text(node)?;
    if let Some(digits) = text.strip_prefix("0x") {
        let bytes: [u8; 32] = hex::decode_to_array(digits).map_err(|_| WANTED.to_owned())?;
        return Ok(bytes.into());
    }
    let printable = text.bytes().all(|it| it.is_ascii_graphic() || it == b' ');
    if !printable || !(1..=32).contains(&text.len()) {
        return Err(WANTED.to_owned());
    }
    Ok(B256::right_padding_from(text.as_bytes()))
}

/// A whole number from 1, as a number or, where it is too large for one, as a text.
fn least(node: &Node) -> Result<U256, String> {
    let number = match &node.value {
        Value::Whole(number) => U256::try_from(*number).ok(),
        Value::Text(text) => parse_token_id(text).ok(),
        _ => None,
    };
    number
        .filter(|it| !it.is_zero())
        .ok_or_else(|| "must be a whole number from 1, as text if it is beyond 2^63".to_owned())
}

/// A whole collection, or one token of it.
struct Scope {
    collection: Collection,
    id: Option<U256>,
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
