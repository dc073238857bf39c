//! What a customer calls a wallet.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::control_character::is_control_character;

/// One to 64 characters that can be shown in lists and logs. In UTF-8 they have at most 256 bytes.
///
/// What a ledger holds is read as it stands: only what is new is judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Label(String);

const LONGEST: usize = 64;

/// Why a text is no label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LabelFault {
    #[error("leave it out, or give it a character that can be seen")]
    Blank,
    #[error("at most 64 characters")]
    TooLong,
    #[error("no control characters")]
    Control,
}

impl FromStr for Label {
    type Err = LabelFault;

    /// A label must not move the cursor or turn the text around.
    fn from_str(text: &str) -> Result<Self, LabelFault> {
        if text.trim().is_empty() {
            Err(LabelFault::Blank)
        } else if text.chars().count() > LONGEST {
            Err(LabelFault::TooLong)
        } else if text.chars().any(is_control_character) {
            Err(LabelFault::Control)
        } else {
            Ok(Self(text.to_owned()))
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests;
