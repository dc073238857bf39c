//! The parts of RFC 3986 and RFC 3339 that an EIP-4361 message is made of, as predicates over text.

use std::net::Ipv6Addr;

fn is_unreserved(it: u8) -> bool {
    it.is_ascii_alphanumeric() || b"-._~".contains(&it)
}

fn is_sub_delimiter(it: u8) -> bool {
    b"!$&'()*+,;=".contains(&it)
}

fn is_general_delimiter(it: u8) -> bool {
    b":/?#[]@".contains(&it)
}

/// Whether `text` is made of `plain` characters and whole percent-encodings.
fn is_encoded(text: &str, plain: impl Fn(u8) -> bool) -> bool {
    let mut rest = text.as_bytes();
    loop {
        rest = match rest {
            [] => return true,
            [b'%', high, low, rest @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                rest
            }
            [first, rest @ ..] if plain(*first) => rest,
            _ => return false,
        };
    }
}

/// RFC 3986, 3.1: `ALPHA *( ALPHA / DIGIT / "+" / "-" / "." )`.
pub(super) fn is_scheme(text: &str) -> bool {
    text.starts_with(|it: char| it.is_ascii_alphabetic())
        && text.bytes().all(|it| it.is_ascii_alphanumeric() || b"+-.".contains(&it))
}

/// RFC 3986, 3.2: `[ userinfo "@" ] host [ ":" port ]`. Allows an empty host, as the RFC does.
fn is_authority(text: &str) -> bool {
    let (user, place) = match text.rsplit_once('@') {
        Some((user, place)) => (user, place),
        None => ("", text),
    };
    let is_plain = |it| is_unreserved(it) || is_sub_delimiter(it);
    if !is_encoded(user, |it| is_plain(it) || it == b':') {
        return false;
    }
    let (host, port) = if let Some(literal) = place.strip_prefix('[') {
        // IPvFuture (RFC 3986, 3.2.2) has never had a use and is refused.
        match literal.split_once(']') {
            Some((address, port)) if address.parse::<Ipv6Addr>().is_ok() => ("", port),
            _ => return false,
        }
    } else {
        match place.find(':') {
            Some(colon) => place.split_at(colon),
            None => (place, ""),
        }
    };
    let is_port = |text: &str| text.bytes().all(|it| it.is_ascii_digit());
    is_encoded(host, is_plain) && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
}

/// An authority that names somebody: EIP-4361 writes who asks in its first line, and nobody does not ask.
pub(super) fn is_domain(text: &str) -> bool {
    let place = text.rsplit_once('@').map_or(text, |(_, place)| place);
    is_authority(text) && !place.is_empty() && !place.starts_with(':')
}

/// RFC 3986, 3: `scheme ":" hier-part [ "?" query ] [ "#" fragment ]`.
pub(super) fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (hierarchy, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = match hierarchy.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        None => ("", hierarchy),
    };
    let is_path = |it| is_path_character(it) || it == b'/';
    is_scheme(scheme)
        && is_authority(authority)
        && is_encoded(path, is_path)
        && is_encoded(query, |it| is_path(it) || it == b'?')
        && is_encoded(fragment, |it| is_path(it) || it == b'?')
}

/// RFC 3986, `pchar`, without percent-encodings.
fn is_path_character(it: u8) -> bool {
    is_unreserved(it) || is_sub_delimiter(it) || it == b':' || it == b'@'
}

/// EIP-4361, `request-id = *pchar`.
pub(super) fn is_request_id(text: &str) -> bool {
    is_encoded(text, is_path_character)
}

/// EIP-4361, `statement = 1*( reserved / unreserved / " " )`: no line end, no quotes, no percent sign.
pub(super) fn is_statement(text: &str) -> bool {
    let allowed = |it: u8| {
        it == b' ' || is_unreserved(it) || is_sub_delimiter(it) || is_general_delimiter(it)
    };
    !text.is_empty() && text.bytes().all(allowed)
}

/// EIP-4361, `nonce = 8*( ALPHA / DIGIT )`.
pub(super) fn is_nonce(text: &str) -> bool {
    text.len() >= 8 && text.bytes().all(|it| it.is_ascii_alphanumeric())
}

/// RFC 3339, 5.6, `date-time`, with the letters `T` and `Z` in upper case. Only the form; whether there
/// is such a day is for the calendar to say.
pub(super) fn is_date_time(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    let shaped = |text: &str, shape: &str| {
        text.len() == shape.len()
            && text.bytes().zip(shape.bytes()).all(|(it, like)| match like {
                b'0' => it.is_ascii_digit(),
                like => it == like,
            })
    };
    let Some((moment, rest)) = text.split_at_checked(19) else { return false };
    let (fraction, offset) = match rest.find(['Z', '+', '-']) {
        Some(start) => rest.split_at(start),
        None => return false,
    };
    let offset_fits = offset == "Z"
        || shaped(&offset.replacen('-', "+", 1), "+00:00")
            && offset.get(1..3).is_some_and(|hours| hours < "24")
            && offset.get(4..6).is_some_and(|minutes| minutes < "60");
    shaped(moment, "0000-00-00T00:00:00")
        && (fraction.is_empty() || fraction.strip_prefix('.').is_some_and(digits))
        && offset_fits
}

#[cfg(test)]
mod tests;
