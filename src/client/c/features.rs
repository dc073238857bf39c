//! Features: into a field of a fixed size, and out of it again.

use std::collections::BTreeMap;

use entitled_client::Feature;
use serde_json::{Map, Value};

use crate::abi::{State, Verdict};
use crate::text;

/// As many features as find a place, smallest first, as a JSON object; and how many did not.
pub(crate) fn write<const ROOM: usize>(
    features: &BTreeMap<String, Feature>,
) -> ([u8; ROOM], usize) {
    let mut entries: Vec<String> =
        features.iter().filter_map(|(name, it)| entry(name, it)).collect();
    entries.sort_by_key(String::len);
    // Both braces and the end.
    let mut left = ROOM.saturating_sub(3);
    let fitting = entries.iter().take_while(|it| {
        let fits = it.len() <= left;
        left = left.saturating_sub(it.len() + 1);
        fits
    });
    let fitting = fitting.count();
    entries.truncate(fitting);
    (text::whole(&format!("{{{}}}", entries.join(","))), features.len() - fitting)
}

fn entry(name: &str, feature: &Feature) -> Option<String> {
    let value = match feature {
        Feature::Flag(flag) => Value::from(*flag),
        Feature::Whole(number) => Value::from(*number),
        Feature::Number(number) => Value::from(*number),
        Feature::Text(text) => Value::from(text.as_str()),
        Feature::Other(value) => value.clone(),
    };
    Some(format!("{}:{}", serde_json::to_string(name).ok()?, serde_json::to_string(&value).ok()?))
}

/// A feature of a verdict: its value where the verdict is a yes and its tier has it, else what the answer is instead.
pub(crate) fn find(verdict: &Verdict, name: &str) -> Result<Feature, State> {
    if verdict.state != State::Yes {
        return Err(verdict.state);
    }
    let text = text::of_field(&verdict.features);
    let features: Map<String, Value> = serde_json::from_str(text).map_err(|_| State::NotKnown)?;
    match features.get(name) {
        Some(value) => serde_json::from_value(value.clone()).map_err(|_| State::NotKnown),
        None if verdict.features_left_out == 0 => Err(State::No),
        None => Err(State::NotKnown),
    }
}

#[cfg(test)]
mod tests;
