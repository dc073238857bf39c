//! Where one JSON value ends and the next begins, in a stream that may be cut anywhere. Pure.
//!
//! Looks only at brackets, strings and escapes; whether a frame is good JSON is for the reader of the frame.
//! Bounded: it keeps one bit per level, and never looks at a byte twice.

/// What the bytes so far hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rpc) enum Step {
    /// The value from `start` up to `end`.
    Frame { start: usize, end: usize },
    /// The same, but nested deeper than allowed.
    TooDeep { end: usize },
    /// No further complete value.
    More,
    /// Not JSON values at all, or brackets that do not match: where the next value begins cannot be known.
    Broken,
}

/// The deepest nesting that can be allowed: the JSON reader stops at 128.
const DEEPEST: usize = 127;

/// The place in the stream. Positions are indices into the bytes given to [`next`](Self::next).
#[derive(Debug, Clone)]
pub(in crate::rpc) struct Scanner {
    at: usize,
    start: usize,
    depth: usize,
    deepest: usize,
    allowed: usize,
    /// One bit per open bracket, the innermost lowest: 1 for `{`, 0 for `[`.
    braces: u128,
    in_string: bool,
    escaped: bool,
}

impl Scanner {
    pub(in crate::rpc) fn new(allowed_depth: usize) -> Self {
        Self {
            at: 0,
            start: 0,
            depth: 0,
            deepest: 0,
            allowed: allowed_depth.clamp(1, DEEPEST),
            braces: 0,
            in_string: false,
            escaped: false,
        }
    }

    /// Whether a value has begun and not ended.
    pub(in crate::rpc) fn is_inside(&self) -> bool {
        self.depth > 0
    }

    /// Where the value that has begun begins; where the next may begin otherwise.
    pub(in crate::rpc) fn start(&self) -> usize {
        if self.depth == 0 { self.at } else { self.start }
    }

    /// Passes over blanks to where the next value begins, of which the bytes are given. `None` inside a value.
    pub(super) fn between<'a>(&mut self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        if self.depth > 0 {
            return None;
        }
        let rest = bytes.get(self.at..)?;
        let blank = rest.iter().take_while(|it| is_blank_between(**it)).count();
        self.at += blank;
        rest.get(blank..)
    }

    /// Passes over a value of so many bytes that was read by somebody else, from where [`between`](Self::between) was.
    pub(super) fn pass(&mut self, length: usize) {
        self.at += length;
    }

    /// The first `gone` bytes are no longer there. Those of a begun value may be among them.
    pub(in crate::rpc) fn forget(&mut self, gone: usize) {
        self.at = self.at.saturating_sub(gone);
        self.start = self.start.saturating_sub(gone);
    }

    /// Goes on in `bytes`, which may have grown at the end since the last call.
    pub(in crate::rpc) fn next(&mut self, bytes: &[u8]) -> Step {
        while let Some(&byte) = bytes.get(self.at) {
            self.at += 1;
            if self.in_string {
                if self.escaped {
                    self.escaped = false;
                } else if byte == b'\\' {
                    self.escaped = true;
                } else if byte == b'"' {
                    self.in_string = false;
                } else if byte < 0x20 {
                    return Step::Broken;
                }
                continue;
            }
            match byte {
                b'{' | b'[' => self.open(byte == b'{'),
                b'}' | b']' => match self.close(byte == b'}') {
                    Some(Step::More) => {}
                    Some(step) => return step,
                    None => return Step::Broken,
                },
                b'"' if self.depth > 0 => self.in_string = true,
                b' ' | b'\n' | b'\r' | b'\t' => {}
                _ if self.depth == 0 && is_blank_between(byte) => {}
                _ if self.depth == 0 || byte < 0x20 => return Step::Broken,
                _ => {}
            }
        }
        Step::More
    }

    fn open(&mut self, brace: bool) {
        if self.depth == 0 {
            self.start = self.at - 1;
            self.deepest = 0;
        }
        self.depth += 1;
        self.deepest = self.deepest.max(self.depth);
        if self.depth <= self.allowed {
            self.braces = self.braces << 1 | u128::from(brace);
        }
    }

    /// `None` when the bracket does not match the one it closes. Deeper than allowed nobody looks: such a value
    /// is refused anyway.
    fn close(&mut self, brace: bool) -> Option<Step> {
        if self.depth == 0 {
            return None;
        }
        if self.depth <= self.allowed {
            if (self.braces & 1 == 1) != brace {
                return None;
            }
            self.braces >>= 1;
        }
        self.depth -= 1;
        if self.depth > 0 {
            return Some(Step::More);
        }
        Some(if self.deepest > self.allowed {
            Step::TooDeep { end: self.at }
        } else {
            Step::Frame { start: self.start, end: self.at }
        })
    }
}

/// Whether a byte may stand between two values. NUL separates messages of varlink's kind.
fn is_blank_between(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t' | 0)
}

/// The one value that `bytes` consist of, with blanks around it: the body of an HTTP request or a WebSocket message.
///
/// # Errors
/// The step that says what they are instead.
pub(in crate::rpc) fn only_frame(bytes: &[u8], allowed_depth: usize) -> Result<&[u8], Step> {
    let mut scanner = Scanner::new(allowed_depth);
    match scanner.next(bytes) {
        Step::Frame { start, end } => {
            let rest = bytes.get(end..).unwrap_or_default();
            let frame = bytes.get(start..end).unwrap_or_default();
            if rest.iter().all(u8::is_ascii_whitespace) { Ok(frame) } else { Err(Step::Broken) }
        }
        step => Err(step),
    }
}

#[cfg(test)]
mod tests;
