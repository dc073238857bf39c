//! Receipts in C: a vendor's program with the vendor's key compiled in, which takes nobody's word.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use alloy_primitives::Address;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{BOTH, run, source};
use crate::consensus::scene::Ground;
use crate::publishers::{Vendor, install};
use crate::support::c_library::{CLibrary, Linked, sources};
use crate::support::daemon::Daemon;
use crate::support::settings::ProductFile;
use crate::support::stage::{ACME, Stage, stranger};
use crate::support::toolchain;

/// The vendor installs the product under its own name.
fn publish(daemon: &Daemon, product: &ProductFile, vendor: &Vendor) {
    let text = format!("{}\n[publisher]\nkey = {:?}\n", product.text(), vendor.key());
    let signature = vendor.sign(&text);
    install(daemon, &(text, signature)).unwrap();
    daemon.wait_for(ACME, "the vendor's", |it| it["publisher"] == vendor.key());
}

/// A wallet whose key is on this machine.
fn managed(daemon: &Daemon) -> Address {
    let wallet = daemon.call("wallet_create", json!({}));
    wallet["address"].as_str().unwrap().parse().unwrap()
}

/// A daemon with a licence that is the managed wallet's where validators say so, and this version of the vendor's file.
fn proven(ground: &Ground, vendor: &Vendor, version: &str) -> Daemon {
    let daemon = Daemon::start(&ground.settings());
    publish(&daemon, &ground.product().set("version", version), vendor);
    ground.licence.mint(&ground.anvil, managed(&daemon), 8);
    ground.finalize();
    daemon.wait_for_code(ACME, "VALID");
    daemon
}

/// The vendor's program.
struct Acme(PathBuf);

impl Acme {
    fn of(library: &CLibrary, vendor: &Vendor) -> Self {
        Self::with(library, vendor, &[])
    }

    fn with(library: &CLibrary, vendor: &Vendor, more: &[&str]) -> Self {
        let key = format!("-DACME_KEY=\"{}\"", vendor.key());
        let more = [more, &[key.as_str()]].concat();
        Self(library.compile_with("cc", &library.example("acme"), Linked::Shared, &more))
    }

    /// What it says, yes or no, and why; its exit code says the same.
    fn says(&self, socket: &Path) -> String {
        let output = Command::new(&self.0).env("ENTITLED_SOCKET", socket).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(i32::from(!said.starts_with("yes"))), "{said}");
        said
    }
}

/// A daemon that says yes to everything, and shows a receipt of somebody's.
fn fake(home: &TempDir, name: &str, receipt: Option<&str>) -> PathBuf {
    let socket = home.path().join(name);
    let listener = UnixListener::bind(&socket).unwrap();
    let receipt = receipt.map(str::to_owned);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut stream = BufReader::new(stream);
            let mut line = String::new();
            while stream.read_line(&mut line).is_ok_and(|it| it > 0) {
                let asked: Value = serde_json::from_str(&line).unwrap();
                let verdict =
                    json!({"product": ACME, "valid": true, "code": "VALID", "tier": "pro"});
                let result =
                    json!({"receipt": receipt.as_deref().unwrap_or("yes"), "verdict": verdict});
                let reply = json!({"jsonrpc": "2.0", "id": asked["id"], "result": result});
                if writeln!(stream.get_mut(), "{reply}").is_err() {
                    break;
                }
                line.clear();
            }
        }
    });
    socket
}

fn receipt(daemon: &Daemon, nonce: &str) -> String {
    let reply = daemon.call("entitlement_receipt", json!({"product": ACME, "nonce": nonce}));
    reply["receipt"].as_str().unwrap().to_owned()
}

