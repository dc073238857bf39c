//! entitled-product(5) has every key that the reader of product files knows, every word that it takes, and no other key.

use std::collections::BTreeSet;

use entitled_core::domain::product::parse;

use super::names::read;

const PAGE: &str = "packaging/man/entitled-product.5";
/// A word that is none, and far from all.
const NONE: &str = "qqqqqqqqqqqqqqqq";
const GRANT: &str = "[[grants]]\ntier = \"pro\"\ntoken = \"eip155:1/erc721:0x00000000000000000000000000000000000000a1\"\n";

/// A product file with one line more, at its head or below a table of its end.
fn with(head: &str, tail: &str) -> String {
    format!("product = \"a\"\nname = \"A\"\n{head}\n[tiers.pro]\nrank = 1\n{GRANT}{tail}\n")
}

/// What stands between backticks in what the reader has to say about a file.
fn named(file: &str) -> BTreeSet<String> {
    let faults = parse(file).expect_err("a word that is none");
    let about = |it: &&str| it.contains("here are known") || it.contains("must be");
    let said: Vec<String> = faults.into_iter().map(|it| it.message).collect();
    let said = said.iter().map(String::as_str).find(about).unwrap_or_default();
    let named: BTreeSet<_> = said.split(['`', '"']).skip(1).step_by(2).map(str::to_owned).collect();
    assert!(!named.is_empty(), "nothing is named: {file}");
    named
}

/// The keys of the page, which are its marked items.
fn keys() -> BTreeSet<String> {
    let page = read(PAGE);
    let items = page.lines().filter_map(|it| it.strip_prefix(".It Cm "));
    items.flat_map(|it| it.split(" , ")).map(str::to_owned).collect()
}

#[test]
fn the_page_has_every_key_and_no_other() {
    let unknown = format!("{NONE} = 1");
    let tables = [
        with(&unknown, ""),
        with("", &unknown),
        with("", &format!("[tiers.plus]\nrank = 2\n{unknown}")),
        with("", &format!("[publisher]\n{unknown}")),
        with("", &format!("[seats]\n{unknown}")),
        with("", &format!("[[checkpoint]]\n{unknown}")),
    ];
    let mut known: BTreeSet<String> = tables.iter().flat_map(|it| named(it)).collect();
    // Tables, which are headings of the page.
    let page = read(PAGE);
    for table in ["publisher", "tiers", "grants", "seats", "checkpoint"] {
        assert!(known.contains(table), "{table}: {known:?}");
        let heading = page.lines().any(|it| it.starts_with(".Ss [") && it.contains(table));
        assert!(heading, "{PAGE} has no heading of [{table}]");
        // A tier has seats too.
        if table != "seats" {
            known.remove(table);
        }
    }
    assert_eq!(keys(), known, "{PAGE}");
}

#[test]
fn the_page_has_every_word() {
    let page = read(PAGE);
    for file in [
        with(&format!("trust = \"{NONE}\""), ""),
        with(&format!("finality = \"{NONE}\""), ""),
        with("", &format!("rule = \"{NONE}\"")),
        with("", &format!("tokens_of = \"{NONE}\"")),
        with("", &format!("[seats]\nunit = \"{NONE}\"")),
    ] {
        let words = named(&file);
        assert!(words.len() > 2, "{words:?}");
        for word in words.iter().filter(|it| *it != NONE) {
            assert!(page.contains(&format!("\\(dq{word}\\(dq")), "{PAGE} does not name \"{word}\"");
        }
    }
}
