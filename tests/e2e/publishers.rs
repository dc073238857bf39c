//! Product files that their publisher signed, with minisign's own library as the vendor.

use std::io::Write as _;
use std::process::Stdio;

use minisign::KeyPair;
use serde_json::{Value, json};

use crate::support::daemon::Daemon;
use crate::support::settings::ProductFile;
use crate::support::stage::{ACME, Stage};

pub struct Vendor(KeyPair);

impl Vendor {
    pub fn new() -> Self {
        Self(KeyPair::generate_unencrypted_keypair().unwrap())
    }

    pub fn key(&self) -> String {
        self.0.pk.to_base64()
    }

    pub fn sign(&self, text: &str) -> String {
        let text = std::io::Cursor::new(text);
        minisign::sign(None, &self.0.sk, text, Some("acme-cad.toml"), None).unwrap().into_string()
    }
}

/// Installs a product file under a vendor's name and signature.
pub fn install_signed(daemon: &Daemon, vendor: &Vendor, product: &ProductFile) {
    let text = format!("{}\n[publisher]\nkey = {:?}\n", product.text(), vendor.key());
    let signature = vendor.sign(&text);
    install(daemon, &(text, signature)).unwrap();
}

/// The product of a vendor: named by `names`, signed by `by`.
pub fn published(stage: &Stage, version: u32, names: &Vendor, by: &Vendor) -> (String, String) {
    let product =
        ProductFile::acme(&stage.licence.collection()).set("version", &version.to_string());
    let text = format!("{}\n[publisher]\nkey = {:?}\n", product.text(), names.key());
    let signature = by.sign(&text);
    (text, signature)
}

pub fn install(daemon: &Daemon, (text, signature): &(String, String)) -> Result<Value, String> {
    let params = json!({"toml": text, "signature": signature});
    daemon.try_admin("product_install", params).map_err(|it| it.message)
}

fn ask(daemon: &Daemon, publisher: &str) -> String {
    let verdict =
        daemon.call("entitlement_check", json!({"product": ACME, "publisher": publisher}));
    verdict["code"].as_str().unwrap().to_owned()
}

#[test]
fn a_program_takes_its_own_publishers_word_and_no_others() {
    let stage = Stage::entitled();
    let (daemon, vendor, other) = (&stage.daemon, Vendor::new(), Vendor::new());
    assert_eq!(daemon.check(ACME)["publisher"], Value::Null);
    assert_eq!(ask(daemon, &vendor.key()), "PUBLISHER_MISMATCH", "of an unsigned file");
    install(daemon, &published(&stage, 1, &vendor, &vendor)).unwrap();
    let verdict = daemon.wait_for_code(ACME, "VALID");
    assert_eq!(verdict["publisher"], vendor.key());
    assert_eq!(ask(daemon, &vendor.key()), "VALID");
    let mismatch = daemon.call(
        "entitlement_check",
        json!({"product": ACME, "publisher": other.key(), "feature": "export"}),
    );
    assert_eq!(
        (&mismatch["code"], &mismatch["valid"]),
        (&json!("PUBLISHER_MISMATCH"), &json!(false))
    );
    assert_eq!((&mismatch["tier"], &mismatch["features"]), (&Value::Null, &json!({})));
    assert_eq!(daemon.admin("product_list", json!({}))["items"][0]["publisher"], vendor.key());
    let nonsense = daemon.refused("entitlement_check", json!({"product": ACME, "publisher": "RW"}));
    assert!(nonsense.message.contains("minisign public key"), "{}", nonsense.message);
}

