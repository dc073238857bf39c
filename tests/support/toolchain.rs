//! Programs in other languages, with the client library of their language below `src/client/`: compiled where the language
//! is, and ready to be run. `None` where its tools are missing, after a line that says what was not tested.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::c_library::CLibrary;
use super::prerequisites;

/// The folder of a language's client library.
pub fn library(language: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/client").join(language)
}

pub fn python(script: &str) -> Option<Command> {
    prerequisites::has("python3", "the client library for Python").then_some(())?;
    let mut command = Command::new("python3");
    command.arg(library("python").join(script)).env("PYTHONPATH", library("python"));
    // Nothing of Python's own beside the sources; and what it would only warn of is an error.
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONWARNINGS", "error");
    Some(command)
}

pub fn node(script: &str) -> Option<Command> {
    prerequisites::has("node", "the client library for Node").then_some(())?;
    let mut command = Command::new("node");
    command.arg(library("node").join(script));
    Some(command)
}

/// `go` with these arguments, in the library's folder; it keeps what it compiled below `target`.
pub fn go(arguments: &[&str]) -> Option<Command> {
    prerequisites::has("go", "the client library for Go").then_some(())?;
    let mut command = Command::new("go");
    command.args(arguments).current_dir(library("go"));
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR"));
    command.env("GOCACHE", kept.join("go-cache")).env("GOPATH", kept.join("go-path"));
    command.envs([("CGO_ENABLED", "0"), ("GOFLAGS", "-mod=readonly"), ("GOPROXY", "off")]);
    Some(command)
}

/// Builds a package of the library's module to a program in `into`.
pub fn go_program(package: &str, into: &Path) -> Option<Command> {
    let program = into.join("go-program");
    let mut build = go(&["build", "-o"])?;
    compiled(build.arg(&program).arg(package));
    Some(Command::new(program))
}

/// Compiles the library and one more file, and runs that file's class.
pub fn java(source: &str, class: &str, into: &Path) -> Option<Command> {
    prerequisites::has("javac", "the client library for Java").then_some(())?;
    let classes = into.join("java-classes");
    let mut sources = vec![library("java").join(source)];
    for entry in std::fs::read_dir(library("java").join("src/main/java/entitled")).unwrap() {
        sources.push(entry.unwrap().path());
    }
    let mut build = Command::new("javac");
    build.args(["--release", "17", "-Xlint:all", "-Werror", "-d"]).arg(&classes).args(&sources);
    compiled(&mut build);
    let mut command = Command::new("java");
    // It starts quicker so, and on few processors it does no worse.
    command.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-cp"]);
    command.arg(&classes).arg(class);
    Some(command)
}

/// Compiles a program of C++ with the C library, shared.
pub fn cpp(source: &str, into: &Path) -> Option<Command> {
    let c = CLibrary::built("the client library for C++")?;
    let program = into.join("cpp-program");
    let mut build = cpp_compiler()?;
    build.arg("-o").arg(&program).arg(library("cpp").join(source)).arg("-L").arg(&c.libraries);
    build.args(["-lentitled", &format!("-Wl,-rpath,{}", c.libraries.display())]);
    compiled(&mut build);
    Some(Command::new(program))
}

/// Whether a source of C++ compiles.
pub fn cpp_compiles(source: &Path) -> Option<bool> {
    let output = cpp_compiler()?.arg("-fsyntax-only").arg(source).output();
    Some(output.unwrap().status.success())
}

fn cpp_compiler() -> Option<Command> {
    prerequisites::has("c++", "the client library for C++").then_some(())?;
    let mut build = Command::new("c++");
    build.args(["-std=c++17", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Werror", "-pthread"]);
    build.arg("-I").arg(library("cpp")).arg("-I").arg(library("c").join("include"));
    Some(build)
}

fn compiled(build: &mut Command) {
    let output = build.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{build:?}: {said}");
}
