//! Where a JSON value ends in a stream without separators, as IPC sockets of nodes send it, and how many values an
//! answer has. Pure.
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

/// So many values are in one answer at most. Each takes up to some hundred bytes once it is read, whatever it took on
/// the wire: eight megabytes of `{"":0}` would be half a gigabyte. Eight megabytes of events have fewer.
const VALUES: usize = 1 << 18;

/// Whether `answer` has more values, keys not counted, than are worth reading.
pub(in crate::chain) fn has_too_many_values(answer: &[u8]) -> bool {
    let (mut values, mut in_text, mut escaped) = (1, false, false);
    // A value takes two bytes with what is around it, at the least.
    let long = answer.len() > VALUES;
    for byte in answer.iter().filter(|_| long) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_text,
            b'"' => in_text = !in_text,
            b'{' | b'[' | b',' if !in_text => values += 1,
            _ => {}
        }
    }
    values > VALUES
}

#[cfg(test)]
mod tests;
