//! Every block of code in a document says, in a comment before it, which test runs it, or as what it is checked here.
//!
//! `<!-- checked: tests/e2e/fake.rs name_of_the_test -->` names a test that reads the document and runs the block. The other
//! words are those of [`Check`]. What is drawn from characters is marked as `text` and needs none.

use std::path::Path;
use std::process::{Command, Output};

use entitled::config::{Config, Environment};
use entitled::rpc::openrpc;
use entitled::seat_policies::Policies;
use entitled_core::domain::product::parse;
use serde_json::Value;

use super::names::{files, read, root};

/// Blocks that need a cluster, the whole run of the tests, or a build system that is not here.
const NOT_RUN: usize = 8;

/// One block of code of a document.
struct Block {
    /// The document and the line at which it begins.
    place: String,
    language: String,
    mark: Option<String>,
    text: String,
}

/// How a block is checked.
enum Check<'a> {
    /// A test reads the document, and does what stands there.
    Test { file: &'a str, name: &'a str },
    /// Commands that no test can run, and why not. Those of ours exist and have the options, and so have the targets of make.
    NotRun { why: &'a str },
    /// The daemon's configuration, or a part of it.
    Configuration,
    /// The configuration of the gateway.
    Gateway,
    /// A product file, or a part of one.
    Product,
    /// A policy of floating seats.
    Policy,
    /// A request or a notification: its method and parameters are in the API's document.
    Call,
}

impl<'a> Check<'a> {
    fn read(mark: &'a str) -> Option<Self> {
        if let Some(why) = mark.strip_prefix("not run: ") {
            return Some(Self::NotRun { why });
        }
        match mark {
            "configuration" => Some(Self::Configuration),
            "gateway" => Some(Self::Gateway),
            "product" => Some(Self::Product),
            "policy" => Some(Self::Policy),
            "call" => Some(Self::Call),
            _ => mark.split_once(' ').map(|(file, name)| Self::Test { file, name }),
        }
    }

    fn run(&self, page: &str, (language, text): (&str, &str)) -> Result<(), String> {
        match self {
            Self::Test { file, name } => has_test(page, file, name),
            Self::NotRun { .. } if language == "sh" => commands(text),
            Self::NotRun { .. } => Ok(()),
            Self::Configuration => configuration(text),
            Self::Gateway => gateway(text),
            Self::Product => product(text),
            Self::Policy => policy(text),
            Self::Call => call(text),
        }
    }
}

fn blocks(page: &str) -> Vec<Block> {
    let text = read(page);
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    let mut before = "";
    for (at, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        if let Some(mut block) = open.take() {
            if trimmed == "```" {
                found.push(block);
            } else {
                block.text.push_str(line);
                block.text.push('\n');
                open = Some(block);
            }
        } else if let Some(language) = trimmed.strip_prefix("```") {
            let mark = before.strip_prefix("<!-- checked: ").and_then(|it| it.strip_suffix(" -->"));
            open = Some(Block {
                place: format!("{page}:{}", at + 1),
                language: language.to_owned(),
                mark: mark.map(str::to_owned),
                text: String::new(),
            });
        }
        before = trimmed;
    }
    assert!(open.is_none(), "{page}: a block that does not end");
    found
}

/// Lines that are code by their indentation alone, outside of lists.
fn indented(page: &str) -> Vec<String> {
    let text = read(page);
    let mut faults = Vec::new();
    let (mut in_list, mut in_block, mut blank) = (false, false, true);
    for (at, line) in text.lines().enumerate() {
        in_block ^= line.trim().starts_with("```");
        if !line.is_empty() && !line.starts_with(' ') {
            let is_number = line.split('.').next().is_some_and(|it| it.parse::<u8>().is_ok());
            in_list = line.starts_with("* ") || line.starts_with("- ") || is_number;
        }
        if blank && !in_block && !in_list && line.starts_with("    ") {
            faults.push(format!("{page}:{}: give this block a language and a mark", at + 1));
        }
        blank = line.is_empty();
    }
    faults
}

/// The READMEs, of the libraries too, and the pages of the book; decisions are of their day, and hold no code that is run.
fn pages() -> Vec<String> {
    let below = ["docs", "src/client", "packaging"].into_iter().flat_map(files);
    let all = below.map(|it| it.to_str().expect("UTF-8").to_owned());
    let pages = all.filter(|it| it.ends_with(".md") && !it.starts_with("docs/decisions/"));
    pages.chain(["README.md".to_owned()]).collect()
}

/// There is such a test, and its file names the page.
fn has_test(page: &str, file: &str, name: &str) -> Result<(), String> {
    let path = root().join(file);
    let text = std::fs::read_to_string(path).map_err(|error| format!("{file}: {error}"))?;
    let defined = [format!("fn {name}("), format!("def {name}(")];
    if !defined.iter().any(|it| text.contains(it)) {
        return Err(format!("{file} has no test `{name}`"));
    }
    // Libraries' pages are named below their folder.
    let names = [page, page.trim_start_matches("src/client/")];
    match names.iter().any(|it| text.contains(&format!("{it}\""))) {
        true => Ok(()),
        false => Err(format!("{file} does not read {page}")),
    }
}

