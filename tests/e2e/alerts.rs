//! The alerts that packages ship: Prometheus' own tool runs their tests, and what they ask of the daemon is there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::support::fleet::Fleet;
use crate::support::{prerequisites, tests_dir};

/// Where `make prepare` puts it, or where a package has. Says what is not tested where it is missing.
pub fn promtool() -> Option<PathBuf> {
    let places = [tests_dir().join(".prometheus/usr/bin/promtool"), "/usr/bin/promtool".into()];
    let found = places.into_iter().find(|it| it.exists());
    if found.is_none() {
        prerequisites::skipped("what makes each alert fire", "promtool");
    }
    found
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/monitoring")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).unwrap()
}

/// What follows `before` on a line.
fn named(text: &str, before: &str) -> BTreeSet<String> {
    let lines = text.lines().filter_map(|it| it.trim().strip_prefix(before));
    lines.map(|it| it.trim().to_owned()).collect()
}

#[test]
fn each_alert_fires_when_it_should_and_only_then() {
    let Some(promtool) = promtool() else { return };
    for arguments in [["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]] {
        let output =
            Command::new(&promtool).args(arguments).current_dir(folder()).output().unwrap();
        let said = [output.stdout, output.stderr].map(|it| String::from_utf8(it).unwrap()).concat();
        assert!(output.status.success(), "{arguments:?}: {said}");
    }
    let rules = named(&read("alerts.yml"), "- alert:");
    let silent: Vec<_> = rules.difference(&fired(&read("alerts_test.yml"))).cloned().collect();
    assert!(!rules.is_empty() && silent.is_empty(), "nothing makes these fire: {silent:?}");
}

/// The alerts that one of the tests wants to fire.
fn fired(tests: &str) -> BTreeSet<String> {
    let (mut fired, mut about) = (BTreeSet::new(), "");
    for line in tests.lines().map(str::trim) {
        match line.split_once(':') {
            Some(("alertname", name)) => about = name.trim(),
            Some(("exp_alerts", none)) if none.trim().is_empty() => {
                fired.insert(about.to_owned());
            }
            _ => {}
        }
    }
    fired
}

#[test]
fn each_figure_that_alerts_and_dashboard_ask_for_is_there() {
    let Some(fleet) = Fleet::start(1, 1, 1, Duration::from_secs(10)) else { return };
    // Some are told once there is anything to tell.
    let mut program = fleet.holder(0);
    let seat = program.acquire(json!({}));
    program.call("seat_release", &json!({"seat": seat["seat"]}));
    let figures = fleet.machines[0].daemon.figures();
    let has = |name: &str| {
        let family = name.strip_suffix("_total").unwrap_or(name);
        let parts = ["_bucket", "_count", "_sum"];
        let family = parts.iter().find_map(|it| family.strip_suffix(it)).unwrap_or(family);
        figures.contains(&format!("# TYPE {family} "))
            || figures.contains(&format!("# TYPE {name} "))
    };
    for file in ["alerts.yml", "dashboard.json"] {
        let text = read(file);
        let is_part = |it: char| it.is_ascii_alphanumeric() || it == '_';
        let words = text.split(|it: char| !is_part(it)).filter(|it| it.starts_with("entitled_"));
        // Of what ends by itself there is nothing here.
        let words = words.filter(|it| *it != "entitled_next_expiry_seconds");
        let unknown: BTreeSet<_> = words.filter(|it| !has(it)).collect();
        assert!(unknown.is_empty(), "{file}: {unknown:?} are not among\n{figures}");
    }
}