#[test]
fn a_vendors_program_says_yes_to_what_is_proven_and_no_to_everything_else() {
    let Some(library) = CLibrary::built("a vendor's program") else { return };
    let (vendor, user) = (Vendor::new(), Vendor::new());
    let acme = Acme::of(&library, &vendor);
    let ground = Ground::new();
    let (here, there) = (Daemon::start(&ground.settings()), Daemon::start(&ground.settings()));
    for (daemon, token) in [(&here, 8), (&there, 9)] {
        publish(daemon, &ground.product(), &vendor);
        ground.licence.mint(&ground.anvil, managed(daemon), token);
    }
    ground.finalize();
    let verdict = here.wait_for_code(ACME, "VALID");
    assert_eq!(verdict["trust"], "consensus");
    assert_eq!(acme.says(&here.socket()), "yes: pro\n");

    // A fake daemon, with no receipt, with one that this machine made before, and with one of another machine.
    let home = TempDir::new().unwrap();
    there.wait_for_code(ACME, "VALID");
    let (before, elsewhere) = (receipt(&here, "c0ffee"), receipt(&there, "c0ffee"));
    let shown = [("none", None), ("before", Some(&before)), ("elsewhere", Some(&elsewhere))];
    for (name, shown) in shown {
        let socket = fake(&home, name, shown.map(String::as_str));
        let said = acme.says(&socket);
        let why = if shown.is_some() { "was not made for this nonce" } else { "cannot be read" };
        assert!(said.starts_with("no: ") && said.contains(why), "{name}: {said}");
    }

    // A product file of the user's, under a key of the user's, on a chain of the user's.
    let theirs = Stage::start();
    publish(&theirs.daemon, &ProductFile::acme(&theirs.licence.collection()), &user);
    theirs.licence.mint(&theirs.anvil, managed(&theirs.daemon), 7);
    theirs.daemon.wait_for_code(ACME, "VALID");
    let said = Acme::of(&library, &user).says(&theirs.daemon.socket());
    assert!(said.contains("no validators signed for"), "all else is as the user says: {said}");
    let said = acme.says(&theirs.daemon.socket());
    assert!(said.starts_with("no: ") && said.contains("not the publisher's"), "{said}");

    // The receipt of last month, and one with a single bit altered.
    let program = library.compile("cc", &source("receipts"), Linked::Shared);
    let said = run(&program, &here.socket(), &[&vendor.key(), ACME]);
    assert!(said.contains("mine: yes, proven now, validators 1, VALID"), "{said}");
    assert!(said.contains("in a month: not known, unproven, nobody 0, "), "{said}");
    assert!(said.contains("altered: never a yes\n"), "{said}");

    // A token that was sold.
    let holder = verdict["wallet"].as_str().unwrap().rsplit(':').next().unwrap();
    ground.licence.transfer(&ground.anvil, holder.parse().unwrap(), stranger(), 8);
    ground.finalize();
    here.wait_for_code(ACME, "NOT_HELD");
    let said = acme.says(&here.socket());
    assert!(said.starts_with("no: ") && said.contains("NOT_HELD"), "{said}");
}

#[test]
fn a_receipt_answers_one_question_and_no_other() {
    let Some(library) = CLibrary::built("receipts in C") else { return };
    let (ground, vendor) = (Ground::new(), Vendor::new());
    let daemon = proven(&ground, &vendor, "1");
    for linked in BOTH {
        let program = library.compile("cc", &source("receipts"), linked);
        let said = run(&program, &daemon.socket(), &[&vendor.key(), ACME]);
        let lines: Vec<&str> = said.lines().collect();
        let nothing = "not known, unproven, nobody 0, ";
        let wanted = [
            "mine: yes, proven now, validators 1, VALID ".to_owned(),
            "linked too: yes, proven now, validators 1, VALID ".to_owned(),
            format!("another product: {nothing} the receipt is about another product"),
            format!("another nonce: {nothing} the receipt was not made for this nonce"),
            "no nonce: yes, proven by key, validators 1, VALID ".to_owned(),
            "this file: yes, proven now, validators 1, VALID ".to_owned(),
            format!("a later file: {nothing} the product file in the receipt is version 1"),
            format!("in a month: {nothing}"),
            "altered: never a yes".to_owned(),
            "a child: yes".to_owned(),
            "threads: 1".to_owned(),
        ];
        assert_eq!(lines.len(), wanted.len(), "{said}");
        for (line, wanted) in lines.iter().zip(wanted) {
            assert!(line.starts_with(&wanted), "`{wanted}`: {said}");
        }
        let said = run(&program, &daemon.socket(), &[&vendor.key(), "acme-draw"]);
        assert_eq!(said, "no receipt: the daemon declined\n");
        let said = run(&program, &daemon.socket(), &[&Vendor::new().key(), ACME]);
        let wanted = format!("mine: {nothing} the product file in the receipt is not");
        assert!(said.starts_with(&wanted), "{said}");
    }
}

