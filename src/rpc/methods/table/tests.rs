use super::*;

#[test]
fn each_question_is_a_method_for_everybody() {
    for name in QUESTIONS {
        let row = ROWS.iter().find(|it| it.name == *name);
        let everybodys = [Access::Anybody, Access::SelfService];
        assert!(row.is_some_and(|it| everybodys.contains(&it.access)), "{name}");
    }
}

/// What a change came to is told whatever room is left, so that no list may be one.
#[test]
fn what_is_only_asked_changes_nothing() {
    let asked = ["_list", "_get", "_status", "_check", "_verify", "_stats", "_history", "_health"];
    for row in ROWS {
        let is_asked =
            QUESTIONS.contains(&row.name) || asked.iter().any(|it| row.name.ends_with(it));
        assert!(!(is_asked && row.changes), "{}", row.name);
        assert!(row.changes || !row.writes, "{}", row.name);
    }
    for name in ["customer_update", "seat_acquire", "seat_release", "wallet_create", "keys_rotate"]
    {
        assert!(changes(name), "{name}");
    }
    assert!(!changes("nothing_known"));
}
