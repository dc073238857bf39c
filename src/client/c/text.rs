//! Texts from C, and texts for it.

use std::ffi::{CStr, c_char};

/// The text at a pointer; `None` for NULL, and for what is not UTF-8.
///
/// # Safety
/// The pointer is NULL or to a text that ends with a zero byte and that nobody changes while it is used.
pub(crate) unsafe fn read<'a>(text: *const c_char) -> Option<&'a str> {
    if text.is_null() {
        return None;
    }
    // SAFETY: as above.
    unsafe { CStr::from_ptr(text) }.to_str().ok()
}

/// A text in a field of its own; empty where it does not fit: a name cut short is another name.
pub(crate) fn whole<const ROOM: usize>(text: &str) -> [u8; ROOM] {
    let fits = text.len() < ROOM && !text.contains('\0');
    put(if fits { text } else { "" })
}

/// A text for people, cut where it does not fit.
pub(crate) fn cut<const ROOM: usize>(text: &str) -> [u8; ROOM] {
    put(&text.replace('\0', "?"))
}

fn put<const ROOM: usize>(text: &str) -> [u8; ROOM] {
    let end = text.floor_char_boundary(ROOM.saturating_sub(1));
    let mut field = [0; ROOM];
    for (to, from) in field.iter_mut().zip(text.as_bytes().iter().take(end)) {
        *to = *from;
    }
    field
}

/// The text in a field, up to its zero byte.
pub(crate) fn of_field(field: &[u8]) -> &str {
    let end = field.iter().position(|it| *it == 0).unwrap_or(field.len());
    std::str::from_utf8(field.get(..end).unwrap_or_default()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