#[test]
fn what_was_signed_once_takes_no_other_file_until_an_administrator_says_so() {
    let mut stage = Stage::entitled();
    let (vendor, other) = (Vendor::new(), Vendor::new());
    install(&stage.daemon, &published(&stage, 2, &vendor, &vendor)).unwrap();
    let unsigned = ProductFile::acme(&stage.licence.collection());
    let refused = [
        (install(&stage.daemon, &published(&stage, 3, &other, &other)), "is not signed by"),
        (install(&stage.daemon, &published(&stage, 3, &vendor, &other)), "is not signed by"),
        (
            install(&stage.daemon, &published(&stage, 1, &vendor, &vendor)),
            "versions do not go back",
        ),
        (
            stage
                .daemon
                .try_admin("product_install", json!({"toml": unsigned.text()}))
                .map_err(|it| it.message),
            "is not signed by",
        ),
    ];
    for (answer, why) in refused {
        let message = answer.unwrap_err();
        assert!(message.contains(why), "{why}: {message}");
    }
    // Whoever can write the directory gets no further: what holds goes on, and after a restart nothing does.
    let signed = std::fs::read_to_string(stage.daemon.home().join("local/acme-cad.toml")).unwrap();
    let written = stage.daemon.home().join("local/acme-cad.toml");
    std::fs::write(&written, unsigned_text(&stage)).unwrap();
    stage.daemon.admin("system_reload", json!({}));
    assert_eq!(ask(&stage.daemon, &vendor.key()), "VALID");
    stage.daemon.restart();
    assert_eq!(stage.daemon.code(ACME), "NO_PRODUCT");
    std::fs::write(&written, signed).unwrap();
    stage.daemon.admin("system_reload", json!({}));
    stage.daemon.wait_for_code(ACME, "VALID");
    assert_eq!(ask(&stage.daemon, &vendor.key()), "VALID");

    // An administrator may.
    let all = stage.daemon.admin("product_trust", json!({"product": ACME, "publisher": null}));
    assert_eq!(all["publisher"], vendor.key(), "the file that lies there is the vendor's still");
    let trusted = json!({"product": ACME, "publisher": other.key()});
    let trusted = stage.daemon.admin("product_trust", trusted);
    assert_eq!(trusted["publisher"], other.key());
    install(&stage.daemon, &published(&stage, 1, &other, &other)).unwrap();
    assert_eq!(ask(&stage.daemon, &other.key()), "VALID");
    let audit = stage.daemon.admin("audit_list", json!({"limit": 1000}));
    let audit = audit["items"].as_array().unwrap();
    let changes = audit.iter().filter(|it| it["action"] == "publisher_changed");
    let details: Vec<_> = changes.map(|it| it["detail"].as_str().unwrap()).collect();
    assert!(details.last().unwrap().contains(&other.key()), "{details:?}");
    assert!(
        stage
            .daemon
            .refused("product_trust", json!({"product": ACME}))
            .message
            .contains("publisher")
    );
}

fn unsigned_text(stage: &Stage) -> String {
    ProductFile::acme(&stage.licence.collection()).text()
}

#[test]
fn a_publisher_hands_over_to_another_key() {
    let mut stage = Stage::entitled();
    let (old, new) = (Vendor::new(), Vendor::new());
    // What a program asks meanwhile, as docs/vendors.md says.
    let either = |daemon: &Daemon| match ask(daemon, &new.key()) {
        code if code == "PUBLISHER_MISMATCH" => ask(daemon, &old.key()),
        code => code,
    };
    install(&stage.daemon, &published(&stage, 1, &old, &old)).unwrap();
    assert_eq!(either(&stage.daemon), "VALID");
    // Who has not seen the hand-over takes nothing of the new key.
    let early = install(&stage.daemon, &published(&stage, 3, &new, &new)).unwrap_err();
    assert!(early.contains("is not signed by"), "{early}");
    install(&stage.daemon, &published(&stage, 2, &new, &old)).unwrap();
    assert_eq!(either(&stage.daemon), "VALID");
    // It is the old key's word still, which programs of both times can tell.
    assert_eq!(
        (ask(&stage.daemon, &old.key()), ask(&stage.daemon, &new.key())),
        ("VALID".into(), "PUBLISHER_MISMATCH".into())
    );
    stage.daemon.restart();
    stage.daemon.wait_for_code(ACME, "VALID");
    assert!(install(&stage.daemon, &published(&stage, 3, &old, &old)).is_err());
    install(&stage.daemon, &published(&stage, 3, &new, &new)).unwrap();
    assert_eq!(
        (ask(&stage.daemon, &old.key()), ask(&stage.daemon, &new.key())),
        ("PUBLISHER_MISMATCH".into(), "VALID".into())
    );
    assert_eq!(either(&stage.daemon), "VALID");
}

