//! The product files on this machine.
//!
//! Owns: the directories vendors and administrators drop product files into. Asked by: `daemon`, at the
//! start, on reload and for `product_install` and `product_remove`. Never: judges what a file says; that
//! is [`entitled_core::domain::product::parse`].
//!
//! Directories are read in order; a file overrides one of the same file name in an earlier directory, and a
//! symbolic link to `/dev/null` takes it away, as with systemd's units. Only what root or this daemon's own
//! user wrote, and nobody else can change, is read: a product file decides what a licence is.
//!
//! A vendor's signature lies beside the file, as `NAME.toml.minisig`. What a product that was signed takes from then on
//! is decided by [`entitled_core::domain::publisher`]; the [`Pin`]s it decides by are the ledger's to keep.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::Metadata;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use alloy_primitives::B256;

use crate::regular_file;
use entitled_core::domain::control_character::shown;
use entitled_core::domain::ids::{ProductId, Timestamp};
use entitled_core::domain::product::document::LONGEST_TEXT;
use entitled_core::domain::product::{Fault, FeatureKinds, Product, feature_kinds, parse};
use entitled_core::domain::publisher::{
    self, LONGEST_SIGNATURE, NotTaken, Pin, Published, PublisherKey,
};

mod change;

pub use change::ChangeError;

/// More files in one directory are not read.
const MOST_FILES: usize = 4_096;

/// A product, and the file that defines it.
#[derive(Debug, Clone, PartialEq)]
pub struct Installed {
    pub product: Product,
    /// Of all its tiers; worked out once, for who asks with each request.
    pub features: Arc<FeatureKinds>,
    pub source: PathBuf,
    /// Who signed the file.
    pub publisher: Option<PublisherKey>,
    /// What was signed, where it was: to be shown to whoever has the publisher's key.
    pub signed: Option<Arc<SignedFile>>,
}

/// The text of a product file, and the signature beside it.
#[derive(Debug, PartialEq, Eq)]
pub struct SignedFile {
    pub text: String,
    pub signature: String,
}

/// A mistake in one file or directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFault {
    pub file: PathBuf,
    pub fault: Fault,
}

impl std::fmt::Display for FileFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", shown(&self.file), self.fault)
    }
}

/// What the directories held.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Loaded {
    pub products: BTreeMap<ProductId, Arc<Installed>>,
    pub faults: Vec<FileFault>,
    /// Whose files each product takes from now on; of those that were ever signed.
    pub pins: BTreeMap<ProductId, Pin>,
}

impl Loaded {
    /// Which pins have changed since those.
    pub fn pins_since(
        &self,
        before: &BTreeMap<ProductId, Pin>,
    ) -> BTreeMap<ProductId, Option<Pin>> {
        let ids = self.pins.keys().chain(before.keys());
        let changed = ids.filter(|id| self.pins.get(*id) != before.get(*id));
        changed.map(|id| (id.clone(), self.pins.get(id).cloned())).collect()
    }
}

/// The directories, and whose files in them count.
#[derive(Debug, Clone)]
pub struct Catalogue {
    dirs: Vec<PathBuf>,
    own_uid: u32,
}

impl Catalogue {
    /// `dirs` in the order they are read; `own_uid` is the daemon's own user, trusted beside root.
    pub fn new(dirs: Vec<PathBuf>, own_uid: u32) -> Self {
        Self { dirs, own_uid }
    }

    /// Reads everything. A product whose file can no longer be read, or has become wrong, keeps the version
    /// it had in `previous`, and so does one whose file is not its publisher's; the fault is told all the same. Without
    /// a previous version there is then no such product.
    pub fn load(&self, previous: &Loaded, now: Timestamp) -> Loaded {
        let mut loading = Loading { own_uid: self.own_uid, ..Loading::default() };
        for dir in &self.dirs {
            loading.directory(dir);
        }
        loading.read_files(previous, now)
    }
}

