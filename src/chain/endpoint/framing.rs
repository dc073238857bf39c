//! Where a JSON value ends in a stream without separators, as IPC sockets of nodes send it. Pure.
//!
//! Asked by: `transport`. Never: checks that the value is valid JSON; the parser does.

/// Finds the end of one object or array, byte by byte, over as many reads as it takes.
#[derive(Debug, Default)]
pub(in crate::chain) struct JsonEnd {
    depth: usize,
    in_text: bool,
    escaped: bool,
}

impl JsonEnd {
    /// The length of the first whole value in `read`, of which the bytes before `from` were seen before.
    pub(in crate::chain) fn find(&mut self, read: &[u8], from: usize) -> Option<usize> {
        for (at, byte) in read.iter().enumerate().skip(from) {
            if self.in_text {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_text = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_text = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Some(at + 1);
                    }
                }
                _ => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn brackets_and_quotes_inside_text_do_not_count() {
        let text = br#"{"a":"}]\"{[","b":[{}]} {"next":1}"#;
        assert_eq!(JsonEnd::default().find(text, 0), Some(23));
    }

    proptest! {
        #[test]
        fn the_end_does_not_depend_on_how_the_bytes_arrive(
            texts in prop::collection::vec(".*", 0..4),
            cut in 0_usize..200,
        ) {
            let value = serde_json::to_vec(&serde_json::json!({ "of": texts })).unwrap();
            let cut = cut.min(value.len() - 1);
            let mut end = JsonEnd::default();
            prop_assert_eq!(end.find(&value[..cut], 0), None);
            prop_assert_eq!(end.find(&value, cut), Some(value.len()));
        }
    }
}
