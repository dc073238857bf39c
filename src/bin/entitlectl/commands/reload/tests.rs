use serde_json::json;

use super::*;

#[test]
fn each_mistake_has_a_line() {
    let reloaded = json!({"products": 2, "faults": ["a.toml: x", "b.toml: y\u{1b}"], "warnings": [],
        "applied": ["log.level"], "needs_restart": []});
    let wanted =
        "products  2\nmistake   a.toml: x\nmistake   b.toml: y\u{fffd}\napplied   log.level";
    assert_eq!(told(&reloaded), wanted);
}
