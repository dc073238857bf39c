use super::*;

#[test]
fn a_reach_covers_what_it_has_all_of() {
    let direct = Reach::default();
    let vaults = Reach { delegation: Some(B256::ZERO), token_bound: false };
    let rights = Reach { delegation: Some(B256::repeat_byte(1)), token_bound: false };
    let both = Reach { token_bound: true, ..vaults };
    for (wide, narrow, covers) in [
        (direct, direct, true),
        (vaults, direct, true),
        (direct, vaults, false),
        (both, vaults, true),
        (vaults, both, false),
        (rights, vaults, true),
        (vaults, rights, false),
    ] {
        assert_eq!(wide.covers(&narrow), covers, "{wide:?} {narrow:?}");
    }
}

#[test]
fn a_rule_is_written_as_it_always_was() {
    let text = |rule: Rule| serde_json::to_string(&rule).unwrap();
    assert_eq!(text(Rule::Owner), "\"owner\"");
    assert_eq!(text(Rule::Balance { min: U256::from(2) }), r#"{"balance":{"min":"0x2"}}"#);
    assert_eq!(serde_json::to_string(&Reach::default()).unwrap(), "{}");
}
