use super::*;

#[test]
fn a_terminal_obeys_nothing_in_plain_text() {
    for (text, told) in [
        ("Zürich: `a`", "Zürich: `a`"),
        ("a\u{1b}[2Jb", r"a\u{1b}[2Jb"),
        ("a\rb\nc\td", r"a\rb\nc\td"),
        ("\u{9b}31m\u{7f}", r"\u{9b}31m\u{7f}"),
        ("a\u{202e}nimda\u{2066}\u{2028}b", r"a\u{202e}nimda\u{2066}\u{2028}b"),
    ] {
        assert_eq!(plain(text), told);
    }
    assert_eq!(plain_but_for_colour("\u{1b}[31mno\u{1b}[0m\n"), "\u{1b}[31mno\u{1b}[0m\\n");
}