/// A block that no validators signed for may be of a chain that its maker made: the yes is no proof, and is not called one.
#[test]
fn the_word_of_whoever_made_a_receipt_is_no_proof() {
    let Some(library) = CLibrary::built("whose word a receipt is, in C") else { return };
    let vendor = Vendor::new();
    let stage = Stage::start();
    publish(&stage.daemon, &ProductFile::acme(&stage.licence.collection()), &vendor);
    stage.licence.mint(&stage.anvil, managed(&stage.daemon), 7);
    stage.daemon.wait_for_code(ACME, "VALID");
    let program = library.compile("cc", &source("receipts"), Linked::Shared);
    let (socket, key) = (stage.daemon.socket(), vendor.key());
    let said = run(&program, &socket, &[&key, ACME]);
    let refused = "not known, unproven, nobody 0,  no validators signed for the receipt's block";
    for what in ["mine", "linked too", "no nonce", "this file"] {
        assert!(said.contains(&format!("{what}: {refused}")), "{what}: {said}");
    }
    let said = run(&program, &socket, &[&key, ACME, "maker"]);
    for wanted in [
        "mine: yes, unproven, maker 1, VALID ",
        "no nonce: yes, unproven, maker 1, VALID ",
        "another nonce: not known, ",
        "a later file: not known, unproven, nobody 0,  the product file in the receipt is version 1",
        "altered: never a yes\n",
    ] {
        assert!(said.contains(wanted), "`{wanted}`: {said}");
    }
}

#[test]
fn a_linked_wallets_receipt_does_only_where_a_program_says_so() {
    let Some(library) = CLibrary::built("receipts of linked wallets in C") else { return };
    let (ground, vendor) = (Ground::new(), Vendor::new());
    let daemon = Daemon::start(&ground.settings());
    publish(&daemon, &ground.product(), &vendor);
    daemon.link(&ground.wallet);
    daemon.wait_for_code(ACME, "VALID");
    let program = library.compile("cc", &source("receipts"), Linked::Shared);
    let said = run(&program, &daemon.socket(), &[&vendor.key(), ACME]);
    for wanted in [
        "mine: not known, unproven, nobody 0,  the receipt is of a linked wallet",
        "linked too: yes, proven, validators 1, VALID ",
        "no nonce: yes, proven, validators 1, VALID ",
        "a child: yes",
    ] {
        assert!(said.contains(wanted), "`{wanted}`: {said}");
    }
    let said = Acme::of(&library, &vendor).says(&daemon.socket());
    assert!(said.starts_with("no: the receipt is of a linked wallet"), "{said}");
}

/// The vendor's first file asks for less than the one that the program was made with. Under it, everything is so on a chain of
/// the owner's own.
#[test]
fn an_older_file_of_the_vendors_is_no_way_to_a_yes() {
    let Some(library) = CLibrary::built("an older file of a vendor's") else { return };
    let vendor = Vendor::new();
    let acme = Acme::of(&library, &vendor);
    let own = Stage::start();
    let first = ProductFile::acme(&own.licence.collection()).set("version", "1");
    publish(&own.daemon, &first, &vendor);
    own.licence.mint(&own.anvil, managed(&own.daemon), 7);
    own.daemon.wait_for_code(ACME, "VALID");
    let said = acme.says(&own.daemon.socket());
    assert!(said.starts_with("no: ") && said.contains("no validators signed for"), "{said}");
}

/// A file that took something back: the program that came with it does not take the one before, whoever vouches for the block.
#[test]
fn a_later_program_does_not_take_a_file_from_before_it() {
    let Some(library) = CLibrary::built("the version of a vendor's file") else { return };
    let (ground, vendor) = (Ground::new(), Vendor::new());
    let acme = Acme::of(&library, &vendor);
    let later = Acme::with(&library, &vendor, &["-DACME_VERSION=2"]);
    let daemon = proven(&ground, &vendor, "1");
    assert_eq!(acme.says(&daemon.socket()), "yes: pro\n");
    let said = later.says(&daemon.socket());
    assert!(
        said.starts_with("no: ") && said.contains("is version 1, and 2 is the least"),
        "{said}"
    );
    publish(&daemon, &ground.product().set("version", "2"), &vendor);
    daemon.wait_for_code(ACME, "VALID");
    for acme in [&acme, &later] {
        assert_eq!(acme.says(&daemon.socket()), "yes: pro\n");
    }
}