/// Puts a file and its signature where packages put them, and has them read.
fn unpack(daemon: &Daemon, (text, signature): &(String, String)) {
    let path = daemon.home().join("local/acme-cad.toml");
    std::fs::write(path.with_extension("toml.minisig"), signature).unwrap();
    std::fs::write(&path, text).unwrap();
    daemon.admin("system_reload", json!({}));
}

/// As a package does that hands over before it is unpacked: docs/vendors.md.
#[test]
fn a_package_brings_the_hand_over_and_what_comes_after_it() {
    for had_it in [true, false] {
        let stage = Stage::entitled();
        let (daemon, old, new) = (&stage.daemon, Vendor::new(), Vendor::new());
        if had_it {
            unpack(daemon, &published(&stage, 1, &old, &old));
            assert_eq!(ask(daemon, &old.key()), "VALID");
        }
        unpack(daemon, &published(&stage, 2, &new, &old));
        let taken = if had_it { "VALID" } else { "PUBLISHER_MISMATCH" };
        assert_eq!(ask(daemon, &old.key()), taken, "by who had it: {had_it}");
        unpack(daemon, &published(&stage, 3, &new, &new));
        assert_eq!(ask(daemon, &new.key()), "VALID", "by who had it: {had_it}");
    }
}

#[test]
fn who_was_never_handed_over_trusts_the_new_key_by_its_administrators_word() {
    let stage = Stage::entitled();
    let (daemon, old, new) = (&stage.daemon, Vendor::new(), Vendor::new());
    unpack(daemon, &published(&stage, 1, &old, &old));
    unpack(daemon, &published(&stage, 3, &new, &new));
    assert_eq!(ask(daemon, &old.key()), "VALID", "the product stays as it was");
    daemon.admin("product_trust", json!({"product": ACME, "publisher": new.key()}));
    daemon.admin("system_reload", json!({}));
    assert_eq!(ask(daemon, &new.key()), "VALID");
}

#[test]
fn a_file_that_is_dropped_into_the_directory_is_its_publishers_from_then_on() {
    let mut stage = Stage::entitled();
    let vendor = Vendor::new();
    let (text, signature) = published(&stage, 5, &vendor, &vendor);
    let path = stage.daemon.home().join("local/acme-cad.toml");
    std::fs::write(path.with_extension("toml.minisig"), signature).unwrap();
    std::fs::write(&path, text).unwrap();
    stage.daemon.restart();
    stage.daemon.wait_for_code(ACME, "VALID");
    assert_eq!(ask(&stage.daemon, &vendor.key()), "VALID");
    let older = install(&stage.daemon, &published(&stage, 4, &vendor, &vendor)).unwrap_err();
    assert!(older.contains("versions do not go back"), "{older}");
}

/// Runs `entitlectl` with this on its standard input; what it wrote, and whether it was done.
fn entitlectl(daemon: &Daemon, arguments: &[&str], typed: &str) -> (bool, String) {
    let mut command = daemon.entitlectl();
    command.args(arguments).current_dir(daemon.home());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = command.spawn().unwrap();
    let mut stdin = running.stdin.take().unwrap();
    // Who reads nothing has closed it by now.
    let _ = stdin.write_all(typed.as_bytes());
    drop(stdin);
    let done = running.wait_with_output().unwrap();
    let said = [done.stdout, done.stderr].concat();
    (done.status.success(), String::from_utf8(said).unwrap())
}

