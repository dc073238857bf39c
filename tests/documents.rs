//! `docs/rpc.md` says what the code says; `BLESS=1 cargo test --test documents` writes it anew. So does the
//! configuration that packages ship to copy from, and what the guides name exists, every block of code is run or checked, and the
//! documents are a book whose links lead somewhere. The manual page of product files has every key.

#![allow(
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test that cannot go on has failed, and says what it leaves out"
)]

#[path = "documents/blocks.rs"]
mod blocks;
#[path = "documents/book.rs"]
mod book;
#[path = "documents/configuration.rs"]
mod configuration;
#[path = "documents/installed.rs"]
mod installed;
#[path = "documents/names.rs"]
mod names;
#[path = "documents/product_page.rs"]
mod product_page;
#[path = "documents/stability.rs"]
mod stability;

use std::fmt::Write;
use std::path::Path;

use entitled::rpc::openrpc;
use entitled_client::{Anchor, Code, Step, Verdict};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde_json::Value;

const BEGIN: &str = "<!-- made from the code: begin -->\n";
const END: &str = "<!-- made from the code: end -->\n";

#[test]
fn the_reference_says_what_the_code_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rpc.md");
    let text = std::fs::read_to_string(&path).expect("docs/rpc.md is there");
    let (before, rest) = text.split_once(BEGIN).expect("docs/rpc.md has the begin mark");
    let (_, after) = rest.split_once(END).expect("docs/rpc.md has the end mark");
    let right = format!("{before}{BEGIN}\n{}\n{END}{after}", reference());
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &right).expect("docs/rpc.md can be written");
    }
    assert!(text == right, "docs/rpc.md is out of date: run BLESS=1 cargo test --test documents");
}

