//! Mistakes of a vendor that must not look like a customer's: a licence would mend nothing.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::anvil::Anvil;
use crate::support::contract::Contract;
use crate::support::daemon::Daemon;
use crate::support::settings::{ProductFile, Settings};
use crate::support::stage::ACME;
use crate::support::wallet::Wallet;

/// A product on a chain that is not configured.
fn elsewhere(licence: &Contract) -> ProductFile {
    let collection = licence.collection().replace("31337", "5");
    ProductFile::acme(&collection).named("elsewhere")
}

/// A product that asks for more than one endpoint's word, where there is one.
fn demanding(licence: &Contract) -> ProductFile {
    ProductFile::acme(&licence.collection()).named("demanding").set("trust", r#""quorum""#)
}

fn scene() -> (Anvil, Contract) {
    let anvil = Anvil::start();
    let licence = Contract::licence(&anvil);
    anvil.mine(1);
    (anvil, licence)
}

fn texts(warnings: &Value) -> String {
    warnings.to_string()
}

#[test]
fn what_cannot_be_had_here_is_no_reason_to_buy_a_licence() {
    let (anvil, licence) = scene();
    let settings = Settings::new([anvil.url()]);
    let settings = settings.product(elsewhere(&licence)).product(demanding(&licence));
    let daemon = Daemon::start(&settings);
    daemon.link(&Wallet::numbered(1));
    for (product, cause) in [
        ("elsewhere", "no such chain is configured"),
        ("demanding", "more trust than its chain is configured for"),
    ] {
        let refused = &["VALID", "GRACE", "NOT_HELD"];
        daemon.never_answers(product, refused, Duration::from_secs(1));
        let verdict =
            daemon.wait_for(product, cause, |it| it["detail"].to_string().contains(cause));
        assert_eq!(verdict["code"], "UNDETERMINED", "{verdict}");
    }
}

/// What a chain that can be reached would not mend, nobody is told to wait for.
#[test]
fn who_waits_for_nothing_is_told_what_helps() {
    let (anvil, licence) = scene();
    let nothing = Contract { address: alloy_primitives::Address::repeat_byte(0x42) };
    let absent = ProductFile::acme(&nothing.collection()).named("absent");
    let settings = Settings::new([anvil.url()]).product(absent);
    let settings = settings.product(elsewhere(&licence)).product(demanding(&licence));
    let daemon = Daemon::start(&settings);
    daemon.link(&Wallet::numbered(1));
    for (product, cause, helps) in [
        ("elsewhere", "no such chain is configured", "`id = \"eip155:5\"`"),
        ("demanding", "more trust than its chain is configured for", "`trust` of the chain"),
        ("absent", "there is no contract", "the vendor corrects the address"),
    ] {
        daemon.wait_for(product, cause, |it| it["detail"].to_string().contains(cause));
        for command in ["check", "why"] {
            let done = daemon.entitlectl().args([command, product]).output().unwrap();
            let told = String::from_utf8(done.stdout).unwrap();
            assert_eq!(done.status.code(), Some(3), "{told}");
            assert!(told.contains(helps) && !told.contains("try again"), "{told}");
        }
    }
}

#[test]
fn the_check_of_the_configuration_warns() {
    let (anvil, licence) = scene();
    let settings = Settings::new([anvil.url()]).product(ProductFile::acme(&licence.collection()));
    let settings = settings.product(elsewhere(&licence)).product(demanding(&licence));
    let daemon = Daemon::prepare(&settings);
    let output = daemon.command().arg("--check").output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{told}");
    for part in [
        "warning: product `elsewhere`, grants[0].token: chain `eip155:5` is not configured",
        "warning: product `demanding`, trust: asks for `quorum`",
    ] {
        assert!(told.contains(part), "{part} is not in\n{told}");
    }
    assert!(!told.contains(ACME), "{told}");
}

/// A name can be of any bytes but two.
#[test]
fn the_name_of_a_file_gives_the_check_no_line_of_its_own() {
    let daemon = Daemon::prepare(&Settings::new(["http://127.0.0.1:9".to_owned()]));
    let name = "b\nall is well: 1 chain\u{1b}[2K.toml";
    std::fs::write(daemon.home().join("vendor").join(name), "nonsense [[[").unwrap();
    let output = daemon.command().arg("--check").output().unwrap();
    let told = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains(r"b\nall is well: 1 chain\u{1b}[2K.toml"), "{told}");
    assert!(!told.contains('\u{1b}') && !told.lines().any(|it| it.starts_with("all is")), "{told}");
}

