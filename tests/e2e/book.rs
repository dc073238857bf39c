//! mdBook makes a book of the documents, and no link in it leads nowhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use crate::support::c_library::succeed;
use crate::support::prerequisites;
use crate::support::tests_dir;

/// mdBook, as `make prepare` installs it.
pub fn mdbook() -> Option<PathBuf> {
    let program = tests_dir().join(".venv/bin/mdbook");
    program.exists().then_some(program)
}

/// Every page below `folder`, by its path.
fn pages(folder: &Path, found: &mut BTreeMap<PathBuf, String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            pages(&path, found);
        } else if path.extension() == Some("html".as_ref()) {
            let text = std::fs::read_to_string(&path).unwrap();
            found.insert(path, text);
        }
    }
}

/// The values of an attribute.
fn values<'a>(text: &'a str, attribute: &str) -> BTreeSet<&'a str> {
    let begin = format!(" {attribute}=\"");
    text.split(begin.as_str()).skip(1).filter_map(|it| it.split('"').next()).collect()
}

/// Without `..` in it.
fn plain(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut so_far, it| {
        if it == Component::ParentDir {
            so_far.pop();
        } else {
            so_far.push(it);
        }
        so_far
    })
}

#[test]
fn the_documents_are_a_book_without_a_dead_link() {
    let Some(mdbook) = mdbook() else {
        return prerequisites::skipped("the documents as a book", "mdbook in tests/.venv");
    };
    let out = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    succeed(Command::new(mdbook).arg("build").arg(root).arg("--dest-dir").arg(out.path()));
    let mut book = BTreeMap::new();
    pages(out.path(), &mut book);
    // These two repeat what the others say, for other places.
    book.retain(|path, _| !path.ends_with("print.html") && !path.ends_with("404.html"));
    assert!(book.contains_key(&out.path().join("outside/src-client-python.html")));
    let ids: BTreeMap<&PathBuf, BTreeSet<&str>> =
        book.iter().map(|(path, text)| (path, values(text, "id"))).collect();
    let mut faults = Vec::new();
    for (path, text) in &book {
        let main = text.split("<main>").nth(1).and_then(|it| it.split("</main>").next());
        let main = main.unwrap_or_default();
        let targets = values(main, "href").into_iter().chain(values(main, "src"));
        for link in targets.filter(|it| !it.contains("://")) {
            let (target, anchor) = link.split_once('#').unwrap_or((link, ""));
            let there = match target {
                "" => path.clone(),
                _ => plain(&path.parent().unwrap().join(target)),
            };
            let has_anchor = || ids.get(&there).is_none_or(|it| it.contains(anchor));
            if !there.exists() || !(anchor.is_empty() || has_anchor()) {
                let page = path.strip_prefix(out.path()).unwrap();
                faults.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(faults.is_empty(), "links that lead nowhere:\n  {}\n", faults.join("\n  "));
}
