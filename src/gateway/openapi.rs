//! The endpoints as an OpenAPI 3.1 document, made from their table and from the daemon's own document.

use std::sync::LazyLock;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::endpoints::{ENDPOINTS, Endpoint, Kind, Narrowing};
use crate::rpc::openrpc;

static TEXT: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(document().to_string()));

/// The document as it is sent. Clones share it.
pub(super) fn text() -> Bytes {
    TEXT.clone()
}

/// The document, complete and self-contained.
pub(super) fn document() -> Value {
    let mut paths = Map::new();
    for endpoint in ENDPOINTS {
        let at = paths.entry(endpoint.path).or_insert_with(|| json!({}));
        at[endpoint.verb.to_ascii_lowercase()] = operation(endpoint);
    }
    let mut schemas = openrpc::document()["components"]["schemas"].clone();
    schemas["Problem"] = problem();
    json!({
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://spec.openapis.org/oas/3.1/dialect/base",
        "info": {
            "title": "entitled gateway",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What is this customer entitled to? Asked over HTTP, answered by the daemon.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "bearer": { "type": "http", "scheme": "bearer" }, "certificate": { "type": "mutualTLS" } },
        },
        "security": [{ "bearer": [] }, { "certificate": [] }],
    })
}

/// The daemon's description of a method.
fn method(name: &str) -> Option<&'static Value> {
    openrpc::document()["methods"].as_array()?.iter().find(|it| it["name"] == name)
}

fn operation(endpoint: &Endpoint) -> Value {
    let method = method(endpoint.method);
    let summary = match endpoint.kind {
        Kind::Rpc => {
            "JSON-RPC 2.0, of the methods behind these endpoints. A batch has at most 32 requests."
                .into()
        }
        Kind::Flags => "Flags in the form of OpenFeature (OFREP 0.3).".into(),
        Kind::Seat => {
            "Take a floating seat, which lasts as long as the stream of events that answers.".into()
        }
        _ => method.map_or(Value::Null, |it| it["summary"].clone()),
    };
    let mut operation = json!({
        "operationId": operation_id(endpoint),
        "summary": summary,
        "description": format!("Needs the scope `{}`.", endpoint.scope.word()),
        "responses": responses(endpoint, method),
    });
    let parameters = parameters(endpoint, method);
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    if endpoint.verb == "POST" {
        operation["requestBody"] = body(endpoint, method);
    }
    operation
}

fn operation_id(endpoint: &Endpoint) -> String {
    let path = endpoint.path.trim_start_matches("/api/v1/").replace(['{', '}'], "");
    let words: Vec<&str> = path.split(['/', '_', '-']).filter(|it| !it.is_empty()).collect();
    format!("{}_{}", endpoint.verb.to_ascii_lowercase(), words.join("_"))
}

fn schema_of(method: Option<&Value>, name: &str) -> Value {
    let params = method.and_then(|it| it["params"].as_array());
    let found = params.and_then(|it| it.iter().find(|it| it["name"] == name));
    match (name, found) {
        (_, Some(found)) => found["schema"].clone(),
        ("context", None) => json!({ "type": ["object", "null"] }),
        _ => json!({ "type": "string" }),
    }
}

fn example_of(method: Option<&Value>, name: &str) -> Option<Value> {
    let params = method?["examples"][0]["params"].as_array()?;
    params.iter().find(|it| it["name"] == name).map(|it| it["value"].clone())
}

fn parameters(endpoint: &Endpoint, method: Option<&Value>) -> Vec<Value> {
    let parts = endpoint.path.split('/');
    let in_path = parts.filter_map(|it| it.strip_prefix('{').and_then(|it| it.strip_suffix('}')));
    let in_path = in_path.map(|name| {
        let mut schema = schema_of(method, name);
        // Of a part of the address there is always one, and it is not empty.
        schema = json!({ "type": "string", "minLength": 1, "description": schema["description"] });
        if let Some(object) = schema.as_object_mut() {
            object.retain(|_, it| !it.is_null());
        }
        json!({ "name": name, "in": "path", "required": true, "schema": schema })
    });
    let in_query = endpoint.query.iter().map(|name| {
        let mut schema = schema_of(method, name);
        // In an address nothing is `null`: it is left out.
        if let Some(kinds) = schema["type"].as_array_mut() {
            kinds.retain(|it| it != "null");
        }
        if let Some(schema) = schema.as_object_mut() {
            schema.retain(|key, it| key != "default" || !it.is_null());
        }
        let required = endpoint.kind == Kind::Events;
        json!({ "name": name, "in": "query", "required": required, "schema": schema })
    });
    in_path.chain(in_query).collect()
}

