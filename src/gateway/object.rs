//! JSON objects as the daemon reads them: nothing in them is said twice. Of two members of one name each reader takes
//! another, so that what was judged would not be what is done.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::problem::Problem;

/// Reads an object, called `what` where it is none.
///
/// # Errors
/// Where it is no object, or a member of it, or of one in it, is given twice.
pub(super) fn read(text: &[u8], what: &str) -> Result<Map<String, Value>, Problem> {
    match serde_json::from_slice::<Once>(text) {
        Ok(Once(Value::Object(members))) => Ok(members),
        Err(error) if error.is_data() => Err(Problem::bad(said(&error))),
        _ => Err(Problem::bad(format!("{what} is not one JSON object"))),
    }
}

/// Without the place in the text, which is of no use to who sent one line.
fn said(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}

/// A value in whose objects nothing is said twice.
struct Once(Value);

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        source.deserialize_any(Reader).map(Self)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::from).ok_or_else(|| E::custom("a number is too large"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(Once(entry)) = entries.next_element()? {
            all.push(entry);
        }
        Ok(all.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let Once(value) = members.next_value()?;
            if all.contains_key(&name) {
                let name: String = name.chars().filter(|it| !it.is_control()).take(64).collect();
                return Err(de::Error::custom(format!("`{name}` is given twice")));
            }
            all.insert(name, value);
        }
        Ok(all.into())
    }
}

#[cfg(test)]
mod tests;
