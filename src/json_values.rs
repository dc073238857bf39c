//! How many values a JSON text has, told before it is read. Pure.
//!
//! Asked by: `chain` and `fleet`, of what comes from other machines. Never: checks that the text is valid JSON; the parser
//! does.

/// Whether `text` has more than `most` values, keys not counted. Each takes up to some hundred bytes once it is read,
/// whatever it took on the wire: eight megabytes of `{"":0}` would be half a gigabyte.
pub(crate) fn has_more_than(most: usize, text: &[u8]) -> bool {
    let (mut values, mut in_text, mut escaped) = (1, false, false);
    // A value takes two bytes with what is around it, at the least.
    let long = text.len() > most;
    for byte in text.iter().filter(|_| long) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_text,
            b'"' => in_text = !in_text,
            b'{' | b'[' | b',' if !in_text => values += 1,
            _ => {}
        }
    }
    values > most
}

#[cfg(test)]
mod tests;
