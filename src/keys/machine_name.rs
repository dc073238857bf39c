//! The machine's name in the messages people sign: bound to this installation, telling nothing of it.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use alloy_primitives::hex;
use ring::hmac;

use super::new_file;
use super::random::{self, Exhausted};
use crate::regular_file;

/// The domain of the EIP-4361 messages this machine issues, such as `entitled-0123456789ab.localhost`.
///
/// A signature for one machine is worth nothing on another. The name is a keyed hash of a random id
/// made at first start: not the host name, which people choose alike, and not `/etc/machine-id`, which
/// is confidential (machine-id(5)) and cloned with disk images. `localhost` can belong to nobody
/// (RFC 6761), so no web site can ask for a signature in this name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineName(String);

/// The machine has no name. Without one no wallet can be linked, so the daemon must not start.
#[derive(Debug, thiserror::Error)]
pub enum MachineNameError {
    #[error("the machine id {path} cannot be read")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("the machine id {path} cannot be made")]
    Make { path: PathBuf, source: std::io::Error },
    #[error("the machine id {path} cannot be made")]
    Randomness { path: PathBuf, source: Exhausted },
    #[error(
        "the machine id {path} is not 32 hexadecimal digits: restore it, or remove it to get a new name (challenges not yet answered are then lost)"
    )]
    Malformed { path: PathBuf },
}

impl MachineName {
    /// Reads the machine id at `path`, such as `<state>/machine-id`; makes it (mode 0644) when there
    /// is none. Every start gives the same name.
    ///
    /// # Errors
    /// [`MachineNameError`]. A file that is there is never overwritten.
    pub fn read_or_make(path: &Path) -> Result<Self, MachineNameError> {
        if let Some(id) = read(path)? {
            return Ok(Self::of(&id));
        }
        let mut id = [0; 16];
        random::fill(&mut id)
            .map_err(|source| MachineNameError::Randomness { path: path.to_owned(), source })?;
        let line = format!("{}\n", hex::encode(id));
        new_file::make(path, line.as_bytes(), 0o644)
            .map_err(|source| MachineNameError::Make { path: path.to_owned(), source })?;
        match read(path)? {
            Some(id) => Ok(Self::of(&id)),
            None => Err(MachineNameError::Read {
                path: path.to_owned(),
                source: std::io::ErrorKind::NotFound.into(),
            }),
        }
    }

    fn of(id: &[u8; 16]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, id);
        let tag = hmac::sign(&key, b"entitled machine name v1");
        let digits = hex::encode(tag.as_ref());
        Self(format!("entitled-{}.localhost", &digits[..12]))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MachineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `None` when there is nothing at `path`.
fn read(path: &Path) -> Result<Option<[u8; 16]>, MachineNameError> {
    let file = match regular_file::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(MachineNameError::Read { path: path.to_owned(), source }),
    };
    let mut text = Vec::new();
    // 32 digits and a line end; anything longer is refused below without being read.
    file.take(34)
        .read_to_end(&mut text)
        .map_err(|source| MachineNameError::Read { path: path.to_owned(), source })?;
    let mut id = [0; 16];
    let digits = text.strip_suffix(b"\n").unwrap_or(&text);
    match hex::decode_to_slice(digits, &mut id) {
        Ok(()) if digits.len() == 32 => Ok(Some(id)),
        _ => Err(MachineNameError::Malformed { path: path.to_owned() }),
    }
}

#[cfg(test)]
mod tests;
