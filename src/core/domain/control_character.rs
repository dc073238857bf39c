//! Characters that a terminal obeys instead of showing them.

use std::borrow::Cow;
use std::path::Path;

/// Whether whoever shows a text would do something at this character: move, begin another line, or turn around the order of
/// what stands beside it, so that it reads as something else (bidirectional formatting, Unicode UAX #9, "Trojan Source").
pub fn is_control_character(it: char) -> bool {
    let turns_text = matches!(it, '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    it.is_control() || turns_text
}

/// One line, without anything that a terminal would obey: a control character is written as Rust writes it, `\u{1b}`.
pub fn plain(text: &str) -> Cow<'_, str> {
    escape(text, is_control_character)
}

/// The name of a file, which may be of any bytes, as one line.
pub fn shown(path: &Path) -> String {
    plain(&path.to_string_lossy()).into_owned()
}

/// [`plain`], where `is_obeyed` says which characters are not written as they are.
pub fn escape(text: &str, is_obeyed: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_obeyed) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for it in text.chars() {
        match is_obeyed(it) {
            true => escaped.extend(it.escape_default()),
            false => escaped.push(it),
        }
    }
    Cow::Owned(escaped)
}
