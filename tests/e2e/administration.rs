//! What an administrator does: customers, suspensions, products, the audit.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::daemon::Daemon;
use crate::support::eventually;
use crate::support::settings::{ProductFile, Settings};
use crate::support::stage::{ACME, Stage, own_customer, stranger};
use crate::support::wallet::Wallet;

const PERMISSION_DENIED: i64 = -32001;
const NOT_FOUND: i64 = -32002;
const CONFLICT: i64 = -32003;
const INVALID_PARAMS: i64 = -32602;

#[test]
fn a_suspended_token_entitles_no_more_until_reinstated() {
    let mut stage = Stage::entitled();
    let token = stage.licence.token(7);
    stage.daemon.admin("ownership_suspend", json!({"token": token, "reason": "unpaid"}));
    let verdict = stage.daemon.wait_for_code(ACME, "SUSPENDED");
    assert_eq!(verdict["valid"], json!(false), "{verdict}");
    stage.daemon.restart();
    stage.daemon.wait_for_code(ACME, "SUSPENDED");
    stage.daemon.admin("ownership_reinstate", json!({"token": token, "reason": "paid"}));
    stage.daemon.wait_for_code(ACME, "VALID");
}

#[test]
fn a_subscriber_is_told_of_a_suspension() {
    let stage = Stage::entitled();
    let mut told = stage.daemon.subscribe(ACME);
    told.until("VALID");
    let token = stage.licence.token(7);
    stage.daemon.admin("ownership_suspend", json!({"token": token, "reason": "unpaid"}));
    told.until("SUSPENDED");
}

#[test]
fn the_public_door_does_not_administrate() {
    let stage = Stage::start();
    for (method, params) in [
        ("customer_create", json!({"name": "x", "uids": []})),
        ("customer_list", json!({})),
        ("ownership_suspend", json!({"token": stage.licence.token(7), "reason": "x"})),
        ("product_install", json!({"toml": ""})),
        ("product_remove", json!({"product": ACME})),
        ("audit_list", json!({})),
        ("audit_verify", json!({})),
        ("store_stats", json!({})),
        ("store_backup", json!({})),
        ("chain_status", json!({})),
        ("system_reload", json!({})),
    ] {
        let refused = stage.daemon.refused(method, params);
        assert_eq!(refused.code, PERMISSION_DENIED, "{method}: {refused:?}");
        assert_eq!(refused.data["code"], "PERMISSION_DENIED", "{method}: {refused:?}");
    }
}

#[test]
fn nobody_acts_for_another_customer_at_the_public_door() {
    let stage = Stage::start();
    let refused = stage.daemon.refused("wallet_list", json!({"customer": "uid:12345"}));
    assert!([PERMISSION_DENIED, INVALID_PARAMS].contains(&refused.code), "{refused:?}");
}

/// An administrator who mistypes a customer must not read that it has no wallet.
#[test]
fn a_customer_that_was_never_made_is_not_found_whatever_is_asked_of_it() {
    let stage = Stage::start();
    let nobody = "customer:12345";
    for (method, params) in [
        ("entitlement_check", json!({"product": ACME, "customer": nobody})),
        ("entitlement_explain", json!({"product": ACME, "customer": nobody})),
        ("entitlement_list", json!({"customer": nobody})),
        ("entitlement_subscribe", json!({"product": ACME, "customer": nobody})),
        ("customer_tier", json!({"product": ACME, "customer": nobody})),
        ("customer_get", json!({"customer": nobody})),
        ("wallet_list", json!({"customer": nobody})),
        ("wallet_create", json!({"customer": nobody})),
        ("wallet_challenge", json!({"address": stage.holder(), "customer": nobody})),
        ("token_list", json!({"customer": nobody})),
        ("ownership_list", json!({"customer": nobody})),
    ] {
        let answer = stage.daemon.try_admin(method, params);
        let refused = answer.expect_err(&format!("{method} of a customer that is not there"));
        assert_eq!(refused.code, NOT_FOUND, "{method}: {refused:?}");
        assert!(refused.message.contains("customer"), "{method}: {refused:?}");
    }
    // Anybody's uid can be named before its first wallet.
    let own = json!({"product": ACME, "customer": "uid:4242"});
    assert_eq!(stage.daemon.admin("entitlement_check", own)["code"], "NO_WALLET");
}

