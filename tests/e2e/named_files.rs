//! Files that whoever runs `entitlectl` names: what somebody else may have put there holds nobody up and leads nowhere, and
//! what could not be finished leaves nothing behind.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::support::fake::FakeDaemon;
use crate::support::prerequisites;

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

/// A file system of another user's whose program never answers.
struct Silent<'a> {
    at: &'a Path,
    _program: File,
}

impl<'a> Silent<'a> {
    /// `None` where we may not mount one.
    fn mount(at: &'a Path, kind: u32) -> Option<Self> {
        let program = File::options().read(true).write(true).open("/dev/fuse").ok()?;
        let options = format!("fd=0,rootmode={kind:o},user_id=1002,group_id=1002,allow_other");
        let mut mount = Command::new("mount");
        mount.args(["-i", "-t", "fuse", "-o", &options, "nobody"]).arg(at);
        let done = mount.stdin(program.try_clone().unwrap()).output().ok()?;
        done.status.success().then_some(Self { at, _program: program })
    }
}

impl Drop for Silent<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.at).status();
    }
}

#[test]
fn a_file_system_that_another_user_answers_for_is_not_waited_for() {
    const DIRECTORY: u32 = 0o40_000;
    const REGULAR: u32 = 0o100_000;
    let fake = FakeDaemon::start(FILE);
    let at = |name: &str| fake.home().join(name);
    std::fs::create_dir(at("theirs")).unwrap();
    symlink("theirs", at("via")).unwrap();
    std::fs::write(at("file.toml"), "").unwrap();
    let (folder, file) = (at("theirs"), at("file.toml"));
    let mounted = (Silent::mount(&folder, DIRECTORY), Silent::mount(&file, REGULAR));
    let (Some(_folder), Some(_file)) = mounted else {
        prerequisites::skipped("files of another user's FUSE", "/dev/fuse, and the right to mount");
        return;
    };
    let theirs = "another user answers for";
    let absolute = at("via/it");
    for arguments in [
        &["product", "lint", "theirs/acme.toml"][..],
        &["product", "lint", "via/acme.toml"],
        &["product", "lint", "theirs/further/acme.toml"],
        &["product", "lint", "./via/../theirs/acme.toml"],
        &["product", "lint", "file.toml"],
        &["receipt", "import", absolute.to_str().unwrap()],
        &["product", "keygen", "--secret-key", "theirs/vendor.key"],
        &["receipt", "make", "acme-cad", "--out", "via/receipt"],
        &["doctor", "bundle", "via/bundle"],
        &["store", "backup", "--to", "via/backup"],
    ] {
        let (code, said) = run(&fake, arguments);
        assert!(code != Some(0) && said.contains(theirs), "{arguments:?}: {code:?} {said}");
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