/// Other programs that documents use, whose options are not ours to check.
const OTHERS: &[&str] = &["curl", "helm", "kubectl", "podman", "podman-compose"];

fn commands(text: &str) -> Result<(), String> {
    let joined = text.replace("\\\n", " ");
    let without_remarks = |line: &str| match line.split_once('#') {
        Some((before, _)) if before.is_empty() || before.ends_with(' ') => before.to_owned(),
        _ => line.to_owned(),
    };
    for line in joined.lines().map(without_remarks) {
        // A quoted text may hold what separates commands.
        let quoted = line.split('\'').step_by(2).collect::<Vec<_>>().join("TEXT");
        for command in quoted.split(['|', ';']).flat_map(|it| it.split("&&")) {
            command_is_right(command).map_err(|error| format!("`{}`: {error}", command.trim()))?;
        }
    }
    Ok(())
}

fn command_is_right(command: &str) -> Result<(), String> {
    let command = command.split('>').next().unwrap_or_default();
    let mut words: Vec<&str> = command.split_whitespace().collect();
    while let Some(first) = words.first() {
        let is_prefix = *first == "sudo" || (first.contains('=') && !first.starts_with('-'));
        if *first == "runuser" {
            words = words.split_off(words.iter().position(|it| *it == "--").map_or(1, |it| it + 1));
        } else if is_prefix {
            words.remove(0);
        } else {
            break;
        }
    }
    match words.split_first() {
        None | Some((&("export" | "sudoedit" | "$EDITOR"), _)) => Ok(()),
        Some((&"entitlectl", rest)) => options(env!("CARGO_BIN_EXE_entitlectl"), rest),
        Some((&"entitled", rest)) => options(env!("CARGO_BIN_EXE_entitled"), rest),
        Some((&"make", rest)) => {
            let makefile = read("Makefile");
            let target = rest.first().copied().unwrap_or("help");
            let found = makefile.lines().any(|it| it.starts_with(&format!("{target}:")));
            if found { Ok(()) } else { Err("make has no such target".to_owned()) }
        }
        Some((first, _)) if OTHERS.contains(first) => Ok(()),
        Some((first, _)) => Err(format!("`{first}` is neither ours nor known here")),
    }
}

/// Whether the help of the subcommand names every option.
fn options(program: &str, words: &[&str]) -> Result<(), String> {
    let ours: Vec<&str> = words.iter().copied().take_while(|it| *it != "--").collect();
    let plain = ours.iter().take_while(|it| !it.starts_with('-'));
    let asked = Command::new(program).args(plain).arg("--help").output();
    let Output { status, stdout, stderr } = asked.map_err(|error| error.to_string())?;
    let help = String::from_utf8_lossy(&stdout).into_owned();
    if !status.success() {
        return Err(String::from_utf8_lossy(&stderr).into_owned());
    }
    let known = |option: &str| {
        help.split(|it: char| !it.is_alphanumeric() && it != '-').any(|it| it == option)
    };
    let given = ours.iter().filter(|it| it.starts_with('-'));
    match given.map(|it| it.split('=').next().unwrap_or(it)).find(|it| !known(it)) {
        Some(unknown) => Err(format!("its help does not name `{unknown}`")),
        None => Ok(()),
    }
}

/// The text with something in the place of what is left out.
fn filled(text: &str) -> String {
    let fill = |line: &str| {
        let is_hash = ["root", "hash"].iter().any(|it| line.contains(&format!("{it} ")));
        let digits = if is_hash { 64 } else { 40 };
        let line = line.replace("0x…", &format!("0x{}", "a1".repeat(digits / 2)));
        let line = line.replace("sha256 = \"…", &format!("sha256 = \"{}", "c3".repeat(32)));
        line.replace("sha256:…", &format!("sha256:{}", "b2".repeat(32)))
    };
    text.lines().map(fill).collect::<Vec<_>>().join("\n")
}

fn configuration(text: &str) -> Result<(), String> {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("entitled.toml");
    std::fs::write(&file, filled(text)).expect("written");
    // As the service manager hands them in.
    let credentials = ("CREDENTIALS_DIRECTORY".to_owned(), "/run/credentials".to_owned());
    let environment =
        Environment { variables: [credentials].into_iter().collect(), ..Environment::default() };
    let read = Config::read(Some(&file), &environment);
    read.map(drop).map_err(|error| format!("{error:?}"))
}

fn gateway(text: &str) -> Result<(), String> {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("gateway.toml");
    std::fs::write(&file, filled(text)).expect("written");
    let mut check = Command::new(env!("CARGO_BIN_EXE_entitled"));
    let checked = check.args(["gateway", "--check", "--config"]).arg(&file).output();
    let Output { status, stderr, .. } = checked.map_err(|error| error.to_string())?;
    if status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&stderr).into_owned()) }
}