#[test]
fn an_administrator_reads_whose_each_ownership_is() {
    let stage = Stage::entitled();
    let own = own_customer();
    let token = stage.licence.token(7);
    for (method, params) in [
        ("ownership_list", json!({})),
        ("ownership_history", json!({"token": token})),
        ("token_list", json!({})),
    ] {
        let listed = stage.daemon.admin(method, params);
        let items = listed["items"].as_array().unwrap();
        assert!(!items.is_empty(), "{method}");
        assert!(items.iter().all(|it| it["customer"] == *own), "{method}: {listed}");
    }
    // Also of a wallet that is nobody's any more.
    stage.daemon.call("wallet_unlink", json!({"address": stage.holder()}));
    let listed = stage.daemon.admin("ownership_list", json!({}));
    assert_eq!(listed["items"][0]["customer"], *own, "{listed}");
}

#[test]
fn a_secret_that_is_missing_is_named() {
    let stage = Stage::start();
    for (method, params, field) in [
        ("wallet_export", json!({"address": stage.holder()}), "passphrase"),
        ("wallet_export", json!({"address": stage.holder(), "passphrase": 7}), "passphrase"),
        ("keys_unlock", json!({}), "passphrase"),
    ] {
        let refused = stage.daemon.try_admin(method, params).unwrap_err();
        assert_eq!(refused.code, INVALID_PARAMS, "{method}: {refused:?}");
        assert!(refused.message.contains(field), "{method}: {refused:?}");
    }
}

#[test]
fn a_customer_stands_for_its_uids_and_keeps_what_it_links() {
    let stage = Stage::start();
    let uid = nix::unistd::getuid().as_raw();
    let made = stage.daemon.admin(
        "customer_create",
        json!({"name": "Engineering", "external_id": "crm-1", "uids": [uid], "metadata": {"seat": "4"}}),
    );
    let id = made["id"].as_str().unwrap();
    assert!(id.starts_with("customer:"), "{made}");
    assert_eq!(stage.daemon.call("customer_get", json!({}))["id"], *id);

    stage.daemon.link(&stage.wallet);
    stage.mint(7);
    assert_eq!(stage.daemon.wait_for_code(ACME, "VALID")["customer"], *id);
    let tier = stage.daemon.call("customer_tier", json!({"product": ACME}));
    assert_eq!((&tier["tier"], &tier["rank"]), (&json!("pro"), &json!(20)), "{tier}");

    stage.daemon.admin("customer_deactivate", json!({"customer": id}));
    stage.daemon.wait_for(ACME, "not valid", |it| it["valid"] == false);
    let all = stage.daemon.admin("customer_list", json!({}));
    let kept = all["items"].as_array().unwrap().iter().find(|it| it["id"] == *id).unwrap().clone();
    assert_eq!(kept["active"], json!(false), "kept for its history: {kept}");
}

#[test]
fn a_uid_belongs_to_one_customer_and_an_external_id_too() {
    let stage = Stage::start();
    let create = |name: &str, external: &str, uid: u32| {
        stage.daemon.try_admin(
            "customer_create",
            json!({"name": name, "external_id": external, "uids": [uid]}),
        )
    };
    create("one", "a", 4001).unwrap();
    assert_eq!(create("two", "b", 4001).unwrap_err().code, CONFLICT);
    assert_eq!(create("two", "a", 4002).unwrap_err().code, CONFLICT);
    create("two", "b", 4002).unwrap();
}