#[derive(Default)]
struct Loading {
    own_uid: u32,
    /// By file name: the last directory that has it.
    files: BTreeMap<OsString, PathBuf>,
    /// Directories about whose files nothing could be found out.
    unread: BTreeSet<PathBuf>,
    faults: Vec<FileFault>,
}

impl Loading {
    fn directory(&mut self, dir: &Path) {
        match list(dir, self.own_uid) {
            Ok(files) => self.files.extend(files),
            Err(Trouble::Absent) => {}
            Err(trouble) => {
                self.unread.insert(dir.to_owned());
                self.faults.extend(trouble.faults(dir));
            }
        }
    }

    fn read_files(mut self, previous: &Loaded, now: Timestamp) -> Loaded {
        let mut pins = previous.pins.clone();
        let mut products: BTreeMap<ProductId, Arc<Installed>> = BTreeMap::new();
        let mut damaged: BTreeSet<OsString> = BTreeSet::new();
        for (name, path) in std::mem::take(&mut self.files) {
            match read_file(&path, self.own_uid) {
                Ok(file) => {
                    let id = file.product.id.clone();
                    if let Some(first) = products.get(&id) {
                        self.faults.push(defined_twice(&id, &path, &first.source));
                        continue;
                    }
                    match file.admit(&mut pins, now) {
                        Ok(publisher) => {
                            let signed = file.signed(publisher.is_some());
                            let (product, source) = (file.product, path);
                            let features = Arc::new(feature_kinds(&product.tiers));
                            let installed =
                                Installed { product, features, source, publisher, signed };
                            products.insert(id, Arc::new(installed));
                        }
                        Err(why) => {
                            self.faults.extend(Trouble::Refused(why.to_string()).faults(&path));
                            damaged.insert(name);
                        }
                    }
                }
                // Masked, or removed since the directory was listed.
                Err(Trouble::Absent) => {}
                Err(trouble) => {
                    self.faults.extend(trouble.faults(&path));
                    damaged.insert(name);
                }
            }
        }
        for (id, kept) in &previous.products {
            let is_damaged = kept.source.file_name().is_some_and(|it| damaged.contains(it));
            let is_unread = kept.source.parent().is_some_and(|it| self.unread.contains(it));
            if (is_damaged || is_unread) && !products.contains_key(id) {
                products.insert(id.clone(), Arc::clone(kept));
            }
        }
        Loaded { products, faults: self.faults, pins }
    }
}

fn defined_twice(id: &ProductId, path: &Path, first: &Path) -> FileFault {
    let message = format!(
        "`{id}` is already defined by {}; give this file the same name to override that one, or remove one of the two",
        shown(first)
    );
    let fault = Fault { line: 0, key: "product".to_owned(), message };
    FileFault { file: path.to_owned(), fault }
}

/// Why a file or directory could not be taken as it is.
#[derive(Debug)]
enum Trouble {
    Absent,
    Io(io::Error),
    Refused(String),
    Wrong(Vec<Fault>),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotFound { Self::Absent } else { Self::Io(error) }
    }
}

impl Trouble {
    fn of_the_signature(self) -> Self {
        match self {
            Self::Io(error) => {
                Self::Refused(format!("has a signature beside it that cannot be read: {error}"))
            }
            Self::Refused(why) => Self::Refused(format!("has a signature beside it that {why}")),
            other => other,
        }
    }

    fn faults(self, file: &Path) -> Vec<FileFault> {
        let whole = |message| vec![Fault { line: 0, key: String::new(), message }];
        let faults = match self {
            Self::Absent => Vec::new(),
            Self::Io(error) => whole(format!("cannot be read: {error}")),
            Self::Refused(why) => whole(why),
            Self::Wrong(faults) => faults,
        };
        faults.into_iter().map(|fault| FileFault { file: file.to_owned(), fault }).collect()
    }
}

