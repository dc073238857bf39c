//! The file of a fake daemon: where it listens and its limits are read here, what it answers by whoever answers.
//!
//! A fake is found by nobody who was not pointed to it: it has no socket where programs look by themselves.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::validate::{delegates, limits, socket_path};
use super::{ConfigError, Environment, Socket};
use crate::regular_file;
use entitled_core::domain::product::document::{self, LONGEST_TEXT, Node, Place};
use entitled_core::domain::product::section::{Flaws, Section, whole};

/// A file, read: `S` is what it says of the answers.
#[derive(Debug)]
pub struct FakeFile<S> {
    pub socket: Socket,
    pub scenario: S,
}

/// Reads the file of a fake; `answers` reads all of it but `[socket]`.
///
/// # Errors
/// When it cannot be read, or any key or value is wrong: then all that are, at once.
pub fn read_fake<S>(
    path: &Path,
    environment: &Environment,
    answers: impl FnOnce(&mut Section<'_>) -> S,
) -> Result<FakeFile<S>, ConfigError> {
    let text = regular_file::read_text(path, LONGEST_TEXT)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    let source = Arc::from(path.display().to_string());
    let tree = document::read(&source, &text).map_err(|flaws| ConfigError::Wrong { flaws })?;
    let flaws = Flaws::default();
    let mut root = Section::root(&tree, Place { source, line: 0 }, &flaws);
    let socket = socket(root.section("socket"), environment);
    let scenario = answers(&mut root);
    root.finish();
    if flaws.is_empty() {
        Ok(FakeFile { socket, scenario })
    } else {
        Err(ConfigError::Wrong { flaws: flaws.into_sorted() })
    }
}

fn socket(mut section: Section<'_>, environment: &Environment) -> Socket {
    let real = environment.real_runtimes();
    let apart = |node: &Node| {
        let path = socket_path(node)?;
        is_apart(&path, &real).map(|()| path)
    };
    if environment.uid == 0 && !section.has("path") {
        section
            .flaw("path", "must be given where root runs a fake: `[socket]`, `path = \"/a/path\"`");
    }
    let path = section.or("path", environment.fake_runtime().join("entitled.sock"), apart);
    let admin_path = section.or("admin_path", path.with_file_name("admin.sock"), apart);
    if path == admin_path {
        section.flaw("admin_path", "must be another than `path`");
    }
    let delegates = section.or("delegates", Vec::new(), delegates);
    let threads = section.or("threads", 1, whole(1, 64));
    let limits = limits(section.section("limits"));
    section.finish();
    Socket { path, admin_path, admin_group: String::new(), delegates, threads, limits }
}

/// Whether programs that were not told of it would not find a socket there. Where a session's directory is, only that
/// session knows: so nothing may lie in a directory that is named as that of a daemon.
fn is_apart(path: &Path, real: &[PathBuf]) -> Result<(), String> {
    if path.components().any(|it| it == Component::ParentDir) {
        return Err("must be a path without `..`".to_owned());
    }
    let resolved = resolved(path);
    match real.iter().find(|it| path.starts_with(it) || resolved.starts_with(resolved_whole(it))) {
        Some(it) => Err(format!(
            "must not be below {}, where programs look for a daemon that proves what it says",
            it.display()
        )),
        None if [path, &resolved].into_iter().any(is_in_a_sessions_place) => Err(
            "must not be in a directory named `entitled` or `entitled-UID`: sessions have theirs where programs look for a daemon that proves what it says"
                .to_owned(),
        ),
        None => Ok(()),
    }
}

/// Whether the directory has the name by which clients look for it, below `XDG_RUNTIME_DIR` or `/tmp`.
fn is_in_a_sessions_place(path: &Path) -> bool {
    let directory = path.parent().and_then(Path::file_name);
    let name = directory.map(|it| it.to_string_lossy()).unwrap_or_default();
    let uid = name.strip_prefix("entitled-").map(str::as_bytes);
    name == "entitled" || uid.is_some_and(|it| !it.is_empty() && it.iter().all(u8::is_ascii_digit))
}

/// The path with every link on the way followed, as far as it is there.
fn resolved(path: &Path) -> PathBuf {
    let there = path.ancestors().skip(1).find_map(|it| Some((it, it.canonicalize().ok()?)));
    match there.and_then(|(it, real)| Some(real.join(path.strip_prefix(it).ok()?))) {
        Some(resolved) => resolved,
        None => path.to_owned(),
    }
}

fn resolved_whole(directory: &Path) -> PathBuf {
    directory.canonicalize().unwrap_or_else(|_| resolved(directory))
}
