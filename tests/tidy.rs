//! The rules of how we write that a machine can check: who may import whom, which crate has which owner,
//! and how long a file may be. Reads the sources as text; needs nothing built.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

#[path = "tidy/circles.rs"]
mod circles;

/// Which `crate::` modules a module may name. The picture of src/lib.rs: imports go one way.
/// `daemon` puts the parts together and may name all of them; it is not listed.
const MAY_USE: &[(&str, &[&str])] = &[
    ("core/domain", &["domain"]),
    ("core/light_client", &["domain", "light_client"]),
    ("core/proof", &["domain", "proof"]),
    ("core/evm", &["domain", "evm", "light_client", "proof"]),
    ("core/seats", &["domain", "seats"]),
    ("core/fleet", &["domain", "fleet", "seats"]),
    ("core/standards", &["domain", "evm", "standards"]),
    ("core/receipt", &["domain", "evm", "light_client", "proof", "receipt", "standards"]),
    ("core/loan", &["domain", "loan", "receipt", "seats"]),
    ("core/lib", &[]),
    ("clock", &["clock"]),
    ("counter", &["counter"]),
    ("descriptor_store", &["descriptor_store"]),
    ("directories", &["directories"]),
    ("endpoint", &["endpoint"]),
    ("hardening", &[]),
    ("json_values", &[]),
    ("key_source", &["key_source"]),
    ("regular_file", &["regular_file"]),
    ("sent_descriptors", &["sent_descriptors"]),
    ("config", &["config", "endpoint", "fleet", "key_source", "logging", "regular_file"]),
    ("logging", &["logging"]),
    ("products", &["products", "regular_file"]),
    ("seat_journal", &["regular_file", "seat_journal"]),
    ("seat_policies", &["regular_file", "seat_policies"]),
    ("store", &["regular_file", "store"]),
    ("chain", &["chain", "endpoint", "json_values", "regular_file", "sent_descriptors"]),
    ("fleet", &["clock", "fleet", "json_values", "regular_file"]),
    ("keys", &["key_source", "keys", "regular_file"]),
    (
        "actors",
        &[
            "actors",
            "chain",
            "clock",
            "counter",
            "descriptor_store",
            "fleet",
            "keys",
            "products",
            "regular_file",
            "seat_journal",
            "seat_policies",
            "store",
        ],
    ),
    ("rpc", &["actors", "clock", "counter", "regular_file", "rpc", "sent_descriptors"]),
    ("gateway", &["clock", "config", "gateway", "hardening", "logging", "regular_file", "rpc"]),
    ("main", &[]),
    ("lib", &[]),
];

/// Who may name what of the package that decides and proves; of the others, all may name its domain only.
const PROVES: &[(&str, &[&str])] = &[
    ("actors", &["domain", "fleet", "loan", "receipt", "seats"]),
    ("rpc", &["domain", "loan", "receipt", "seats"]),
    ("fleet", &["fleet", "seats"]),
    ("seat_journal", &["domain", "seats"]),
    ("store", &["domain", "loan"]),
    ("seat_policies", &["domain", "seats"]),
    ("chain", &["domain", "evm", "light_client", "proof", "receipt", "standards"]),
    ("entitlectl", &["domain", "receipt", "seats"]),
    ("daemon", &["domain", "light_client"]),
];

/// What only some modules may name, and which.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("redb::", &["store"]),
    ("jsonrpsee::", &["rpc"]),
    ("reqwest::", &["chain", "fleet", "gateway"]),
    ("alloy_rpc_client::", &["chain"]),
    ("alloy_transport::", &["chain"]),
    ("revm::", &["chain", "core/evm", "core/proof"]),
    ("alloy_trie::", &["chain", "core/proof"]),
    ("tokio_tungstenite::", &["chain", "rpc"]),
    ("ring::aead", &["keys"]),
    ("SystemTime::now", &["clock"]),
    ("Timestamp::now", &["clock"]),
    ("Zoned::now", &["clock"]),
];

/// What the pure packages do not do, and their dependencies do not prevent.
const NOT_PURE: &[&str] = &[
    "async ",
    ".await",
    "std::fs",
    "std::net::Tcp",
    "std::net::Udp",
    "std::env",
    "std::io",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::thread",
    "static mut",
];

/// `Instant` measures how long something took, which is no reading of the calendar. Whoever needs that says
/// here what for.
const MAY_MEASURE: &[(&str, &str)] = &[
    ("clock", "owns every clock"),
    ("chain", "deadlines and latency of endpoints"),
    ("actors/chain_verifier/work", "how the time for one chain is divided among its looks"),
    ("client", "how long a caller is willing to wait; it has no clock of ours"),
    ("entitlectl", "how long a person is willing to wait"),
    ("rpc", "deadlines of connections"),
    ("gateway", "how long answers of others are kept, and how long a client may take"),
    ("actors/supervisor", "the window in which restarts are counted"),
    ("store/writer", "how long a group of writes is gathered"),
];

