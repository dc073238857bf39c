//! How large the tree of a TOML text would be, counted before anything is built.
//!
//! A value takes some hundred bytes, a table some thousand, and two bytes of text are enough to ask for either. The
//! TOML reader bounds only brackets. What is counted here is never less than what would be built.

/// Keys have at most so many parts; the deepest of ours are `tiers.NAME.features.NAME` and `tiers.NAME.price.amount`.
const MOST_KEY_PARTS: usize = 4;
/// A product may have a thousand grants, a hundred tiers and their features.
const MOST_TABLES: usize = 4_096;
/// A product may list ten thousand ids besides.
const MOST_VALUES: usize = 32_768;

/// The line at which a text asks for too much, and what would be right.
pub(super) fn excess(text: &str) -> Option<(usize, String)> {
    let mut extent = Extent { line: 1, begins: true, ..Extent::default() };
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let taken = match first {
            '"' | '\'' => string_length(rest, first),
            '#' => rest.find('\n').unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let (taken, after) = rest.split_at(taken);
        extent.take(first, taken);
        if let Some(message) = extent.excess() {
            return Some((extent.line, message));
        }
        extent.line += taken.bytes().filter(|it| *it == b'\n').count();
        rest = after;
    }
    None
}

#[derive(Default)]
struct Extent {
    line: usize,
    /// Whether nothing but blanks came on this line.
    begins: bool,
    /// Parts of the key at hand but its first; of a number or a time, what looks like them.
    dots: usize,
    tables: usize,
    values: usize,
}

impl Extent {
    fn take(&mut self, first: char, taken: &str) {
        match first {
            // Of a key: one more table to hold what follows.
            '.' => {
                self.dots += 1;
                self.tables += 1;
            }
            '{' => self.tables += 1,
            // At the beginning of a line, the head of a table.
            '[' if self.begins => self.tables += 1,
            '[' | ',' | '=' => self.values += 1,
            _ => {}
        }
        if matches!(first, '\n' | ',' | '=' | '[' | ']' | '{' | '}') {
            self.dots = 0;
        }
        self.begins = taken.ends_with('\n') || (self.begins && matches!(first, ' ' | '\t' | '\r'));
    }

    fn excess(&self) -> Option<String> {
        if self.dots >= MOST_KEY_PARTS {
            return Some(format!("a key may have at most {MOST_KEY_PARTS} parts"));
        }
        if self.tables > MOST_TABLES {
            return Some(format!("more than {MOST_TABLES} tables"));
        }
        (self.values > MOST_VALUES).then(|| format!("more than {MOST_VALUES} values"))
    }
}

/// How many bytes the TOML string at the start of `text` takes; an unfinished one ends with its line.
fn string_length(text: &str, quote: char) -> usize {
    let triple = if quote == '"' { "\"\"\"" } else { "'''" };
    let (end, many) = if text.starts_with(triple) { (triple, true) } else { (&triple[..1], false) };
    let mut at = end.len();
    while let Some(rest) = text.get(at..).filter(|it| !it.is_empty()) {
        if let Some(after) = rest.strip_prefix(end) {
            // Up to two more quotes belong to the text before the closing three.
            let more = after.chars().take_while(|it| many && *it == quote).take(2);
            return at + end.len() + more.count();
        }
        let mut chars = rest.chars();
        match chars.next() {
            Some('\n') if !many => return at,
            // Skips the escaped character; a line's end stays, as it ends an unfinished string.
            Some('\\') if quote == '"' => {
                at += 1 + chars.next().filter(|it| *it != '\n').map_or(0, char::len_utf8);
            }
            other => at += other.map_or(1, char::len_utf8),
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Option<String> {
        excess(text).map(|it| it.1)
    }

    #[test]
    fn what_would_fill_the_memory_is_refused_before_it_is_built() {
        let tables = Some("more than 4096 tables".to_owned());
        assert_eq!(said(&format!("a=[{}]", "{a.a.a.a=1},".repeat(2_000))), tables);
        assert_eq!(said(&format!("a=[{}]", "{},".repeat(5_000))), tables);
        assert_eq!(said(&"[[a]]\n".repeat(5_000)), tables);
        assert_eq!(said(&"  [a]\r\n".repeat(5_000)), tables);
        let values = Some("more than 32768 values".to_owned());
        assert_eq!(said(&format!("a=[{}]", "1,".repeat(40_000))), values);
        assert_eq!(said(&format!("a=[{}", "[".repeat(40_000))), values);
        assert_eq!(said(&"a=1\n".repeat(40_000)), values);
        assert_eq!(
            excess("\n\na.b.c.d.e=1"),
            Some((3, "a key may have at most 4 parts".to_owned()))
        );
    }

    #[test]
    fn as_much_as_a_product_may_have_is_read() {
        let ids = vec!["\"57896044618658097711785492504343953926634\""; 9_000].join(",\n");
        let grants = "[[grants]]\ntier = \"pro\"\nids = [1, 2, 3]\nmin = 1.5\n".repeat(1_000);
        assert_eq!(excess(&format!("ids = [\n{ids}]\n{grants}")), None);
        let quoted = "a.b.c.d.e,{[=".repeat(9_000);
        assert_eq!(excess(&format!("a = '{quoted}' # {quoted}\nb = \"\"\"\n{quoted}\"\"\"")), None);
    }
}
