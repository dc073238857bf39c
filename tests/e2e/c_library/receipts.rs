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

/// The vendor's program.
struct Acme(PathBuf);

impl Acme {
    fn of(library: &CLibrary, vendor: &Vendor) -> Self {
        let key = format!("-DACME_KEY=\"{}\"", vendor.key());
        Self(library.compile_with("cc", &library.example("acme"), Linked::Shared, &[&key]))
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
    assert_eq!(Acme::of(&library, &user).says(&theirs.daemon.socket()), "yes: pro\n");
    let said = acme.says(&theirs.daemon.socket());
    assert!(said.starts_with("no: ") && said.contains("not the publisher's"), "{said}");

    // The receipt of last month, and one with a single bit altered.
    let program = library.compile("cc", &source("receipts"), Linked::Shared);
    let said = run(&program, &here.socket(), &[&vendor.key(), ACME]);
    assert!(said.contains("mine: yes, proven now, VALID"), "{said}");
    assert!(said.contains("in a month: not known, unproven, "), "{said}");
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
    let vendor = Vendor::new();
    let stage = Stage::start();
    publish(&stage.daemon, &ProductFile::acme(&stage.licence.collection()), &vendor);
    stage.licence.mint(&stage.anvil, managed(&stage.daemon), 7);
    stage.daemon.wait_for_code(ACME, "VALID");
    for linked in BOTH {
        let program = library.compile("cc", &source("receipts"), linked);
        let said = run(&program, &stage.daemon.socket(), &[&vendor.key(), ACME]);
        let lines: Vec<&str> = said.lines().collect();
        let wanted = [
            "mine: yes, proven now, VALID ",
            "linked too: yes, proven now, VALID ",
            "another product: not known, unproven,  the receipt is about another product",
            "another nonce: not known, unproven,  the receipt was not made for this nonce",
            "no nonce: yes, proven by key, VALID ",
            "in a month: not known, unproven, ",
            "altered: never a yes",
            "a child: yes",
            "threads: 1",
        ];
        assert_eq!(lines.len(), wanted.len(), "{said}");
        for (line, wanted) in lines.iter().zip(wanted) {
            assert!(line.starts_with(wanted), "`{wanted}`: {said}");
        }
        let said = run(&program, &stage.daemon.socket(), &[&vendor.key(), "acme-draw"]);
        assert_eq!(said, "no receipt: the daemon declined\n");
        let said = run(&program, &stage.daemon.socket(), &[&Vendor::new().key(), ACME]);
        assert!(
            said.starts_with("mine: not known, unproven,  the product file in the receipt is not")
        );
    }
}

#[test]
fn a_linked_wallets_receipt_does_only_where_a_program_says_so() {
    let Some(library) = CLibrary::built("receipts of linked wallets in C") else { return };
    let vendor = Vendor::new();
    let stage = Stage::entitled();
    publish(&stage.daemon, &ProductFile::acme(&stage.licence.collection()), &vendor);
    stage.daemon.wait_for_code(ACME, "VALID");
    let program = library.compile("cc", &source("receipts"), Linked::Shared);
    let said = run(&program, &stage.daemon.socket(), &[&vendor.key(), ACME]);
    for wanted in [
        "mine: not known, unproven,  the receipt is of a linked wallet",
        "linked too: yes, proven, VALID ",
        "no nonce: yes, proven, VALID ",
        "a child: yes",
    ] {
        assert!(said.contains(wanted), "`{wanted}`: {said}");
    }
    let said = Acme::of(&library, &vendor).says(&stage.daemon.socket());
    assert!(said.starts_with("no: the receipt is of a linked wallet"), "{said}");
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

#[test]
fn python_and_node_have_real_receipts_judged() {
    let Some(library) = CLibrary::built("receipts in Python and Node") else { return };
    let vendor = Vendor::new();
    let stage = Stage::start();
    publish(&stage.daemon, &ProductFile::acme(&stage.licence.collection()), &vendor);
    stage.licence.mint(&stage.anvil, managed(&stage.daemon), 7);
    stage.daemon.wait_for_code(ACME, "VALID");
    let shown = receipt(&stage.daemon, "c0ffee");
    let here = sources().parent().unwrap().join("../../tests/e2e/c_library");
    let python = |arguments: &[&str]| {
        let mut it = toolchain::python(here.join("receipts.py").to_str().unwrap())?;
        it.args(arguments).env("LD_LIBRARY_PATH", &library.libraries);
        Some(it)
    };
    let node = |arguments: &[&str]| {
        let mut it = toolchain::node(here.join("receipts.cjs").to_str().unwrap())?;
        it.arg(toolchain::library("node")).arg(library.libraries.join("entitled.node"));
        it.args(arguments).env("LD_LIBRARY_PATH", &library.libraries);
        Some(it)
    };
    let key = vendor.key();
    let other = Vendor::new().key();
    for (nonce, key, receipt, wanted) in [
        ("c0ffee", &key, shown.clone(), "yes: proven now VALID pro"),
        ("", &key, shown.clone(), "yes: proven by key VALID pro"),
        ("beef", &key, shown.clone(), "not known - the receipt was not made for this nonce"),
        ("c0ffee", &other, shown.clone(), "not known - the product file in the receipt is not"),
        ("c0ffee", &key, altered(&shown), "not known - "),
        ("c0ffee", &key, String::new(), "not known - "),
    ] {
        let arguments = [key.as_str(), ACME, nonce];
        for program in [python(&arguments), node(&arguments)].into_iter().flatten() {
            let said = judged(program, &receipt);
            assert!(said.starts_with(wanted), "`{wanted}`: {said}");
        }
    }
}