/// What opens a file by its name and would follow a link there, or wait for the other end of a pipe.
const OPENS: &[&str] =
    &["File::open", "OpenOptions", "File::options", "fs::read", "fs::copy", "read_to_string("];

/// Who opens files in another way than through `regular_file`, and why that is no way to be led astray.
const MAY_OPEN: &[(&str, &str)] = &[
    ("regular_file", "owns how files are opened"),
    ("rpc/socket/user_namespace", "reads how the kernel maps users, which nobody else can write"),
    ("regular_file/reached", "reads what the kernel says of mounts, which nobody else can write"),
    ("entitlectl/files", "makes what the person who runs it names where nothing is yet, by O_EXCL"),
    (
        "entitlectl/pages/peer",
        "reads the kernel's own table of sockets, which nobody else can write",
    ),
    ("entitlectl/manual", "compares the manual page with the sources, in a test"),
    (
        "actors/tier_cache/pages/file",
        "opens its own memory once more, to hand it over for reading only",
    ),
    ("keys/new_file", "makes a draft of a name nobody knows, by O_EXCL"),
    (
        "rpc/socket/subordinate_uids",
        "reads a file of root's below /etc, which may be a link to another",
    ),
    ("rpc/socket/peer", "opens the user database, which is root's and may be a link to another"),
    (
        "client/socket_path",
        "reads how the kernel started this program, which nobody else can write",
    ),
    ("keys/key_place", "overwrites a key before it is removed, and follows no link"),
];

const LONGEST_FILE: usize = 400;

/// Words of unfinished work. Put together here, so that this file is not a case of them.
fn unfinished() -> Vec<String> {
    [("TO", "DO"), ("FIX", "ME"), ("XX", "X"), ("HA", "CK"), ("unimpl", "emented!"), ("to", "do!(")]
        .iter()
        .map(|(a, b)| format!("{a}{b}"))
        .collect()
}

struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// The text before its tests.
    fn code(&self) -> &str {
        self.text.split("\n#[cfg(test)]").next().unwrap()
    }

    /// Whether the file holds nothing but tests: `tests.rs`, `proof_tests.rs`, or anything in a folder `tests`.
    fn is_tests(&self) -> bool {
        let place = self.place();
        place.ends_with("tests") || place.contains("/tests/")
    }

    /// The code without comments: what is only spoken of is not used.
    fn statements(&self) -> String {
        let lines = self.code().lines().map(|line| match line.split_once("//") {
            Some((before, _)) if !before.ends_with(':') => before, // `http://` is no comment
            _ => line,
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// `src/actors/tier_cache.rs` is in module `actors`, `src/core/evm/execute.rs` in `core/evm`, and
    /// `src/bin/entitlectl/main.rs` is `entitlectl`.
    fn module(&self) -> String {
        let parts: Vec<&str> = self.path.iter().map(|it| it.to_str().unwrap()).collect();
        let from_src = &parts[parts.iter().position(|it| *it == "src").unwrap() + 1..];
        let name = match from_src {
            ["bin", name, ..] => (*name).to_owned(),
            ["core", part, ..] => format!("core/{part}"),
            [name, ..] => (*name).to_owned(),
            [] => String::new(),
        };
        name.trim_end_matches(".rs").to_owned()
    }

    /// `actors/tier_cache`
    fn place(&self) -> String {
        let path = self.path.to_str().unwrap();
        let (_, place) = path.split_once("src/").unwrap();
        place.trim_start_matches("bin/").trim_end_matches(".rs").to_owned()
    }
}

fn files(folder: &Path, suffix: &str) -> Vec<Source> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            if !["node_modules", ".venv", "out", "target"].contains(&name) {
                found.extend(files(&path, suffix));
            }
        } else if name.ends_with(suffix) {
            found.push(Source { text: fs::read_to_string(&path).unwrap(), path });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    let mut found = files(&root().join("src"), ".rs");
    found.retain(|it| !it.is_tests());
    assert!(found.len() > 10, "the sources were not found");
    found
}

/// Fails with every fault at once.
fn hold(rule: &str, faults: &[String]) {
    assert!(faults.is_empty(), "{rule}:\n  {}\n", faults.join("\n  "));
}

fn shown(source: &Source) -> String {
    source.path.strip_prefix(root()).unwrap().display().to_string()
}

fn word(text: &str) -> &str {
    text.split(|it: char| !it.is_alphanumeric() && it != '_').next().unwrap()
}

/// Whether `name` occurs in `text` as a path or word of its own, not as the end of a longer one.
fn names(text: &str, name: &str) -> bool {
    text.match_indices(name)
        .any(|(at, _)| !text[..at].ends_with(|it: char| it.is_alphanumeric() || it == '_'))
}

#[test]
fn imports_go_one_way() {
    let mut faults = Vec::new();
    for source in sources() {
        let module = source.module();
        let statements = source.statements();
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == module) else {
            if !["client", "daemon", "entitlectl"].contains(&module.as_str()) {
                faults.push(format!(
                    "{}: `{module}` has no place in the import rule",
                    shown(&source)
                ));
            }
            continue;
        };
        for used in statements.split("crate::").skip(1).map(word) {
            if !allowed.contains(&used) {
                faults.push(format!("{}: `{module}` must not use `{used}`", shown(&source)));
            }
        }
        let proves = PROVES.iter().find(|(name, _)| *name == module);
        let allowed = proves.map_or(&["domain"][..], |(_, parts)| parts);
        for used in statements.split("entitled_core::").skip(1).map(word) {
            if !allowed.contains(&used) {
                faults.push(format!("{}: must not use `entitled_core::{used}`", shown(&source)));
            }
        }
    }
    hold("imports go main → daemon → rpc → actors → {store, chain, keys} → core", &faults);
}

