//! A text that nobody may see: a passphrase, a private key, the words of a mnemonic, on its way to where it
//! is used.
//!
//! Owned by whoever carries it. Never printed, compared or written; overwritten when it is dropped.

use std::fmt;

use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

/// A secret text. Can be read from a request, and by whoever names [`expose`](Self::expose).
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text. Whoever copies it wipes the copy.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl<'de> Deserialize<'de> for Secret {
    /// What is no text is refused without being repeated: it may be the secret all the same.
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from);
        text.map(Self::new).map_err(|_| serde::de::Error::custom("a text is expected here"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_and_never_shown() {
        let secret: Secret = serde_json::from_str(r#""hunter2""#).unwrap();
        assert_eq!(secret.expose(), "hunter2");
        assert_eq!(format!("{secret:?} {secret:#?}"), "Secret Secret");
    }

    #[test]
    fn a_secret_of_a_wrong_kind_is_not_repeated() {
        let error = serde_json::from_str::<Secret>("314159").unwrap_err();
        assert!(!error.to_string().contains("314159"), "{error}");
    }
}