#[test]
fn what_the_machine_holds_counts_for_everybody_on_it() {
    let stage = Stage::start();
    stage.daemon.link_for(&stage.wallet, "machine");
    stage.mint(7);
    let verdict = stage.daemon.wait_for_code(ACME, "VALID");
    assert_ne!(verdict["customer"], json!(null), "{verdict}");
}

#[test]
fn ownership_is_recorded_and_never_deleted() {
    let stage = Stage::entitled();
    stage.give_away(7);
    stage.daemon.wait_for_code(ACME, "NOT_HELD");
    stage.give_back(7);
    stage.daemon.wait_for_code(ACME, "VALID");
    let params = json!({"token": stage.licence.token(7)});
    let history = stage.daemon.admin("ownership_history", params);
    let items = history["items"].as_array().unwrap();
    let active: Vec<&Value> = items.iter().map(|it| &it["active"]).collect();
    assert_eq!(active, [&json!(true), &json!(false)], "newest first: {history}");
}

#[test]
fn a_claim_is_proven_before_it_is_recorded() {
    let stage = Stage::linked();
    let transaction = stage.mint(7);
    let (token, wallet) = (stage.licence.token(7), stage.holder());
    let recorded = stage.daemon.call(
        "ownership_record",
        json!({"token": token, "wallet": wallet, "transaction": transaction}),
    );
    assert_eq!((&recorded["token"], &recorded["active"]), (&json!(token), &json!(true)));
    let false_claim = json!({"token": token, "wallet": stranger()});
    assert!(stage.daemon.try_call("ownership_record", false_claim).is_err());
}

#[test]
fn a_token_is_verified_on_the_chain() {
    let stage = Stage::entitled();
    let verify = |wallet| {
        let params = json!({"token": stage.licence.token(7), "wallet": wallet});
        stage.daemon.call("token_verify", params)["holding"].clone()
    };
    assert_eq!(verify(stage.holder()), "held");
    assert_eq!(verify(stranger()), "not_held");
    let absent = json!({"token": stage.licence.token(999), "wallet": stage.holder()});
    assert_eq!(stage.daemon.call("token_verify", absent)["holding"], "not_held");
}

#[test]
fn a_dropped_product_file_counts_after_sighup() {
    let mut stage = Stage::linked();
    stage.mint(7);
    assert_eq!(stage.daemon.code("second"), "NO_PRODUCT");
    let collection = stage.licence.collection();
    let second = ProductFile::new("second").tier("only", 1, "").grant("only", &collection, "");
    stage.daemon.write_product(&second);
    stage.daemon.signal(Signal::SIGHUP);
    stage.daemon.wait_for_code("second", "VALID");
}

#[test]
fn an_altered_product_file_counts_after_a_reload() {
    let stage = Stage::entitled();
    let altered = ProductFile::new(ACME)
        .set("version", "2")
        .tier("gold", 30, "features = { export = true }")
        .grant("gold", &stage.licence.collection(), "");
    stage.daemon.write_product(&altered);
    stage.daemon.admin("system_reload", json!({}));
    stage.daemon.wait_for(ACME, "tier gold", |it| it["tier"] == "gold");
}

#[test]
fn a_faulty_product_file_neither_hides_others_nor_replaces_a_good_one() {
    let stage = Stage::entitled();
    let vendor = stage.daemon.home().join("vendor");
    std::fs::write(vendor.join("broken.toml"), "product = \"broken\"\ntiers = 3\n").unwrap();
    std::fs::write(vendor.join(format!("{ACME}.toml")), "product = \"acme-cad\"\nrank =").unwrap();
    stage.daemon.admin("system_reload", json!({}));
    stage.daemon.never_answers(ACME, &["NO_PRODUCT", "NOT_HELD"], Duration::from_secs(1));
    assert_eq!(stage.daemon.code("broken"), "NO_PRODUCT");
    eventually("the log names both files", || {
        let log = stage.daemon.log();
        if log.contains("broken.toml") && log.contains("acme-cad.toml") { Ok(()) } else { Err(log) }
    });
}

