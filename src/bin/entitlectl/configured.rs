//! The configuration and the product files of the daemon that is asked, as far as they can be read on this machine.
//!
//! Asked by `doctor`, and where a product is missed. A daemon does not say which file it was started with: what the usual places say is
//! believed of a daemon only that listens where they say.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use entitled::config::{Config, ConfigError, Environment, Read};
use entitled::products::{Catalogue, FileFault, Loaded};
use nix::unistd::geteuid;

use crate::session::{Door, Session};
use crate::{files, words};

/// Reads the configuration in this file, or in the usual places.
pub(crate) fn read(file: Option<&Path>) -> Result<Read, ConfigError> {
    Config::read(file, &Environment::of_process())
}

/// Whether the daemon that is asked listens where a configuration says.
pub(crate) fn is_of(config: &Config, session: &Session) -> bool {
    config.socket.path == session.path(Door::Public).as_path()
}

/// The product files that a daemon of this configuration takes as mistaken, by what lies there now.
pub(crate) fn refused(config: &Config) -> Vec<FileFault> {
    // Beside root's, files of the daemon's own user count, whose the ledger is.
    let place = config.store.path.parent().and_then(|it| it.metadata().ok());
    let own = place.map_or_else(|| geteuid().as_raw(), |it| it.uid());
    let catalogue = Catalogue::new(config.products.dirs.clone(), own);
    catalogue.load(&Loaded::default(), words::now()).faults
}

/// The first file that was refused and is meant to be this product's.
pub(crate) fn refused_for(session: &Session, product: &str) -> Option<PathBuf> {
    let config = read(None).ok()?.config;
    if !is_of(&config, session) {
        return None;
    }
    refused(&config).into_iter().map(|it| it.file).find(|it| is_meant_for(it, product))
}

/// By its name, or by the key `product` in it, however wrong the rest is.
fn is_meant_for(file: &Path, product: &str) -> bool {
    let names = |line: &str| {
        let value = line.trim().strip_prefix("product").map(str::trim_start);
        let value = value.and_then(|it| it.strip_prefix('=')).unwrap_or_default();
        let value = value.split('#').next().unwrap_or_default().trim();
        !value.is_empty() && value.trim_matches(['"', '\'']) == product
    };
    file.file_stem().is_some_and(|it| it == product)
        || files::read(file).is_ok_and(|text| text.lines().any(names))
}

#[cfg(test)]
mod tests;
