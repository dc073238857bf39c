//! The API as an OpenRPC 1.3 document, made from the table of methods, the types on the wire, and an example of each
//! method, which a test executes.

mod about;
mod stability;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use bytes::Bytes;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};

use super::error::Code;
use super::methods::{ROWS, Row};
use super::wire;
use entitled_core::domain::peer::Access;

/// The subscriptions, which are registered apart from the table.
const SUBSCRIPTION: &[Row] = &[
    Row {
        name: "entitlement_subscribe",
        access: Access::Anybody,
        writes: false,
        changes: false,
        summary: "Be told by `entitlement_changed` at once, and whenever the verdict says something else. \
                  On raw and WebSocket framing.",
        params: SchemaGenerator::subschema_for::<wire::OfProduct>,
        result: SchemaGenerator::subschema_for::<u64>,
    },
    Row {
        name: "entitlement_unsubscribe",
        access: Access::Anybody,
        writes: false,
        changes: false,
        summary: "Be told no more.",
        params: SchemaGenerator::subschema_for::<wire::OfSubscription>,
        result: SchemaGenerator::subschema_for::<bool>,
    },
    Row {
        name: "seat_subscribe",
        access: Access::SelfService,
        writes: false,
        changes: false,
        summary: "Be told by `seat_changed` what happens to the seats of one's own user from now on; on the admin \
                  socket to everybody's. On raw and WebSocket framing.",
        params: SchemaGenerator::subschema_for::<wire::SeatSubscribe>,
        result: SchemaGenerator::subschema_for::<u64>,
    },
    Row {
        name: "seat_unsubscribe",
        access: Access::SelfService,
        writes: false,
        changes: false,
        summary: "Be told no more.",
        params: SchemaGenerator::subschema_for::<wire::OfSubscription>,
        result: SchemaGenerator::subschema_for::<bool>,
    },
];

static DOCUMENT: LazyLock<Value> = LazyLock::new(make);
static TEXT: LazyLock<Box<RawValue>> = LazyLock::new(|| {
    // A tree of JSON is JSON: there is nothing that could fail.
    to_raw_value(&*DOCUMENT).unwrap_or_else(|_| RawValue::NULL.to_owned())
});

/// The document, complete and self-contained. Made once.
pub fn document() -> &'static Value {
    &DOCUMENT
}

/// The same as JSON.
pub fn json() -> &'static RawValue {
    &TEXT
}

/// The same as bytes. Clones share them.
pub(super) fn text() -> Bytes {
    Bytes::from_static(TEXT.get().as_bytes())
}

/// Two views of the types: what a request may leave out, and what a reply always has.
struct Schemas {
    requests: SchemaGenerator,
    replies: SchemaGenerator,
}

fn make() -> Value {
    let settings =
        || SchemaSettings::draft07().with(|it| it.definitions_path = "/components/schemas".into());
    let mut schemas = Schemas {
        requests: settings().into_generator(),
        replies: settings().for_serialize().into_generator(),
    };
    let rows = ROWS.iter().chain(SUBSCRIPTION);
    let methods: Vec<Value> = rows.map(|row| method(row, &mut schemas)).collect();
    let notifications = notifications(&mut schemas);
    let mut definitions = schemas.requests.take_definitions(true);
    definitions.append(&mut schemas.replies.take_definitions(true));
    let used = used(&[&Value::from(methods.clone()), &notifications], &definitions);
    definitions.retain(|name, _| used.contains(name));
    stability::mark_fields(&mut definitions);
    json!({
        "openrpc": "1.3.2",
        "info": {
            "title": "entitled",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What is this customer entitled to? Answered on a local Unix socket.",
        },
        "methods": methods,
        // OpenRPC has no word for what a server says unasked.
        "x-notifications": notifications,
        "components": { "schemas": definitions, "errors": errors() },
    })
}

