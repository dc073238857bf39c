//! Installing and removing a product file, on an administrator's word.
//!
//! Both touch the last directory only: earlier ones belong to packages.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::{Catalogue, Loaded, ProductFile, Trouble, check_owner, list, read_file, signature_of};
use crate::regular_file;
use entitled_core::domain::ids::{ProductId, Timestamp};
use entitled_core::domain::product::Fault;
use entitled_core::domain::publisher::NotTaken;

/// Why a product file was not written or removed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    #[error("the product file has {} mistakes; first: {}", faults.len(), first(faults))]
    Wrong { faults: Vec<Fault> },
    #[error("no directory for product files is configured (`products.dirs`)")]
    NoDirectory,
    #[error("{} {why}", path.display())]
    Refused { path: PathBuf, why: String },
    #[error("no product `{id}` is installed")]
    Unknown { id: ProductId },
    #[error("product `{id}` belongs to a package: remove that, or mask {} by a link to /dev/null of the same file name in {}", path.display(), mask_in.display())]
    Packaged { id: ProductId, path: PathBuf, mask_in: PathBuf },
    #[error("the file of product `{id}` {why}")]
    NotTaken { id: ProductId, why: NotTaken },
    #[error(
        "the ledger could not keep who publishes the product, so nothing of it was taken up; try again"
    )]
    NotKept,
    #[error("cannot {doing} {}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
}

fn first(faults: &[Fault]) -> String {
    faults.first().map(ToString::to_string).unwrap_or_default()
}

impl Catalogue {
    /// Writes a product file into the last directory, whole or not at all, and returns its path. It is
    /// called `ID.toml`; or, where another directory or file defines the product already, by the same name
    /// as that file, so that it takes that file's place instead of contradicting it.
    ///
    /// The signature goes beside it, first: a file that is read with the signature of the other is taken by nobody.
    ///
    /// # Errors
    /// When the text is wrong, is not its publisher's, or the directory cannot be written.
    pub fn install(
        &self,
        text: &str,
        signature: Option<&str>,
        (before, now): (&Loaded, Timestamp),
    ) -> Result<PathBuf, ChangeError> {
        let file = ProductFile::new(text.to_owned(), signature.map(ToOwned::to_owned));
        let file = file.map_err(|faults| ChangeError::Wrong { faults })?;
        let product = &file.product;
        let not_taken = |why| ChangeError::NotTaken { id: product.id.clone(), why };
        file.admit(&mut before.pins.clone(), now).map_err(not_taken)?;
        let dir = self.last_dir()?;
        let defined = self.load(before, now).products.remove(&product.id);
        let name = defined
            .as_ref()
            .and_then(|it| it.source.file_name())
            .map_or_else(|| format!("{}.toml", product.id).into(), ToOwned::to_owned);
        let path = dir.join(name);
        prepare(dir, self.own_uid)?;
        let failed = |doing| {
            let path = path.clone();
            move |source| ChangeError::Io { doing, path, source }
        };
        let temporary = dir.join(format!(".{}.{}.new", product.id, std::process::id()));
        let place = |text: &str, path: &Path| {
            write_durably(&temporary, text).and_then(|()| std::fs::rename(&temporary, path))
        };
        let beside = match signature {
            Some(signature) => place(signature, &signature_of(&path)),
            None => remove_if_there(&signature_of(&path)),
        };
        let written =
            beside.and_then(|()| place(text, &path)).and_then(|()| File::open(dir)?.sync_all());
        if written.is_err() {
            // What is left of it would be ignored (its name begins with a dot), but need not stay.
            let _ = std::fs::remove_file(&temporary);
        }
        written.map_err(failed("write"))?;
        Ok(path)
    }

    /// Removes the product's file from the last directory and returns its path. Where it stood in for a
    /// package's file, that one counts again.
    ///
    /// # Errors
    /// When the product is unknown, or only a package's file defines it.
    pub fn remove(
        &self,
        id: &ProductId,
        (before, now): (&Loaded, Timestamp),
    ) -> Result<PathBuf, ChangeError> {
        let dir = self.last_dir()?;
        let Some(path) = self.own_file(dir, id) else {
            let defined = self.load(before, now).products.remove(id);
            return Err(match defined {
                Some(defined) => ChangeError::Packaged {
                    id: id.clone(),
                    path: defined.source.clone(),
                    mask_in: dir.to_owned(),
                },
                None => ChangeError::Unknown { id: id.clone() },
            });
        };
        std::fs::remove_file(&path)
            .and_then(|()| remove_if_there(&signature_of(&path)))
            .and_then(|()| File::open(dir)?.sync_all())
            .map_err(|source| ChangeError::Io { doing: "remove", path: path.clone(), source })?;
        Ok(path)
    }

    fn last_dir(&self) -> Result<&Path, ChangeError> {
        self.dirs.last().map(PathBuf::as_path).ok_or(ChangeError::NoDirectory)
    }

    /// The file of the last directory that defines `id`; one named after it also when it is damaged.
    fn own_file(&self, dir: &Path, id: &ProductId) -> Option<PathBuf> {
        let files = list(dir, self.own_uid).ok()?;
        let defines = |path: &&PathBuf| {
            read_file(path, self.own_uid).is_ok_and(|file| file.product.id == *id)
        };
        let by_name = || {
            let path = files.get(&std::ffi::OsString::from(format!("{id}.toml")))?;
            let damaged = read_file(path, self.own_uid);
            matches!(damaged, Err(Trouble::Wrong(_) | Trouble::Refused(_))).then_some(path)
        };
        files.values().find(defines).or_else(by_name).cloned()
    }
}

/// Makes the directory where it is missing, and refuses one that others can write.
fn prepare(dir: &Path, own_uid: u32) -> Result<(), ChangeError> {
    let failed = |source| ChangeError::Io { doing: "make", path: dir.to_owned(), source };
    if !dir.exists() {
        std::fs::DirBuilder::new().recursive(true).mode(0o755).create(dir).map_err(failed)?;
    }
    match check_owner(&std::fs::metadata(dir).map_err(failed)?, own_uid) {
        Err(Trouble::Refused(why)) => Err(ChangeError::Refused { path: dir.to_owned(), why }),
        _ => Ok(()),
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn write_durably(path: &Path, text: &str) -> io::Result<()> {
    // A process with our number that was cut off here may have left one.
    let _ = std::fs::remove_file(path);
    let mut file = regular_file::make_new(path)?;
    file.write_all(text.as_bytes())?;
    // Product files are no secret; the service's own mask would hide them from people.
    file.set_permissions(Permissions::from_mode(0o644))?;
    file.sync_all()
}
