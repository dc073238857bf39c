//! The policies of floating seats on this machine.
//!
//! Owns: the directories administrators drop policy files into. Asked by: `daemon`, at the start, and SeatKeeper on reload.
//! Never: judges what a file says; that is [`entitled_core::seats::parse_policy`].
//!
//! Directories are read in order; a file overrides one of the same file name in an earlier directory. A mistake in any of
//! them leaves all as they were: a rule that is not understood may be one that keeps somebody out.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::regular_file;
use entitled_core::domain::control_character::shown;
use entitled_core::domain::ids::{ProductId, TierName};
use entitled_core::domain::product::document::{Flaw, LONGEST_TEXT, Place};
use entitled_core::seats::{Policy, PolicyFile, Who, parse_policy, usual_policy};

/// One mistake, with its file, line and key.
pub type PolicyFault = Flaw;

/// More files in one directory are not read.
const MOST_FILES: usize = 1_024;

/// What all files say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policies {
    by_tier: BTreeMap<(ProductId, Option<TierName>), Policy>,
}

impl Policies {
    /// # Errors
    /// Every mistake in any of the files, and each file that cannot be read.
    pub fn load(dirs: &[PathBuf]) -> Result<Self, Vec<PolicyFault>> {
        let (mut files, mut faults) = (BTreeMap::new(), Vec::new());
        for dir in dirs {
            match list(dir) {
                Ok(found) => files.extend(found),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => faults.push(unreadable(dir, &error)),
            }
        }
        let mut policies = Self::default();
        for path in files.into_values() {
            match read(&path) {
                Ok(file) => faults.extend(policies.add(file)),
                Err(found) => faults.extend(found),
            }
        }
        if faults.is_empty() { Ok(policies) } else { Err(faults) }
    }

    fn add(&mut self, file: PolicyFile) -> Option<PolicyFault> {
        let key = (file.product, file.tier);
        if self.by_tier.contains_key(&key) {
            let message = "another file is about the same product and tier already".to_owned();
            return Some(Flaw { place: file.place, key: "product".to_owned(), message });
        }
        self.by_tier.insert(key, file.policy);
        None
    }

    /// The policy of a tier: of a file for it, else of one for its product, else the usual one.
    pub fn of(&self, product: &ProductId, tier: &TierName) -> Policy {
        let own = self.by_tier.get(&(product.clone(), Some(tier.clone())));
        let own = own.or_else(|| self.by_tier.get(&(product.clone(), None)));
        own.cloned().unwrap_or_else(usual_policy)
    }

    /// Whether any rule of a product is about units, so that who asks has to be known by theirs.
    pub fn names_units(&self, product: &ProductId) -> bool {
        self.rules_of(product).any(|it| matches!(it, Who::Unit(_) | Who::UserUnit(..)))
    }

    /// Whether any rule is about groups.
    pub fn names_groups(&self, product: &ProductId) -> bool {
        self.rules_of(product).any(|it| matches!(it, Who::Gid(_)))
    }

    fn rules_of<'a>(&'a self, product: &'a ProductId) -> impl Iterator<Item = &'a Who> {
        let own = self.by_tier.iter().filter(move |((it, _), _)| it == product);
        own.flat_map(|(_, it)| {
            let numbered = it.reserve.iter().chain(&it.max).map(|(who, _)| who);
            numbered.chain(&it.include).chain(&it.exclude)
        })
    }
}

fn list(dir: &Path) -> io::Result<BTreeMap<OsString, PathBuf>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let bytes = name.as_encoded_bytes();
        if bytes.starts_with(b".") || !bytes.ends_with(b".toml") {
            continue;
        }
        if files.len() == MOST_FILES {
            let why = format!("holds more than {MOST_FILES} policy files");
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        let path = dir.join(&name);
        files.insert(name, path);
    }
    Ok(files)
}

fn read(path: &Path) -> Result<PolicyFile, Vec<PolicyFault>> {
    let text = regular_file::read_text(path, LONGEST_TEXT);
    let text = text.map_err(|error| vec![unreadable(path, &error)])?;
    parse_policy(&Arc::from(shown(path)), &text)
}

fn unreadable(path: &Path, error: &io::Error) -> PolicyFault {
    let place = Place { source: Arc::from(shown(path)), line: 0 };
    Flaw { place, key: String::new(), message: format!("cannot be read: {error}") }
}

#[cfg(test)]
mod tests;
