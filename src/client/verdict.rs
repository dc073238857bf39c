//! The daemon's answer, as a program reads it.
//!
//! Fields this version does not know are passed over, and codes it does not know are kept as text, so
//! that a program built today understands a daemon built tomorrow.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::object::read_from_objects;

/// What the caller is entitled to of one product, and why.
///
/// Times are RFC 3339 in UTC. `valid` decides; the rest explains.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(remote = "Self")]
pub struct Verdict {
    pub product: String,
    pub valid: bool,
    pub code: Code,
    /// For people.
    #[serde(default)]
    pub detail: String,
    #[serde(default)]
    pub tier: Option<String>,
    #[serde(default)]
    pub rank: Option<u32>,
    /// What the tier grants. Read it through [`Verdict::feature`], which looks at `valid` too.
    #[serde(default)]
    pub features: BTreeMap<String, Feature>,
    /// How many may use it at a time, where the tier says so.
    #[serde(default)]
    pub seats: Option<u32>,
    /// The minisign public key that signed the product's file.
    #[serde(default)]
    pub publisher: Option<String>,
    #[serde(default)]
    pub customer: Option<String>,
    /// CAIP-10.
    #[serde(default)]
    pub wallet: Option<String>,
    /// CAIP-19.
    #[serde(default)]
    pub token: Option<String>,
    /// Seen, but not yet as settled as the product asks for.
    #[serde(default)]
    pub provisional: bool,
    /// `fresh`, `stale` or `grace`.
    #[serde(default)]
    pub freshness: Option<String>,
    /// `consensus`, `quorum` or `single`; `fake` by a daemon that was started with `--fake`.
    #[serde(default)]
    pub trust: Option<String>,
    #[serde(default)]
    pub anchor: Option<Anchor>,
    #[serde(default)]
    pub verified_at: Option<String>,
    #[serde(default)]
    pub stale_after: Option<String>,
    #[serde(default)]
    pub grace_until: Option<String>,
    #[serde(default)]
    pub expires_at: Option<String>,
    /// When to ask again at the latest.
    #[serde(default)]
    pub seconds_until_change: Option<i64>,
}

impl Verdict {
    /// Whether a fake said so (`entitled --fake FILE`), which proves nothing. It counts all the same: a program that is to
    /// be tested with a fake takes it for an answer. One that never wants to listen to a fake asks this.
    pub fn is_fake(&self) -> bool {
        self.trust.as_deref() == Some("fake")
    }

    /// The value of a feature; `None` when the caller is not entitled, or the tier does not name it.
    pub fn feature(&self, name: &str) -> Option<&Feature> {
        self.features.get(name).filter(|_| self.valid)
    }

    /// Whether the caller is entitled to a feature: its tier names it, and not as `false`, zero or
    /// empty.
    pub fn has(&self, feature: &str) -> bool {
        self.feature(feature).is_some_and(Feature::is_on)
    }
}

/// The block a verdict was proven at.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(remote = "Self")]
pub struct Anchor {
    /// CAIP-2.
    pub chain: String,
    pub number: u64,
    pub hash: String,
    #[serde(default)]
    pub time: Option<String>,
    /// `finalized`, `safe` or `latest`.
    #[serde(default)]
    pub finality: Option<String>,
}

/// A feature's value.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Feature {
    Flag(bool),
    Whole(i64),
    Number(f64),
    Text(String),
    /// A kind of value this version does not know.
    Other(Value),
}

impl Feature {
    pub fn is_on(&self) -> bool {
        match self {
            Self::Flag(flag) => *flag,
            Self::Whole(number) => *number != 0,
            Self::Number(number) => *number != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::Other(value) => !value.is_null(),
        }
    }

    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Whole(number) => Some(*number),
            _ => None,
        }
    }

    /// Any number.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            #[allow(clippy::cast_precision_loss, reason = "whoever wants every digit asks as_i64")]
            Self::Whole(number) => Some(*number as f64),
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => flag.fmt(f),
            Self::Whole(number) => number.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => f.write_str(text),
            Self::Other(value) => value.fmt(f),
        }
    }
}

/// Declares [`Code`] with its written forms once.
macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// Why a verdict is as it is.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Code {
            $($(#[$doc])* $name,)*
            /// A code this version does not know.
            Other(String),
        }

        impl Code {
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$name => $text,)*
                    Self::Other(text) => text,
                }
            }
        }

        impl From<String> for Code {
            fn from(text: String) -> Self {
                match text.as_str() {
                    $($text => Self::$name,)*
                    _ => Self::Other(text),
                }
            }
        }
    };
}

codes! {
    /// Proven, and fresh or being refreshed.
    Valid = "VALID",
    /// Was proven; the chain cannot be reached; allowed until `grace_until`. Counts as entitled.
    Grace = "GRACE",
    /// No such product is installed.
    NoProduct = "NO_PRODUCT",
    /// The customer has no wallet yet.
    NoWallet = "NO_WALLET",
    /// Proven: no wallet of the customer holds a granting token.
    NotHeld = "NOT_HELD",
    /// Held, but its subscription or rental has ended.
    Expired = "EXPIRED",
    /// Entitled, but not to the feature asked for.
    FeatureMissing = "FEATURE_MISSING",
    /// An administrator suspended the ownership or the customer.
    Suspended = "SUSPENDED",
    /// Held, but only at less trust or finality than the product demands.
    TrustTooLow = "TRUST_TOO_LOW",
    /// Never proven, and cannot be proven now. Neither a yes nor a no.
    Undetermined = "UNDETERMINED",
    /// The product's file is not signed by the publisher that was named.
    PublisherMismatch = "PUBLISHER_MISMATCH",
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        String::deserialize(source).map(Self::from)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A verdict and the steps that led to it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Explanation {
    #[serde(flatten)]
    pub verdict: Verdict,
    #[serde(default)]
    pub steps: Vec<Step>,
}

/// One step: what was looked at, what came of it, and why.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(remote = "Self")]
pub struct Step {
    /// `grant`, `token`, `wallet`, `ownership`, `block` or `anchor`.
    pub step: String,
    #[serde(default)]
    pub subject: String,
    /// `yes`, `no` or `unknown`.
    pub outcome: String,
    #[serde(default)]
    pub reason: String,
    /// How many of the token count, where the rule counts them: a decimal number.
    #[serde(default)]
    pub held: Option<String>,
    /// How many the rule asks for.
    #[serde(default)]
    pub min: Option<String>,
}

read_from_objects!(Verdict, Anchor, Step);

#[cfg(test)]
mod tests;
