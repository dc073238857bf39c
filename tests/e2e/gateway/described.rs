//! The gateway's own description: complete, and what the gateway does.

use std::process::Command;

use serde_json::Value;

use crate::support::gateway::{GatewayStage, TOKEN, curl, everything};
use crate::support::prerequisites::skipped;
use crate::support::tests_dir;

#[test]
fn the_description_names_every_endpoint_and_refers_to_what_is_there() {
    let stage = GatewayStage::start(&everything());
    // It says nothing of anybody: whoever reaches the gateway may read it.
    let document = curl(&[&stage.gateway.url("/openapi.json")]).ok();
    assert_eq!(document["openapi"], "3.1.0");
    let mut ids: Vec<&str> = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (verb, operation) in operations.as_object().unwrap() {
            ids.push(operation["operationId"].as_str().unwrap());
            let url = stage.gateway.url(&path.replace(['{', '}'], ""));
            let asked = curl(&["-X", &verb.to_uppercase(), &url]);
            assert_eq!(asked.status, 401, "{verb} {path} is there, and not for everybody");
        }
    }
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((all, ids.len()), (26, 26));
    references(&document, &document);
}

/// Every reference leads to something in the document.
fn references(value: &Value, document: &Value) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(to)) = fields.get("$ref") {
                assert!(document.pointer(to.trim_start_matches('#')).is_some(), "{to}");
            }
            fields.values().for_each(|it| references(it, document));
        }
        Value::Array(items) => items.iter().for_each(|it| references(it, document)),
        _ => {}
    }
}

#[test]
fn the_description_is_an_openapi_document_by_the_standards_own_schema() {
    let python = tests_dir().join(".venv/bin/python");
    let validator = "openapi_spec_validator";
    let has = Command::new(&python).args(["-c", &format!("import {validator}")]).output();
    if !has.is_ok_and(|it| it.status.success()) {
        skipped(
            "the gateway's description by OpenAPI's schema",
            "openapi-spec-validator in tests/.venv",
        );
        return;
    }
    let stage = GatewayStage::start(&everything());
    let document = curl(&[&stage.gateway.url("/openapi.json")]).text;
    std::fs::write(stage.file("openapi.json"), document).unwrap();
    let output =
        Command::new(python).args(["-m", validator]).arg(stage.file("openapi.json")).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn schemathesis_finds_nothing_that_the_description_does_not_say() {
    let schemathesis = tests_dir().join(".venv/bin/schemathesis");
    if !schemathesis.exists() {
        skipped("the gateway against its description", "schemathesis in tests/.venv");
        return;
    }
    let stage = GatewayStage::entitled(&everything());
    let bearer = format!("Authorization: Bearer {TOKEN}");
    // "Not known now" is an answer: of a chain, for one, that is not configured.
    let expected =
        "[checks.not_a_server_error]\nexpected-statuses = [\"2xx\", \"3xx\", \"4xx\", \"503\"]\n";
    std::fs::write(stage.file("schemathesis.toml"), expected).unwrap();
    let mut command = Command::new(schemathesis);
    command.current_dir(stage.daemon.home());
    command.args(["run", &stage.gateway.url("/openapi.json"), "-H", &bearer, "-n", "12"]);
    // Streams of events have no end; the daemon says 429 when it is asked for many changes, as it is meant to.
    command.args(["--exclude-path", "/api/v1/events", "--phases", "examples,coverage,fuzzing"]);
    command.args([
        "--exclude-checks",
        "positive_data_acceptance,unsupported_method,missing_required_header",
    ]);
    command.args(["--seed", "7", "--no-color", "--suppress-health-check", "all"]);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{errors}");
}
