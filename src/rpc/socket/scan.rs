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
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What the scanner sees when `stream` arrives in pieces that end at `cuts`.
    fn steps(stream: &[u8], cuts: &[usize], depth: usize) -> Vec<Result<Vec<u8>, Step>> {
        let mut scanner = Scanner::new(depth);
        let mut seen = Vec::new();
        for end in cuts.iter().copied().chain([stream.len()]) {
            loop {
                match scanner.next(&stream[..end]) {
                    Step::More => break,
                    Step::Frame { start, end } => seen.push(Ok(stream[start..end].to_vec())),
                    Step::TooDeep { .. } => {
                        seen.push(Err(Step::TooDeep { end: 0 }));
                    }
                    other => {
                        seen.push(Err(other));
                        return seen;
                    }
                }
            }
        }
        seen
    }

    fn frames(stream: &str) -> Vec<Result<Vec<u8>, Step>> {
        steps(stream.as_bytes(), &[], 64)
    }

    fn ok(text: &str) -> Result<Vec<u8>, Step> {
        Ok(text.as_bytes().to_vec())
    }

    #[test]
    fn values_may_touch_or_be_separated_by_lines_or_nul() {
        for stream in ["{}[1]{\"a\":2}", "{}\n[1]\r\n{\"a\":2}\n", "\0{}\0[1]\0{\"a\":2}\0"] {
            assert_eq!(frames(stream), [ok("{}"), ok("[1]"), ok("{\"a\":2}")], "{stream:?}");
        }
    }

    #[test]
    fn brackets_in_strings_do_not_count() {
        let tricky = r#"{"a":"}]\"}","b\\":"[{\\\\"}"#;
        assert_eq!(frames(tricky), [ok(tricky)]);
    }

    #[test]
    fn what_cannot_be_framed_is_broken() {
        for stream in ["x", "1", "\"a\"", "}", "]", "{]", "[}", "{\"a\n\"", "{\0}", "{}x", ",{}"] {
            assert_eq!(frames(stream).last(), Some(&Err(Step::Broken)), "{stream:?}");
        }
    }

    #[test]
    fn too_deep_a_value_is_skipped_whole_and_the_next_is_found() {
        let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        let stream = format!("{}{}{{}}", deep(65), deep(64));
        let seen = frames(&stream);
        assert_eq!(seen, [Err(Step::TooDeep { end: 0 }), ok(&deep(64)), ok("{}")]);
    }

    #[test]
    fn the_start_of_an_unfinished_value_is_known() {
        let mut scanner = Scanner::new(64);
        assert_eq!(scanner.next(b"{}  [1,"), Step::Frame { start: 0, end: 2 });
        assert_eq!(scanner.next(b"{}  [1,"), Step::More);
        assert_eq!((scanner.start(), scanner.is_inside()), (4, true));
        scanner.forget(4);
        assert_eq!(scanner.next(b"[1,2]"), Step::Frame { start: 0, end: 5 });
    }

    #[test]
    fn a_body_is_one_value_and_nothing_else() {
        assert_eq!(only_frame(b" {\"a\":1}\n", 64), Ok(&b"{\"a\":1}"[..]));
        assert_eq!(only_frame(b"{}{}", 64), Err(Step::Broken));
        assert_eq!(only_frame(b"{", 64), Err(Step::More));
        assert_eq!(only_frame(b"[[]]", 1), Err(Step::TooDeep { end: 4 }));
    }

    fn value() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(serde_json::Value::from),
            any::<i64>().prop_map(serde_json::Value::from),
            "\\PC{0,12}".prop_map(serde_json::Value::from),
            r#"["\\{}\[\]]{0,8}"#.prop_map(serde_json::Value::from),
        ];
        let tree = leaf.prop_recursive(5, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
                prop::collection::hash_map("\\PC{0,6}", inner, 0..4)
                    .prop_map(|it| serde_json::Value::Object(it.into_iter().collect())),
            ]
        });
        prop::collection::vec(tree, 0..4).prop_map(serde_json::Value::from)
    }

    proptest! {
        #[test]
        fn cutting_the_stream_anywhere_gives_the_same_frames(
            values in prop::collection::vec((value(), "[ \\n\\r\\t\\x00]{0,2}"), 0..5),
            mut cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let mut stream = String::new();
            for (value, blank) in &values {
                stream += &value.to_string();
                stream += blank;
            }
            let mut cuts: Vec<usize> = cuts.drain(..).map(|it| it.index(stream.len() + 1)).collect();
            cuts.sort_unstable();
            let wanted: Vec<_> = values.iter().map(|(value, _)| ok(&value.to_string())).collect();
            prop_assert_eq!(steps(stream.as_bytes(), &cuts, 64), wanted);
        }

        #[test]
        fn any_bytes_are_read_the_same_however_they_are_cut(
            stream in prop::collection::vec(
                prop_oneof![Just(b'{'), Just(b'}'), Just(b'['), Just(b']'), Just(b'"'), Just(b'\\'), any::<u8>()],
                0..200,
            ),
            cut in any::<prop::sample::Index>(),
        ) {
            let whole = steps(&stream, &[], 3);
            prop_assert_eq!(&steps(&stream, &[cut.index(stream.len() + 1)], 3), &whole);
            let everywhere: Vec<usize> = (0..stream.len()).collect();
            prop_assert_eq!(&steps(&stream, &everywhere, 3), &whole);
        }
    }
}