fn product(text: &str) -> Result<(), String> {
    let mut text = filled(text);
    for (key, line) in [
        ("product", "product = \"acme-cad\""),
        ("name", "name = \"Acme CAD\""),
        ("version", "version = 1"),
    ] {
        if !text.lines().any(|it| it.split('=').next().is_some_and(|it| it.trim() == key)) {
            text = format!("{line}\n{text}");
        }
    }
    for (table, more) in [
        ("[tiers.", "[tiers.pro]\nrank = 1"),
        (
            "[[grants]]",
            "[[grants]]\ntier = \"pro\"\ntoken = \"eip155:1/erc721:0x00000000000000000000000000000000000000a1\"",
        ),
    ] {
        if !text.contains(table) {
            text = format!("{text}\n{more}\n");
        }
    }
    parse(&text).map(drop).map_err(|faults| format!("{faults:?}"))
}

fn policy(text: &str) -> Result<(), String> {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("policy.toml"), text).expect("written");
    let loaded = Policies::load(&[directory.path().to_owned()]);
    loaded.map(drop).map_err(|faults| format!("{faults:?}"))
}

fn call(text: &str) -> Result<(), String> {
    // `ID` and names of schemas stand for values.
    let values =
        text.replace(":ID", ":1").replace(":Verdict}", ":{}}").replace(":SeatChanged}", ":{}}");
    let call: Value = serde_json::from_str(&values).map_err(|error| error.to_string())?;
    let document = openrpc::document();
    let all = ["methods", "x-notifications"].map(|it| document[it].as_array().expect(it));
    let known = all.into_iter().flatten().find(|it| it["name"] == call["method"]);
    let known = known.ok_or_else(|| format!("{} is no method", call["method"]))?;
    let params = known["params"].as_array().expect("params");
    let given = call["params"].as_object().into_iter().flat_map(|it| it.keys());
    match given.into_iter().find(|name| !params.iter().any(|it| it["name"] == name.as_str())) {
        Some(unknown) => Err(format!("`{unknown}` is no parameter")),
        None => Ok(()),
    }
}

#[test]
fn every_block_of_code_is_run_or_checked() {
    let (mut faults, mut not_run) = (Vec::new(), Vec::new());
    let mut checked = 0;
    for page in pages() {
        assert!(Path::new(&page).extension().is_some());
        faults.extend(indented(&page));
        for Block { place, language, mark, text } in blocks(&page) {
            match mark.as_deref().map(|it| (it, Check::read(it))) {
                None if language == "text" => {}
                None => faults.push(format!("{place}: no comment says how this block is checked")),
                Some((mark, None)) => faults.push(format!("{place}: `{mark}` is no way to check")),
                Some((_, Some(check))) => {
                    checked += 1;
                    faults.extend(
                        check
                            .run(&page, (&language, &text))
                            .err()
                            .map(|it| format!("{place}: {it}")),
                    );
                    if let Check::NotRun { why } = check {
                        not_run.push(format!("{place}: {why}"));
                    }
                }
            }
        }
    }
    assert!(checked > 60, "the blocks were not found: {checked}");
    assert!(faults.is_empty(), "blocks of code:\n  {}\n", faults.join("\n  "));
    // `make test` lists them at its end.
    not_run.iter().for_each(|it| eprintln!("skipped: {it}"));
    eprintln!("{} of {checked} blocks of code are not run", not_run.len());
    assert_eq!(not_run.len(), NOT_RUN, "one more that is not run is a decision: {not_run:#?}");
}

#[test]
fn what_is_wrong_in_a_block_is_found() {
    for (mark, text) in [
        ("not run: x", "entitlectl chekc acme-cad"),
        ("not run: x", "entitlectl check acme-cad --no-such-option"),
        ("not run: x", "sudo entitlectl wallet link && make no-such-target"),
        ("not run: x", "rm -rf /"),
        ("configuration", "[[chain]]\nid = \"eip155:1\"\nrcp = [\"https://a.example\"]"),
        ("gateway", "lisen = \"127.0.0.1:8080\""),
        ("product", "[tiers.pro]\nrnak = 1"),
        ("policy", "product = \"acme-cad\"\nlingr = \"5m\""),
        ("call", "{\"method\": \"no_such_method\"}"),
        ("call", "{\"method\": \"entitlement_check\", \"params\": {\"prodcut\": 1}}"),
        ("tests/documents/blocks.rs no_such_test", ""),
        ("tests/documents/stability.rs every_mark_belongs_to_one_name", ""),
        ("tests/no_such_file.rs test", ""),
    ] {
        let check = Check::read(mark).expect(mark);
        assert!(check.run("docs/x.md", ("sh", text)).is_err(), "{mark}: {text}");
    }
    assert!(Check::read("somehow").is_none());
}
