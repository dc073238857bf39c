//! The alerts that packages ship: Prometheus' own tool runs their tests.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

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
