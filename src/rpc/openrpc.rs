//! The API as an OpenRPC 1.3 document, made from the table of methods and the types on the wire.

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::error::Code;
use super::methods::{ROWS, Row};
use super::wire;
use crate::domain::peer::Access;

/// The subscription, which is registered apart from the table.
const SUBSCRIPTION: &[Row] = &[
    Row {
        name: "entitlement_subscribe",
        access: Access::SelfService,
        writes: false,
        summary: "Be told by `entitlement_changed` at once, and whenever the verdict says something else. \
                  On raw and WebSocket framing.",
        params: SchemaGenerator::subschema_for::<wire::OfProduct>,
        result: SchemaGenerator::subschema_for::<u64>,
    },
    Row {
        name: "entitlement_unsubscribe",
        access: Access::SelfService,
        writes: false,
        summary: "Be told no more.",
        params: SchemaGenerator::subschema_for::<wire::OfSubscription>,
        result: SchemaGenerator::subschema_for::<bool>,
    },
];

/// The document, complete and self-contained.
pub fn document() -> Value {
    let settings = SchemaSettings::draft07().with(|it| {
        it.definitions_path = "/components/schemas".into();
    });
    let mut schemas = settings.into_generator();
    let rows = ROWS.iter().chain(SUBSCRIPTION);
    let methods: Vec<Value> = rows.map(|row| method(row, &mut schemas)).collect();
    let definitions: Map<String, Value> = schemas.take_definitions(true);
    json!({
        "openrpc": "1.3.2",
        "info": {
            "title": "entitled",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What is this customer entitled to? Answered on a local Unix socket.",
        },
        "methods": methods,
        "components": { "schemas": definitions, "errors": errors() },
    })
}

fn method(row: &Row, schemas: &mut SchemaGenerator) -> Value {
    let reference = (row.params)(schemas);
    let result = (row.result)(schemas);
    json!({
        "name": row.name,
        "summary": row.summary,
        "description": match row.access {
            Access::SelfService if row.writes => "Answered on both sockets. Each user makes a few changes a minute.",
            Access::SelfService => "Answered on both sockets.",
            Access::Admin => "Answered on the admin socket only.",
        },
        "paramStructure": "either",
        "params": parameters(reference.as_value(), schemas),
        "result": { "name": "result", "schema": result },
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