fn body(endpoint: &Endpoint, method: Option<&Value>) -> Value {
    let mut properties = Map::new();
    let mut example = Map::new();
    let mut required = Vec::new();
    for name in endpoint.body {
        properties.insert((*name).to_owned(), schema_of(method, name));
        example.extend(example_of(method, name).map(|it| ((*name).to_owned(), it)));
        let params = method.and_then(|it| it["params"].as_array()).into_iter().flatten();
        if params.filter(|it| it["required"] == true).any(|it| it["name"] == *name) {
            required.push(*name);
        }
    }
    let schema = match endpoint.kind {
        Kind::Rpc => {
            json!({ "oneOf": [{ "type": "object" }, { "type": "array", "minItems": 1, "maxItems": 32 }] })
        }
        // Other members are for other versions of the protocol.
        Kind::Flags => json!({ "type": "object", "properties": properties }),
        _ => {
            let own =
                json!({ "type": "string", "description": "The client's own, if it is given." });
            properties.insert("customer_id".to_owned(), own);
            json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
        }
    };
    let is_needed = endpoint.kind == Kind::Rpc || !required.is_empty();
    let mut content = json!({ "schema": schema });
    let has_all = required.iter().all(|it| example.contains_key(*it));
    if endpoint.kind == Kind::Rpc {
        content["example"] =
            json!({ "jsonrpc": "2.0", "id": 1, "method": "tier_list", "params": {} });
    } else if has_all && endpoint.kind != Kind::Flags {
        content["example"] = Value::from(example);
    }
    json!({ "required": is_needed, "content": { "application/json": content } })
}

fn responses(endpoint: &Endpoint, method: Option<&Value>) -> Value {
    let result = method.map_or(json!({}), |it| it["result"]["schema"].clone());
    let example = method.map(|it| it["examples"][0]["result"]["value"].clone());
    let example = example.filter(|it| !it.is_null() && endpoint.narrowing != Narrowing::Catalogue);
    let json = |schema: Value| json!({ "application/json": { "schema": schema } });
    let mut responses = Map::new();
    let mut add = |status: &str, what: &str, content: Value| {
        responses.insert(status.to_owned(), json!({ "description": what, "content": content }));
    };
    match endpoint.kind {
        Kind::Question | Kind::Work => {
            let mut content = json(result);
            if let Some(example) = example {
                content["application/json"]["example"] = example;
            }
            add("200", "The answer.", content);
        }
        Kind::Change => {
            if endpoint.method == "seat_borrow" {
                add("200", "Why there is no seat.", json(result.clone()));
            }
            add("201", "What was made.", json(result));
        }
        Kind::Events => {
            add("200", "Events `entitlement_changed`.", json!({ "text/event-stream": {} }))
        }
        Kind::Seat => {
            let mut content = json(result);
            content["text/event-stream"] = json!({});
            add("200", "Events `seat` and `ended`; or why there is no seat, as JSON.", content);
        }
        Kind::Flags => {
            add("200", "An evaluation.", json(json!({ "type": "object" })));
            add("500", "No evaluation.", json(json!({ "type": "object" })));
        }
        Kind::Rpc => {
            add("200", "A reply, or several.", json(json!({ "type": ["object", "array"] })));
            responses.insert("204".to_owned(), json!({ "description": "Nothing was asked." }));
        }
    }
    if endpoint.kind == Kind::Question {
        responses
            .insert("304".to_owned(), json!({ "description": "It is as the client knows it." }));
    }
    let refused = json!({ "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } });
    let mut refused = json!({ "description": "Refused, or not known.", "content": refused });
    if endpoint.kind == Kind::Flags {
        refused["content"]["application/json"] = json!({ "schema": { "type": "object" } });
    }
    responses.insert("default".to_owned(), refused);
    responses.into()
}

/// RFC 9457, with what the daemon says of an error.
fn problem() -> Value {
    let text = json!({ "type": "string" });
    json!({
        "type": "object",
        "properties": {
            "type": text, "title": text, "status": { "type": "integer" }, "detail": text,
            "code": text, "help": text, "request_id": text,
        },
        "required": ["type", "title", "status", "detail", "code", "request_id"],
    })
}
