//! How many sealed keys there are under which key-encryption key.

use std::collections::BTreeMap;

use super::key_encryption_key::KeyId;
use super::sealing::sealed_under;

/// A count of sealed records by the key they name. Tells what a key file that is missing, or one that is
/// there twice, means.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Census {
    under: BTreeMap<KeyId, u64>,
    /// Records that name no key: damaged, or written by a later program.
    unreadable: u64,
}

impl Census {
    pub fn of<'a>(records: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut census = Self::default();
        for record in records {
            match sealed_under(record) {
                Some(id) => *census.under.entry(id).or_default() += 1,
                None => census.unreadable += 1,
            }
        }
        census
    }

    /// All sealed records there are.
    pub fn total(&self) -> u64 {
        self.under.values().sum::<u64>() + self.unreadable
    }

    pub fn under(&self, id: KeyId) -> u64 {
        self.under.get(&id).copied().unwrap_or(0)
    }
}
