//! What of the API stays as it is: a mark for each method, parameter, and field of a reply.
//!
//! The marks stand in `stability.txt`, each name on a line of its own: nothing gets one by itself, and what loses its
//! line is missed. `tests/documents/stability.rs` holds both against the document; the promise is in `docs/rpc.md`.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::{Map, Value};

/// OpenRPC has no word for it.
pub(super) const NAME: &str = "x-stability";

/// `METHOD`, `METHOD.PARAMETER` or `TYPE.FIELD`, and its mark.
static MARKS: LazyLock<HashMap<&str, &str>> = LazyLock::new(|| {
    let lines = include_str!("stability.txt").lines();
    lines.filter_map(|it| it.split_once(' ')).collect()
});

/// The mark of a name; `null` where somebody forgot it, which a test notices.
pub(super) fn of(name: &str) -> Value {
    MARKS.get(name).map_or(Value::Null, |it| Value::from(*it))
}

/// The mark of a part: a parameter of a method, a field of a type.
fn of_part(whole: &str, part: &str) -> Value {
    of(&format!("{whole}.{part}"))
}

/// Marks every parameter of a method or a notification.
pub(super) fn mark_parameters(method: &str, parameters: &mut [Value]) {
    for parameter in parameters {
        let mark = of_part(method, parameter["name"].as_str().unwrap_or_default());
        parameter[NAME] = mark;
    }
}

/// Marks every field of every type.
pub(super) fn mark_fields(definitions: &mut Map<String, Value>) {
    for (name, definition) in definitions {
        let fields = definition.get_mut("properties").and_then(Value::as_object_mut);
        for (field, schema) in fields.into_iter().flatten() {
            // The schema of a field of any kind may be `true`.
            if *schema == Value::Bool(true) {
                *schema = Value::Object(Map::new());
            }
            if let Some(schema) = schema.as_object_mut() {
                schema.insert(NAME.to_owned(), of_part(name, field));
            }
        }
    }
}
