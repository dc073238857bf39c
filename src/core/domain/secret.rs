//! A text that nobody may see: a passphrase, a private key, the words of a mnemonic, on its way to where it
//! is used.
//!
//! Owned by whoever carries it. Never printed, compared or written; overwritten when it is dropped.

use std::fmt;

use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

/// A secret text. Can be read from a request, and by whoever names [`expose`](Self::expose).
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text, which is wiped when this is dropped.
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
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reading)
    }
}

/// Takes a text. What is none is refused without being repeated: it may be the secret all the same. Each kind is
/// refused by name here, because what a reader says by itself repeats it.
struct Reading;

macro_rules! refuse {
    ($($visit:ident($kind:ty)),*) => {$(
        fn $visit<E: Error>(self, _: $kind) -> Result<Secret, E> {
            Err(E::custom(EXPECTED))
        }
    )*};
}

const EXPECTED: &str = "a text is expected here";

impl<'de> Visitor<'de> for Reading {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Secret, E> {
        Ok(Secret::new(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Secret, E> {
        Ok(Secret::new(text))
    }

    refuse!(visit_bool(bool), visit_i64(i64), visit_u64(u64), visit_f64(f64), visit_bytes(&[u8]));

    fn visit_unit<E: Error>(self) -> Result<Secret, E> {
        Err(E::custom(EXPECTED))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Secret, A::Error> {
        Err(A::Error::custom(EXPECTED))
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Secret, A::Error> {
        Err(A::Error::custom(EXPECTED))
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
    fn a_secret_that_is_missing_is_named() {
        #[derive(Debug, Deserialize)]
        struct Ask {
            #[allow(dead_code, reason = "it is never there")]
            passphrase: Secret,
        }
        let error = serde_json::from_str::<Ask>("{}").unwrap_err();
        assert!(error.to_string().contains("`passphrase`"), "{error}");
    }

    #[test]
    fn a_secret_of_a_wrong_kind_is_not_repeated() {
        for wrong in ["314159", "-314159", "3.14159", "true", "null", "[314159]", "{\"a\":314159}"]
        {
            let error = serde_json::from_str::<Secret>(wrong).unwrap_err();
            assert!(error.to_string().starts_with("a text is expected here"), "{wrong}: {error}");
        }
    }
}
