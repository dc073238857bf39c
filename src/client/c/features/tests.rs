use super::*;

fn verdict<const COUNT: usize>(features: [(&str, Feature); COUNT]) -> Verdict {
    let features = features.into_iter().map(|(name, it)| (name.to_owned(), it)).collect();
    let (features, left_out) = write(&features);
    let features_left_out = i32::try_from(left_out).unwrap();
    Verdict { state: State::Yes, features, features_left_out, ..Verdict::INIT }
}

#[test]
fn every_kind_of_feature_comes_back_as_it_was() {
    let kinds = [
        ("flag", Feature::Flag(true)),
        ("number", Feature::Number(1.5)),
        ("other", Feature::Other(serde_json::json!([1, "a"]))),
        ("text", Feature::Text("a \"quoted\" é\n".to_owned())),
        ("whole", Feature::Whole(i64::MIN)),
    ];
    let verdict = verdict(kinds.clone());
    for (name, feature) in kinds {
        assert_eq!(find(&verdict, name), Ok(feature), "{name}");
    }
    assert_eq!(find(&verdict, "none"), Err(State::No));
}

#[test]
fn only_a_yes_has_features() {
    let mut verdict = verdict([("export", Feature::Flag(true))]);
    for state in [State::No, State::NotKnown] {
        verdict.state = state;
        assert_eq!(find(&verdict, "export"), Err(state));
    }
}

#[test]
fn what_finds_no_place_is_not_known_and_not_a_no() {
    let long = "x".repeat(5_000);
    let most = verdict([
        ("a", Feature::Text(long.clone())),
        ("b", Feature::Text(long.clone())),
        ("c", Feature::Flag(true)),
    ]);
    assert_eq!(most.features_left_out, 1);
    assert_eq!(find(&most, "a"), Ok(Feature::Text(long)));
    assert_eq!(find(&most, "b"), Err(State::NotKnown));
    assert_eq!(find(&most, "c"), Ok(Feature::Flag(true)));
    assert_eq!(find(&most, "none"), Err(State::NotKnown), "it may be among those left out");
}

#[test]
fn a_field_can_be_filled_to_its_last_byte() {
    // `{"a":""}` and the end are nine bytes.
    let filled = |length: usize| {
        let features = BTreeMap::from([("a".to_owned(), Feature::Text("x".repeat(length)))]);
        write::<64>(&features).1
    };
    assert_eq!((filled(55), filled(56)), (0, 1));
}

#[test]
fn what_is_no_object_is_not_known() {
    for text in ["", "[]", "{\"export\":tr", "\u{1}"] {
        let verdict = Verdict { state: State::Yes, features: text::whole(text), ..Verdict::INIT };
        assert_eq!(find(&verdict, "export"), Err(State::NotKnown), "{text:?}");
    }
}
