//! Altering messages, one field at a time.

use serde_json::{Value, json};

/// Where all single values of a message are, as JSON pointers.
pub fn leaves(message: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect(message, String::new(), &mut found);
    found
}

fn collect(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::Object(all) => all.iter().for_each(|(k, v)| collect(v, format!("{at}/{k}"), found)),
        Value::Array(all) => {
            all.iter().enumerate().for_each(|(i, v)| collect(v, format!("{at}/{i}"), found));
        }
        _ => found.push(at),
    }
}

/// The message with one value altered, and still of the right shape: another last digit of bytes, the next number.
/// Empty bytes become one byte.
///
/// # Panics
/// When there is no text at `pointer`.
pub fn tampered(message: &Value, pointer: &str) -> Value {
    let mut altered = message.clone();
    let value = altered.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer} is not there"));
    let text = value.as_str().unwrap_or_else(|| panic!("{pointer} is no text")).to_owned();
    *value = if text == "0x" {
        json!("0x01")
    } else if let Ok(number) = text.parse::<u128>() {
        json!((number + 1).to_string())
    } else if text.starts_with("0x") {
        let (kept, last) = text.split_at(text.len() - 1);
        let digit = u8::from_str_radix(last, 16).unwrap() ^ 1;
        json!(format!("{kept}{digit:x}"))
    } else {
        json!(format!("not-{text}"))
    };
    altered
}

/// The message with other JSON in one place.
///
/// # Panics
/// When there is nothing at `pointer`.
pub fn replaced(message: &Value, pointer: &str, with: Value) -> Value {
    let mut altered = message.clone();
    *altered.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer} is not there")) = with;
    altered
}
