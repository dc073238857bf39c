//! `entitlectl doctor`: each thing that can be wrong is found, said with what mends it, and told by the exit code; and what
//! goes into a bug report holds no secret.

use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use serde_json::{Value, json};

use crate::seats;
use crate::support::anvil::Anvil;
use crate::support::contract::Contract;
use crate::support::daemon::Daemon;
use crate::support::faults::Fault;
use crate::support::proxy::Proxy;
use crate::support::settings::{ProductFile, Settings};
use crate::support::stage::{ACME, Stage};
use crate::support::wallet::Wallet;

fn doctor(daemon: &Daemon, arguments: &[&str]) -> Output {
    let mut command = daemon.entitlectl();
    command.arg("doctor").arg("--config").arg(daemon.config()).args(arguments);
    command.output().unwrap()
}

/// What was found of an area, and how it is.
fn found(daemon: &Daemon, area: &str) -> Vec<(String, String)> {
    of_area(&doctor(daemon, &["--json"]), area)
}

fn of_area(output: &Output, area: &str) -> Vec<(String, String)> {
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = found["findings"].as_array().unwrap().iter();
    let of_area = findings.filter(|it| it["area"] == area);
    let text = |it: &Value| format!("{} {}", it["said"].as_str().unwrap(), it["mend"]);
    of_area.map(|it| (it["state"].as_str().unwrap().to_owned(), text(it))).collect()
}

/// The same by a doctor who was told of no configuration file.
fn found_untold(daemon: &Daemon, area: &str) -> Vec<(String, String)> {
    of_area(&daemon.entitlectl().args(["doctor", "--json"]).output().unwrap(), area)
}

fn has(found: &[(String, String)], state: &str, part: &str) -> bool {
    found.iter().any(|(is, said)| is == state && said.contains(part))
}

#[test]
fn a_daemon_that_is_well_is_said_to_be_after_a_real_proof() {
    let stage = Stage::start();
    let output = doctor(&stage.daemon, &[]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("something was proven just now"), "{text}");
    assert!(text.contains("answer their rules"), "{text}");
    assert!(text.contains("Everything that was looked at is well."), "{text}");
}