#[test]
fn the_command_line_is_a_client_like_any_other() {
    let mut faults = Vec::new();
    for source in sources().iter().filter(|it| it.module() == "entitlectl") {
        for used in source.statements().split("entitled::").skip(1).map(word) {
            // A store is restored while no daemon runs that could be asked to, and a backup read where it lies.
            let restores = source.place().ends_with("commands/store")
                && ["clock", "config", "regular_file"].contains(&used);
            let is_store =
                used == "store" && ["store", "exit"].iter().any(|it| source.place().ends_with(it));
            // A receipt is verified without a daemon, and its time bounds what it proves.
            let verifies = source.place().ends_with("commands/receipt") && used == "clock";
            // Times are said as people say them, which is by how far they are from now.
            let words_times = source.place().ends_with("entitlectl/words") && used == "clock";
            // What may be wrong with a configuration has to be read where no daemon answers, and its report is a new file.
            let examines = source.place().contains("commands/doctor")
                && ["config", "regular_file"].contains(&used);
            // Where a configuration is, and what of its product files is mistaken, is found out as the daemon does.
            let looks = source.place().ends_with("entitlectl/configured")
                && ["config", "products"].contains(&used);
            // Before a secret is read, the process gives up what would show it to others.
            let hides = source.place().ends_with("entitlectl/secrets") && used == "hardening";
            // What others put where it is to read waits for nobody.
            let reads = source.place().ends_with("entitlectl/files") && used == "regular_file";
            if !restores
                && !is_store
                && !verifies
                && !reads
                && !words_times
                && !examines
                && !looks
                && !hides
            {
                faults.push(format!("{}: must not use `{used}`", shown(source)));
            }
        }
    }
    hold("entitlectl knows the socket, and the product file's grammar", &faults);
}

#[test]
fn a_crate_has_one_owner() {
    let mut faults = Vec::new();
    for source in sources() {
        let (module, statements) = (source.module(), source.statements());
        for (name, owners) in ONLY_IN {
            if names(&statements, name) && !owners.contains(&module.as_str()) {
                faults.push(format!("{}: `{name}` belongs in {owners:?}", shown(&source)));
            }
        }
        let place = source.place();
        let may_measure =
            MAY_MEASURE.iter().any(|(owner, _)| module == *owner || place.starts_with(owner));
        if names(&statements, "Instant::now") && !may_measure {
            faults
                .push(format!("{}: `Instant::now` needs a reason in MAY_MEASURE", shown(&source)));
        }
    }
    hold("what touches the outside has one owner", &faults);
}

#[test]
fn files_are_opened_where_no_pipe_holds_and_no_link_leads() {
    let mut faults = Vec::new();
    for source in sources() {
        let (place, statements) = (source.place(), source.statements());
        if MAY_OPEN.iter().any(|(owner, _)| place == *owner) {
            continue;
        }
        for line in statements.lines() {
            // A directory is opened to be made durable; a handle that is open is read to its end.
            let harmless = line.contains("sync_all") || line.contains(".read_to_string(");
            for name in OPENS.iter().filter(|it| !harmless && names(line, it)) {
                if !line.contains("fs::read_dir") && !line.contains("fs::read_link") {
                    faults.push(format!("{}: `{name}`", shown(&source)));
                }
            }
        }
    }
    hold("every file is opened by `regular_file`, or has a reason in MAY_OPEN", &faults);
}

