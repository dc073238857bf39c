//! Bytes in one form only: fixed widths, and lengths before what has one. Pure.
//!
//! Asked by: `format`, and `loan`. Never: makes room for a length it has not held against its bound, and against what is left.

use super::fault::FormatFault;

/// Puts parts one after another.
#[derive(Debug, Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }

    pub(crate) fn fixed(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.extend_from_slice(bytes.as_ref());
    }

    pub(crate) fn number(&mut self, number: u64) {
        self.fixed(number.to_be_bytes());
    }

    /// Of something that has one of a few forms.
    pub(crate) fn kind(&mut self, kind: u8) {
        self.0.push(kind);
    }

    pub(crate) fn count(&mut self, count: usize) {
        // What is longer than that is longer than anything that is written so, and refused by whoever reads it.
        self.fixed(u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes());
    }

    pub(crate) fn bytes(&mut self, bytes: impl AsRef<[u8]>) {
        self.count(bytes.as_ref().len());
        self.fixed(bytes);
    }

    pub(crate) fn list<T>(
        &mut self,
        items: impl ExactSizeIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T),
    ) {
        self.count(items.len());
        items.for_each(|it| write(self, it));
    }
}

/// Takes parts off the front.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    pub(crate) fn finish(self) -> Result<(), FormatFault> {
        if self.rest.is_empty() { Ok(()) } else { Err(FormatFault::Surplus) }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], FormatFault> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(FormatFault::CutShort)?;
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn fixed<const N: usize>(&mut self) -> Result<[u8; N], FormatFault> {
        self.take(N)?.try_into().map_err(|_| FormatFault::CutShort)
    }

    pub(crate) fn number(&mut self) -> Result<u64, FormatFault> {
        self.fixed().map(u64::from_be_bytes)
    }

    pub(crate) fn kind(&mut self) -> Result<u8, FormatFault> {
        self.fixed().map(|[kind]| kind)
    }

    pub(crate) fn count(&mut self, what: &'static str, most: usize) -> Result<usize, FormatFault> {
        let count = u32::from_be_bytes(self.fixed()?);
        let count = usize::try_from(count).map_err(|_| FormatFault::TooMuch { what })?;
        if count <= most { Ok(count) } else { Err(FormatFault::TooMuch { what }) }
    }

    pub(crate) fn bytes(
        &mut self,
        what: &'static str,
        most: usize,
    ) -> Result<&'a [u8], FormatFault> {
        let length = self.count(what, most)?;
        self.take(length)
    }

    pub(crate) fn text(&mut self, what: &'static str, most: usize) -> Result<&'a str, FormatFault> {
        let bytes = self.bytes(what, most)?;
        std::str::from_utf8(bytes).map_err(|_| FormatFault::Field { what })
    }

    /// No room is made before an item is there.
    pub(crate) fn list<T>(
        &mut self,
        (what, most): (&'static str, usize),
        mut read: impl FnMut(&mut Self) -> Result<T, FormatFault>,
    ) -> Result<Vec<T>, FormatFault> {
        let count = self.count(what, most)?;
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(read(self)?);
        }
        Ok(items)
    }
}
