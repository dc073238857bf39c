//! What documents name exists: files, folders, functions and types of the sources, and pages they link to.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The documents that lead through the sources. Every name in them has to be right today.
const GUIDES: &[&str] = &["docs/architecture.md", "docs/contributing.md"];

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(root().join(&path)).expect("a document is there")
}

/// Files below `folder`, by their path from the root of the repository.
pub(crate) fn files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root().join(folder)).expect("a folder") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("UTF-8");
        let path = format!("{folder}/{name}");
        if !entry.path().is_dir() {
            found.push(PathBuf::from(path));
        } else if !["node_modules", ".venv", "out", "target"].contains(&name.as_str()) {
            found.extend(files(&path));
        }
    }
    found
}

struct Sources(Vec<(PathBuf, String)>);

impl Sources {
    fn read() -> Self {
        let of = |folder| files(folder).into_iter();
        let rust = of("src").chain(of("tests")).filter(|it| it.extension() == Some("rs".as_ref()));
        Self(rust.map(|it| (it.clone(), read(it))).collect())
    }

    /// Whether a function of this name is defined at `place`: a file, a folder, or anywhere.
    fn has_function(&self, name: &str, place: Option<&str>) -> bool {
        let definition = [format!("fn {name}("), format!("fn {name}<")];
        self.0.iter().any(|(path, text)| {
            let path = path.to_str().expect("UTF-8");
            // What stands in `x/` may be in `x.rs` beside it.
            let is_there = place.is_none_or(|it| match it.strip_suffix('/') {
                Some(it) => path.contains(&format!("{it}/")) || path.ends_with(&format!("{it}.rs")),
                None => path.ends_with(it),
            });
            is_there && definition.iter().any(|it| text.contains(it))
        })
    }

    /// Whether `word` stands somewhere in the sources as a word of its own.
    fn has_word(&self, word: &str) -> bool {
        let is_part = |it: char| it.is_alphanumeric() || it == '_';
        self.0.iter().any(|(path, text)| {
            !path.starts_with("tests/documents")
                && text.match_indices(word).any(|(at, _)| {
                    !text[..at].ends_with(is_part) && !text[at + word.len()..].starts_with(is_part)
                })
        })
    }
}

/// What stands between backticks outside of blocks of code, and what follows up to the next backtick.
fn quoted(text: &str) -> Vec<(&str, &str)> {
    let prose = text.split("```").step_by(2);
    prose
        .flat_map(|it| {
            let parts: Vec<&str> = it.split('`').collect();
            let quoted: Vec<_> = (1..parts.len()).step_by(2).collect();
            quoted.into_iter().map(move |at| (parts[at], *parts.get(at + 1).unwrap_or(&"")))
        })
        .collect()
}

/// `path.rs`, `folder/`: whether a file or a folder of the repository is called so.
fn exists(name: &str, all: &BTreeSet<String>) -> bool {
    let name = name.trim_end_matches('/');
    root().join(name).exists()
        || all
            .iter()
            .any(|it| it.ends_with(&format!("/{name}")) || it.contains(&format!("/{name}/")))
}

#[test]
fn what_the_guides_name_is_there() {
    let sources = Sources::read();
    let all: BTreeSet<String> = ["src", "tests", "docs", "packaging"]
        .iter()
        .flat_map(|it| files(it))
        .map(|it| it.to_str().expect("UTF-8").to_owned())
        .collect();
    let mut faults = Vec::new();
    let mut functions = 0;
    for guide in GUIDES {
        let text = read(guide);
        let names = quoted(&text);
        for (at, (name, after)) in names.iter().enumerate() {
            let is_word =
                |it: &str| !it.is_empty() && it.chars().all(|c| c.is_alphanumeric() || c == '_');
            let is_path = name.chars().all(|c| c.is_alphanumeric() || "/._-".contains(c))
                && (name.contains('/') || name.ends_with(".rs"));
            if let Some(function) =
                name.strip_suffix("()").map(|it| it.rsplit("::").next().unwrap_or(it))
            {
                functions += 1;
                // "`f()` in `place`" is checked at its place.
                let next = names.get(at + 1).map(|it| it.0);
                let place = next.filter(|_| after.split_whitespace().eq(["in"]));
                if !sources.has_function(function, place) {
                    faults.push(format!(
                        "{guide}: `{name}`{}",
                        place.map_or(String::new(), |it| format!(" in `{it}`"))
                    ));
                }
            } else if is_path && !name.starts_with("../") {
                if !exists(name, &all) {
                    faults.push(format!("{guide}: `{name}`"));
                }
            } else if is_word(name)
                && (name.contains('_') || name.chars().skip(1).any(char::is_uppercase))
                && name.chars().any(char::is_lowercase)
                && !sources.has_word(name)
            {
                faults.push(format!("{guide}: `{name}`"));
            }
        }
    }
    assert!(functions > 30, "the functions were not found: {functions}");
    assert!(faults.is_empty(), "named, and not there:\n  {}\n", faults.join("\n  "));
}

#[test]
fn every_decision_is_in_the_index_under_its_title() {
    let index = read("docs/decisions/README.md");
    let mut faults = Vec::new();
    for page in files("docs/decisions") {
        let name = page.file_name().and_then(|it| it.to_str()).expect("UTF-8").to_owned();
        let text = read(&page);
        let heading = text.lines().next().unwrap_or_default();
        let Some((number, title)) = heading.trim_start_matches("# ").split_once(' ') else {
            continue;
        };
        if name != "README.md" && !index.contains(&format!("[{number}]({name}) {title}")) {
            faults.push(format!("{name}: {title}"));
        }
    }
    assert!(faults.is_empty(), "not in docs/decisions/README.md:\n  {}\n", faults.join("\n  "));
}