/// Whether there is a contract, whether it answers what the rule asks, and whether the trust is to be had: asked of the chain, for
/// a file that is not installed.
#[test]
fn a_product_is_checked_against_its_chains_before_it_is_installed() {
    let (anvil, licence) = scene();
    let daemon = Daemon::start(&Settings::new([anvil.url()]));
    let check =
        |product: &ProductFile| daemon.admin("product_check", json!({"toml": product.text()}));

    let good = check(&ProductFile::acme(&licence.collection()));
    assert_eq!(
        (&good["warnings"], &good["chains"][0]["proven"]),
        (&json!([]), &json!(true)),
        "{good}"
    );
    assert_eq!(good["grants"][0]["answers"], true, "{good}");

    let nothing = Contract { address: alloy_primitives::Address::repeat_byte(0x42) };
    let absent = check(&ProductFile::acme(&nothing.collection()));
    assert!(texts(&absent["warnings"]).contains("no contract"), "{absent}");
    assert!(texts(&check(&demanding(&licence))["warnings"]).contains("`demanding`, trust"));

    // An ERC-721 that is no ERC-4907.
    let mut rented = ProductFile::acme(&licence.collection()).text();
    rented.push_str("\nrule = \"user\"\n");
    let deaf = daemon.admin("product_check", json!({"toml": rented}));
    assert_eq!(deaf["grants"][0]["answers"], false, "{deaf}");
    assert!(deaf["grants"][0]["cause"].is_string(), "{deaf}");

    assert_eq!(daemon.call("product_list", json!({}))["items"], json!([]), "nothing is installed");
    assert_eq!(daemon.refused("product_check", json!({})).data["code"], "PERMISSION_DENIED");
}

#[test]
fn installing_and_reloading_warn() {
    let (anvil, licence) = scene();
    let daemon = Daemon::start(&Settings::new([anvil.url()]));
    let install = |product: &ProductFile| {
        daemon.admin("product_install", json!({ "toml": product.text() }))["warnings"].clone()
    };
    assert_eq!(install(&ProductFile::acme(&licence.collection())), json!([]));
    let told = texts(&install(&elsewhere(&licence)));
    assert!(told.contains("`eip155:5` is not configured"), "{told}");
    let told = texts(&install(&demanding(&licence)));
    assert!(told.contains("`demanding`, trust"), "{told}");
    let nothing = Contract { address: alloy_primitives::Address::repeat_byte(0x42) };
    let absent = ProductFile::acme(&nothing.collection()).named("absent");
    let told = texts(&install(&absent));
    assert!(told.contains("`absent`, grants[0].token") && told.contains("no contract"), "{told}");

    let told = texts(&daemon.admin("system_reload", json!({}))["warnings"]);
    for product in ["elsewhere", "demanding", "absent"] {
        assert!(told.contains(&format!("`{product}`")), "{product} is not in {told}");
    }
    assert!(!told.contains("`acme-cad`"), "{told}");

    let file = daemon.home().join("elsewhere.toml");
    std::fs::write(&file, elsewhere(&licence).text()).unwrap();
    let output = daemon.entitlectl().args(["product", "install"]).arg(&file).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{told}");
    assert!(told.contains("warning: product `elsewhere`, grants[0].token"), "{told}");
}
