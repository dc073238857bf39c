//! Files that whoever runs `entitlectl` names: what somebody else may have put there holds nobody up and leads nowhere, and
//! what could not be finished leaves nothing behind.

use std::fs::{File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::stat::{Mode, SFlag, makedev, mknod};
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

/// What has a name of a file that a command is to write.
fn kind(path: &Path) -> (u32, u64) {
    let it = path.symlink_metadata().unwrap();
    (it.mode(), it.ino())
}

#[test]
fn what_is_no_file_is_neither_written_to_nor_replaced() {
    let fake = FakeDaemon::start(FILE);
    let (kept, out) = (fake.home().join("kept"), fake.home().join("out"));
    std::fs::write(&kept, "somebody's").unwrap();
    let make = ["receipt", "make", "acme-cad", "--out", "out"];
    let refused = |what: &str| {
        let before = kind(&out);
        let (code, said) = run(&fake, &make);
        assert_eq!(code, Some(2), "{what}: {said}");
        assert!(said.contains("cannot write out: is "), "{what}: {said}");
        assert_eq!(kind(&out), before, "{what}");
    };
    symlink(&kept, &out).unwrap();
    refused("a link");
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), "somebody's");
    std::fs::remove_file(&out).unwrap();
    mkfifo(&out, Mode::S_IRWXU).unwrap();
    refused("a pipe");
    std::fs::remove_file(&out).unwrap();
    let listener = UnixListener::bind(&out).unwrap();
    refused("a socket");
    drop(listener);
    std::fs::remove_file(&out).unwrap();
    std::fs::create_dir(&out).unwrap();
    refused("a directory");
    std::fs::remove_dir(&out).unwrap();
    // A device of its own, as /dev/null is one.
    match mknod(&out, SFlag::S_IFCHR, Mode::S_IRWXU, makedev(1, 3)) {
        Ok(()) => refused("a device"),
        Err(_) => prerequisites::skipped("a device in the place of a file", "root"),
    }
}

#[test]
fn what_a_signature_takes_the_place_of_is_a_file() {
    let fake = FakeDaemon::start(FILE);
    assert_eq!(run(&fake, &["product", "keygen", "--secret-key", "vendor.key"]).0, Some(0));
    let key = std::fs::read_to_string(fake.home().join("vendor.pub")).unwrap();
    let text = format!(
        "product = \"acme-cad\"\nname = \"Acme\"\n[publisher]\nkey = {:?}\n[tiers.pro]\nrank = 1\n[[grants]]\ntier = \"pro\"\ntoken = \"eip155:1/erc721:0x00000000000000000000000000000000000000cc\"\n",
        key.lines().nth(1).unwrap()
    );
    std::fs::write(fake.home().join("vendor.toml"), text).unwrap();
    let beside = fake.home().join("vendor.toml.minisig");
    mkfifo(&beside, Mode::S_IRWXU).unwrap();
    let before = kind(&beside);
    let sign = ["product", "sign", "--secret-key", "vendor.key", "vendor.toml"];
    let (code, said) = run(&fake, &sign);
    assert!(code == Some(2) && said.contains("is not a regular file"), "{code:?} {said}");
    assert_eq!(kind(&beside), before);
    std::fs::remove_file(&beside).unwrap();
    let (code, said) = run(&fake, &sign);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn a_file_that_is_written_anew_stays_as_closed_as_it_was() {
    let fake = FakeDaemon::start(FILE);
    let out = fake.home().join("out");
    let make = ["receipt", "make", "acme-cad", "--out", "out"];
    for mode in [0o600, 0o640, 0o604] {
        std::fs::write(&out, "before").unwrap();
        std::fs::set_permissions(&out, Permissions::from_mode(mode)).unwrap();
        let (code, said) = run(&fake, &make);
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(kind(&out).0 & 0o7777, mode);
        assert!(std::fs::read_to_string(&out).unwrap().contains("ENTITLED RECEIPT"));
    }
    let (code, said) = run(&fake, &["receipt", "make", "acme-cad", "--out", "-"]);
    assert!(code == Some(0) && said.contains("ENTITLED RECEIPT"), "{code:?} {said}");
    assert!(!fake.home().join("-").exists());
}

#[test]
fn the_key_of_a_new_pair_is_told_as_it_belongs_into_a_file() {
    let fake = FakeDaemon::start(FILE);
    let (code, said) = run(&fake, &["product", "keygen", "--secret-key", "vendor.key"]);
    assert!(code == Some(0) && said.contains("\n[publisher]\nkey = \"RW"), "{said}");
    let mut command = fake.entitlectl();
    command.args(["product", "keygen", "--secret-key", "other.key"]).current_dir(fake.home());
    let done = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(2), "{said}");
    assert!(
        said.contains("Passphrase for the secret key") && said.contains("standard input"),
        "{said}"
    );
}
