//! The vendor's project of the documents, from the contract to the package: made as docs/vendors.md says, and used.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;
use tempfile::TempDir;

use crate::support::anvil::Anvil;
use crate::support::c_library::succeed;
use crate::support::daemon::Daemon;
use crate::support::document::{Commands, commands};
use crate::support::prerequisites;
use crate::support::settings::Settings;
use crate::support::stage::{ACME, stranger};
use crate::support::toolchain;

/// The first account that every development node has money for, and tells everybody of.
const SELLER: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

fn checkout(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A copy of the vendor's directory, with what npm would have installed.
struct Vendor {
    home: TempDir,
    url: String,
}

impl Vendor {
    fn new(anvil: &Anvil) -> Self {
        let home = TempDir::new().unwrap();
        for file in std::fs::read_dir(checkout("docs/examples/acme-cad")).unwrap() {
            let file = file.unwrap().path();
            std::fs::copy(&file, home.path().join(file.file_name().unwrap())).unwrap();
        }
        std::os::unix::fs::symlink(
            checkout("tests/node_modules"),
            home.path().join("node_modules"),
        )
        .unwrap();
        std::fs::write(home.path().join("seller.key"), SELLER).unwrap();
        Self { home, url: anvil.url() }
    }

    fn built(&self, name: &str) -> PathBuf {
        self.home.path().join("build").join(name)
    }

    /// Runs a block of the guide, told where this chain is; the passphrase of the vendor's key is typed.
    fn does(&self, block: &Commands) -> (bool, String) {
        let mut client = Command::new("env");
        let program = env!("CARGO_BIN_EXE_entitlectl");
        client.env("MAKEFLAGS", format!("CHAIN=eip155:31337 TRUST=single ENTITLECTL={program}"));
        client.env_remove("MAKELEVEL").env("RPC_URL", &self.url);
        let mut shell = block.command(&client, self.home.path());
        shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut running = shell.spawn().unwrap();
        // Who reads nothing has closed it by now.
        let _ = running.stdin.take().unwrap().write_all(b"a passphrase\n");
        let done = running.wait_with_output().unwrap();
        let said = [done.stdout, done.stderr].concat();
        (done.status.success(), String::from_utf8(said).unwrap())
    }

    fn chain(&self, arguments: &[&str]) -> String {
        let mut node = Command::new("node");
        node.arg("chain.mjs").args(arguments).current_dir(self.home.path());
        succeed(node.env("RPC_URL", &self.url)).trim().to_owned()
    }

    /// What the vendor's program says of the daemon at this socket.
    fn program(&self, socket: &Path) -> String {
        let script = self.home.path().join("acme_cad.py");
        let mut python = toolchain::python(script.to_str().unwrap()).unwrap();
        succeed(python.env("ENTITLED_SOCKET", socket)).trim().to_owned()
    }
}

fn install(daemon: &Daemon, file: &Path) -> (bool, String) {
    let mut command = daemon.entitlectl();
    let done = command.args(["product", "install"]).arg(file).output().unwrap();
    let said = [done.stdout, done.stderr].concat();
    (done.status.success(), String::from_utf8(said).unwrap())
}

#[test]
fn the_vendors_project_of_the_documents_sells_a_licence() {
    let needed = ["python3", "node", "make", "dpkg-deb"];
    if !needed.iter().all(|it| prerequisites::has(it, "the vendor's project")) {
        return;
    }
    let anvil = Anvil::start();
    let vendor = Vendor::new(&anvil);
    let test = "the_vendors_project_of_the_documents_sells_a_licence";
    let blocks = commands("docs/vendors.md", test);
    let [key, contract, product, package, buy] = blocks.try_into().ok().unwrap();
    let contract = contract.with("https://…", &anvil.url());
    let made = [key, contract, product, package].map(|block| {
        let (made, said) = vendor.does(&block);
        assert!(made, "{said}");
        said
    });
    assert!(made[2].contains("acme-cad"), "it was checked: {}", made[2]);
    anvil.finalize();

    // The package has the product file, its signature and the program.
    let root = vendor.home.path().join("installed");
    let package = vendor.built("acme-cad_1.0.0_all.deb");
    succeed(Command::new("dpkg-deb").arg("--extract").arg(package).arg(&root));
    let products = root.join("usr/share/entitled/products.d");
    let mut daemon = Daemon::start(&Settings::new([anvil.url()]));
    let (installed, said) = install(&daemon, &products.join("acme-cad.toml"));
    assert!(installed, "{said}");
    assert!(root.join("usr/lib/acme-cad/acme_cad.py").exists());

    // A customer without a licence, with one, with the better one, and without any again.
    let wallet = daemon.call("wallet_create", json!({}));
    let holder = wallet["address"].as_str().unwrap();
    daemon.wait_for_code(ACME, "NOT_HELD");
    assert_eq!(vendor.program(&daemon.socket()), "Acme CAD viewer: no licence (NOT_HELD)");
    assert_eq!(vendor.chain(&["buy", "seller.key", holder]), "1");
    anvil.finalize();
    daemon.wait_for(ACME, "the standard tier", |it| it["tier"] == "standard");
    assert_eq!(vendor.program(&daemon.socket()), "Acme CAD standard: 5 projects, export off");
    let (bought, said) = vendor.does(&buy.with("0x…", holder));
    assert!(bought && said.trim() == "1000000", "{said}");
    anvil.finalize();
    daemon.wait_for(ACME, "the pro tier", |it| it["tier"] == "pro");
    assert_eq!(vendor.program(&daemon.socket()), "Acme CAD pro: 50 projects, export on");

    // A licence that the seller holds is passed on, and is the buyer's.
    let seller = anvil.account(0);
    assert_eq!(vendor.chain(&["buy", "seller.key", &seller, "pro"]), "1000001");
    vendor.chain(&["sell", "seller.key", "1000001", &stranger().to_string()]);

    // Who changes the product file has another product, and not the vendor's.
    let text = std::fs::read_to_string(vendor.built("acme-cad.toml")).unwrap();
    let theirs = vendor.home.path().join("acme-cad.toml");
    std::fs::write(&theirs, text.replace("max_projects = 5 ", "max_projects = 500 ")).unwrap();
    let (installed, said) = install(&daemon, &theirs);
    assert!(!installed && said.contains("sign"), "{said}");

    // Without the daemon nobody knows, and nobody is called a thief.
    daemon.stop();
    let said = vendor.program(&daemon.socket());
    assert!(said.starts_with("Acme CAD viewer: the licence could not be checked ("), "{said}");
}
