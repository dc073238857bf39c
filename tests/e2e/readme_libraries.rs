//! Every example of the libraries' own pages, run as it stands there before a real daemon: with what such a program would have
//! around it, and something in the place of what only a reader has. A watch ends after its first word.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::publishers::{Vendor, install_signed};
use crate::support::c_library::{CLibrary, Linked};
use crate::support::settings::ProductFile;
use crate::support::stage::{ACME, Stage};
use crate::support::toolchain;

mod rust;

/// Set for the child that plays an example in Rust.
const ROLE: &str = "ENTITLED_TEST_LIBRARY_EXAMPLE";

/// A block of a page, and what makes a program of it.
struct Example {
    page: &'static str,
    /// A line of it, by which it is found.
    has: &'static str,
    before: &'static str,
    after: &'static str,
    /// More at a line of it, or another in its place: to tell what came, and to end.
    places: &'static [(&'static str, &'static str)],
    /// What it prints.
    says: &'static [&'static str],
}

const WORKS: &[&str] = &["works with pro"];

impl Example {
    /// The program, for a vendor's key.
    fn program(&self, key: &str) -> String {
        let page = page(self.page);
        let mut blocks = page.split("```").skip(1).step_by(2).filter(|it| it.contains(self.has));
        let block = blocks.next().expect(self.has).split_once('\n').unwrap().1;
        let mut block = block.replace("RW…", key);
        for (shown, meant) in self.places {
            assert!(block.contains(shown), "{}: {shown} is not in\n{block}", self.page);
            block = block.replace(shown, meant);
        }
        format!("{}{block}{}", self.before, self.after)
    }
}

fn page(path: &str) -> String {
    std::fs::read_to_string(toolchain::library(path)).unwrap()
}

/// Somebody has a licence of a product that the vendor signed, with seats.
fn stage(vendor: &Vendor) -> Stage {
    let stage = Stage::linked();
    let tier = "seats = 5\nfeatures = { export = true, max_projects = 50 }";
    let product = ProductFile::new(ACME).tier("pro", 20, tier);
    let grant = r#"tokens_of = "enumerable""#;
    let product = product.grant("pro", &stage.licence.collection(), grant);
    install_signed(&stage.daemon, vendor, &product);
    stage.mint(7);
    stage.daemon.wait_for(ACME, "a yes under the vendor's name", |it| {
        it["publisher"] == vendor.key() && it["code"] == "VALID"
    });
    stage
}

