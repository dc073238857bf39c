//! What every line of the daemon's has to be before anything in it is read: JSON that no two readers understand otherwise.
//!
//! Of a member that is said twice one reader takes the first and another the last; half of a surrogate pair is no character
//! to one and any character to another; a number beyond all doubles is infinite, or no number (RFC 8259 leaves these open,
//! RFC 7493 does not). And no reader of ours has another bound on how deep JSON is nested: that is the 127 levels that
//! `serde_json` goes down. It also is what refuses such numbers and such halves, of members that nobody reads as well, since
//! each is read here.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// A value that was read to its end, and is not kept.
pub(super) struct Plain;

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        source.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Plain;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Plain, E> {
        Ok(Plain)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Plain, E> {
        Ok(Plain)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Plain, E> {
        Ok(Plain)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Plain, E> {
        Ok(Plain)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Plain, E> {
        Ok(Plain)
    }

    fn visit_str<E>(self, _: &str) -> Result<Plain, E> {
        Ok(Plain)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Plain, A::Error> {
        while let Some(Plain) = items.next_element()? {}
        Ok(Plain)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Plain, A::Error> {
        let mut names = BTreeSet::new();
        while let Some(name) = members.next_key::<String>()? {
            let Plain = members.next_value()?;
            if !names.insert(name) {
                return Err(Error::custom("a member is said twice"));
            }
        }
        Ok(Plain)
    }
}