/// What a program says that is given a receipt.
fn judged(mut program: Command, receipt: &str) -> String {
    let mut child = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(receipt.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{program:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The receipt with one bit of its last but one line altered.
fn altered(receipt: &str) -> String {
    let end = receipt.trim_end().rfind('\n').unwrap();
    let mut bytes = receipt.as_bytes().to_vec();
    bytes[end - 5] = if bytes[end - 5] == b'A' { b'B' } else { b'A' };
    String::from_utf8(bytes).unwrap()
}

/// A receipt; its nonce, the key, the least version, and whether its maker's word does; and what is said.
type Row<'a> = (&'a str, &'a str, &'a str, &'a str, &'a str, &'a str);

/// Every library that judges receipts says the same of the same ones.
#[test]
fn all_libraries_have_real_receipts_judged_alike() {
    let Some(library) = CLibrary::built("receipts in C++, Python and Node") else { return };
    let (ground, vendor) = (Ground::new(), Vendor::new());
    let signed = receipt(&proven(&ground, &vendor, "2"), "c0ffee");
    let stage = Stage::start();
    publish(&stage.daemon, &ProductFile::acme(&stage.licence.collection()), &vendor);
    stage.licence.mint(&stage.anvil, managed(&stage.daemon), 7);
    stage.daemon.wait_for_code(ACME, "VALID");
    let claimed = receipt(&stage.daemon, "c0ffee");
    let (key, other, damaged) = (&vendor.key(), &Vendor::new().key(), &altered(&signed));
    let rows: [Row<'_>; 15] = [
        (&signed, "c0ffee", key, "0", "no", "yes: proven now validators 2 VALID pro"),
        (&signed, "", key, "0", "no", "yes: proven by key validators 2 VALID pro"),
        (&signed, "beef", key, "0", "no", "not known - the receipt was not made for this nonce"),
        (&signed, "c0ffee", other, "0", "no", "not known - the product file in the receipt is not"),
        (damaged, "c0ffee", key, "0", "no", "not known - "),
        ("", "c0ffee", key, "0", "yes", "not known - "),
        // What the publisher signed before.
        (&signed, "c0ffee", key, "2", "no", "yes: proven now validators 2 VALID pro"),
        (
            &signed,
            "c0ffee",
            key,
            "3",
            "no",
            "not known - the product file in the receipt is version 2",
        ),
        (
            &signed,
            "c0ffee",
            key,
            "4294967295",
            "yes",
            "not known - the product file in the receipt is",
        ),
        (&signed, "c0ffee", key, "2", "yes", "yes: proven now validators 2 VALID pro"),
        // The word of whoever made it.
        (&claimed, "c0ffee", key, "0", "no", "not known - no validators signed for"),
        (&claimed, "", key, "1", "no", "not known - no validators signed for"),
        (&claimed, "c0ffee", key, "1", "yes", "yes: unproven maker 1 VALID pro"),
        (&claimed, "beef", key, "1", "yes", "not known - the receipt was not made for this nonce"),
        (
            &claimed,
            "c0ffee",
            key,
            "2",
            "yes",
            "not known - the product file in the receipt is version 1",
        ),
    ];
    let here = sources().parent().unwrap().join("../../tests/e2e/c_library");
    let place = |name: &str| here.join(name).to_str().unwrap().to_owned();
    let home = TempDir::new().unwrap();
    let python = toolchain::python(&place("receipts.py"));
    let node = toolchain::node(&place("receipts.cjs")).map(|mut it| {
        it.arg(toolchain::library("node")).arg(library.libraries.join("entitled.node"));
        it
    });
    let cpp = toolchain::cpp(&place("receipts.cpp"), home.path());
    for program in [python, node, cpp].into_iter().flatten() {
        for (receipt, nonce, key, version, maker, wanted) in rows {
            let mut asked = Command::new(program.get_program());
            asked.args(program.get_args()).args([key, ACME, nonce, version, maker]);
            asked.envs(program.get_envs().filter_map(|(name, it)| Some((name, it?))));
            asked.env("LD_LIBRARY_PATH", &library.libraries);
            let said = judged(asked, receipt);
            assert!(said.starts_with(wanted), "{program:?}: `{wanted}`: {said}");
        }
    }
}
