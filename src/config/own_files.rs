//! Which files the daemon writes and which it reads, so that none of them is written over by another.
//!
//! Asked by: `validate`, of all that is configured at once. Never: looks at what is there, which the start and `--check` do.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::Config;
use crate::key_source::KeySource;
use entitled_core::domain::product::document::{Place, Table, Value};
use entitled_core::domain::product::section::Flaws;

/// Beside the ledger, made once there is one and never before: by what the machine is known.
pub const MACHINE_ID: &str = "machine-id";
/// Beside the ledger: the seats that are held.
pub const SEATS: &str = "seats";
/// Beside the ledger: what the machine is in its fleet.
pub const FLEET: &str = "fleet.json";

const FLEET_DRAFT: &str = "fleet.new";

/// A file, and what is made beside it.
struct Owned {
    /// What it is, for people.
    what: &'static str,
    /// By which it is moved elsewhere; empty for what is always beside the ledger.
    key: &'static str,
    path: PathBuf,
    /// Added to its name.
    beside: &'static [&'static str],
    is_written: bool,
}

impl Owned {
    fn names(&self) -> impl Iterator<Item = PathBuf> + '_ {
        std::iter::once("").chain(self.beside.iter().copied()).map(|more| {
            let mut name = OsString::from(&self.path);
            name.push(more);
            plain(Path::new(&name))
        })
    }

    fn is_also(&self, other: &Self) -> bool {
        self.names().any(|name| other.names().any(|it| it == name))
    }
}

/// Whichever way leads to its directory.
fn plain(path: &Path) -> PathBuf {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return path.to_owned();
    };
    directory.canonicalize().map_or_else(|_| path.to_owned(), |it| it.join(name))
}

/// Notes each key that names a file which something else is in.
pub(super) fn check(config: &Config, tree: &Table, flaws: &Flaws) {
    let all = all(config);
    for (index, one) in all.iter().enumerate() {
        for other in all.iter().take(index) {
            if (one.is_written || other.is_written) && one.is_also(other) {
                let (key, what) = match one.key {
                    "" => (other.key, one.what),
                    key => (key, other.what),
                };
                flaws.add(&place(tree, key), key, format!("is {what} as well: use another path"));
            }
        }
    }
}

fn all(config: &Config) -> Vec<Owned> {
    let written = |what, key, path: &Path, beside| Owned {
        what,
        key,
        path: path.to_owned(),
        beside,
        is_written: true,
    };
    let beside_ledger = |name| config.store.path.with_file_name(name);
    let mut all = vec![
        written("the ledger's file", "store.path", &config.store.path, &[".checksums"]),
        written("the file of the machine's name", "", &beside_ledger(MACHINE_ID), &[]),
        written("the file of the seats that are held", "", &beside_ledger(SEATS), &[".draft"]),
        written("the file of what the machine is in its fleet", "", &beside_ledger(FLEET), &[]),
        written(
            "the draft of what the machine is in its fleet",
            "",
            &beside_ledger(FLEET_DRAFT),
            &[],
        ),
        written("the socket", "socket.path", &config.socket.path, &[".lock"]),
        written("the admin socket", "socket.admin_path", &config.socket.admin_path, &[".lock"]),
    ];
    if let KeySource::File(path) | KeySource::Passphrase(path) = &config.keys.source {
        all.push(written("the key's file", "keys.source", path, &[".next", ".old"]));
    }
    let fleet = config.fleet.iter().flat_map(|it| {
        [
            ("fleet.ca", &it.ca),
            ("fleet.certificate", &it.certificate),
            ("fleet.key", &it.key),
            ("fleet.password", &it.password_file),
        ]
    });
    let read = |(key, path): (_, &Option<PathBuf>)| {
        let path = path.clone()?;
        Some(Owned {
            what: "what the fleet is asked with",
            key,
            path,
            beside: &[],
            is_written: false,
        })
    };
    all.extend(fleet.filter_map(read));
    all
}

/// Where `key`, a section and a name, was written.
fn place(tree: &Table, key: &str) -> Place {
    let (section, name) = key.split_once('.').unwrap_or((key, ""));
    match tree.get(section).map(|it| &it.value) {
        Some(Value::Table(table)) => table.get(name).map(|it| it.place.clone()).unwrap_or_default(),
        _ => Place::default(),
    }
}