#[test]
fn what_decides_and_proves_is_pure() {
    let mut faults = Vec::new();
    for source in sources().iter().filter(|it| it.module().starts_with("core/")) {
        let statements = source.statements();
        for name in NOT_PURE {
            if names(&statements, name) {
                faults.push(format!("{}: `{name}`", shown(source)));
            }
        }
    }
    hold("what decides and proves has no async, input, output or clock", &faults);
}

#[test]
fn every_file_says_what_it_owns_and_is_short() {
    let mut faults = Vec::new();
    for source in sources() {
        if !source.text.starts_with("//!") {
            faults.push(format!("{}: must open with a `//!` doc", shown(&source)));
        }
        let lines = source.code().lines().count();
        if lines > LONGEST_FILE {
            faults.push(format!("{}: {lines} lines before its tests", shown(&source)));
        }
    }
    hold("a file opens with what it owns, and has at most 400 lines before its tests", &faults);
}

#[test]
fn tests_of_a_module_have_a_file_of_their_own() {
    let inline = |it: &Source| it.text.lines().any(|it| it.trim_end().ends_with("mod tests {"));
    let faults: Vec<String> = sources().iter().filter(|it| inline(it)).map(shown).collect();
    hold("the tests of `x.rs` are in `x/tests.rs`", &faults);
}

#[test]
fn each_module_is_imported_by_its_own_line() {
    let of_several = |it: &str| it.split(';').next().is_some_and(|it| it.contains("::"));
    let nested = |it: &Source| it.text.split("use crate::{").skip(1).any(of_several);
    let faults: Vec<String> = sources().iter().filter(|it| nested(it)).map(shown).collect();
    hold("one `use crate::x::…` for each module", &faults);
}

#[test]
fn nothing_is_left_unfinished_or_switched_off() {
    let mut faults = Vec::new();
    let mut wanted = unfinished();
    wanted.push(format!("#[{}", "ignore"));
    let tests = files(&root().join("tests"), ".rs").into_iter();
    let scripts = files(&root().join("tests"), ".mjs").into_iter();
    for source in sources().into_iter().chain(tests).chain(scripts) {
        for word in &wanted {
            if names(&source.text, word) {
                faults.push(format!("{}: `{word}`", shown(&source)));
            }
        }
    }
    hold("what is not finished is not here; no test is switched off", &faults);
}

#[test]
fn a_sleep_in_a_test_says_why_no_event_is_waited_for() {
    let mut faults = Vec::new();
    let tests = files(&root().join("tests"), ".rs").into_iter();
    for source in tests.filter(|it| !shown(it).starts_with("tests/benches")) {
        let lines: Vec<&str> = source.text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let said = line.contains("//") || at > 0 && lines[at - 1].trim().starts_with("//");
            let sleeps = ["thread::sleep(", "time::sleep("].iter().any(|it| line.contains(it));
            if sleeps && !said && !line.contains('"') {
                faults.push(format!("{}:{}", shown(&source), at + 1));
            }
        }
    }
    hold("a test waits for what happens; a fixed sleep has its reason in a comment", &faults);
}

/// What a daemon writes is read by the test a moment after the daemon has answered.
#[test]
fn a_test_waits_for_what_a_log_will_say() {
    let looks_once = |line: &str| {
        let line = line.trim_start();
        line.starts_with("assert!(")
            && !line.starts_with("assert!(!")
            && line.contains(".log().contains(")
    };
    let mut faults = Vec::new();
    for source in files(&root().join("tests"), ".rs") {
        let lines = source.text.lines().enumerate().filter(|(_, line)| looks_once(line));
        faults.extend(lines.map(|(at, _)| format!("{}:{}", shown(&source), at + 1)));
    }
    hold("a test waits until a log says it: `wait_for_log`", &faults);
}

#[test]
fn the_readme_names_the_two_commands() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap_or_default();
    let missing: Vec<String> = ["make demo", "make test"]
        .iter()
        .filter(|it| !readme.contains(**it))
        .map(|it| format!("README.md does not name `{it}`"))
        .collect();
    hold("a newcomer finds the way in", &missing);
}

#[test]
fn what_is_packaged_is_reproducible() {
    let lock = fs::read_to_string(root().join("tests/package-lock.json")).unwrap();
    assert!(!lock.contains("\"resolved\""), "the lock file names a registry: see tests/.npmrc");
    let package = fs::read_to_string(root().join("tests/package.json")).unwrap();
    let loose = package.lines().filter(|it| it.contains("\": \"^") || it.contains("\": \"~"));
    assert_eq!(loose.count(), 0, "versions are exact");
}
