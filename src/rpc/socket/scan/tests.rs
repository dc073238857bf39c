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
