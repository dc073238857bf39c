//! The libraries of other languages: each plays all cases through a driver of its own, and passes the tests that lie beside
//! it. All of them are one module, so that `cargo test python` finds one language.

use std::process::Command;

use tempfile::TempDir;

use crate::c_library::CLibrary;
use crate::driver::{Program, conforms};
use crate::{prerequisites, tests_dir, toolchain};

/// Plays all cases with a program, if there is one.
fn plays(command: Option<Command>) {
    let Some(command) = command else { return };
    let mut program = Program::start(command);
    conforms(&mut program);
    program.end();
}

/// Runs a language's own tests, which say what was wrong.
fn passes(command: Option<Command>) {
    let Some(mut command) = command else { return };
    command.env_remove("ENTITLED_SOCKET").env_remove("XDG_RUNTIME_DIR");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

#[test]
fn python_conforms() {
    plays(toolchain::python("tests/conformance.py"));
}

#[test]
fn python_with_asyncio_conforms() {
    let asynchronous = |mut it: Command| {
        it.arg("--asyncio");
        it
    };
    plays(toolchain::python("tests/conformance.py").map(asynchronous));
}

#[test]
fn python_passes_its_own_tests() {
    passes(toolchain::python("tests/test_entitled.py"));
}

#[test]
fn python_has_receipts_judged_by_the_c_library() {
    let Some(c) = CLibrary::built("receipts in Python") else { return };
    let with_c = |mut it: Command| {
        it.arg("Receipts").env("LD_LIBRARY_PATH", &c.libraries).env("ENTITLED_TEST_C_LIBRARY", "1");
        it
    };
    passes(toolchain::python("tests/test_entitled.py").map(with_c));
}

#[test]
fn node_conforms() {
    plays(toolchain::node("test/conformance.js"));
}

#[test]
fn node_passes_its_own_tests() {
    passes(toolchain::node("test/entitled.test.js"));
}

#[test]
fn node_has_receipts_judged_by_the_c_library() {
    let Some(c) = CLibrary::built("receipts in Node") else { return };
    let with_c = |mut it: Command| {
        it.env("LD_LIBRARY_PATH", &c.libraries);
        it.env("ENTITLED_TEST_ADDON", c.libraries.join("entitled.node"));
        it
    };
    passes(toolchain::node("test/entitled.test.js").map(with_c));
}

#[test]
fn go_conforms() {
    let directory = TempDir::new().unwrap();
    plays(toolchain::go_program("./internal/conformance", directory.path()));
}

#[test]
fn go_passes_its_own_tests() {
    passes(toolchain::go(&["test", "./..."]));
    passes(toolchain::go(&["vet", "./..."]));
}

#[test]
fn java_conforms() {
    let directory = TempDir::new().unwrap();
    let source = "src/test/java/Conformance.java";
    plays(toolchain::java(source, "Conformance", directory.path()));
}

#[test]
fn java_passes_its_own_tests() {
    let directory = TempDir::new().unwrap();
    let source = "src/test/java/ClientTest.java";
    passes(toolchain::java(source, "ClientTest", directory.path()));
}

/// The C library as C++ sees it, and with it the C library itself.
#[test]
fn cpp_conforms() {
    let directory = TempDir::new().unwrap();
    let Some(command) = toolchain::cpp("tests/conformance.cpp", directory.path()) else { return };
    let mut program = Program::start(command);
    program.is_of_c = true;
    conforms(&mut program);
    program.end();
}

#[test]
fn cpp_passes_its_own_tests() {
    let directory = TempDir::new().unwrap();
    passes(toolchain::cpp("tests/entitled_test.cpp", directory.path()));
}

#[test]
fn cpp_lets_nobody_test_an_answer() {
    const RIGHT: &str = "if (it.answer() == entitlement::Answer::yes) return;";
    const WRONG: [&str; 6] = [
        "if (it) return;",
        "if (!it) return;",
        "if (it.answer()) return;",
        "if (it.has(\"export\")) return;",
        "bool is_entitled = it.answer(); (void)is_entitled;",
        "if (it.answer() == true) return;",
    ];
    let directory = TempDir::new().unwrap();
    let source = directory.path().join("it.cpp");
    let compiles = |line: &str| {
        let text =
            format!("#include <entitled.hpp>\nvoid f(entitlement::Verdict it) {{ {line} }}\n");
        std::fs::write(&source, text).unwrap();
        toolchain::cpp_compiles(&source)
    };
    let Some(right) = compiles(RIGHT) else { return };
    assert!(right, "{RIGHT}");
    for line in WRONG {
        assert_eq!(compiles(line), Some(false), "{line}");
    }
}

/// The types that come with the library for Node are checked by TypeScript: what is right compiles, and a program that
/// tests an answer, or leaves one of the three out, does not.
#[test]
fn typescript_lets_nobody_test_an_answer() {
    let compiler = tests_dir().join("node_modules/typescript/bin/tsc");
    if !compiler.exists() || !prerequisites::has("node", "the types for TypeScript") {
        return prerequisites::skipped(
            "the types for TypeScript",
            "typescript in tests/node_modules",
        );
    }
    let mut command = Command::new("node");
    command.arg(compiler).args(["--project", "test/tsconfig.json"]);
    passes(Some({
        command.current_dir(toolchain::library("node"));
        command
    }));
}