#[test]
fn a_vendor_without_minisign_makes_a_key_signs_and_installs() {
    let stage = Stage::entitled();
    let run = |arguments: &[&str], typed| entitlectl(&stage.daemon, arguments, typed);
    let (made, said) = run(&["product", "keygen", "--secret-key", "vendor.key"], "a passphrase\n");
    assert!(made, "{said}");
    let key = said.lines().find_map(|it| it.strip_prefix("publisher ")).unwrap().to_owned();
    let again = run(&["product", "keygen", "--secret-key", "vendor.key"], "a passphrase\n");
    assert!(!again.0, "no key is overwritten: {}", again.1);
    let mode = std::fs::metadata(stage.daemon.home().join("vendor.key")).unwrap().permissions();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o600);

    let file = stage.daemon.home().join("acme.toml");
    let sign = ["product", "sign", "--secret-key", "vendor.key", "acme.toml"];
    std::fs::write(&file, unsigned_text(&stage)).unwrap();
    let (signed, said) = run(&sign, "a passphrase\n");
    assert!(!signed && said.contains("names no publisher"), "{said}");
    let text = format!("{}\n[publisher]\nkey = {key:?}\n", unsigned_text(&stage));
    std::fs::write(&file, &text).unwrap();
    let (good, said) = run(&["product", "lint", "acme.toml"], "");
    assert!(!good && said.contains("there is no signature beside it"), "{said}");
    let (signed, said) = run(&sign, "another passphrase\n");
    assert!(!signed && said.contains("is the passphrase right?"), "{said}");
    let (signed, said) = run(&sign, "a passphrase\n");
    assert!(signed, "{said}");
    let (good, said) = run(&["product", "lint", "acme.toml"], "");
    assert!(good && said.contains(&format!("signed by {key}")), "{said}");
    let (installed, said) = run(&["product", "install", "acme.toml"], "");
    assert!(installed, "{said}");
    stage.daemon.wait_for_code(ACME, "VALID");
    assert_eq!(ask(&stage.daemon, &key), "VALID");

    std::fs::write(&file, text.replace("max_projects = 50", "max_projects = 5000")).unwrap();
    let (good, said) = run(&["product", "lint", "acme.toml"], "");
    assert!(!good && said.contains("one of the two was changed"), "{said}");
    let (installed, said) = run(&["product", "install", "acme.toml"], "");
    assert!(!installed && said.contains("one of the two was changed"), "{said}");
    let (trusted, said) = run(&["product", "trust", ACME, "--anybody"], "");
    assert!(trusted && said.contains(&key), "the vendor's file is there still: {said}");
}

/// Whoever else may write into that directory may have put one there.
#[test]
fn a_link_where_a_signature_is_written_leads_nowhere() {
    let stage = Stage::entitled();
    let run = |arguments: &[&str]| entitlectl(&stage.daemon, arguments, "a passphrase\n");
    let (made, said) = run(&["product", "keygen", "--secret-key", "vendor.key"]);
    assert!(made, "{said}");
    let key = said.lines().find_map(|it| it.strip_prefix("publisher ")).unwrap();
    let home = stage.daemon.home();
    let text = format!("{}\n[publisher]\nkey = {key:?}\n", unsigned_text(&stage));
    std::fs::write(home.join("acme.toml"), text).unwrap();
    let (another, place) = (home.join("another"), home.join("acme.toml.minisig"));
    std::fs::write(&another, "somebody else's").unwrap();
    std::os::unix::fs::symlink(&another, &place).unwrap();
    let (signed, said) = run(&["product", "sign", "--secret-key", "vendor.key", "acme.toml"]);
    assert!(!signed && said.contains("is a symbolic link"), "{said}");
    assert_eq!(std::fs::read_to_string(&another).unwrap(), "somebody else's");
    std::fs::remove_file(&place).unwrap();
    let (signed, said) = run(&["product", "sign", "--secret-key", "vendor.key", "acme.toml"]);
    assert!(signed, "{said}");
    assert!(place.symlink_metadata().unwrap().is_file());
    let (good, said) = run(&["product", "lint", "acme.toml"]);
    assert!(good, "{said}");
}

