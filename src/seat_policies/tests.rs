#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::time::Duration;

use super::*;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn load(folders: &[&tempfile::TempDir]) -> Result<Policies, Vec<PolicyFault>> {
    let dirs: Vec<PathBuf> = folders.iter().map(|it| it.path().to_owned()).collect();
    Policies::load(&dirs)
}

fn linger(policies: &Policies, tier: &str) -> Duration {
    policies.of(&"acme-cad".parse().unwrap(), &tier.parse().unwrap()).linger
}

#[test]
fn a_file_of_a_tier_comes_before_one_of_its_product() {
    let files = folder(&[
        ("all.toml", "product = \"acme-cad\"\nlinger = \"1m\""),
        ("pro.toml", "product = \"acme-cad\"\ntier = \"pro\"\nlinger = \"2m\""),
        ("notes.txt", "is passed over"),
    ]);
    let policies = load(&[&files]).unwrap();
    assert_eq!(linger(&policies, "pro"), Duration::from_secs(120));
    assert_eq!(linger(&policies, "basic"), Duration::from_secs(60));
}

#[test]
fn a_later_directory_overrides_a_file_of_the_same_name() {
    let first = folder(&[("all.toml", "product = \"acme-cad\"\nlinger = \"1m\"")]);
    let second = folder(&[("all.toml", "product = \"acme-cad\"\nlinger = \"3m\"")]);
    assert_eq!(linger(&load(&[&first, &second]).unwrap(), "pro"), Duration::from_secs(180));
}

#[test]
fn no_directory_is_no_policy() {
    assert_eq!(Policies::load(&["/nonexistent/seats.d".into()]), Ok(Policies::default()));
}

#[test]
fn one_mistake_leaves_nothing_of_all_files() {
    let files = folder(&[
        ("a.toml", "product = \"acme-cad\"\nexclude = [{ user = 1000 }]"),
        ("b.toml", "product = \"acme-cad\""),
        ("c.toml", "product = \"acme-cad\""),
    ]);
    let faults = load(&[&files]).unwrap_err();
    let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert!(told[0].contains("a.toml:2: `exclude[0]"), "{told:?}");
    assert!(told.iter().any(|it| it.contains("c.toml:1: `product`: another file")), "{told:?}");
}