#[test]
fn every_reference_in_the_document_leads_somewhere() {
    let document = openrpc::document();
    let mut open = vec![document];
    while let Some(value) = open.pop() {
        if let Some(target) = value.get("$ref").and_then(Value::as_str) {
            let pointer = target.trim_start_matches('#');
            assert!(document.pointer(pointer).is_some(), "{target} leads nowhere");
        }
        match value {
            Value::Object(fields) => open.extend(fields.values()),
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
}

#[test]
fn parameters_that_are_needed_come_first() {
    for method in openrpc::document()["methods"].as_array().expect("methods") {
        let params = method["params"].as_array().expect("params");
        let needed: Vec<bool> = params.iter().map(|it| it["required"] == true).collect();
        assert!(needed.is_sorted_by(|a, b| a >= b), "{}: {needed:?}", method["name"]);
    }
}

#[test]
fn every_schema_is_used_and_every_error_named() {
    let document = openrpc::document();
    let text = document.to_string();
    for name in document["components"]["schemas"].as_object().expect("schemas").keys() {
        assert!(text.contains(&format!("\"#/components/schemas/{name}\"")), "{name} is not used");
    }
    let errors = document["components"]["errors"].as_object().expect("errors");
    // These three are met before any method is.
    let before = ["PARSE_ERROR", "INVALID_REQUEST", "METHOD_NOT_FOUND"];
    for name in errors.keys() {
        let used = text.contains(&format!("\"#/components/errors/{name}\""));
        assert_eq!(used, !before.contains(&name.as_str()), "{name}");
    }
    assert!(before.iter().all(|it| errors.contains_key(*it)), "all that can be met is there");
}

#[test]
fn what_a_reply_always_has_is_required() {
    let schemas = &openrpc::document()["components"]["schemas"];
    let required = schemas["Verdict"]["required"].as_array().expect("required");
    let fields = schemas["Verdict"]["properties"].as_object().expect("properties");
    assert_eq!(required.len(), fields.len(), "a verdict has all of its members, some null");
    assert!(schemas["VerdictCode"]["enum"].as_array().is_some_and(|it| it.len() >= 10));
}

/// What reads a type learns the names of its fields, and nothing else.
struct FieldsOf<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for FieldsOf<'_> {
    type Error = de::value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(de::Error::custom("no struct"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Self::Error> {
        *self.0 = fields;
        Err(de::Error::custom("seen"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

fn fields_of<'de, T: Deserialize<'de>>() -> Vec<&'static str> {
    let mut fields: &[&str] = &[];
    assert!(T::deserialize(FieldsOf(&mut fields)).is_err());
    fields.to_vec()
}

#[test]
fn the_client_knows_all_that_the_daemon_says_of_a_verdict() {
    let schemas = &openrpc::document()["components"]["schemas"];
    let written = |name: &str| -> Vec<&str> {
        let fields = schemas[name]["properties"].as_object().expect("properties");
        fields.keys().map(String::as_str).collect()
    };
    assert_eq!(fields_of::<Verdict>(), written("Verdict"));
    assert_eq!(fields_of::<Anchor>(), written("Anchor"));
    assert_eq!(fields_of::<Step>(), written("Step"));
    for code in schemas["VerdictCode"]["enum"].as_array().expect("codes") {
        let code = code.as_str().expect("a code").to_owned();
        assert!(!matches!(Code::from(code.clone()), Code::Other(_)), "{code}");
    }
}

#[test]
fn every_code_of_a_verdict_is_explained_to_programs_and_to_people() {
    let codes = openrpc::document()["components"]["schemas"]["VerdictCode"]["enum"].as_array();
    for page in ["docs/rpc.md", "docs/people.md"] {
        let text = names::read(page);
        for code in codes.expect("codes").iter().filter_map(Value::as_str) {
            assert!(text.contains(&format!("\n| `{code}` |")), "{page} does not explain {code}");
        }
    }
}

#[test]
fn the_alerts_and_the_dashboard_ask_for_figures_that_exist() {
    let read = |path: &str| {
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect(path)
    };
    let figures = read("src/rpc/metrics.rs") + &read("src/rpc/metrics/seats.rs");
    for file in ["alerts.yml", "dashboard.json"] {
        let text = read(&format!("packaging/monitoring/{file}"));
        let after = text.split("entitled_").skip(1);
        let mut names: Vec<&str> = after
            .map(|it| {
                it.split(|it: char| !it.is_ascii_lowercase() && it != '_')
                    .next()
                    .unwrap_or_default()
            })
            .collect();
        names.sort_unstable();
        names.dedup();
        assert!(names.len() > 5, "{file}");
        for name in names {
            let shorter = name.trim_end_matches("_total").trim_end_matches("_seconds_bucket");
            let known = [name, shorter].iter().any(|it| figures.contains(&format!("\"{it}\"")));
            assert!(known, "{file}: no figure is named entitled_{name}");
        }
    }
}

fn write_methods(document: &Value, text: &mut String) {
    text.push_str("## Methods\n");
    for method in document["methods"].as_array().expect("methods") {
        let name = method["name"].as_str().expect("a name");
        let admin = method["description"].as_str().is_some_and(|it| it.contains("admin"));
        let note = match (admin, method["x-stability"] == "experimental") {
            (true, true) => " *(admin socket, experimental)*",
            (true, false) => " *(admin socket)*",
            (false, true) => " *(experimental)*",
            (false, false) => "",
        };
        write!(
            text,
            "\n### `{name}`{note}\n\n{}\n\n",
            method["summary"].as_str().expect("a summary")
        )
        .expect("written");
        let params = method["params"].as_array().expect("params");
        if !params.is_empty() {
            text.push_str("| parameter | type | |\n|---|---|---|\n");
        }
        for param in params {
            let required = if param["required"] == Value::Bool(true) { "" } else { "?" };
            let schema = &param["schema"];
            let about = remark(schema, &param["x-stability"]);
            let param_name = param["name"].as_str().expect("a name");
            writeln!(text, "| `{param_name}{required}` | {} | {about} |", kind(schema))
                .expect("written");
        }
        let separator = if params.is_empty() { "" } else { "\n" };
        writeln!(text, "{separator}→ {}", kind(&method["result"]["schema"])).expect("written");
        let errors = method["errors"].as_array().expect("errors").iter();
        let names = errors.map(|it| it["$ref"].as_str().expect("a reference"));
        let names: Vec<_> =
            names.map(|it| format!("`{}`", it.rsplit('/').next().unwrap_or(it))).collect();
        writeln!(text, "\nErrors: {}.", names.join(", ")).expect("written");
    }
}

fn reference() -> String {
    let document = openrpc::document();
    let mut text = String::new();
    write_methods(document, &mut text);
    text.push_str("\n## Notifications\n");
    for notification in document["x-notifications"].as_array().expect("notifications") {
        let words =
            ["name", "summary", "description"].map(|it| notification[it].as_str().expect(it));
        write!(text, "\n### `{}`\n\n{} {}\n\n", words[0], words[1], words[2]).expect("written");
        text.push_str("| parameter | type |\n|---|---|\n");
        for param in notification["params"].as_array().expect("params") {
            let required = if param["required"] == Value::Bool(true) { "" } else { "?" };
            let name = param["name"].as_str().expect("a name");
            writeln!(text, "| `{name}{required}` | {} |", kind(&param["schema"])).expect("written");
        }
    }
    write_types(document, &mut text);
    text.push_str("\n## Errors\n\n| code | name | what helps |\n|---|---|---|\n");
    for (name, error) in document["components"]["errors"].as_object().expect("errors") {
        let help = error["data"]["help"].as_str().expect("help");
        writeln!(text, "| {} | `{name}` | {help} |", error["code"]).expect("written");
    }
    text
}

fn write_types(document: &Value, text: &mut String) {
    text.push_str("\n## Types\n");
    for (name, schema) in document["components"]["schemas"].as_object().expect("schemas") {
        if let Some(words) = schema["enum"].as_array() {
            let words: Vec<_> = words.iter().filter_map(Value::as_str).collect();
            write!(text, "\n### {name}\n\n`{}`\n", words.join("`, `")).expect("written");
        }
        let Some(fields) = schema["properties"].as_object() else { continue };
        let about = schema["description"].as_str().unwrap_or("").replace('\n', " ");
        write!(text, "\n### {name}\n\n").expect("written");
        if !about.is_empty() {
            write!(text, "{about}\n\n").expect("written");
        }
        text.push_str("| field | type | |\n|---|---|---|\n");
        for (field, schema) in fields {
            let about = remark(schema, &schema["x-stability"]);
            writeln!(text, "| `{field}` | {} | {about} |", kind(schema)).expect("written");
        }
    }
}

/// What is said of a parameter or a field, beginning with whether it may still change.
fn remark(schema: &Value, stability: &Value) -> String {
    let about = schema["description"].as_str().unwrap_or("").replace('\n', " ");
    let mark = if stability == "experimental" { "*Experimental.* " } else { "" };
    format!("{mark}{about}").trim_end().to_owned()
}

/// A schema in a few words.
fn kind(schema: &Value) -> String {
    if let Some(target) = schema["$ref"].as_str() {
        return target.rsplit('/').next().unwrap_or(target).to_owned();
    }
    for several in ["anyOf", "oneOf", "allOf"] {
        if let Some(options) = schema[several].as_array() {
            return options.iter().map(kind).collect::<Vec<_>>().join(" or ");
        }
    }
    match &schema["type"] {
        Value::String(one) if one == "array" => format!("list of {}", kind(&schema["items"])),
        Value::String(one) if one == "object" && schema["additionalProperties"].is_object() => {
            format!("map to {}", kind(&schema["additionalProperties"]))
        }
        Value::String(one) => one.clone(),
        Value::Array(several) => {
            several.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or ")
        }
        _ => "any".to_owned(),
    }
}
