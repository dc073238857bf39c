//! Text from files and from others, on its way to a terminal or a log.

use std::borrow::Cow;

use entitled_core::domain::control_character::is_control_character;

/// One line, without anything that a terminal would obey: a control character is written as Rust writes it, `\u{1b}`.
pub fn plain(text: &str) -> Cow<'_, str> {
    escape(text, is_control_character)
}

/// [`plain`], but for what colours are made with.
pub(super) fn plain_but_for_colour(text: &str) -> Cow<'_, str> {
    escape(text, |it| is_control_character(it) && it != '\u{1b}')
}

fn escape(text: &str, is_obeyed: impl Fn(char) -> bool) -> Cow<'_, str> {
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

#[cfg(test)]
mod tests;