/// The product files of one directory by name; those masked by a link to `/dev/null` among them.
fn list(dir: &Path, own_uid: u32) -> Result<BTreeMap<OsString, PathBuf>, Trouble> {
    check_owner(&std::fs::metadata(dir)?, own_uid)?;
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name();
        let bytes = name.as_encoded_bytes();
        if bytes.starts_with(b".") || !bytes.ends_with(b".toml") {
            continue;
        }
        if files.len() == MOST_FILES {
            return Err(Trouble::Refused(format!("holds more than {MOST_FILES} product files")));
        }
        let path = dir.join(&name);
        files.insert(name, path);
    }
    Ok(files)
}

/// Only root and this daemon's user may be able to change what a licence is.
fn check_owner(metadata: &Metadata, own_uid: u32) -> Result<(), Trouble> {
    let owner = metadata.uid();
    if owner != 0 && owner != own_uid {
        return Err(Trouble::Refused(format!(
            "belongs to uid {owner}: it is read only when it belongs to root or to uid {own_uid}"
        )));
    }
    if metadata.mode() & 0o002 != 0 {
        return Err(Trouble::Refused(
            "can be written by everybody: it is read only after `chmod o-w`".to_owned(),
        ));
    }
    Ok(())
}

/// A product file, and the signature beside it.
struct ProductFile {
    text: String,
    signature: Option<String>,
    product: Product,
}

impl ProductFile {
    fn new(text: String, signature: Option<String>) -> Result<Self, Vec<Fault>> {
        let product = parse(&text)?;
        Ok(Self { text, signature, product })
    }

    /// Whose file it is, once it is taken; what to go by from then on goes to `pins`.
    fn admit(
        &self,
        pins: &mut BTreeMap<ProductId, Pin>,
        now: Timestamp,
    ) -> Result<Option<PublisherKey>, NotTaken> {
        let id = &self.product.id;
        let digest = ring::digest::digest(&ring::digest::SHA256, self.text.as_bytes());
        let published = Published {
            text: &self.text,
            signature: self.signature.as_deref(),
            names: self.product.publisher.as_ref(),
            version: self.product.version,
            digest: B256::from_slice(digest.as_ref()),
        };
        let Some((signer, pin)) = publisher::admit(pins.get(id), published, now)? else {
            return Ok(None);
        };
        pins.insert(id.clone(), pin);
        Ok(Some(signer))
    }
}

impl ProductFile {
    /// What is shown of a file that somebody published.
    fn signed(&self, is_published: bool) -> Option<Arc<SignedFile>> {
        let signature = self.signature.clone().filter(|_| is_published)?;
        Some(Arc::new(SignedFile { text: self.text.clone(), signature }))
    }
}

/// Where the signature of a product file lies.
fn signature_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".minisig");
    name.into()
}

fn read_file(path: &Path, own_uid: u32) -> Result<ProductFile, Trouble> {
    if std::fs::read_link(path).is_ok_and(|target| target == Path::new("/dev/null")) {
        return Err(Trouble::Absent);
    }
    let text = read_text(path, own_uid, LONGEST_TEXT)?;
    let signature = match read_text(&signature_of(path), own_uid, LONGEST_SIGNATURE) {
        Ok(signature) => Some(signature),
        Err(Trouble::Absent) => None,
        Err(trouble) => return Err(trouble.of_the_signature()),
    };
    ProductFile::new(text, signature).map_err(Trouble::Wrong)
}

fn read_text(path: &Path, own_uid: u32, longest: usize) -> Result<String, Trouble> {
    let file = regular_file::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidInput => Trouble::Refused(error.to_string()),
        _ => error.into(),
    })?;
    // Of the file that is open, so that nobody can put another in its place after the check.
    check_owner(&file.metadata()?, own_uid)?;
    let mut bytes = Vec::new();
    let longest = u64::try_from(longest).unwrap_or(u64::MAX);
    file.take(longest + 1).read_to_end(&mut bytes)?;
    String::from_utf8(bytes).map_err(|_| Trouble::Refused("is not UTF-8 text".to_owned()))
}

#[cfg(test)]
mod tests;
