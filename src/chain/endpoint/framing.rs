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
mod tests;
