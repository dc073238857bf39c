//! Lines out of what arrives in pieces, each bounded in size.

use crate::error::ClientError;

/// The longest answer accepted, in bytes.
const LINE_MAX: usize = 1024 * 1024;
/// Those of JSON, without the line end.
const BLANKS: &[u8] = b" \t\r";

#[derive(Debug, Default)]
pub(super) struct Lines {
    received: Vec<u8>,
    /// How much of `received` is known to hold no line end.
    searched: usize,
}

impl Lines {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
    }

    /// Whether nothing is left of what arrived.
    pub(super) fn is_empty(&self) -> bool {
        self.received.is_empty()
    }

    /// The next line that is not blank, without its end; `None` when more has to arrive first.
    ///
    /// # Errors
    /// When a line is longer than the longest allowed, in however many pieces it came.
    pub(super) fn next(&mut self) -> Result<Option<Vec<u8>>, ClientError> {
        let bounded = |length| match length > LINE_MAX {
            true => Err(ClientError::protocol("an answer is longer than 1 MiB")),
            false => Ok(()),
        };
        while let Some(line) = self.take() {
            bounded(line.len())?;
            if !line.iter().all(|it| BLANKS.contains(it)) {
                return Ok(Some(line));
            }
        }
        bounded(self.received.len())?;
        Ok(None)
    }

    fn take(&mut self) -> Option<Vec<u8>> {
        let fresh = self.received.get(self.searched..)?;
        let Some(end) = fresh.iter().position(|it| *it == b'\n') else {
            self.searched = self.received.len();
            return None;
        };
        let rest = self.received.split_off(self.searched + end + 1);
        self.searched = 0;
        let mut line = std::mem::replace(&mut self.received, rest);
        line.pop();
        Some(line)
    }
}