fn written(home: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = home.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// Runs each of these and compares what it prints. `ready` makes a command of a program, where the language is here.
fn play(examples: &[Example], ready: impl Fn(&TempDir, usize, &str) -> Option<Command>) {
    let vendor = Vendor::new();
    let stage = stage(&vendor);
    for (at, example) in examples.iter().enumerate() {
        let home = TempDir::new().unwrap();
        let program = example.program(&vendor.key());
        let Some(mut command) = ready(&home, at, &program) else { return };
        command.env("ENTITLED_SOCKET", stage.daemon.socket()).stdin(Stdio::null());
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{}: {output:?}\n{program}", example.page);
        for part in example.says {
            assert!(said.contains(part), "{}: {part} is not in {said}\n{program}", example.page);
        }
    }
}

#[test]
fn the_page_of_the_library_for_python_is_run() {
    let examples = [
        Example {
            page: "python/README.md",
            has: "client.watch(",
            before: "",
            after: "",
            places: &[(
                "        print(verdict.answer, verdict.code)",
                "        print(verdict.answer, verdict.code, projects)\n        break",
            )],
            says: &["VALID 50"],
        },
        Example {
            page: "python/README.md",
            has: "entitled.seat(",
            before: "import entitled\n\ndef work(tier):\n    print(\"works with\", tier)\n\n",
            after: "",
            places: &[],
            says: WORKS,
        },
    ];
    play(&examples, |home, _, program| {
        toolchain::python(written(home, "example.py", program).to_str().unwrap())
    });
}

#[test]
fn the_page_of_the_library_for_node_is_run() {
    let examples = [
        Example {
            page: "node/README.md",
            has: "client.watch(",
            before: "(async () => {\n",
            after: "})();\n",
            places: &[(
                "  // the present verdict, then",
                "  console.log(\"watched\", isOn, projects);\n  break;\n  // the present verdict, then",
            )],
            says: &["watched true 50"],
        },
        Example {
            page: "node/README.md",
            has: "held.release()",
            before: "const work = (tier) => console.log(\"works with\", tier);\n(async () => {\n",
            after: "})();\n",
            places: &[],
            says: WORKS,
        },
    ];
    play(&examples, |home, _, program| {
        let modules = home.path().join("node_modules");
        std::fs::create_dir(&modules).unwrap();
        std::os::unix::fs::symlink(toolchain::library("node"), modules.join("entitled")).unwrap();
        toolchain::node(written(home, "example.js", program).to_str().unwrap())
    });
}

#[test]
fn the_page_of_the_library_for_go_is_run() {
    let examples = [
        Example {
            page: "go/README.md",
            has: "client.Watch(",
            before: "package main\n\nimport (\n\"context\"\n\"entitled\"\n\"fmt\"\n\"log\"\n\"time\"\n)\n\n\
                     func main() {\nctx, stop := context.WithCancel(context.Background())\n\
                     use := func(it entitled.Verdict, err error) { fmt.Println(\"watched\", it.Code, err); stop() }\n",
            after: "}\n",
            places: &[],
            says: &["watched VALID <nil>"],
        },
        Example {
            page: "go/README.md",
            has: "entitled.TakeSeat(",
            before: "package main\n\nimport (\n\"context\"\n\"entitled\"\n\"fmt\"\n\"time\"\n)\n\n\
                     func run(ctx context.Context) error {\n",
            after: "fmt.Println(\"works with\", seat.Tier)\nreturn nil\n}\n\n\
                    func main() {\nif err := run(context.Background()); err != nil {\npanic(err)\n}\n}\n",
            places: &[],
            says: WORKS,
        },
    ];
    play(&examples, |home, _, program| {
        written(home, "main.go", program);
        let library = toolchain::library("go");
        let module = "module example\n\ngo 1.19\n\nrequire entitled v0.0.0\n\nreplace entitled => ";
        written(home, "go.mod", &format!("{module}{}\n", library.display()));
        let mut build = toolchain::go(&["build", "-o", "example", "."])?;
        let built = build.current_dir(home.path()).output().unwrap();
        assert!(built.status.success(), "{built:?}\n{program}");
        Some(Command::new(home.path().join("example")))
    });
}

#[test]
fn the_page_of_the_library_for_java_is_run() {
    let imports = "import entitled.*;\nimport java.time.Duration;\nimport java.util.Map;\n\nclass Page {\n\
                   static void work(String tier) { System.out.println(\"works with \" + tier); }\n\
                   public static void main(String[] arguments) throws Exception {\n";
    let examples = [
        Example {
            page: "java/README.md",
            has: "client.watch(",
            before: imports,
            after: "}\n}\n",
            places: &[(
                "            System.out.println(it.answer() + \" \" + it.code());",
                "            System.out.println(it.answer() + \" \" + it.code() + \" \" + projects);\n            break;",
            )],
            says: &["YES VALID 50"],
        },
        Example {
            page: "java/README.md",
            has: "client.seat(",
            before: imports,
            after: "}\n}\n",
            places: &[],
            says: WORKS,
        },
    ];
    play(&examples, |home, _, program| {
        let source = written(home, "Page.java", program);
        toolchain::java(source.to_str().unwrap(), "Page", home.path())
    });
}

#[test]
fn the_page_of_the_library_for_cpp_is_run() {
    let includes = "#include <chrono>\n#include <entitled.hpp>\n#include <iostream>\n#include <string>\n\n\
                    template <typename T> void work(T tier) { std::cout << \"works with \" << tier << '\\n'; }\n\n";
    let examples = [
        Example {
            page: "cpp/README.md",
            has: "client.watch(",
            before: "#include <chrono>\n#include <entitled.hpp>\n#include <iostream>\n\nint main() {\n",
            after: "std::cout << projects << '\\n';\n}\n",
            places: &[(
                "    std::cout << it.code() << '\\n';",
                "    std::cout << it.code() << '\\n';\n    break;",
            )],
            says: &["VALID"],
        },
        Example {
            page: "cpp/README.md",
            has: "client.seat(",
            before: "int main() {\nconst entitlement::Client client;\n",
            after: "}\n",
            places: &[],
            says: WORKS,
        },
    ];
    play(&examples, |home, at, program| {
        let program = if at == 1 { format!("{includes}{program}") } else { program.to_owned() };
        toolchain::cpp(written(home, "page.cpp", &program).to_str().unwrap(), home.path())
    });
}

#[test]
fn the_page_of_the_library_for_c_is_run() {
    let begin = "#include <entitled.h>\n#include <stdio.h>\n\n\
                 static void offer_export(void) { puts(\"exports\"); }\n\
                 static void draw_the_frame(void) { puts(\"draws\"); }\n\
                 static void work(void) { puts(\"works\"); }\n\n\
                 int main(void) {\nentitled *daemon = entitled_open(NULL);\n\
                 (void)offer_export; (void)draw_the_frame; (void)work;\n{\n";
    let example = |has, after, says| Example {
        page: "c/README.md",
        has,
        before: begin,
        after,
        places: &[],
        says,
    };
    let end = "}\nentitled_close(daemon);\nreturn 0;\n}\n";
    let examples = [
        example("draw_the_frame();", end, &["draws"] as &[&str]),
        example(
            "offer_export();",
            "printf(\"%lld\\n\", (long long)projects);\n}\nentitled_close(daemon);\nreturn 0;\n}\n",
            &["exports", "50"],
        ),
        example("entitled_seat_acquire(", end, &["works"]),
    ];
    let Some(library) = CLibrary::built("the page of the C library") else { return };
    play(&examples, |home, at, program| {
        let source = written(home, &format!("page{at}.c"), program);
        Some(Command::new(library.compile("cc", &source, Linked::Shared)))
    });
}

/// Started again with [`ROLE`], it plays one of the examples in Rust.
#[test]
fn the_page_of_the_library_for_rust_is_run() {
    if let Ok(name) = std::env::var(ROLE) {
        return rust::play(&name);
    }
    let page = page("README.md");
    let source = dedented(include_str!("readme_libraries/rust.rs"));
    let blocks: Vec<&str> = page.split("```rust,no_run\n").skip(1).collect();
    assert_eq!(blocks.len(), rust::NAMES.len(), "src/client/README.md has as many examples");
    for block in blocks {
        let block = block.split("```").next().unwrap();
        // What is hidden makes a program of it.
        let shown: Vec<&str> = block.lines().filter(|it| !it.starts_with("# ")).collect();
        let shown = dedented(&shown.join("\n"));
        assert!(source.contains(shown.trim()), "not as it is run here:\n{shown}\n---\n{source}");
    }
    let vendor = Vendor::new();
    let stage = stage(&vendor);
    for (name, says) in rust::NAMES {
        let mut child = Command::new(std::env::current_exe().unwrap());
        let test = "readme_libraries::the_page_of_the_library_for_rust_is_run";
        child.args(["--exact", test, "--nocapture"]).env(ROLE, name);
        child.env("ENTITLED_SOCKET", stage.daemon.socket()).stdout(Stdio::piped());
        let mut child = child.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let said = lines.find(|it| it.as_ref().is_ok_and(|it| it == says));
        // One of them goes on for ever.
        let _ = child.kill();
        let ended = child.wait().unwrap();
        assert!(said.is_some(), "{name} did not say {says}; it ended with {ended}");
    }
}

/// Line by line, without what stands before and behind it.
fn dedented(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join("\n")
}

/// Where the program of a language is that its page shows, below `src/client/`.
const PROGRAMS: [(&str, &str); 5] = [
    ("python/README.md", "python/example.py"),
    ("node/README.md", "node/example.js"),
    ("go/README.md", "go/example/main.go"),
    ("java/README.md", "java/src/example/java/Example.java"),
    ("cpp/README.md", "cpp/example.cpp"),
];

/// The first example of each is that of docs/start.md, which runs it.
#[test]
fn each_library_shows_the_program_of_the_document() {
    let start = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/start.md");
    let start = std::fs::read_to_string(start).unwrap();
    for (page_of, program) in PROGRAMS {
        let code = page(program);
        assert!(page(page_of).contains(&code), "{page_of} shows {program}");
        assert!(start.contains(&code), "docs/start.md shows {program}");
    }
}