/// The name is part of what a signature says, on a line of its own.
#[test]
fn a_file_with_a_line_end_in_its_name_is_signed_so_that_it_can_be_verified() {
    let stage = Stage::entitled();
    let run = |arguments: &[&str]| entitlectl(&stage.daemon, arguments, "a passphrase\n");
    let (made, said) = run(&["product", "keygen", "--secret-key", "vendor.key"]);
    assert!(made, "{said}");
    let key = said.lines().find_map(|it| it.strip_prefix("publisher ")).unwrap();
    let text = format!("{}\n[publisher]\nkey = {key:?}\n", unsigned_text(&stage));
    let name = "acme\ncad\u{1b}[31m.toml";
    std::fs::write(stage.daemon.home().join(name), text).unwrap();
    let (signed, said) = run(&["product", "sign", "--secret-key", "vendor.key", name]);
    assert!(signed, "{said}");
    let signature =
        std::fs::read_to_string(stage.daemon.home().join(format!("{name}.minisig"))).unwrap();
    assert_eq!(
        (signature.lines().count(), signature.contains('\u{1b}')),
        (4, false),
        "{signature}"
    );
    let (good, said) = run(&["product", "lint", name]);
    assert!(good && said.contains(&format!("signed by {key}")), "{said}");
}

/// Runs `entitlectl product` on a file, with the signature beside it.
fn product(
    stage: &Stage,
    arguments: &[&str],
    text: &str,
    signature: Option<&str>,
) -> (i32, String) {
    let file = stage.daemon.home().join("given.toml");
    let beside = stage.daemon.home().join("given.toml.minisig");
    std::fs::write(&file, text).unwrap();
    let _ = std::fs::remove_file(&beside);
    if let Some(signature) = signature {
        std::fs::write(&beside, signature).unwrap();
    }
    let mut command = stage.daemon.entitlectl();
    let done = command.arg("product").args(arguments).arg(&file).output().unwrap();
    let said = [done.stdout, done.stderr].concat();
    (done.status.code().unwrap(), String::from_utf8(said).unwrap())
}

#[test]
fn a_file_that_hands_over_to_another_key_is_linted_with_a_warning() {
    let stage = Stage::start();
    let (old, new) = (Vendor::new(), Vendor::new());
    install(&stage.daemon, &published(&stage, 1, &old, &old)).unwrap();
    let (text, signature) = published(&stage, 2, &new, &old);
    let (code, said) = product(&stage, &["lint"], &text, Some(&signature));
    assert!(code == 0 && said.contains("warning") && said.contains("hands over"), "{code} {said}");
    let (_, json) = product(&stage, &["lint", "--json"], &text, Some(&signature));
    assert!(json.contains("\"ok\":true"), "{json}");
    assert_eq!(product(&stage, &["install"], &text, Some(&signature)).0, 0);
}

#[test]
fn who_installs_is_told_what_is_wrong_with_the_signature_itself() {
    let stage = Stage::start();
    let (vendor, other) = (Vendor::new(), Vendor::new());
    install(&stage.daemon, &published(&stage, 1, &vendor, &vendor)).unwrap();
    let (text, signature) = published(&stage, 2, &vendor, &vendor);
    let changed = text.replace("max_projects = 50", "max_projects = 51");
    let (code, said) = product(&stage, &["install"], &changed, Some(&signature));
    assert!(code == 1 && said.contains("the signature does not fit the file"), "{code} {said}");
    assert!(!said.contains("product trust"), "{said}");
    let (code, said) = product(&stage, &["install"], &text, None);
    assert!(code == 1 && said.contains("given.toml.minisig"), "{code} {said}");
    assert!(!said.contains("product trust"), "{said}");
    // Another publisher's is for an administrator to decide.
    let (text, signature) = published(&stage, 2, &other, &other);
    let (code, said) = product(&stage, &["install"], &text, Some(&signature));
    assert!(code == 1 && said.contains("product trust"), "{code} {said}");
}
