use super::*;

fn flaws(text: &str) -> Vec<String> {
    read(&Arc::from(""), text).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn each_value_stands_on_the_line_of_its_key_or_in_a_list_on_its_own() {
    let text = "a = 1\n\n[b.c]\nd = [\n 'x',\n 'y' ]\n[[e]]\nf = true\n[[e]]\nf = false\n";
    let table = read(&Arc::from("f"), text).unwrap();
    let line_of = |node: &Node| node.place.line;
    let Value::Table(b) = &table["b"].value else { panic!("no table") };
    let Value::Table(c) = &b["c"].value else { panic!("no table") };
    let Value::List(d) = &c["d"].value else { panic!("no list") };
    let Value::List(e) = &table["e"].value else { panic!("no list") };
    let found = [&table["a"], &table["b"], &b["c"], &c["d"], &d[0], &d[1], &e[0], &e[1]];
    assert_eq!(found.map(line_of), [1, 3, 3, 4, 5, 6, 7, 9]);
}

#[test]
fn what_is_not_toml_names_the_line_and_never_repeats_it() {
    let text = "ok = 1\nrpc = [\"https://secret.example/KEY\"";
    let found = flaws(text);
    assert!(found[0].starts_with("line 2: not TOML: "), "{found:?}");
    assert!(!found[0].contains("secret"), "{found:?}");
}

#[test]
fn numbers_must_fit_and_be_finite() {
    assert_eq!(
        flaws("[t]\na = 9223372036854775808\nb = [1.0, inf]\nc = 1e999"),
        [
            "line 2: `t.a`: must be a finite number that fits 64 bits",
            "line 3: `t.b[1]`: must be a finite number that fits 64 bits",
            "line 4: `t.c`: must be a finite number that fits 64 bits",
        ]
    );
}

#[test]
fn an_endless_dotted_key_is_refused_before_it_nests() {
    let long = vec!["a"; 100_000].join(".");
    for text in [
        format!("x = 1\n{long} = 1"),
        format!("\n[{long}]"),
        format!("x = {{'''\n''' = 1, {long} = 2 }}"),
        format!("x = \"\n{long} = 1"),
        format!("\nx = {{ y = \"\"\"z\"\"\"\", {long} = 2 }}"),
    ] {
        let found = flaws(&text);
        assert!(found[0].ends_with("a key may have at most 4 parts"), "{found:?}");
        assert!(!found[0].starts_with("line 1:"), "{found:?}");
    }
    let long = vec!["a"; 30_000].join(".");
    let dots = format!("a = '{long}' # {long}\nb = \"\"\"\n{long}\\\"\"\"\"");
    assert!(read(&Arc::from(""), &dots).is_ok());
}

#[test]
fn odd_keys_are_written_as_toml_writes_them() {
    assert_eq!(join("a", "b.c"), "a.\"b.c\"");
    assert_eq!(join("", ""), "\"\"");
    assert_eq!(join("a[0]", "b-c"), "a[0].b-c");
}
