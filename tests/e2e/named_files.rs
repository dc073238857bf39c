//! Files that whoever runs `entitlectl` names: what somebody else may have put there holds nobody up and leads nowhere, and
//! what could not be finished leaves nothing behind.

use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::support::fake::FakeDaemon;

const FILE: &str =
    "[products.acme-cad]\ntier = \"pro\"\n[methods.entitlement_receipt]\nexample = true\n";

/// How `entitlectl` ended, and what it said. Were it to wait for the other end of a pipe, it would for ever.
fn run(fake: &FakeDaemon, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = fake.entitlectl();
    command.args(arguments).current_dir(fake.home());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Who reads nothing has closed it by now.
    let _ = child.stdin.take().unwrap().write_all(b"a passphrase\n");
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            panic!("{arguments:?} waits");
        }
        // The end of a process that may never end is looked for, and not waited for.
        std::thread::sleep(Duration::from_millis(10));
    }
    let done = child.wait_with_output().unwrap();
    let said = [done.stdout, done.stderr].concat();
    (done.status.code(), String::from_utf8(said).unwrap())
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let names = entries.map(|it| it.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|it| it.contains("vendor")).collect();
    names.sort();
    names
}

#[test]
fn a_pipe_or_a_link_in_the_place_of_a_file_is_neither_waited_for_nor_followed() {
    let fake = FakeDaemon::start(FILE);
    let at = |name: &str| fake.home().join(name);
    mkfifo(&at("pipe.toml"), Mode::S_IRWXU).unwrap();
    std::fs::write(at("acme.toml"), "product = \"acme-cad\"").unwrap();
    mkfifo(&at("acme.toml.minisig"), Mode::S_IRWXU).unwrap();
    std::fs::write(at("kept"), "somebody's").unwrap();
    symlink(at("kept"), at("led.toml")).unwrap();
    let pipe = "is not a regular file";
    let text = "product = \"acme-cad\"\nname = \"Acme\"\n[tiers.pro]\nrank = 1\n[[grants]]\ntier = \"pro\"\ntoken = \"eip155:1/erc721:0x00000000000000000000000000000000000000cc\"\n";
    std::fs::write(at("acme.toml"), text).unwrap();
    for (arguments, wanted) in [
        (&["product", "lint", "pipe.toml"][..], pipe),
        (&["product", "lint", "acme.toml"], pipe),
        (&["product", "install", "acme.toml"], pipe),
        (&["product", "install", "pipe.toml"], pipe),
        (&["product", "sign", "--secret-key", "pipe.toml", "acme.toml"], pipe),
        (&["receipt", "import", "pipe.toml"], pipe),
        (&["product", "lint", "led.toml"], "is a symbolic link"),
        (&["product", "lint", "."], pipe),
    ] {
        let (code, said) = run(&fake, arguments);
        assert!(code != Some(0) && said.contains(wanted), "{arguments:?}: {code:?} {said}");
    }
}

#[test]
fn a_key_pair_that_cannot_be_finished_leaves_no_secret_key_behind() {
    let fake = FakeDaemon::start(FILE);
    let public = fake.home().join("vendor.pub");
    std::fs::write(&public, "of another key").unwrap();
    let keygen = |name: &str| run(&fake, &["product", "keygen", "--secret-key", name]);
    let (code, said) = keygen("vendor.key");
    assert!(code != Some(0) && said.contains("vendor.pub"), "{said}");
    assert_eq!(names(fake.home()), ["vendor.pub"]);
    assert_eq!(std::fs::read_to_string(&public).unwrap(), "of another key");
    std::fs::remove_file(&public).unwrap();
    // Both would be one file.
    let (code, said) = keygen("vendor.pub");
    assert!(code != Some(0), "{said}");
    assert_eq!(names(fake.home()), Vec::<String>::new(), "{said}");
    std::fs::write(fake.home().join("vendor.key"), "there already").unwrap();
    assert_ne!(keygen("vendor.key").0, Some(0));
    assert_eq!(
        names(fake.home()),
        ["vendor.key"],
        "and no public key of a secret one that is lost"
    );
}

#[test]
fn a_receipt_is_written_into_no_pipe_and_through_no_link() {
    let fake = FakeDaemon::start(FILE);
    let (kept, out) = (fake.home().join("kept"), fake.home().join("out"));
    std::fs::write(&kept, "somebody's").unwrap();
    let make = ["receipt", "make", "acme-cad", "--out", "out"];
    symlink(&kept, &out).unwrap();
    let (code, said) = run(&fake, &make);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), "somebody's");
    std::fs::remove_file(&out).unwrap();
    mkfifo(&out, Mode::S_IRWXU).unwrap();
    let (code, said) = run(&fake, &make);
    assert_eq!(code, Some(0), "{said}");
    assert!(std::fs::read_to_string(&out).unwrap().contains("ENTITLED RECEIPT"), "in its place");
}
