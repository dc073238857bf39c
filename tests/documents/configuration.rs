//! `packaging/config/defaults.toml`, which packages ship to copy from, has every key that the daemon reads, and no other; what it
//! shows as a default is one. The manual has every key of it.

use std::collections::BTreeSet;

use entitled::config::{Config, Environment};

use super::names::read;

const SHIPPED: &str = "packaging/config/defaults.toml";
/// A key that is none, and far from all.
const NONE: &str = "qqqqqqqqqqqqqqqq";
/// Tables whose keys are somebody else's names: methods, and headers of HTTP.
const FREE: [&str; 2] = ["units", "headers"];

/// The configuration of root's daemon, or what is wrong with it.
fn configured(text: &str) -> Result<Config, Vec<String>> {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("entitled.toml");
    std::fs::write(&file, text).expect("written");
    match Config::read(Some(&file), &Environment::default()) {
        Ok(loaded) => Ok(loaded.config),
        Err(faults) => Err(faults.to_string().lines().map(str::to_owned).collect()),
    }
}

/// The shipped file without the mark before its keys, of the lines that are asked for. Prose has a space behind the mark.
fn shipped(wanted: impl Fn(&str) -> bool) -> String {
    let text = read(SHIPPED);
    let lines = text.lines().filter_map(|line| match line.strip_prefix('#') {
        Some(key) if !key.is_empty() && !key.starts_with(' ') => wanted(key).then_some(key),
        _ => Some(line),
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn is_example(key: &str) -> bool {
    key.contains("# Example. ")
}

/// Without these there is no such section.
fn is_required(key: &str) -> bool {
    key.starts_with('[') || key.contains("# Example. Required")
}

#[test]
fn what_is_no_example_is_the_default() {
    let with_defaults = shipped(|it| is_required(it) || !is_example(it));
    let without = shipped(is_required);
    assert!(with_defaults.len() > without.len() + 1_000, "{with_defaults}");
    // Two endpoints or more are a quorum.
    assert_eq!(configured(&with_defaults).expect(SHIPPED), configured(&without).expect(SHIPPED));
}

#[test]
fn the_examples_are_right() {
    configured(&shipped(|_| true)).expect(SHIPPED);
}

/// The keys that are known at `path`, by what is said of one that is not.
fn known(path: &[String]) -> BTreeSet<String> {
    // `chain` and what stands below it are lists of tables.
    let heading = match path {
        [] => String::new(),
        [first, ..] if first == "chain" => {
            let above = if path.len() > 1 { "[[chain]]\nid = \"eip155:1\"\n" } else { "" };
            format!("{above}[[{}]]", path.join("."))
        }
        _ => format!("[{}]", path.join(".")),
    };
    let faults = configured(&format!("{heading}\n{NONE} = 1\n")).expect_err("a key that is none");
    let said = faults.iter().find(|it| it.contains(NONE)).expect("it is told");
    let (_, names) = said.split_once("here are known: ").expect("what is known is named");
    names.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The tables in `value`, by their path, with their keys. Of a list of tables the keys of all.
fn tables(path: &[String], value: &toml::Value, found: &mut Vec<(Vec<String>, BTreeSet<String>)>) {
    match value {
        toml::Value::Table(table) => {
            let keys = table.keys().cloned();
            match found.iter_mut().find(|it| it.0 == path) {
                Some((_, known)) => known.extend(keys),
                None => found.push((path.to_vec(), keys.collect())),
            }
            for (key, value) in table.iter().filter(|it| !FREE.contains(&it.0.as_str())) {
                tables(&[path, std::slice::from_ref(key)].concat(), value, found);
            }
        }
        toml::Value::Array(items) => items.iter().for_each(|it| tables(path, it, found)),
        _ => {}
    }
}

fn shipped_tables() -> Vec<(Vec<String>, BTreeSet<String>)> {
    let all: toml::Value = toml::Value::Table(shipped(|_| true).parse().expect("TOML"));
    let mut found = Vec::new();
    tables(&[], &all, &mut found);
    assert!(found.len() > 12, "{found:?}");
    found
}

#[test]
fn the_shipped_file_has_every_key_that_is_read_and_no_other() {
    for (path, keys) in shipped_tables() {
        assert_eq!(keys, known(&path), "[{}] of {SHIPPED}", path.join("."));
    }
}

#[test]
fn the_manual_has_every_key() {
    let [manual, chains, fleets] = ["operating", "chains", "fleet"].map(|it| {
        let text = read(format!("docs/{it}.md"));
        // The first column of the tables.
        let rows = text.lines().filter_map(|it| it.strip_prefix("| ")?.split(" |").next());
        rows.flat_map(|it| it.split('`').skip(1).step_by(2)).map(str::to_owned).collect::<Vec<_>>()
    });
    let all = shipped_tables();
    let is_table = |it: &[String]| all.iter().any(|(path, _)| path == it);
    for (path, keys) in &all {
        for key in keys {
            let whole = [path, std::slice::from_ref(key)].concat();
            let (page, name) = match path.first().map(String::as_str) {
                Some("fleet") => (&fleets, key.clone()),
                Some("chain") if path.len() > 1 => (&chains, key.clone()),
                Some("chain") => (&manual, key.clone()),
                _ => (&manual, whole.join(".")),
            };
            // What a block to be checked is made of stands in its row.
            let is_told = is_table(&whole) || path.last().is_some_and(|it| it == "pinned");
            assert!(is_told || page.contains(&name), "the documents do not have `{name}`");
        }
    }
}
