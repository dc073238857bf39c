//! A receipt as text: base64 (RFC 4648, section 4) in lines of 64 characters between two marks. Pure.
//!
//! Owns: that each receipt has one text, to the byte. So a text that was altered anywhere is no receipt, or another one.

use super::fault::FormatFault;

const BEGIN: &str = "-----BEGIN ENTITLED RECEIPT-----";
const END: &str = "-----END ENTITLED RECEIPT-----";
const COLUMNS: usize = 64;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// No receipt is larger, before it is written as text: so that its text fits into one reply of the daemon.
pub const LARGEST: usize = 704 * 1024;
/// Nor its text.
pub const LONGEST_TEXT: usize = (LARGEST / 3 + 1) * 4 / COLUMNS * (COLUMNS + 1) + 256;

/// Each line ends in a line feed, the last one too.
pub(super) fn write(bytes: &[u8]) -> String {
    let digits = base64(bytes);
    let mut text = String::with_capacity(digits.len() + digits.len() / COLUMNS + 128);
    text.push_str(BEGIN);
    text.push('\n');
    for (at, digit) in digits.chars().enumerate() {
        text.push(digit);
        if at % COLUMNS == COLUMNS - 1 {
            text.push('\n');
        }
    }
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(END);
    text.push('\n');
    text
}

pub(super) fn read(text: &[u8]) -> Result<Vec<u8>, FormatFault> {
    if text.len() > LONGEST_TEXT {
        return Err(FormatFault::TooLong { most: LONGEST_TEXT });
    }
    let text = std::str::from_utf8(text).map_err(|_| FormatFault::Armour)?;
    let body = text
        .strip_prefix(BEGIN)
        .and_then(|it| it.strip_prefix('\n'))
        .and_then(|it| it.strip_suffix('\n'))
        .and_then(|it| it.strip_suffix(END))
        .and_then(|it| it.strip_suffix('\n'))
        .ok_or(FormatFault::Armour)?;
    let count = body.split('\n').count();
    let mut bytes = Vec::with_capacity(body.len() / 4 * 3);
    for (at, line) in body.split('\n').enumerate() {
        let is_last = at + 1 == count;
        let fits =
            if is_last { (4..=COLUMNS).contains(&line.len()) } else { line.len() == COLUMNS };
        if !fits {
            return Err(FormatFault::Armour);
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
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut three = [0; 3];
        three[..chunk.len()].copy_from_slice(chunk);
        let [a, b, c] = three;
        let sixes = [a >> 2, (a & 3) << 4 | b >> 4, (b & 15) << 2 | c >> 6, c & 63];
        for (at, six) in sixes.into_iter().enumerate() {
            text.push(if at <= chunk.len() { char::from(ALPHABET[usize::from(six)]) } else { '=' });
        }
    }
    text
}

/// Reads one line. Only a last one may be filled up, and what is left over in it has to be zero.
pub(super) fn unbase64(line: &str, is_last: bool, bytes: &mut Vec<u8>) -> Option<()> {
    let (fours, rest) = line.as_bytes().as_chunks::<4>();
    if !rest.is_empty() {
        return None;
    }
    for (at, four) in fours.iter().enumerate() {
        let filled = four.iter().rev().take_while(|it| **it == b'=').count();
        if filled > 2 || (filled > 0 && !(is_last && at + 1 == fours.len())) {
            return None;
        }
        let mut sum = 0_u32;
        for digit in &four[..4 - filled] {
            let six = ALPHABET.iter().position(|it| it == digit)?;
            sum = sum << 6 | u32::try_from(six).ok()?;
        }
        let [_, three @ ..] = (sum << (6 * filled)).to_be_bytes();
        let (taken, left) = three.split_at(3 - filled);
        if left.iter().any(|it| *it != 0) {
            return None;
        }
        bytes.extend_from_slice(taken);
    }
    Some(())
}
