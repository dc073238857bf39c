//! Characters that a terminal obeys instead of showing them.

/// Whether whoever shows a text would do something at this character: move, begin another line, or turn around the order of
/// what stands beside it, so that it reads as something else (bidirectional formatting, Unicode UAX #9, "Trojan Source").
pub fn is_control_character(it: char) -> bool {
    let turns_text = matches!(it, '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    it.is_control() || turns_text
}
