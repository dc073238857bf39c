//! The documents that packages install: every link of theirs leads to what is installed, and no page that users need is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use super::book::{anchors, links};
use super::names::{files, read, root};

/// Pages of `docs/` for who changes `entitled`, or of the book alone. Decisions are below.
const NOT_INSTALLED: [&str; 2] = ["docs/SUMMARY.md", "docs/contributing.md"];
/// What lays the packages out says what is in them, and how it would write each page.
const LIST: &str = "
import json, sys
sys.path.insert(0, 'packaging')
import tree
def laid_out(form, package):
    listed = tree.entries(form, package)
    pages = {it.source: [it.path, tree.page((tree.ROOT / it.source).read_text(), it, listed)]
             for it in listed if (it.source or '').endswith('.md')}
    return {'paths': [it.path for it in listed], 'pages': pages}
json.dump([laid_out(form, package) for form in ('deb', 'rpm') for package in ('entitled', 'libentitled0', 'libentitled-dev')], sys.stdout)
";

#[derive(Deserialize)]
struct Package {
    paths: BTreeSet<PathBuf>,
    /// By their source: where they are installed, and their text there.
    pages: BTreeMap<String, (PathBuf, String)>,
}

/// The packages in both forms; none where there is no Python.
fn packages() -> Vec<Package> {
    let mut python = Command::new("python3");
    python.args(["-c", LIST]).current_dir(root()).env("PYTHONDONTWRITEBYTECODE", "1");
    let Ok(listed) = python.output() else {
        assert!(std::env::var_os("CI").is_none(), "there is no python3");
        eprintln!("skipped: what packages install, because there is no python3");
        return Vec::new();
    };
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    serde_json::from_slice(&listed.stdout).expect("packages")
}

/// `path` without `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            other => plain.push(other),
        }
    }
    plain
}

#[test]
fn links_of_installed_pages_lead_to_what_is_installed() {
    let (mut faults, mut looked_at) = (Vec::new(), 0);
    for package in packages() {
        for (place, text) in package.pages.values() {
            for link in links(text).into_iter().filter(|it| !it.starts_with("http")) {
                looked_at += 1;
                let (target, anchor) = link.split_once('#').unwrap_or((link, ""));
                let there = match target {
                    "" => place.clone(),
                    _ => plain(&place.parent().expect("a folder").join(target)),
                };
                let page = package.pages.values().find(|it| it.0 == there);
                let has_heading = || page.is_some_and(|it| anchors(&it.1).contains(anchor));
                if !package.paths.contains(&there) || !(anchor.is_empty() || has_heading()) {
                    faults.push(format!("{}: {link}", place.display()));
                }
            }
        }
    }
    assert!(faults.is_empty(), "links that lead nowhere:\n  {}\n", faults.join("\n  "));
    assert!(looked_at == 0 || looked_at > 200, "the links were not found: {looked_at}");
}

#[test]
fn every_page_for_users_is_installed() {
    let is_page = |it: &PathBuf| it.extension() == Some("md".as_ref());
    let pages = files("docs").into_iter().filter(is_page).map(|it| it.display().to_string());
    let wanted: Vec<_> = pages
        .filter(|it| !it.starts_with("docs/decisions/") && !NOT_INSTALLED.contains(&&**it))
        .collect();
    for package in packages().into_iter().filter(|it| it.pages.contains_key("docs/operating.md")) {
        let missing: Vec<_> =
            wanted.iter().filter(|it| !package.pages.contains_key(&***it)).collect();
        assert!(missing.is_empty(), "packaging/files.toml does not install {missing:?}");
    }
}

/// What manual pages, configuration and documents name below `/usr/share/doc/entitled` is there.
#[test]
fn what_is_named_among_the_installed_documents_is_there() {
    let Some(package) = packages().into_iter().next() else { return };
    let folders = ["packaging/man", "packaging/config", "docs", "systemd"];
    let mut named = 0;
    for file in folders.iter().flat_map(|it| files(it)) {
        if file.extension() == Some("png".as_ref()) {
            continue;
        }
        for rest in read(&file).split("/usr/share/doc/entitled/").skip(1) {
            let is_end = |it: char| !it.is_ascii_alphanumeric() && !"/._-".contains(it);
            let name = rest.split(is_end).next().unwrap_or_default();
            let path = Path::new("/usr/share/doc/entitled").join(name.trim_end_matches(['.', '/']));
            assert!(package.paths.contains(&path), "{}: {}", file.display(), path.display());
            named += 1;
        }
    }
    assert!(named > 5, "{named}");
}
