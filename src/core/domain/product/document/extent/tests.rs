use super::*;

fn document(text: &str) -> Option<(usize, String)> {
    excess(text, toml_parser::parser::parse_document)
}

fn said(text: &str) -> Option<String> {
    document(text).map(|it| it.1)
}

#[test]
fn what_would_fill_the_memory_is_refused_before_it_is_built() {
    let tables = Some("more than 4096 tables".to_owned());
    assert_eq!(said(&format!("a=[{}]", "{a.a.a.a=1},".repeat(2_000))), tables);
    assert_eq!(said(&format!("a=[{}]", "{},".repeat(5_000))), tables);
    assert_eq!(said(&"[[a]]\n".repeat(5_000)), tables);
    assert_eq!(said(&"  [a]\r\n".repeat(5_000)), tables);
    let values = Some("more than 32768 keys and values".to_owned());
    assert_eq!(said(&format!("a=[{}]", "1,".repeat(40_000))), values);
    assert_eq!(said(&format!("a=[{}]", "[],".repeat(40_000))), values);
    assert_eq!(said(&"a=1\n".repeat(40_000)), values);
    assert_eq!(document("\n\na.b.c.d.e=1"), Some((3, "a key may have at most 4 parts".to_owned())));
}

#[test]
fn what_is_built_of_a_text_with_mistakes_is_counted_too() {
    let names: String = (0..40_000).map(|it| format!("{it}\n")).collect();
    assert!(said(&names).is_some(), "keys without values");
    let tables = "{a.a.a.a=1},".repeat(2_000);
    for before in
        ["#\r", "x = \"\n", "x = '''''''\n", "x = \"\"\"\\\"\"\"\"\n", "= = [\n", "\u{feff}"]
    {
        assert!(said(&format!("{before}a=[{tables}]")).is_some(), "{before:?}");
    }
}

proptest::proptest! {
    /// Of any text, however wrong, no more is built than was counted.
    #[test]
    fn no_more_is_built_than_was_counted(
        parts in proptest::collection::vec(proptest::sample::select(PARTS.to_vec()), 0..60),
    ) {
        let text = parts.concat();
        let mut extent = Extent::default();
        let tokens = Source::new(&text).lex().into_vec();
        let mut guarded = RecursionGuard::new(&mut extent, DEEPEST);
        toml_parser::parser::parse_document(&tokens, &mut guarded, &mut |_: ParseError| {});
        let (built, _) = toml::de::DeTable::parse_recoverable(&text);
        let (mut tables, mut values) = (0, 0);
        count(built.get_ref(), &mut tables, &mut values);
        proptest::prop_assert!(tables <= extent.tables, "{text:?}: {tables} tables");
        proptest::prop_assert!(values <= extent.values, "{text:?}: {values} values");
    }
}

const PARTS: [&str; 26] = [
    "a", "b", "1", ".", "=", ",", "{", "}", "[", "]", "[[", "]]", "\n", "\r", "\r\n", " ", "#",
    "'", "\"", "'''", "\"\"\"", "\\", "a.b", "a=1", "{a=1}", "\u{e4}",
];

/// The tables below one, and what is neither a table nor in none.
fn count(table: &toml::de::DeTable<'_>, tables: &mut usize, values: &mut usize) {
    table.values().for_each(|it| count_value(it.get_ref(), tables, values));
}

fn count_value(value: &toml::de::DeValue<'_>, tables: &mut usize, values: &mut usize) {
    match value {
        toml::de::DeValue::Table(table) => {
            *tables += 1;
            count(table, tables, values);
        }
        toml::de::DeValue::Array(items) => {
            *values += 1;
            items.iter().for_each(|it| count_value(it.get_ref(), tables, values));
        }
        _ => *values += 1,
    }
}

#[test]
fn as_much_as_a_product_may_have_is_read() {
    let ids = vec!["\"57896044618658097711785492504343953926634\""; 9_000].join(",\n");
    let grants = "[[grants]]\ntier = \"pro\"\nids = [1, 2, 3]\nmin = 1.5\n".repeat(1_000);
    assert_eq!(document(&format!("ids = [\n{ids}]\n{grants}")), None);
    let quoted = "a.b.c.d.e,{[=".repeat(9_000);
    assert_eq!(document(&format!("a = '{quoted}' # {quoted}\nb = \"\"\"\n{quoted}\"\"\"")), None);
}