#[test]
fn a_product_is_installed_and_removed_over_the_socket() {
    let stage = Stage::linked();
    stage.mint(7);
    let collection = stage.licence.collection();
    let file = ProductFile::new("second").tier("only", 1, "").grant("only", &collection, "");
    stage.daemon.admin("product_install", json!({"toml": file.text()}));
    stage.daemon.wait_for_code("second", "VALID");
    let products = stage.daemon.call("product_list", json!({}));
    let ids: Vec<&Value> =
        products["items"].as_array().unwrap().iter().map(|it| &it["id"]).collect();
    assert!(ids.contains(&&json!("second")), "{products}");
    stage.daemon.admin("product_remove", json!({"product": "second"}));
    stage.daemon.wait_for_code("second", "NO_PRODUCT");
}

#[test]
fn a_faulty_product_is_not_installed_and_each_fault_is_named() {
    let stage = Stage::start();
    let toml = "product = \"x\"\n[tiers.pro]\nrnk = 1\n";
    let refused = stage.daemon.try_admin("product_install", json!({"toml": toml})).unwrap_err();
    let said = format!("{} {}", refused.message, refused.data);
    assert!(said.contains("rnk"), "{said}");
    assert_eq!(stage.daemon.code("x"), "NO_PRODUCT");
}

#[test]
fn a_product_of_a_vendors_package_is_not_removed_over_the_socket() {
    let stage = Stage::start();
    assert!(stage.daemon.try_admin("product_remove", json!({"product": ACME})).is_err());
    assert!(stage.daemon.home().join("vendor/acme-cad.toml").exists());
}

#[test]
fn every_change_is_in_the_audit_and_the_audit_is_whole() {
    let stage = Stage::entitled();
    let listed = stage.daemon.admin("audit_list", json!({"limit": 100}));
    let entries = listed["items"].as_array().unwrap();
    let by = own_customer();
    assert!(
        entries
            .iter()
            .any(|it| it["by"] == *by && it["action"].as_str().unwrap().contains("wallet")),
        "{listed}"
    );
    assert!(entries.iter().any(|it| it["action"] == "ownership_opened"), "{listed}");
    let verified = stage.daemon.admin("audit_verify", json!({}));
    assert_eq!(verified["ok"], json!(true), "{verified}");
}

/// Whoever is answered may rely on it, though the machine fails in the next moment.
#[test]
fn a_change_of_the_products_is_in_the_audit_when_it_is_answered() {
    let mut stage = Stage::start();
    let text = ProductFile::acme(&stage.licence.collection()).named("other").text();
    let mut expected = Vec::new();
    for _ in 0..5 {
        for (method, params, action) in [
            ("product_install", json!({"toml": text}), "product_installed"),
            ("product_remove", json!({"product": "other"}), "product_removed"),
            ("system_reload", json!({}), "products_reloaded"),
        ] {
            stage.daemon.admin(method, params);
            expected.push(action);
            assert_eq!(actions_of_products(&stage.daemon), expected);
        }
    }
    stage.daemon.admin("product_install", json!({"toml": text}));
    stage.daemon.kill();
    expected.push("product_installed");
    stage.daemon.resume();
    assert_eq!(actions_of_products(&stage.daemon), expected);
}

fn actions_of_products(daemon: &Daemon) -> Vec<String> {
    let audit = daemon.admin("audit_list", json!({"limit": 1000}));
    let actions = audit["items"].as_array().unwrap().iter().map(|it| it["action"].as_str());
    actions.flatten().filter(|it| it.starts_with("product")).map(ToOwned::to_owned).collect()
}

#[test]
fn health_names_the_actors_and_the_chain() {
    let stage = Stage::entitled();
    let health = stage.daemon.call("system_health", json!({}));
    assert_eq!(health["actors"].as_array().map(Vec::len), Some(5), "{health}");
    assert_eq!(health["chains"][0]["id"], "eip155:31337", "{health}");
    let status = stage.daemon.admin("chain_status", json!({}));
    assert!(status.to_string().contains("eip155:31337"), "{status}");
}

