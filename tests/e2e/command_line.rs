//! `entitlectl` as a newcomer meets it: at a terminal that is not wide, with names people know, and with things that go
//! wrong.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::pseudo_terminal::Terminal;
use crate::support::daemon::Daemon;
use crate::support::settings::{ProductFile, Settings};
use crate::support::socket::Line;
use crate::support::stage::{ACME, Stage};

fn run(daemon: &Daemon, arguments: &[&str]) -> Output {
    daemon.entitlectl().args(arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

/// What a terminal of so many columns shows, line by line, without colours.
fn shown(daemon: &Daemon, arguments: &[&str], columns: u16) -> Vec<String> {
    let mut command = daemon.entitlectl();
    command.args(arguments).env("NO_COLOR", "1").env("LANG", "C.UTF-8");
    let mut terminal = Terminal::of_width(&command, columns);
    terminal.wait();
    terminal.shown().lines().map(|it| it.trim_end().to_owned()).collect()
}

#[test]
fn lists_and_answers_fit_a_terminal_and_break_no_word() {
    let stage = Stage::entitled();
    for columns in [80, 100, 132] {
        for arguments in [
            &["ownership", "list"][..],
            &["audit", "list"],
            &["token", "list"],
            &["wallet", "list"],
            &["customer", "list"],
            &["product", "list"],
            &["tier", "list"],
            &["status"],
            &["status", "--verbose"],
            &["why", ACME],
            &["why", ACME, "--all"],
            &["check", ACME],
            &["check", "nowhere"],
            &["chain", "status"],
            &["seats", "list"],
        ] {
            let lines = shown(&stage.daemon, arguments, columns);
            assert!(!lines.is_empty(), "{arguments:?}");
            for line in &lines {
                let width = line.chars().count();
                assert!(width <= columns.into(), "{arguments:?} at {columns}: {width}: {line}");
            }
        }
    }
    // A row stays one line, and says what it is about.
    let lines = shown(&stage.daemon, &["ownership", "list"], 80);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[1].contains("…") && lines[1].contains("/7  0x"), "{lines:?}");
}

#[test]
fn nothing_is_shortened_where_it_is_not_read_by_a_person_or_was_not_to_be() {
    let stage = Stage::entitled();
    let token = stage.licence.token(7);
    assert!(said(&run(&stage.daemon, &["ownership", "list"])).contains(&token));
    let wide = shown(&stage.daemon, &["ownership", "list", "--no-trunc"], 80).join("\n");
    assert!(wide.contains(&token), "{wide}");
    let chosen = shown(&stage.daemon, &["ownership", "list", "--columns", "block,number"], 80);
    assert!(chosen[0].starts_with("BLOCK  NUMBER"), "{chosen:?}");
}

#[test]
fn what_goes_wrong_fits_a_terminal_too() {
    let daemon = Daemon::start(&Settings::new(["http://127.0.0.1:9".to_owned()]));
    for arguments in [
        &["check", ACME, "--customer", "nobody-of-this-name"][..],
        &["fleet", "status"],
        &["--socket", "/nonexistent/a-place-where-nobody-listens", "check", ACME],
    ] {
        let lines = shown(&daemon, arguments, 80);
        assert!(lines[0].starts_with("entitlectl: "), "{lines:?}");
        assert!(lines.iter().all(|it| it.chars().count() <= 80), "{lines:?}");
    }
}

/// A command's own options are not lost among those that all commands have.
#[test]
fn the_help_of_a_command_begins_with_its_own_options() {
    let daemon = Daemon::start(&Settings::new(["http://127.0.0.1:9".to_owned()]));
    let help = said(&run(&daemon, &["check", "--help"]));
    let (help, _) = help.split_once("\nExample:").expect(&help);
    let (own, of_all) = help.split_once("Options of all commands:").expect(help);
    for option in ["--feature", "--wait", "--customer"] {
        assert!(own.contains(option) && !of_all.contains(option), "{option}: {help}");
    }
    assert!(of_all.contains("--json") && !own.contains("--json"), "{help}");
}

#[test]
fn where_there_is_nothing_that_is_said() {
    let daemon = Daemon::start(&Settings::new(["http://127.0.0.1:9".to_owned()]));
    for list in [["product", "list"], ["wallet", "list"], ["token", "list"], ["seats", "list"]] {
        let output = run(&daemon, &list);
        assert!(output.status.success(), "{list:?}: {output:?}");
        assert!(said(&output).starts_with("none"), "{list:?}: {output:?}");
    }
    let made = run(&daemon, &["wallet", "create"]);
    assert!(said(&made).contains("Next: have the licence sent to this address."), "{made:?}");
}

#[test]
fn the_answer_of_why_is_its_first_line() {
    let stage = Stage::entitled();
    let lines = shown(&stage.daemon, &["why", ACME], 80);
    assert!(lines[0].starts_with("Yes: you are entitled to acme-cad, tier pro"), "{lines:?}");
    assert!(lines.len() < 16, "it fits a screen: {lines:?}");
}

#[test]
fn why_names_the_reason_of_a_suspension() {
    let stage = Stage::entitled();
    let token = stage.licence.token(7);
    let suspend = ["ownership", "suspend", &token, "--reason", "refunded on request"];
    assert!(run(&stage.daemon, &suspend).status.success());
    stage.daemon.wait_for_code(ACME, "SUSPENDED");
    let text = said(&run(&stage.daemon, &["why", ACME]));
    let first = text.lines().next().unwrap();
    assert!(first.starts_with("No:") && first.ends_with(": refunded on request"), "{text}");
    assert!(text.contains("\nNext: ask the administrator of this machine\n"), "{text}");
    // Elsewhere the next step names the product, to be typed as it stands there.
    let checked = said(&run(&stage.daemon, &["check", ACME]));
    assert!(checked.contains("`entitlectl why acme-cad` names the reason"), "{checked}");
}

/// The public socket answers one's own alone, which for root is mostly nothing.
#[test]
fn an_administrator_who_asks_who_holds_what_is_told_of_everybody() {
    let stage = Stage::start();
    let other = json!({"name": "Acme AG", "uids": [54_321]});
    let other = stage.daemon.admin("customer_create", other)["id"].as_str().unwrap().to_owned();
    stage.daemon.link_for(&stage.wallet, &other);
    stage.mint(7);
    let check = json!({"product": ACME, "customer": other});
    crate::support::eventually("the other customer is entitled", || {
        match stage.daemon.admin("entitlement_check", check.clone()) {
            it if it["valid"] == true => Ok(()),
            it => Err(it.to_string()),
        }
    });
    let text = said(&run(&stage.daemon, &["ownership", "list"]));
    assert!(text.contains(&stage.licence.token(7)) && text.contains(&other), "{text}");

    // By name, by number, by id.
    for name in ["Acme AG", "54321", &other] {
        let text = said(&run(&stage.daemon, &["why", ACME, "--customer", name]));
        assert!(text.starts_with(&format!("Yes: {name} is entitled to acme-cad")), "{text}");
    }
    let nobody = run(&stage.daemon, &["customer", "deactivate", "no such person"]);
    assert_eq!(nobody.status.code(), Some(1), "{nobody:?}");
    assert!(said(&nobody).contains("there is no customer and no Unix user"), "{nobody:?}");
}

#[test]
fn what_goes_wrong_is_said_once_and_without_the_words_of_the_socket() {
    let stage = Stage::start();
    for arguments in [
        &["wallet", "unlink", "0x12"][..],
        &["token", "verify", "abc"],
        &["check", ACME, "--wait", "60s"],
        &["product", "remove", "no-such-product"],
        &["wallet", "unlink", "0x5FbDB2315678afecb367f032d93F642f64180aa3"],
    ] {
        let text = said(&run(&stage.daemon, arguments));
        for word in ["invalid params", "rpc_discover", "wait_ms", "not found:"] {
            assert!(!text.contains(word), "`{word}` is in {text}");
        }
        assert!(text.lines().count() >= 2 || text.contains(';'), "no next step: {text}");
        let first = text.lines().next().unwrap().trim_start_matches("entitlectl: ");
        assert_eq!(text.matches(first).count(), 1, "said twice: {text}");
    }
}

#[test]
fn the_last_entries_of_the_audit_are_listed_alone() {
    let daemon = Daemon::start(&Settings::new(["http://127.0.0.1:9".to_owned()]));
    for label in ["one", "two", "three"] {
        daemon.call("wallet_create", json!({ "label": label }));
    }
    let list = |more: &[&str]| -> Vec<String> {
        let arguments =
            [&["audit", "list", "--format", "tsv", "--columns", "number"], more].concat();
        let listed = run(&daemon, &arguments);
        said(&listed).lines().skip(1).map(str::to_owned).collect()
    };
    let all = list(&[]);
    assert!(all.len() > 2, "{all:?}");
    assert_eq!(list(&["--tail", "2"]), all[all.len() - 2..]);
}

#[test]
fn an_update_adds_to_a_customers_metadata_and_takes_from_it() {
    let daemon = Daemon::start(&Settings::new(["http://127.0.0.1:9".to_owned()]));
    let does = |arguments: &[&str]| {
        let done = run(&daemon, arguments);
        assert!(done.status.success(), "{done:?}");
    };
    does(&[
        "customer",
        "create",
        "Acme AG",
        "--uid",
        "54321",
        "--metadata",
        "contract=1",
        "--metadata",
        "note=x",
    ]);
    let customer = || {
        let listed = daemon.admin("customer_list", json!({}));
        let all = listed["items"].as_array().unwrap().clone();
        all.into_iter().find(|it| it["name"] == "Acme AG").unwrap()
    };
    does(&["customer", "update", "Acme AG", "--metadata", "contract=2", "--metadata", "phone=7"]);
    assert_eq!(customer()["metadata"], json!({"contract": "2", "note": "x", "phone": "7"}));
    does(&["customer", "update", "acme ag", "--metadata", "note="]);
    assert_eq!(customer()["metadata"], json!({"contract": "2", "phone": "7"}));
    does(&["customer", "update", "Acme AG", "--no-uids"]);
    assert_eq!((&customer()["uids"], &customer()["metadata"]["phone"]), (&json!([]), &json!("7")));
    let both =
        json!({"customer": "customer:1", "metadata": {}, "metadata_changes": {"phone": null}});
    assert!(daemon.try_admin("customer_update", both).is_err(), "one or the other");
    does(&["customer", "deactivate", "Acme AG"]);
    does(&["customer", "activate", "Acme AG"]);
    assert_eq!(customer()["active"], true);
}

#[test]
fn an_update_adds_users_to_a_customer_and_takes_some_away() {
    let daemon = Daemon::start(&Settings::new(["http://127.0.0.1:9".to_owned()]));
    let update = |more: &[&str]| run(&daemon, &[&["customer", "update", "Acme AG"], more].concat());
    let uids = |more: &[&str]| {
        let done = update(more);
        assert!(done.status.success(), "{more:?}: {done:?}");
        daemon.admin("customer_get", json!({"customer": "customer:1"}))["uids"].clone()
    };
    let made = run(&daemon, &["customer", "create", "Acme AG", "--uid", "5001", "--uid", "5002"]);
    assert!(made.status.success(), "{made:?}");
    assert_eq!(uids(&["--add-uid", "5003", "--add-uid", "5001"]), json!([5001, 5002, 5003]));
    assert_eq!(uids(&["--remove-uid", "5002", "--add-uid", "5004"]), json!([5001, 5003, 5004]));
    assert_eq!(uids(&["--remove-uid", "5002"]), json!([5001, 5003, 5004]), "it has not");
    assert_eq!(uids(&["--uid", "5009"]), json!([5009]), "in place of all there were");
    for both in [["--uid", "1", "--add-uid", "2"], ["--add-uid", "5009", "--remove-uid", "5009"]] {
        let refused = update(&both);
        assert!(!refused.status.success(), "{both:?}: {refused:?}");
    }
    assert!(!update(&["--no-uids", "--remove-uid", "5009"]).status.success());
    // Whoever stands for another customer is not taken from it.
    daemon.admin("customer_create", json!({"name": "Other", "uids": [6001]}));
    let refused = update(&["--add-uid", "6001"]);
    assert!(!refused.status.success(), "{refused:?}");
    let kept = daemon.admin("customer_get", json!({"customer": "customer:1"}));
    assert_eq!(kept["uids"], json!([5009]));
}

/// Two administrators who note something of the same customer at once: neither takes away what the other one noted.
#[test]
fn what_administrators_note_at_the_same_time_is_all_kept() {
    let daemon = Daemon::start(&Settings::new(["http://127.0.0.1:9".to_owned()]));
    daemon.admin("customer_create", json!({"name": "Acme AG", "metadata": {"gone": "x"}}));
    let pairs: Vec<(String, String)> =
        (0..12).map(|it| (format!("key{it}"), it.to_string())).collect();
    let noting: Vec<_> = pairs
        .iter()
        .map(|(key, value)| {
            let mut command = daemon.entitlectl();
            command.args(["customer", "update", "customer:1", "--metadata", "gone="]);
            command.args(["--metadata", &format!("{key}={value}")]);
            command.stdout(Stdio::null()).stderr(Stdio::inherit()).spawn().unwrap()
        })
        .collect();
    for mut child in noting {
        assert!(child.wait().unwrap().success());
    }
    let kept = daemon.admin("customer_get", json!({"customer": "customer:1"}));
    assert_eq!(kept["metadata"], json!(pairs.into_iter().collect::<BTreeMap<_, _>>()));
}

/// What bash completes a line with.
fn completed_by_bash(socket: &Path, line: &[&str]) -> String {
    let programs = Path::new(env!("CARGO_BIN_EXE_entitlectl")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let script = "source <(entitlectl completions bash); COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); \
                  _entitlectl entitlectl \"${@: -1}\" \"${@: -2:1}\"; echo \"${COMPREPLY[@]}\"";
    let mut bash = Command::new("bash");
    bash.args(["-c", script, "bash"]).args(line).env("PATH", &path).env("ENTITLED_SOCKET", socket);
    said(&bash.output().unwrap()).trim().to_owned()
}

#[test]
fn bash_completes_the_products_there_are() {
    let stage = Stage::linked();
    let completed = |line: &[&str]| completed_by_bash(&stage.daemon.socket(), line);
    assert_eq!(completed(&["entitlectl", "check", "ac"]), ACME);
    assert_eq!(completed(&["entitlectl", "token", "list", "--product", "ac"]), ACME);
    let root = completed(&["entitlectl", "why", ACME, "--customer", "roo"]);
    assert!(root.split(' ').any(|it| it == "root"), "{root}");
    let wallet = completed(&["entitlectl", "wallet", "unlink", "0x"]);
    assert_eq!(wallet, stage.holder().to_string());
}

/// Whoever answers at the socket says which names there are, and a shell may run what is written in a name.
#[test]
fn bash_runs_nothing_that_a_name_says() {
    let (stage, home) = (Stage::linked(), TempDir::new().unwrap());
    let (socket, ran) = (home.path().join("entitled.sock"), home.path().join("ran"));
    let mut line = Line::connect(&stage.daemon.socket());
    line.ask("product_list", &json!({}));
    let mut reply = line.hear().unwrap();
    let another = reply["result"]["items"][0].clone();
    reply["result"]["items"].as_array_mut().unwrap().push(another);
    reply["result"]["items"][0]["product"] = json!(format!("$(touch {})", ran.display()));
    let listener = UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let mut asked = String::new();
            while stream.read_line(&mut asked).is_ok_and(|it| it > 0) {
                reply["id"] = serde_json::from_str::<Value>(&asked).unwrap()["id"].clone();
                asked.clear();
                stream.get_mut().write_all(format!("{reply}\n").as_bytes()).unwrap();
            }
        }
    });
    for line in [["entitlectl", "why", ""].as_slice(), &["entitlectl", "logs", "--product", ""]] {
        let completed = completed_by_bash(&socket, line);
        assert!(!ran.exists(), "{line:?}: {completed}");
        assert!(completed.contains(ACME) && !completed.contains("touch"), "{line:?}: {completed}");
    }
}

