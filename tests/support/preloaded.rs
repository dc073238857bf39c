//! Libraries in C that are loaded into a program before all others, so that the system is another one to it.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{prerequisites, tests_dir};

/// Builds one of `tests/support` in `folder`. `None` where there is no compiler for `what`.
pub fn build(source: &str, folder: &Path, what: &str) -> Option<PathBuf> {
    prerequisites::has("cc", what).then_some(())?;
    let library = folder.join(source).with_extension("so");
    let mut build = Command::new("cc");
    build.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]).arg(&library);
    build.arg(tests_dir().join("support").join(source));
    assert!(build.status().unwrap().success(), "{build:?}");
    Some(library)
}
