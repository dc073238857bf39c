//! The vendor's project of the documents, from the contract to the package: made as docs/vendors.md says, and used.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::anvil::Anvil;
use crate::support::c_library::succeed;
use crate::support::daemon::Daemon;
use crate::support::document::{Commands, commands};
use crate::support::prerequisites;
use crate::support::settings::Settings;
use crate::support::stage::{ACME, stranger};
use crate::support::toolchain;

/// The first two accounts that every development node has money for, and tells everybody of.
const SELLER: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
const CUSTOMER: &str = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";
const GUIDE: &str = "docs/vendors.md";

fn checkout(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A copy of the vendor's directory, with what npm would have installed.
struct Vendor {
    home: TempDir,
    url: String,
}

impl Vendor {
    /// `None` where a tool is missing.
    fn new(anvil: &Anvil) -> Option<Self> {
        let needed = ["python3", "node", "make", "dpkg-deb"];
        let has = |it: &&str| prerequisites::has(it, "the vendor's project");
        needed.iter().all(has).then_some(())?;
        let home = TempDir::new().unwrap();
        let files = std::fs::read_dir(checkout("docs/examples/acme-cad")).unwrap();
        for file in files.map(|it| it.unwrap().path()).filter(|it| it.is_file()) {
            std::fs::copy(&file, home.path().join(file.file_name().unwrap())).unwrap();
        }
        std::os::unix::fs::symlink(
            checkout("tests/node_modules"),
            home.path().join("node_modules"),
        )
        .unwrap();
        std::fs::write(home.path().join("seller.key"), SELLER).unwrap();
        std::fs::write(home.path().join("customer.key"), CUSTOMER).unwrap();
        Some(Self { home, url: anvil.url() })
    }

    fn built(&self, name: &str) -> PathBuf {
        self.home.path().join("build").join(name)
    }

    /// Runs a block of the guide, told where this chain is; the passphrase of the vendor's key is typed.
    fn does(&self, block: &Commands) -> (bool, String) {
        let mut client = Command::new("env");
        client.env("CHAIN", "eip155:31337").env("TRUST", "single");
        self.does_as(block, client)
    }

    /// The same in the environment of `client`, where the library for Python is installed.
    fn does_as(&self, block: &Commands, mut client: Command) -> (bool, String) {
        client.env_remove("MAKELEVEL").env_remove("MAKEFLAGS").env("RPC_URL", &self.url);
        client.env("PYTHONPATH", toolchain::library("python"));
        let mut shell = block.command(&client, self.home.path());
        shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut running = shell.spawn().unwrap();
        // Who reads nothing has closed it by now.
        let _ = running.stdin.take().unwrap().write_all(b"a passphrase\n");
        let done = running.wait_with_output().unwrap();
        let said = [done.stdout, done.stderr].concat();
        (done.status.success(), String::from_utf8(said).unwrap())
    }

    fn node(&self, arguments: &[&str]) -> Command {
        let mut node = Command::new("node");
        node.arg("chain.mjs").args(arguments).current_dir(self.home.path());
        node.env("RPC_URL", &self.url);
        node
    }

    fn chain(&self, arguments: &[&str]) -> String {
        succeed(&mut self.node(arguments)).trim().to_owned()
    }

    /// Unpacks the package, as a customer's machine does.
    fn installed(&self) -> PathBuf {
        let root = self.home.path().join("installed");
        let package = self.built("acme-cad_1.0.0_all.deb");
        succeed(Command::new("dpkg-deb").arg("--extract").arg(package).arg(&root));
        root
    }
}

/// What the program of the package says of the daemon at this socket, where nobody has installed the library.
fn program(root: &Path, socket: &Path) -> String {
    let mut python = Command::new("python3");
    python.arg(root.join("usr/lib/acme-cad/acme_cad.py")).env_remove("PYTHONPATH");
    succeed(python.env("ENTITLED_SOCKET", socket)).trim().to_owned()
}

fn install(daemon: &Daemon, file: &Path) -> (bool, String) {
    let mut command = daemon.entitlectl();
    let done = command.args(["product", "install"]).arg(file).output().unwrap();
    let said = [done.stdout, done.stderr].concat();
    (done.status.success(), String::from_utf8(said).unwrap())
}

#[test]
fn the_vendors_project_of_the_documents_sells_a_licence() {
    let anvil = Anvil::start();
    let Some(vendor) = Vendor::new(&anvil) else { return };
    let test = "the_vendors_project_of_the_documents_sells_a_licence";
    let blocks = commands(GUIDE, test);
    let [key, contract, product, package, buy] = blocks.try_into().ok().unwrap();
    let contract = contract.with("https://…", &anvil.url());
    let made = [key, contract, product, package].map(|block| {
        let (made, said) = vendor.does(&block);
        assert!(made, "{said}");
        said
    });
    let seller = anvil.account(0);
    assert!(made[1].to_lowercase().contains(&seller.to_lowercase()), "whose wallet: {}", made[1]);
    assert!(made[2].contains("acme-cad"), "it was checked: {}", made[2]);
    anvil.finalize();

    // The package has the product file, its signature and all that the program needs.
    let root = vendor.installed();
    let products = root.join("usr/share/entitled/products.d");
    let mut daemon = Daemon::start(&Settings::new([anvil.url()]));
    let (installed, said) = install(&daemon, &products.join("acme-cad.toml"));
    assert!(installed, "{said}");

    // A customer without a licence, with one, with the better one, and without any again.
    let wallet = daemon.call("wallet_create", json!({}));
    let holder = wallet["address"].as_str().unwrap();
    daemon.wait_for_code(ACME, "NOT_HELD");
    assert_eq!(program(&root, &daemon.socket()), "Acme CAD viewer: no licence (NOT_HELD)");
    assert_eq!(vendor.chain(&["buy", "seller.key", holder]), "1");
    anvil.finalize();
    daemon.wait_for(ACME, "the standard tier", |it| it["tier"] == "standard");
    assert_eq!(program(&root, &daemon.socket()), "Acme CAD standard: 5 projects, export off");
    let (bought, said) = vendor.does(&buy.with("0x…", holder));
    assert!(bought && said.trim() == "1000000", "{said}");
    // It counts at once, and is marked until nothing can undo it.
    let is_pro = |it: &Value, provisional| it["tier"] == "pro" && it["provisional"] == provisional;
    daemon.wait_for(ACME, "the pro tier, provisionally", |it| is_pro(it, true));
    anvil.finalize();
    daemon.wait_for(ACME, "the pro tier", |it| is_pro(it, false));
    assert_eq!(program(&root, &daemon.socket()), "Acme CAD pro: 50 projects, export on");

    // A licence that the seller holds is passed on, and is the buyer's.
    assert_eq!(vendor.chain(&["buy", "seller.key", &seller, "pro"]), "1000001");
    vendor.chain(&["sell", "seller.key", "1000001", &stranger().to_string()]);

    // One is taken back with the consent of who holds it, and not without.
    assert_eq!(vendor.chain(&["buy", "seller.key", &anvil.account(1)]), "2");
    let refund = ["refund", "seller.key", "2", "0.05"];
    assert!(!vendor.node(&refund).output().unwrap().status.success(), "nobody has agreed to that");
    vendor.chain(&["approve", "customer.key", "2"]);
    vendor.chain(&refund);
    assert!(!vendor.node(&refund).output().unwrap().status.success(), "it is gone");

    // Who changes the product file has another product, and not the vendor's.
    let text = std::fs::read_to_string(vendor.built("acme-cad.toml")).unwrap();
    let theirs = vendor.home.path().join("acme-cad.toml");
    std::fs::write(&theirs, text.replace("max_projects = 5 ", "max_projects = 500 ")).unwrap();
    let (installed, said) = install(&daemon, &theirs);
    assert!(!installed && said.contains("sign"), "{said}");

    // Without the daemon nobody knows, and nobody is called a thief.
    daemon.stop();
    let said = program(&root, &daemon.socket());
    assert!(said.starts_with("Acme CAD viewer: the licence could not be checked ("), "{said}");
}

/// As the guide says it for a chain of the vendor's own, on which nothing is mined by hand.
#[test]
fn a_first_licence_is_sold_on_a_chain_of_ones_own() {
    let guide = std::fs::read_to_string(checkout(GUIDE)).unwrap();
    assert!(guide.contains("`anvil --slots-in-an-epoch 1 --block-time 1`"), "the node is another");
    let anvil = Anvil::with(&["--block-time", "1"]);
    let Some(vendor) = Vendor::new(&anvil) else { return };
    std::fs::remove_file(vendor.home.path().join("seller.key")).unwrap();
    let [key, ..] = &commands(GUIDE, "the_vendors_project_of_the_documents_sells_a_licence")[..]
    else {
        panic!("no key is made")
    };
    assert!(vendor.does(key).0);
    let daemon = Daemon::start(&Settings::new([anvil.url()]));
    let test = "a_first_licence_is_sold_on_a_chain_of_ones_own";
    let [make, buy] = commands(GUIDE, test).try_into().ok().unwrap();
    let make = make.with("http://127.0.0.1:8545", &anvil.url());
    let (made, said) = vendor.does_as(&make, daemon.entitlectl());
    assert!(made, "{said}");
    let (_, holder) = said.rsplit_once("0x").unwrap();
    let holder = format!("0x{}", &holder[..40]);
    let (bought, said) = vendor.does_as(&buy.with("0x…", &holder), daemon.entitlectl());
    assert!(bought, "{said}");
    daemon.wait_for(ACME, "what is final", |it| it["tier"] == "pro" && it["provisional"] == false);
}

#[test]
fn a_wrong_command_is_answered_by_the_right_ones_and_reaches_no_chain() {
    let anvil = Anvil::start();
    let Some(mut vendor) = Vendor::new(&anvil) else { return };
    // Nobody is there, and there is no such key.
    vendor.url = "http://127.0.0.1:1".to_owned();
    for words in [&[][..], &["mint", "no.key"], &["deploy"], &["buy", "no.key"]] {
        let done = vendor.node(words).output().unwrap();
        let said = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(2), "{words:?}: {said}");
        assert!(said.lines().all(|it| it.starts_with("node chain.mjs ")), "{words:?}: {said}");
    }
    let address = vendor.chain(&["wallet", "new.key"]);
    assert_eq!(vendor.chain(&["wallet", "new.key"]), address, "it stays as it was");
    let made = std::fs::metadata(vendor.home.path().join("new.key")).unwrap();
    assert_eq!(made.permissions().mode() & 0o777, 0o600);
}

#[test]
fn the_project_installs_what_it_is_tested_with() {
    let dependencies = |path: &str| -> Value {
        let text = std::fs::read_to_string(checkout(path)).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["dependencies"].clone()
    };
    let tested = dependencies("tests/package.json");
    for (name, version) in dependencies("docs/examples/acme-cad/package.json").as_object().unwrap()
    {
        assert_eq!(&tested[name], version, "{name}");
    }
}
