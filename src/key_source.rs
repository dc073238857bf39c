//! Where the key-encryption key is to be found. Pure.
//!
//! Asked by: `config`, which reads it, and `keys`, which goes there.

use std::fmt;
use std::path::PathBuf;

/// Where the key-encryption key comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A file that only we can read, made at the first start.
    File(PathBuf),
    /// A systemd credential: a file of this name in `$CREDENTIALS_DIRECTORY`.
    Credential(String),
    /// A passphrase that an administrator gives after each start, with what this file says.
    Passphrase(PathBuf),
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Credential(name) => write!(f, "credential:{name}"),
            Self::Passphrase(_) => f.write_str("passphrase"),
        }
    }
}
