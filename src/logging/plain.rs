//! Text from files and from others, on its way to a terminal or a log.

use std::borrow::Cow;

pub use entitled_core::domain::control_character::plain;
use entitled_core::domain::control_character::{escape, is_control_character};

/// [`plain`], but for what colours are made with.
pub(super) fn plain_but_for_colour(text: &str) -> Cow<'_, str> {
    escape(text, |it| is_control_character(it) && it != '\u{1b}')
}

#[cfg(test)]
mod tests;