#[test]
fn a_daemon_that_is_away_hides_nothing_else() {
    let daemon = Daemon::prepare(&Settings::new(["http://127.0.0.1:9".to_owned()]));
    let output = doctor(&daemon, &[]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    let starts = match std::path::Path::new("/run/systemd/system").is_dir() {
        true => "mend: `systemctl enable --now entitled.socket`",
        false => "mend: start `entitled`",
    };
    for part in ["does not answer", starts, "no mistakes", "MiB are free"] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    daemon.write_config("[store]\npaht = \"/x\"\n");
    assert!(has(&found(&daemon, "configuration"), "bad", "paht"));
}

#[test]
fn a_chain_that_proves_nothing_is_found_with_its_endpoint() {
    let anvil = Anvil::start();
    let proxy = Proxy::start(&anvil.address());
    let daemon = Daemon::start(&Settings::new([proxy.url()]));
    proxy.fault(Fault::unsupported());
    let chains = found(&daemon, "chains");
    assert!(has(&chains, "bad", "nothing can be proven now"), "{chains:?}");
    let endpoints = found(&daemon, "endpoints");
    assert!(has(&endpoints, "warning", &proxy.url()), "{endpoints:?}");
    assert_eq!(doctor(&daemon, &[]).status.code(), Some(1));
}

/// An endpoint that nobody needed until now is no better for that.
#[test]
fn each_endpoint_is_asked_for_a_proof_of_its_own() {
    let anvil = Anvil::start();
    // At the very first block such a node proves nothing.
    Contract::licence(&anvil);
    let (well, poor) = (Proxy::start(&anvil.address()), Proxy::start(&anvil.address()));
    poor.fault_in("eth_getProof", Fault::unsupported());
    let daemon = Daemon::start(&Settings::new([well.url(), poor.url()]));
    let chains = found(&daemon, "chains");
    assert!(has(&chains, "ok", "something was proven just now"), "{chains:?}");
    let endpoints = found(&daemon, "endpoints");
    assert!(
        has(&endpoints, "ok", &format!("{} proved something just now", well.url())),
        "{endpoints:?}"
    );
    let said = format!("{} proved nothing just now", poor.url());
    assert!(has(&endpoints, "warning", &said), "{endpoints:?}");
    assert!(has(&endpoints, "warning", "eth_getProof"), "what mends it: {endpoints:?}");
}

#[test]
fn keys_that_are_locked_a_store_that_was_lost_and_an_open_door_are_found() {
    let mut daemon = Daemon::start(&Settings::new(["http://127.0.0.1:9".to_owned()]));
    daemon.call("wallet_create", json!({}));
    assert!(has(&found(&daemon, "keys"), "ok", "open"));
    assert!(has(&found(&daemon, "disk"), "ok", "MiB are free"));
    std::fs::set_permissions(daemon.admin_socket(), PermissionsExt::from_mode(0o666)).unwrap();
    let doors = found(&daemon, "sockets");
    assert!(has(&doors, "bad", "mode 0666: open to everybody"), "{doors:?}");
    assert!(has(&doors, "bad", "`systemctl restart entitled-admin.socket`"), "{doors:?}");
    assert!(daemon.stop().success());

    // The key is away: nothing that is sealed can be opened.
    let key = daemon.home().join("state/kek");
    std::fs::rename(&key, daemon.home().join("kek.away")).unwrap();
    daemon.resume();
    let keys = found(&daemon, "keys");
    assert!(has(&keys, "bad", "managed wallets cannot sign"), "{keys:?}");
    assert!(daemon.stop().success());

    // And then the store.
    std::fs::rename(daemon.home().join("kek.away"), &key).unwrap();
    std::fs::write(daemon.home().join("state/ledger.redb"), "").unwrap();
    daemon.resume();
    let store = found(&daemon, "store");
    assert!(has(&store, "bad", "entitlectl store acknowledge"), "{store:?}");
    assert_eq!(doctor(&daemon, &[]).status.code(), Some(1));
}

#[test]
fn seats_that_are_wanted_are_told() {
    let stage = seats::stage(seats::two_seats);
    let mut holders: Vec<_> = (0..3).map(|_| seats::holder(&stage)).collect();
    holders[0].acquire(json!({}));
    holders[1].acquire(json!({}));
    let seats = found(&stage.daemon, "seats");
    assert!(has(&seats, "ok", "2 of 2 are used"), "{seats:?}");
}

#[test]
fn products_are_held_against_their_chains() {
    let stage = Stage::start();
    let nothing = Contract { address: alloy_primitives::Address::repeat_byte(0x42) };
    let install = |text: String| stage.daemon.admin("product_install", json!({"toml": text}));
    install(ProductFile::acme(&nothing.collection()).named("absent").text());
    let collection = stage.licence.collection();
    install(ProductFile::acme(&collection).named("demanding").set("trust", r#""quorum""#).text());
    let rented = ProductFile::acme(&collection).named("rented").text();
    install(format!("{rented}\nrule = \"user\"\n"));
    let products = found(&stage.daemon, "products");
    for part in [
        "`absent`, grants[0].token: there is no contract",
        "`demanding`, trust",
        "`rented`, grants[0]: ",
    ] {
        assert!(has(&products, "bad", part), "{part} is not in {products:?}");
    }
    assert!(!products.iter().any(|(_, said)| said.contains(ACME)), "{products:?}");
}

#[test]
fn a_product_file_is_linted_against_the_chain_when_asked_to() {
    let stage = Stage::start();
    let lint = |product: &ProductFile, more: &[&str]| {
        let file = stage.daemon.home().join("lint.toml");
        std::fs::write(&file, product.text()).unwrap();
        let mut command = stage.daemon.entitlectl();
        let output = command.args(["product", "lint"]).args(more).arg(&file).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let nothing = Contract { address: alloy_primitives::Address::repeat_byte(0x42) };
    let absent = ProductFile::acme(&nothing.collection());
    assert_eq!(lint(&absent, &[]).0, 0, "nothing is wrong with the file itself");
    let (code, said) = lint(&absent, &["--online"]);
    assert!(code == 1 && said.contains("grants[0].token: there is no contract"), "{code} {said}");
    assert_eq!(lint(&ProductFile::acme(&stage.licence.collection()), &["--online"]).0, 0);
}

/// Which file a daemon was started with it does not say: that of another is not spoken of as its own.
#[test]
fn the_configuration_of_another_daemon_is_not_taken_for_that_of_the_one_asked() {
    let stage = Stage::start();
    let configuration = found_untold(&stage.daemon, "configuration");
    assert!(has(&configuration, "unknown", "--config"), "{configuration:?}");
    for part in ["no mistakes", "[[chain]]"] {
        assert!(!has(&configuration, "ok", part), "{configuration:?}");
        assert!(!has(&configuration, "warning", part), "{configuration:?}");
    }
    assert_eq!(found_untold(&stage.daemon, "disk"), [], "nor its place");
    assert!(has(&found_untold(&stage.daemon, "chains"), "ok", "proven just now"));
    let told = found(&stage.daemon, "configuration");
    assert!(has(&told, "ok", "no mistakes"), "{told:?}");
}

#[test]
fn a_place_that_is_not_there_is_no_place_that_may_not_be_looked_at() {
    let daemon = Daemon::prepare(&Settings::new(["http://127.0.0.1:9".to_owned()]));
    std::fs::remove_dir(daemon.home().join("state")).unwrap();
    let disk = found(&daemon, "disk");
    assert!(has(&disk, "warning", "is not there"), "{disk:?}");
    assert!(!has(&disk, "warning", "root") && !has(&disk, "unknown", ""), "{disk:?}");
    if nix::unistd::geteuid().is_root() {
        let said = doctor(&daemon, &[]);
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        assert!(!said.contains("as root"), "{said}");
    }
}

#[test]
fn what_no_chain_could_be_asked_of_is_not_known() {
    let anvil = Anvil::start();
    let licence = Contract::licence(&anvil);
    let settings = Settings::new(["http://127.0.0.1:9".to_owned()]);
    let daemon = Daemon::start(&settings.product(ProductFile::acme(&licence.collection())));
    let products = found(&daemon, "products");
    assert!(has(&products, "unknown", "1 installed"), "{products:?}");
    assert!(!has(&products, "ok", ""), "{products:?}");
    let status = daemon.entitlectl().args(["chain", "status"]).output().unwrap();
    let status = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(status.contains("down") && status.contains("0 of 1 endpoints available"), "{status}");
}

#[test]
fn an_endpoint_of_another_chain_is_said_once_with_all_that_may_be_wrong() {
    let anvil = Anvil::start();
    let settings = Settings::new([anvil.url()]);
    let daemon = Daemon::prepare(&settings);
    let start = |text: String| {
        let mut daemon = Daemon::prepare(&settings);
        daemon
            .write_config(&text.replace(&daemon_home(&text), &daemon.home().display().to_string()));
        daemon.resume();
        daemon
    };
    let text = settings.text(daemon.home());
    let other_id = start(text.replace("eip155:31337", "eip155:5"));
    let endpoints = found(&other_id, "endpoints");
    assert!(has(&endpoints, "warning", "its chain id is 31337"), "{endpoints:?}");
    let twice = "is on another chain: the endpoint is on another chain";
    assert!(!has(&endpoints, "warning", twice), "{endpoints:?}");
    let genesis = format!("genesis = \"0x{}\"\n", "11".repeat(32));
    let other_genesis = start(text.replace("poll = ", &format!("{genesis}poll = ")));
    let endpoints = found(&other_genesis, "endpoints");
    assert!(has(&endpoints, "warning", "`genesis`"), "{endpoints:?}");
}

/// Where the daemon of this configuration has its files.
fn daemon_home(text: &str) -> String {
    let path = text.lines().find_map(|it| it.strip_prefix("path = \"")).unwrap();
    path.split_once("/run/").unwrap().0.to_owned()
}

#[test]
fn product_files_that_were_refused_are_found_and_named_to_whoever_misses_the_product() {
    let stage = Stage::start();
    let text = ProductFile::acme(&stage.licence.collection()).named("typo").text();
    let file = stage.daemon.home().join("vendor/typo.toml");
    std::fs::write(&file, format!("{text}\nrulle = \"owner\"\n")).unwrap();
    let products = found(&stage.daemon, "products");
    assert!(has(&products, "bad", "typo.toml") && has(&products, "bad", "rulle"), "{products:?}");
    let check = |named: &str| {
        let mut check = stage.daemon.entitlectl();
        check.args(["check", named]).env("ENTITLED__SOCKET__PATH", stage.daemon.socket());
        let dirs = format!("[{:?}]", stage.daemon.home().join("vendor"));
        let done = check.env("ENTITLED__PRODUCTS__DIRS", dirs).output().unwrap();
        String::from_utf8_lossy(&done.stdout).into_owned()
    };
    let said = check("typo");
    assert!(said.contains("NO_PRODUCT") && said.contains("typo.toml"), "{said}");
    assert!(!check("other").contains("typo.toml"));
}

#[test]
fn a_bug_report_has_what_was_found_and_no_secret() {
    let anvil = Anvil::start();
    let licence = Contract::licence(&anvil);
    let settings = Settings::new([anvil.url()]).product(ProductFile::acme(&licence.collection()));
    let mut daemon = Daemon::prepare(&settings);
    let table = format!(
        "rpc = [{{ url = \"{}/v3/S3CRET-PATH\", headers = {{ X-Api-Key = \"S3CRET-HEADER\" }} }}]",
        anvil.url()
    );
    let text = settings.text(daemon.home());
    let line = text.lines().find(|it| it.starts_with("rpc = ")).unwrap();
    daemon.write_config(&text.replace(line, &table));
    daemon.resume();
    let wallet = Wallet::numbered(1);
    daemon.link(&wallet);
    daemon.admin("customer_create", json!({"name": "S3CRET customer", "uids": []}));

    let file = daemon.home().join("report.tar");
    let bundle = || doctor(&daemon, &["bundle", file.to_str().unwrap()]);
    let output = bundle();
    assert!(output.status.success(), "{output:?}");
    let bytes = std::fs::read(&file).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let key = std::fs::read(daemon.home().join("state/kek")).unwrap();
    let key = key.iter().map(|it| format!("{it:02x}")).collect::<String>();
    for secret in ["S3CRET", &key, &wallet.address().to_string(), &anvil.address()] {
        let shown = text.replace(&format!("http://{}", anvil.address()), "");
        assert!(!shown.contains(secret), "{secret} is in the report");
    }

    // Any tar reads it.
    let listed = std::process::Command::new("tar").arg("tf").arg(&file).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    for name in ["findings", "version", "health", "keys", "store", "configuration"] {
        assert!(listed.contains(&format!("entitled-doctor/{name}.json\n")), "{listed}");
    }
    assert!(!bundle().status.success(), "what lies there is not overwritten");
}
