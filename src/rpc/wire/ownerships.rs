//! What is told of tokens and of who holds them.

use schemars::JsonSchema;
use serde::Serialize;

use super::replies::Anchor;
use super::sets;

/// What was seen of one token.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Sighting {
    pub token: String,
    /// The wallet asked about, or the holder.
    pub wallet: Option<String>,
    /// The question that was asked: the rule of the grant that names the token, else `owner` or `balance`.
    #[schemars(with = "sets::Rule")]
    pub rule: &'static str,
    /// Through whom it is held, beginning at the wallet: `vault 0x…`, `token-bound account 0x…`.
    pub via: Vec<String>,
    /// `held`, `ended` (held, but its time is over), `not_held` or `unknown`.
    #[schemars(with = "sets::Holding")]
    pub holding: &'static str,
    /// How many of it count, where the rule counts them and some do: a decimal number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
    /// How many the rule asks for; beside `held` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<String>,
    /// Why it is unknown.
    pub cause: Option<String>,
    pub until: Option<String>,
    #[schemars(with = "Option<sets::Trust>")]
    pub trust: Option<&'static str>,
    pub anchor: Option<Anchor>,
    pub seen_at: String,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Ownership {
    pub number: u64,
    pub token: String,
    pub wallet: String,
    pub customer: Option<String>,
    pub active: bool,
    pub first_seen: String,
    pub last_proven: String,
    pub block: Anchor,
    #[schemars(with = "sets::Trust")]
    pub trust: &'static str,
    #[schemars(with = "sets::Finality")]
    pub finality: &'static str,
    /// The rule by which it was last proven.
    #[schemars(with = "sets::Rule")]
    pub rule: &'static str,
    /// Through whom it is held, beginning at the wallet.
    pub via: Vec<String>,
    /// How many of it count, where the rule counts them: a decimal number. Absent too where it was proven last by an older daemon.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
    pub transaction: Option<String>,
    pub closed_at: Option<String>,
    pub closed_block: Option<Anchor>,
    pub suspended: Option<Suspension>,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Suspension {
    pub reason: String,
    pub by: String,
    pub at: String,
}