fn method(row: &Row, schemas: &mut Schemas) -> Value {
    let reference = (row.params)(&mut schemas.requests);
    let result = (row.result)(&mut schemas.replies);
    let mut params = parameters(reference.as_value(), &schemas.requests);
    stability::mark_parameters(row.name, &mut params);
    let names_customer = params.iter().any(|it| it["name"] == "customer");
    let errors = about::errors(row.name, names_customer);
    let reference = |code: &Code| json!({ "$ref": format!("#/components/errors/{}", code.name()) });
    json!({
        "name": row.name,
        "summary": row.summary,
        "description": match row.access {
            Access::SelfService if row.writes => "Answered on both sockets. Each user makes a few changes a minute.",
            Access::Anybody | Access::SelfService => "Answered on both sockets.",
            Access::Owner if row.writes => "Answered on both sockets, and never to a delegate. Each user makes a few changes a minute.",
            Access::Owner => "Answered on both sockets, and never to a delegate.",
            Access::Admin => "Answered on the admin socket only.",
        },
        stability::NAME: stability::of(row.name),
        "paramStructure": "either",
        "params": params,
        "result": { "name": "result", "schema": result },
        "errors": errors.iter().map(reference).collect::<Vec<_>>(),
        "examples": about::example(row.name),
    })
}

/// The fields of a parameter type, in order, each with its own schema.
fn parameters(reference: &Value, schemas: &SchemaGenerator) -> Vec<Value> {
    let name = reference["$ref"].as_str().and_then(|it| it.rsplit('/').next());
    let definition = name.and_then(|it| schemas.definitions().get(it)).unwrap_or(reference);
    let required = definition["required"].as_array();
    let is_required = |field: &str| required.is_some_and(|it| it.iter().any(|one| one == field));
    let fields = definition["properties"].as_object();
    let describe = |(field, schema): (&String, &Value)| json!({ "name": field, "required": is_required(field), "schema": schema });
    fields.map(|it| it.iter().map(describe).collect()).unwrap_or_default()
}

fn notifications(schemas: &mut Schemas) -> Value {
    let verdict = schemas.replies.subschema_for::<wire::Verdict>().to_value();
    let seat = schemas.replies.subschema_for::<wire::SeatChanged>().to_value();
    json!([
        notification(
            ("entitlement_changed", "entitlement_subscribe", "entitlement_unsubscribe"),
            "The verdict of a subscription: at once, and whenever it says something else.",
            &verdict,
        ),
        notification(
            ("seat_changed", "seat_subscribe", "seat_unsubscribe"),
            "What has happened to a seat.",
            &seat,
        ),
    ])
}

fn notification((name, begins, ends): (&str, &str, &str), summary: &str, result: &Value) -> Value {
    let why = json!({ "type": "string", "description": "Why it ends, in the place of `result`." });
    let params = [
        ("subscription", true, &json!({ "type": "integer", "minimum": 0 })),
        ("result", false, result),
        ("error", false, &why),
    ];
    let describe =
        |(name, required, schema)| json!({ "name": name, "required": required, "schema": schema });
    let mut params = params.map(describe);
    stability::mark_parameters(name, &mut params);
    json!({
        "name": name,
        stability::NAME: stability::of(name),
        "summary": summary,
        "description": format!(
            "Sent after {begins}, on its connection, until {ends}. The last may have `error` in the place of `result`."
        ),
        "paramStructure": "by-name",
        "params": params,
    })
}

/// The names of the definitions that `from` leads to.
fn used(from: &[&Value], definitions: &Map<String, Value>) -> BTreeSet<String> {
    let mut open: Vec<&Value> = from.to_vec();
    let mut used = BTreeSet::new();
    while let Some(value) = open.pop() {
        match value {
            Value::Object(fields) => {
                let name = fields.get("$ref").and_then(Value::as_str);
                let name = name.and_then(|it| it.strip_prefix("#/components/schemas/"));
                if let Some(name) = name
                    && used.insert(name.to_owned())
                {
                    open.extend(definitions.get(name));
                }
                open.extend(fields.values());
            }
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    used
}

fn errors() -> Map<String, Value> {
    let describe = |code: &Code| {
        let error = json!({
            "code": code.number(),
            "message": code.name(),
            "data": { "code": code.name(), "help": code.help() },
        });
        (code.name().to_owned(), error)
    };
    Code::ALL.iter().map(describe).collect()
}