#[test]
fn a_terminal_obeys_no_name_in_json() {
    let name = "Mal\u{202e}reh";
    let product = ProductFile::new(ACME).set("name", "\"Mal\\u202ereh\"");
    let product = product.tier("pro", 20, "features = { export = true }").grant(
        "pro",
        "eip155:31337/erc721:0x00000000000000000000000000000000000000aa",
        "ids = [\"1\"]",
    );
    let daemon = Daemon::start(&Settings::new(["http://127.0.0.1:9".to_owned()]).product(product));
    let output = daemon.entitlectl().args(["product", "list", "--json"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let list: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(list["items"][0]["name"], name, "{text}");
    assert!(!text.contains('\u{202e}'), "{text:?}");
}

#[test]
fn a_script_learns_the_address_of_a_new_wallet() {
    let daemon = Daemon::start(&Settings::new(["http://127.0.0.1:9".to_owned()]));
    let made = run(&daemon, &["wallet", "create", "-q"]);
    let address = String::from_utf8(made.stdout).unwrap();
    let list = daemon.call("wallet_list", json!({}));
    assert_eq!(list["items"][0]["address"], address.trim_end(), "{address}");
}

#[test]
fn a_customer_stands_for_users_by_name_and_whose_they_are_is_said() {
    let daemon = Daemon::start(&Settings::new(["http://127.0.0.1:9".to_owned()]));
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap().unwrap();
    let create = |name: &str, uid: &str| {
        let done = run(&daemon, &["customer", "create", name, "--uid", uid]);
        (done.status.code().unwrap(), said(&done))
    };
    let (code, told) = create("office", &user.name);
    assert!(code == 0 && told.contains(&user.uid.to_string()), "{code} {told}");
    let (code, told) = create("other", &user.uid.to_string());
    let mend = format!("customer update customer:1 --remove-uid {}", user.uid);
    assert!(code == 1 && told.contains("customer:1") && told.contains(&mend), "{code} {told}");
    let (code, told) = create("nobody", "no-such-user");
    assert!(code == 2 && told.contains("there is no Unix user `no-such-user`"), "{code} {told}");
}

#[test]
fn each_mistake_that_a_reload_finds_has_a_line() {
    let daemon = Daemon::start(&Settings::new(["http://127.0.0.1:9".to_owned()]));
    for name in ["a", "b"] {
        std::fs::write(daemon.home().join(format!("vendor/{name}.toml")), "nonsense").unwrap();
    }
    let told = said(&run(&daemon, &["reload"]));
    for name in ["a.toml", "b.toml"] {
        let lines = told.lines().filter(|it| it.contains(name)).collect::<Vec<_>>();
        assert_eq!(lines.len(), 1, "{told}");
        assert!(lines[0].starts_with("mistake ") && !lines[0].contains(", /"), "{told}");
    }
}

#[test]
fn keys_that_are_locked_are_said_in_the_overview() {
    let mut daemon = Daemon::start(&Settings::new(["http://127.0.0.1:9".to_owned()]));
    daemon.call("wallet_create", json!({}));
    assert!(!said(&run(&daemon, &["status"])).contains("keys"));
    assert!(daemon.stop().success());
    std::fs::rename(daemon.home().join("state/kek"), daemon.home().join("kek.away")).unwrap();
    daemon.resume();
    let told = said(&run(&daemon, &["status"]));
    assert!(told.contains("managed wallets cannot sign"), "{told}");
}

/// A backup that is meant for the daemon that the environment names does not go to another's place.
#[test]
fn a_store_is_not_restored_in_the_place_of_another_daemons() {
    let mut daemon = Daemon::start(&Settings::new(["http://127.0.0.1:9".to_owned()]));
    daemon.admin("store_backup", json!({"path": "kept.redb"}));
    daemon.stop();
    let usual = daemon.home().join("usual/ledger.redb");
    let mut restore = daemon.entitlectl();
    restore.args(["store", "restore"]).arg(daemon.home().join("state/kept.redb"));
    // The usual place is this test's own.
    let done = restore.env("ENTITLED__STORE__PATH", &usual).output().unwrap();
    assert_eq!(done.status.code(), Some(2), "{}", said(&done));
    assert!(said(&done).contains("--config"), "{}", said(&done));
    assert!(!usual.exists());
}
