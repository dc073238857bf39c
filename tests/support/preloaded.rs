//! Libraries that a program is started with (`LD_PRELOAD`), so that the machine is to it what a test needs.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::c_library::succeed;
use super::{prerequisites, tests_dir};

/// Compiles one of `tests/support/preloaded` into a folder. `None` where there is no compiler for `what`.
pub fn build(name: &str, into: &Path, what: &str) -> Option<PathBuf> {
    prerequisites::has("cc", what).then_some(())?;
    let library = into.join(name).with_extension("so");
    let source = tests_dir().join("support/preloaded").join(name).with_extension("c");
    let mut build = Command::new("cc");
    build.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]).arg(&library).arg(source);
    succeed(&mut build);
    Some(library)
}
