use super::*;

fn fault(line: usize, key: &str) -> Fault {
    Fault { line, key: key.to_owned(), message: "no such key".to_owned() }
}

#[test]
fn a_fault_is_told_as_compilers_do() {
    let path = Path::new("a.toml");
    for (fault, line) in [
        (fault(3, "tiers.pro.rnak"), "a.toml:3: tiers.pro.rnak: no such key"),
        (fault(3, ""), "a.toml:3: no such key"),
        (fault(0, ""), "a.toml: no such key"),
    ] {
        assert_eq!(fault_line(path, &fault), line);
    }
}
