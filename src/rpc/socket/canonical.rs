//! The check as nearly every program sends it, recognised without a JSON reader. Pure.
//!
//! Invariant: what is recognised is one frame for the [`Scanner`](super::scan::Scanner), and for the readers of the
//! envelope and the parameters the same request. Whatever else there is, however right, is theirs: numbers with a
//! fraction, escapes, other blanks, more parameters, mistakes of every kind.

/// `entitlement_check` of a product, and nothing else asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rpc) struct Check<'a> {
    /// As it was written: printable ASCII.
    pub(in crate::rpc) id: &'a [u8],
    /// Printable ASCII, and not yet known to be a product's name.
    pub(in crate::rpc) product: &'a [u8],
    /// How many bytes the request has.
    pub(in crate::rpc) length: usize,
}

/// The one method that is recognised, and how deep its request nests.
pub(in crate::rpc) const METHOD: &str = "entitlement_check";
pub(in crate::rpc) const DEPTH: usize = 2;
/// The longest text that is recognised; the names of products are no longer.
const TEXT: usize = 64;
/// The most digits of an id.
const DIGITS: usize = 15;

/// How the last check of a connection was written, but for its id: programs write the next one alike.
#[derive(Debug, Default)]
pub(in crate::rpc) struct Form {
    /// Nothing is remembered of the first check: who asks once has no use for it.
    has_asked: bool,
    before_id: Vec<u8>,
    after_id: Vec<u8>,
    product: Vec<u8>,
}

impl Form {
    /// As [`recognise`] does, and faster if the check is written like the last.
    pub(in crate::rpc) fn recognise<'a>(&'a mut self, bytes: &'a [u8]) -> Option<Check<'a>> {
        if let Some((id, length)) = self.id_and_length(bytes) {
            return Some(Check { id, product: &self.product, length });
        }
        let (check, id_at) = read(bytes)?;
        if std::mem::replace(&mut self.has_asked, true) {
            self.remember(bytes, &check, id_at);
        }
        Some(check)
    }

    /// If all but the id is as it was, what is recognised is as well.
    fn id_and_length<'a>(&self, bytes: &'a [u8]) -> Option<(&'a [u8], usize)> {
        if self.after_id.is_empty() {
            return None;
        }
        let mut rest = Rest(bytes.strip_prefix(self.before_id.as_slice())?);
        let id = rest.id()?;
        let end = rest.0.strip_prefix(self.after_id.as_slice())?;
        Some((id, bytes.len() - end.len()))
    }

    fn remember(&mut self, bytes: &[u8], check: &Check<'_>, id_at: usize) {
        let parts = [
            (&mut self.before_id, bytes.get(..id_at)),
            (&mut self.after_id, bytes.get(id_at + check.id.len()..check.length)),
            (&mut self.product, Some(check.product)),
        ];
        for (kept, part) in parts {
            kept.clear();
            kept.extend_from_slice(part.unwrap_or_default());
        }
    }
}

/// The request that `bytes` begin with, if it is such a check.
pub(in crate::rpc) fn recognise(bytes: &[u8]) -> Option<Check<'_>> {
    read(bytes).map(|(check, _)| check)
}

/// The request, and where its id begins.
fn read(bytes: &[u8]) -> Option<(Check<'_>, usize)> {
    let mut rest = Rest(bytes);
    let (mut version, mut method, mut id, mut product) = (false, false, None, None);
    let mut id_at = 0;
    rest.byte(b'{')?;
    // Each member once: of the second of a kind the readers say that it is one too many.
    loop {
        if !version && rest.skip(b"\"jsonrpc\":").is_some() {
            rest.blank();
            rest.skip(b"\"2.0\"")?;
            version = true;
        } else if id.is_none() && rest.skip(b"\"id\":").is_some() {
            rest.blank();
            id_at = bytes.len() - rest.0.len();
            id = Some(rest.id()?);
        } else if !method && rest.skip(b"\"method\":").is_some() {
            rest.blank();
            rest.skip(b"\"entitlement_check\"")?;
            method = true;
        } else if product.is_none() && rest.skip(b"\"params\":").is_some() {
            rest.blank();
            rest.skip(b"{\"product\":")?;
            rest.blank();
            let text = rest.text()?;
            product = text.get(1..text.len() - 1);
            rest.byte(b'}')?;
        } else {
            return None;
        }
        if rest.byte(b',').is_none() {
            break;
        }
        rest.blank();
    }
    rest.byte(b'}')?;
    let (true, true, Some(id), Some(product)) = (version, method, id, product) else { return None };
    Some((Check { id, product, length: bytes.len() - rest.0.len() }, id_at))
}

/// What is not read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn skip<const N: usize>(&mut self, prefix: &[u8; N]) -> Option<()> {
        let (first, rest) = self.0.split_first_chunk()?;
        if first == prefix {
            self.0 = rest;
            return Some(());
        }
        None
    }

    fn byte(&mut self, byte: u8) -> Option<()> {
        match self.0 {
            [first, rest @ ..] if *first == byte => {
                self.0 = rest;
                Some(())
            }
            _ => None,
        }
    }

    /// The blank that some programs put after a colon or a comma.
    fn blank(&mut self) {
        // Whether there was one makes no difference.
        let _ = self.byte(b' ');
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// A short text or a whole number.
    fn id(&mut self) -> Option<&'a [u8]> {
        if self.0.first() == Some(&b'"') {
            return self.text();
        }
        let digits = count(self.0, DIGITS + 1, |it| it.is_ascii_digit());
        match self.0.first() {
            Some(b'1'..=b'9') if digits <= DIGITS => self.take(digits),
            Some(b'0') if digits == 1 => self.take(digits),
            _ => None,
        }
    }

    /// A short text of printable ASCII without escapes, with its quotes.
    fn text(&mut self) -> Option<&'a [u8]> {
        let inside = self.0.strip_prefix(b"\"")?;
        let plain = |it: &u8| matches!(it, b' '..=b'~') && !matches!(it, b'"' | b'\\');
        let length = count(inside, TEXT + 1, plain);
        let ends = length <= TEXT && inside.get(length) == Some(&b'"');
        if ends { self.take(length + 2) } else { None }
    }
}

/// How many bytes of a kind come first, of which no more than `most` are looked at.
fn count(bytes: &[u8], most: usize, is: impl Fn(&u8) -> bool) -> usize {
    let mut rest = bytes;
    while let [first, after @ ..] = rest
        && bytes.len() - after.len() <= most
        && is(first)
    {
        rest = after;
    }
    bytes.len() - rest.len()
}

#[cfg(test)]
mod tests;