/// What is not known may be held: it is not left out as if it were not.
#[test]
fn a_product_whose_answer_is_not_known_is_listed() {
    let settings = Settings::new(["http://127.0.0.1:9".to_owned()]).product(ProductFile::acme(
        "eip155:31337/erc721:0x5FbDB2315678afecb367f032d93F642f64180aa3",
    ));
    let daemon = Daemon::start(&settings);
    let listed = daemon.call("entitlement_list", json!({"wait_ms": 0}));
    assert_eq!(listed["items"], json!([]), "without a wallet nothing is held: {listed}");
    daemon.link(&Wallet::numbered(1));
    let listed = daemon.call("entitlement_list", json!({"wait_ms": 0}));
    let codes: Vec<&Value> =
        listed["items"].as_array().unwrap().iter().map(|it| &it["code"]).collect();
    assert_eq!(codes, [&json!("UNDETERMINED")], "{listed}");
}

#[test]
fn lists_are_read_page_by_page() {
    let stage = Stage::start();
    for number in 0..7 {
        let name = format!("customer {number}");
        stage.daemon.admin("customer_create", json!({"name": name, "uids": []}));
    }
    let mut seen = Vec::new();
    let mut params = json!({"limit": 3});
    for _ in 0..10 {
        let page = stage.daemon.admin("customer_list", params.clone());
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 3, "{page}");
        seen.extend(items.iter().map(|it| it["id"].as_str().unwrap().to_owned()));
        if page["next_cursor"].is_null() {
            break;
        }
        params["cursor"] = page["next_cursor"].clone();
    }
    let once: std::collections::BTreeSet<_> = seen.iter().collect();
    assert_eq!((seen.len(), once.len()), (8, 8), "seven and the machine, each once: {seen:?}");
}

#[test]
fn a_backup_takes_the_place_of_the_store() {
    let mut stage = Stage::entitled();
    let home = stage.daemon.home().to_owned();
    let admin =
        |stage: &Stage, path: &str| stage.daemon.try_admin("store_backup", json!({"path": path}));
    let made = admin(&stage, "before.redb").unwrap();
    assert_eq!(made["path"], json!(home.join("state/before.redb")));
    assert!(made["bytes"].as_u64().unwrap() > 0);
    for wrong in
        ["before.redb", "../before.redb", "/tmp/before.redb", ".hidden", "ledger.redb", "a/b"]
    {
        let refused = admin(&stage, wrong).unwrap_err();
        assert!([-32602, -32003].contains(&refused.code), "{wrong}: {refused:?}");
    }
    let full = home.join("state/full-path.redb");
    assert_eq!(admin(&stage, full.to_str().unwrap()).unwrap()["path"], json!(full));

    let holder = stage.holder().to_string();
    stage.daemon.call("wallet_unlink", json!({"address": holder}));
    stage.daemon.wait_for_code(ACME, "NO_WALLET");

    let restore = |stage: &Stage, file: &str| {
        let mut command = stage.daemon.entitlectl();
        command.args(["--json", "store", "restore", "--config"]).arg(stage.daemon.config());
        command.arg(stage.daemon.home().join("state").join(file)).output().unwrap()
    };
    let refused = restore(&stage, "before.redb");
    assert!(!refused.status.success(), "the daemon has it open");
    assert!(stage.daemon.stop().success());
    let garbage = home.join("state/garbage");
    std::fs::write(&garbage, "no store at all").unwrap();
    assert!(!restore(&stage, "garbage").status.success());
    let done = restore(&stage, "before.redb");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let said: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert!(std::path::Path::new(said["set_aside"].as_str().unwrap()).exists(), "{said}");

    stage.daemon.resume();
    stage.daemon.wait_for_code(ACME, "VALID");
    assert_eq!(stage.daemon.admin("audit_verify", json!({}))["ok"], json!(true));
}

