//! The documents are a book: each page is in its table of contents, and every link leads to a page and to a heading of it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::names::{files, read, root};

const SUMMARY: &str = "docs/SUMMARY.md";

/// Pages of the documents, without their table of contents.
fn pages() -> BTreeSet<PathBuf> {
    let is_page = |it: &PathBuf| it.extension() == Some("md".as_ref());
    files("docs").into_iter().filter(|it| is_page(it) && it != Path::new(SUMMARY)).collect()
}

/// The targets of a page's links and pictures, outside of code.
pub(crate) fn links(text: &str) -> Vec<&str> {
    let prose = text.split("```").step_by(2);
    prose.flat_map(|it| it.split("](").skip(1)).filter_map(|it| it.split(')').next()).collect()
}

/// Headings as links name them.
pub(crate) fn anchors(text: &str) -> BTreeSet<String> {
    let prose: String = text.split("```").step_by(2).collect();
    let headings = prose.lines().filter(|it| it.starts_with('#')).map(|it| {
        let kept = it.trim_start_matches('#').trim().to_lowercase();
        let kept = kept.chars().filter(|it| it.is_alphanumeric() || [' ', '-', '_'].contains(it));
        kept.map(|it| if it == ' ' { '-' } else { it }).collect()
    });
    headings.collect()
}

#[test]
fn every_page_is_in_the_table_of_contents() {
    let summary = read(SUMMARY);
    let listed: Vec<PathBuf> =
        links(&summary).into_iter().map(|it| Path::new("docs").join(it)).collect();
    let once: BTreeSet<PathBuf> = listed.iter().cloned().collect();
    assert_eq!(once.len(), listed.len(), "a page is listed once");
    // They have an index of their own.
    let is_decision = |it: &PathBuf| it.starts_with("docs/decisions");
    let missing: Vec<_> =
        pages().into_iter().filter(|it| !once.contains(it) && !is_decision(it)).collect();
    assert!(missing.is_empty(), "not in {SUMMARY}: {missing:?}");
    let gone: Vec<_> = once.iter().filter(|it| !root().join(it).exists()).collect();
    assert!(gone.is_empty(), "in {SUMMARY}, and not there: {gone:?}");
}

/// The index by reader leads to every page but the decisions, which have an index of their own.
#[test]
fn every_page_has_its_reader() {
    let index = read("docs/README.md");
    let named: BTreeSet<&str> =
        links(&index).into_iter().filter_map(|it| it.split('#').next()).collect();
    let own = |it: &PathBuf| it.parent() == Some(Path::new("docs"));
    let names =
        pages().into_iter().filter(own).filter_map(|it| it.file_name().map(|it| it.to_owned()));
    let missing: Vec<_> = names
        .filter(|it| it != "README.md" && !it.to_str().is_some_and(|it| named.contains(it)))
        .collect();
    assert!(
        missing.is_empty(),
        "docs/README.md says of no reader that this is for them: {missing:?}"
    );
}

#[test]
fn links_lead_to_pages_and_headings() {
    let mut faults = Vec::new();
    let more = ["README.md", "CHANGELOG.md"].map(PathBuf::from);
    for page in pages().into_iter().chain(more) {
        let text = read(&page);
        for link in links(&text).into_iter().filter(|it| !it.starts_with("http")) {
            let (target, anchor) = link.split_once('#').unwrap_or((link, ""));
            let there = match target {
                "" => page.clone(),
                _ => page.parent().expect("a folder").join(target),
            };
            let whole = root().join(&there);
            let found = whole.exists()
                && (anchor.is_empty()
                    || std::fs::read_to_string(&whole)
                        .is_ok_and(|it| anchors(&it).contains(anchor)));
            if !found {
                faults.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(faults.is_empty(), "links that lead nowhere:\n  {}\n", faults.join("\n  "));
}

#[test]
fn the_readme_is_no_longer_than_two_screens() {
    let lines = read("README.md").lines().count();
    assert!(lines <= 90, "{lines} lines");
}
