//! The C library as the tests have just built it, or as a package has installed it, and programs compiled against it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::UNIX_EPOCH;

use nix::fcntl::{Flock, FlockArg};
use tempfile::TempDir;

use super::prerequisites;

/// The sources of the C library.
pub fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/client/c")
}

/// With which of the two libraries a program is linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Linked {
    Shared,
    Static,
}

/// Names the root of a system that has the packages `libentitled0` and `libentitled-dev`: programs are then compiled
/// against what these installed.
const INSTALLED: &str = "ENTITLED_TEST_C_ROOT";

/// `libentitled.so` and `libentitled.a` in a directory, the header and the examples in two others, and one for programs.
pub struct CLibrary {
    pub libraries: PathBuf,
    include: PathBuf,
    examples: PathBuf,
    pub programs: TempDir,
}

impl CLibrary {
    /// `None` where there is no C compiler; says what was not tested.
    pub fn built(untested: &str) -> Option<Self> {
        let has = ["cc", "ld", "objcopy"].iter().all(|it| prerequisites::has(it, untested));
        let installed = std::env::var_os(INSTALLED).map(PathBuf::from);
        has.then(|| installed.map_or_else(Self::linked, |root| Self::installed(&root)))
    }

    fn linked() -> Self {
        Self {
            libraries: link(),
            include: sources().join("include"),
            examples: sources().join("examples"),
            programs: TempDir::new().unwrap(),
        }
    }

    fn installed(root: &Path) -> Self {
        let multiarch = format!("usr/lib/{}-linux-gnu", std::env::consts::ARCH);
        let libraries = root.join(multiarch);
        assert!(libraries.join("libentitled.so").exists(), "{}", libraries.display());
        Self {
            libraries,
            include: root.join("usr/include"),
            examples: root.join("usr/share/doc/libentitled-dev/examples"),
            programs: TempDir::new().unwrap(),
        }
    }

    /// A program that is shown to vendors.
    pub fn example(&self, name: &str) -> PathBuf {
        self.examples.join(format!("{name}.c"))
    }

    /// Compiles a program as strictly as a vendor may, in C or, by its compiler, in C++.
    pub fn compile(&self, compiler: &str, source: &Path, linked: Linked) -> PathBuf {
        self.compile_with(compiler, source, linked, &[])
    }

    pub fn compile_with(
        &self,
        compiler: &str,
        source: &Path,
        linked: Linked,
        more: &[&str],
    ) -> PathBuf {
        let name = source.file_stem().unwrap().to_str().unwrap();
        // Programs of the same source that were compiled in other ways have other names.
        let more_text: String = more.concat().chars().filter(char::is_ascii_alphanumeric).collect();
        let program = format!("{name}-{compiler}-{linked:?}-{more_text}");
        let program = self.programs.path().join(program);
        let mut run = Command::new(compiler);
        run.args(["-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE", "-pthread", "-g"]);
        run.args(more).arg("-I").arg(&self.include).arg("-o").arg(&program);
        run.arg(if compiler == "cc" { "-xc" } else { "-xc++" }).arg(source).arg("-xnone");
        match linked {
            Linked::Static => run.arg(self.libraries.join("libentitled.a")).arg("-lm"),
            Linked::Shared => run
                .arg("-L")
                .arg(&self.libraries)
                .args(["-lentitled", &format!("-Wl,-rpath,{}", self.libraries.display())]),
        };
        succeed(&mut run);
        program
    }

    pub fn shared(&self) -> PathBuf {
        self.libraries.join("libentitled.so.0")
    }
}

/// What a command wrote that has to succeed.
pub fn succeed(command: &mut Command) -> String {
    let output: Output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}: {said}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// Links the libraries once for all tests of a build; gives their directory.
fn link() -> PathBuf {
    let archive = archive();
    let of = |name: &str| sources().join(name);
    let linked_from = [of("link.sh"), of("libentitled.map"), of("../node/native/receipts.c")];
    let times = linked_from.iter().chain([&archive]);
    let newest = times.map(|it| it.metadata().unwrap().modified().unwrap()).max().unwrap();
    let age = newest.duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let all = Path::new(env!("CARGO_TARGET_TMPDIR")).join("c-library");
    std::fs::create_dir_all(&all).unwrap();
    let lock = File::create(all.join("lock")).unwrap();
    let _lock = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, it)| it).unwrap();
    let place = all.join(age.to_string());
    if !place.exists() {
        for old in std::fs::read_dir(&all).unwrap().map(|it| it.unwrap().path()) {
            if old.is_dir() {
                std::fs::remove_dir_all(old).unwrap();
            }
        }
        let unfinished = all.join("unfinished");
        std::fs::create_dir(&unfinished).unwrap();
        succeed(Command::new(sources().join("link.sh")).arg(archive).arg(&unfinished));
        std::fs::rename(unfinished, &place).unwrap();
    }
    place
}

/// What cargo made of it for these tests, beside them.
fn archive() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let beside = std::fs::read_dir(tests.parent().unwrap()).unwrap().map(|it| it.unwrap().path());
    let archives = beside.filter(|it| {
        let name = it.file_name().unwrap().to_string_lossy();
        name.starts_with("libentitled_c") && name.ends_with(".a")
    });
    archives.max_by_key(|it| it.metadata().unwrap().modified().unwrap()).unwrap()
}
