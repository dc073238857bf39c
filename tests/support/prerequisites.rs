//! Programs that a test needs and that may not be installed. Where one is missing, the test says so on stderr in a line
//! that begins with `skipped: `, which `make test` lists at its end; where `CI` is set, one test for each of them fails
//! (`prerequisites` of the end-to-end tests).

use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::tests_dir;

/// Says that something was not tested for want of `missing`.
pub fn skipped(untested: &str, missing: &str) {
    eprintln!("skipped: {untested}: {missing} is missing");
}

/// Whether `program` can be started. Where it cannot, says what was not tested.
pub fn has(program: &str, untested: &str) -> bool {
    let mut command = Command::new(program);
    let quietly = command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    let has = quietly.status().is_ok();
    if !has {
        skipped(untested, program);
    }
    has
}

/// The Python that has web3.py and eth-account. Where it is missing, says what was not tested.
pub fn python_with_web3(untested: &str) -> Option<PathBuf> {
    let python = tests_dir().join(".venv/bin/python");
    if !python.exists() {
        skipped(untested, "web3.py in tests/.venv");
        return None;
    }
    Some(python)
}

/// Whether a C program with cJSON can be compiled.
pub fn has_cc_with_cjson() -> bool {
    let directory = tempfile::tempdir().unwrap();
    let (source, program) = (directory.path().join("ask.c"), directory.path().join("ask"));
    let library = "#include <cjson/cJSON.h>\nint main(void) { cJSON_Delete(NULL); }\n";
    std::fs::write(&source, library).unwrap();
    let compiled = Command::new("cc").arg("-o").arg(&program).arg(&source).arg("-lcjson").output();
    compiled.is_ok_and(|it| it.status.success())
}