#[test]
fn a_build_from_a_clone_names_its_commit() {
    let git = |arguments: &[&str]| {
        let said = std::process::Command::new("git")
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args(arguments)
            .output();
        let said = said.ok().filter(|it| it.status.success())?;
        Some(String::from_utf8(said.stdout).unwrap().trim().to_owned())
    };
    let is_clone = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(".git").exists();
    // Packages are built from an archive, and say both in the environment.
    let given = ["ENTITLED_GIT", "ENTITLED_BUILT", "SOURCE_DATE_EPOCH"];
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]).filter(|_| is_clone) else {
        return;
    };
    if given.iter().any(|it| std::env::var_os(it).is_some()) {
        return;
    }
    let daemon = Daemon::start(&Settings::new(["http://127.0.0.1:9".to_owned()]));
    let version = daemon.call("system_version", json!({}));
    assert_eq!(version["git"], commit);
    let built: jiff::Timestamp = version["built"].as_str().unwrap().parse().unwrap();
    let committed = git(&["show", "-s", "--format=%ct", "HEAD"]).unwrap();
    assert_eq!(built.as_second().to_string(), committed);
}

#[test]
fn a_deactivated_customer_is_entitled_to_nothing_through_the_machine_either() {
    let stage = Stage::start();
    stage.daemon.link_for(&stage.wallet, "machine");
    stage.mint(7);
    stage.daemon.wait_for_code(ACME, "VALID");
    let uid = nix::unistd::getuid().as_raw();
    let made = stage.daemon.admin("customer_create", json!({"name": "Ada", "uids": [uid]}));
    stage.daemon.wait_for_code(ACME, "VALID");
    stage.daemon.admin("customer_deactivate", json!({"customer": made["id"]}));
    let verdict = stage.daemon.check(ACME);
    assert_eq!((&verdict["code"], &verdict["valid"]), (&json!("SUSPENDED"), &json!(false)));
    let why = stage.daemon.call("entitlement_explain", json!({"product": ACME}));
    assert_eq!(why["code"], "SUSPENDED", "{why}");
    assert_eq!(why["steps"][0]["outcome"], "no", "{why}");
    let listed = stage.daemon.call("entitlement_list", json!({}));
    assert_eq!(listed["items"][0]["code"], "SUSPENDED", "{listed}");
    stage.daemon.admin("customer_update", json!({"customer": made["id"], "active": true}));
    stage.daemon.wait_for_code(ACME, "VALID");
}

#[test]
fn what_a_wallet_holds_after_it_was_unlinked_is_not_shown_to_whose_it_was() {
    let stage = Stage::entitled();
    stage.daemon.call("wallet_unlink", json!({"address": stage.holder()}));
    let other = stage.daemon.admin("customer_create", json!({"name": "Ada", "uids": []}));
    let other = other["id"].as_str().unwrap();
    stage.daemon.link_for(&stage.wallet, other);
    stage.mint(8);
    let theirs = json!({"customer": other});
    eventually("the other customer's token is seen", || {
        stage.daemon.admin("entitlement_check", json!({"product": ACME, "customer": other}));
        let listed = stage.daemon.admin("ownership_list", theirs.clone());
        let tokens = listed["items"].as_array().unwrap().len();
        if tokens == 2 { Ok(()) } else { Err(listed.to_string()) }
    });
    let tokens = |method: &str| -> Vec<Value> {
        let listed = stage.daemon.call(method, json!({}));
        listed["items"].as_array().unwrap().iter().map(|it| it["token"].clone()).collect()
    };
    let own = vec![json!(stage.licence.token(7))];
    assert_eq!(tokens("ownership_list"), own);
    assert_eq!(tokens("token_list"), own);
    let history = |id: u64| {
        let params = json!({"token": stage.licence.token(id)});
        stage.daemon.call("ownership_history", params)["items"].as_array().unwrap().len()
    };
    assert_eq!((history(7), history(8)), (1, 0));
}
