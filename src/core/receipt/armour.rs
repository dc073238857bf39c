//! A receipt, or a file of a loan, as text: base64 (RFC 4648, section 4) in lines of 64 characters between two marks. Pure.
//!
//! Owns: that each has one text, to the byte. So a text that was altered anywhere is none, or another one.
//! Asked by: `format`, and `loan`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::fault::FormatFault;

const COLUMNS: usize = 64;

/// What is between the marks, and stands in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Receipt,
    SeatRequest,
    SeatLoan,
    SeatReturn,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Receipt => "RECEIPT",
            Self::SeatRequest => "SEAT REQUEST",
            Self::SeatLoan => "SEAT LOAN",
            Self::SeatReturn => "SEAT RETURN",
        }
    }

    /// In a sentence.
    const fn word(self) -> &'static str {
        match self {
            Self::Receipt => "receipt",
            Self::SeatRequest => "request for a seat",
            Self::SeatLoan => "loan of a seat",
            Self::SeatReturn => "return of a seat",
        }
    }

    /// Whether a text claims to be one.
    pub(crate) fn begins(self, text: &[u8]) -> bool {
        text.starts_with(begin(self).as_bytes())
    }
}

fn begin(kind: Kind) -> String {
    format!("-----BEGIN ENTITLED {}-----\n", kind.name())
}

fn end(kind: Kind) -> String {
    format!("-----END ENTITLED {}-----\n", kind.name())
}

/// No receipt is larger, before it is written as text: so that its text fits into one reply of the daemon.
pub const LARGEST: usize = 704 * 1024;
/// Nor its text.
pub const LONGEST_TEXT: usize = (LARGEST / 3 + 1) * 4 / COLUMNS * (COLUMNS + 1) + 256;

/// Each line ends in a line feed, the last one too.
pub(crate) fn write(kind: Kind, bytes: &[u8]) -> String {
    let digits = base64(bytes);
    let mut text = String::with_capacity(digits.len() + digits.len() / COLUMNS + 128);
    text.push_str(&begin(kind));
    for (at, digit) in digits.chars().enumerate() {
        text.push(digit);
        if at % COLUMNS == COLUMNS - 1 {
            text.push('\n');
        }
    }
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(&end(kind));
    text
}

pub(crate) fn read(kind: Kind, text: &[u8]) -> Result<Vec<u8>, FormatFault> {
    if text.len() > LONGEST_TEXT {
        return Err(FormatFault::TooLong { most: LONGEST_TEXT });
    }
    let text = std::str::from_utf8(text).map_err(|_| FormatFault::Armour { kind: kind.word() })?;
    let body = text
        .strip_prefix(&begin(kind))
        .and_then(|it| it.strip_suffix(&end(kind)))
        .and_then(|it| it.strip_suffix('\n'))
        .ok_or(FormatFault::Armour { kind: kind.word() })?;
    let count = body.split('\n').count();
    let mut bytes = Vec::with_capacity(body.len() / 4 * 3);
    for (at, line) in body.split('\n').enumerate() {
        let is_last = at + 1 == count;
        let fits =
            if is_last { (4..=COLUMNS).contains(&line.len()) } else { line.len() == COLUMNS };
        if !fits {
            return Err(FormatFault::Armour { kind: kind.word() });
        }
        unbase64(line, is_last, &mut bytes).ok_or(FormatFault::Base64 { line: at + 2 })?;
    }
    if bytes.len() > LARGEST {
        return Err(FormatFault::TooLong { most: LARGEST });
    }
    Ok(bytes)
}

/// `bytes` in base64, on one line.
pub(super) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Reads one line. Only a last one may be filled up, and what is left over in it has to be zero.
pub(super) fn unbase64(line: &str, is_last: bool, bytes: &mut Vec<u8>) -> Option<()> {
    let is_full = is_last || !line.ends_with('=');
    is_full.then(|| STANDARD.decode_vec(line, bytes).ok())?
}
