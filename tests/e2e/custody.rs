//! Keys that come in and go out: keystores of other programs, mnemonics, and where no key may be found.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use alloy_primitives::{Address, hex};
use serde_json::{Value, json};

use crate::support::daemon::Daemon;
use crate::support::prerequisites;
use crate::support::settings::Settings;
use crate::support::socket::Line;
use crate::support::tests_dir;
use crate::support::wallet::Wallet;

const INVALID_PARAMS: i64 = -32602;
const CONFLICT: i64 = -32003;
const NOT_FOUND: i64 = -32002;
const LOCKED: i64 = -32004;

/// Keys nobody uses.
const KEY: &str = "b5f1c9c9e2e3d4a59687786a5b4c3d2e1f00112233445566778899aabbccddee";
const HTTP_KEY: &str = "5e1f0a7b9c3d2e4f60718293a4b5c6d7e8f90123456789abcdef0fedcba98765";
const PASSPHRASE: &str = "a long passphrase of custody";
const WORDS: &str =
    "letter advice cage absurd amount doctor acoustic avoid letter advice cage above";

fn offline() -> Daemon {
    Daemon::start(&Settings::new(["http://127.0.0.1:9".to_owned()]))
}

fn address_of(key: &str) -> String {
    let signer: alloy_signer_local::PrivateKeySigner = key.parse().unwrap();
    signer.address().to_string()
}

fn import_key(daemon: &Daemon) -> Value {
    daemon.call("wallet_import", json!({"private_key": KEY}))
}

fn signer_of(daemon: &Daemon, address: &Value) -> String {
    let params = json!({"address": address, "message": "who?"});
    let signature = daemon.call("wallet_sign", params)["signature"].clone();
    let signature: alloy_primitives::Signature = signature.as_str().unwrap().parse().unwrap();
    signature.recover_address_from_msg("who?").unwrap().to_string()
}

fn audited(daemon: &Daemon, action: &str) -> Vec<Value> {
    let entries = daemon.admin("audit_list", json!({"limit": 1_000}))["items"].clone();
    entries.as_array().unwrap().iter().filter(|it| it["action"] == action).cloned().collect()
}

/// What a script of `program` prints, or nothing if the program is not there. The input comes as JSON.
fn script(program: &Path, arguments: &[&str], input: &Value) -> Option<Value> {
    let child = Command::new(program)
        .args(arguments)
        .current_dir(tests_dir())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        prerequisites::skipped("another program's keystores", &program.display().to_string());
        return None;
    };
    child.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

fn ethers(body: &str, input: &Value) -> Option<Value> {
    let text = format!(
        "import {{ readFileSync }} from 'node:fs';\nimport {{ Wallet, encryptKeystoreJson }} from 'ethers';\n\
         const input = JSON.parse(readFileSync(0));\n{body}"
    );
    script(Path::new("node"), &["--input-type=module", "-e", &text], input)
}

#[test]
fn a_keystore_of_ethers_opens_here() {
    let making = "const options = { scrypt: { N: 4096, r: 8, p: 1 } };\n\
                  console.log(await encryptKeystoreJson(new Wallet('0x' + input.key), input.pass, options));";
    let Some(keystore) = ethers(making, &json!({"key": KEY, "pass": PASSPHRASE})) else { return };
    let daemon = offline();
    let given = json!({"keystore": keystore, "passphrase": PASSPHRASE, "label": "from ethers"});
    let wallet = daemon.call("wallet_import", given);
    assert_eq!(wallet["address"], address_of(KEY));
    assert_eq!((&wallet["custody"], &wallet["label"]), (&json!("managed"), &json!("from ethers")));
    assert_eq!(signer_of(&daemon, &wallet["address"]), address_of(KEY));
}

#[test]
fn ethers_opens_an_exported_keystore() {
    let daemon = offline();
    let made = daemon.call("wallet_create", json!({}));
    let params = json!({"address": made["address"], "passphrase": PASSPHRASE});
    let keystore = daemon.call("wallet_export", params);
    let opening = "const wallet = await Wallet.fromEncryptedJson(JSON.stringify(input.keystore), input.pass);\n\
                   console.log(JSON.stringify({ address: wallet.address, signature: await wallet.signMessage('hello') }));";
    let input = json!({"keystore": keystore, "pass": PASSPHRASE});
    let Some(opened) = ethers(opening, &input) else { return };
    assert_eq!(opened["address"], made["address"]);
    let ours = daemon.call("wallet_sign", json!({"address": made["address"], "message": "hello"}));
    assert_eq!(opened["signature"], ours["signature"], "the same key signs the same");
}

#[test]
fn eth_account_and_we_open_each_others_keystores() {
    let python = tests_dir().join(".venv/bin/python");
    let daemon = offline();
    let wallet = import_key(&daemon);
    let params = json!({"address": wallet["address"], "passphrase": PASSPHRASE});
    let ours = daemon.call("wallet_export", params);
    let text = "import json, sys\nfrom eth_account import Account\ni = json.load(sys.stdin)\n\
                made = [Account.encrypt(i['key'], i['pass'], kdf=k, iterations=n) for k, n in [('pbkdf2', 1000), ('scrypt', 4096)]]\n\
                print(json.dumps({'key': Account.decrypt(i['ours'], i['pass']).hex(), 'made': made}))";
    let other = "c".repeat(64);
    let input = json!({"ours": ours, "pass": PASSPHRASE, "key": other});
    let Some(answer) = script(&python, &["-c", text], &input) else { return };
    assert_eq!(answer["key"].as_str().unwrap().trim_start_matches("0x"), KEY);
    for keystore in answer["made"].as_array().unwrap() {
        let given = json!({"keystore": keystore, "passphrase": PASSPHRASE});
        let wallet = daemon.call("wallet_import", given);
        assert_eq!(wallet["address"], address_of(&other), "{}", keystore["crypto"]["kdf"]);
    }
}

#[test]
fn a_mnemonic_gives_the_account_other_wallets_show() {
    let daemon = offline();
    let words = "test test test test test test test test test test test junk";
    let first = daemon.call("wallet_import", json!({"mnemonic": words}));
    assert_eq!(first["address"], "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
    let second =
        daemon.call("wallet_import", json!({"mnemonic": words, "path": "m/44'/60'/0'/0/1"}));
    assert_eq!(second["address"], "0x70997970C51812dc3A010C7d01b50e0d17dc79C8");
    assert_eq!(signer_of(&daemon, &second["address"]), second["address"].as_str().unwrap());
}

#[test]
fn what_is_no_key_is_refused_and_leaves_nothing() {
    let daemon = offline();
    let vectors = std::fs::read_to_string(tests_dir().join("vectors/keystores.json")).unwrap();
    let vectors: Value = serde_json::from_str(&vectors).unwrap();
    let keystore = &vectors["keystores"]["pbkdf2"];
    let mut hostile = vectors["keystores"]["scrypt"].clone();
    hostile["crypto"]["kdfparams"]["n"] = (1_u64 << 30).into();
    for (params, named) in [
        (json!({}), "keystore"),
        (json!({"keystore": keystore}), "passphrase"),
        (json!({"private_key": KEY, "mnemonic": WORDS}), "mnemonic"),
        (json!({"private_key": KEY, "path": "m/0"}), "path"),
        (json!({"keystore": hostile, "passphrase": "testpassword"}), "keystore"),
        (json!({"keystore": {}, "passphrase": "x"}), "keystore"),
        (json!({"private_key": "0x12"}), "private_key"),
        (json!({"private_key": 12}), "private_key"),
        (json!({"mnemonic": "abandon abandon"}), "mnemonic"),
        (json!({"mnemonic": WORDS, "path": "44"}), "path"),
        (json!({"private_key": KEY, "label": "a\nb"}), "label"),
    ] {
        let refused = daemon.refused("wallet_import", params.clone());
        assert_eq!(refused.code, INVALID_PARAMS, "{params}: {refused:?}");
        let text = format!("{refused:?}");
        assert!(text.contains(named), "{params}: {text}");
        assert!(!text.contains(KEY) && !text.contains("letter advice"), "{text}");
    }
    assert_eq!(daemon.call("wallet_list", json!({}))["items"], json!([]));
}

#[test]
fn an_imported_key_makes_a_linked_wallet_managed() {
    let (daemon, wallet) = (offline(), Wallet::numbered(3));
    assert_eq!(daemon.link(&wallet)["custody"], "linked");
    let key = format!("{}03", "11".repeat(31));
    let imported = daemon.call("wallet_import", json!({"private_key": key}));
    assert_eq!(imported["address"], wallet.address().to_string());
    assert_eq!(imported["custody"], "managed");
    assert_eq!(daemon.call("wallet_list", json!({}))["items"].as_array().unwrap().len(), 1);
    assert_eq!(signer_of(&daemon, &imported["address"]), wallet.address().to_string());
}

#[test]
fn a_wallet_of_another_customer_stays_theirs() {
    let daemon = offline();
    let theirs = daemon.admin("wallet_import", json!({"private_key": KEY, "customer": "machine"}));
    let refused = daemon.refused("wallet_import", json!({"private_key": KEY}));
    assert_eq!(refused.code, CONFLICT);
    assert!(!format!("{refused:?}").contains("machine"), "{refused:?}");
    let params = json!({"address": theirs["address"], "passphrase": PASSPHRASE});
    assert_eq!(daemon.refused("wallet_export", params).code, NOT_FOUND);
}

#[test]
fn only_what_is_here_is_exported() {
    let (daemon, linked) = (offline(), Wallet::numbered(1));
    daemon.link(&linked);
    let export = |address: &Value| {
        let params = json!({"address": address, "passphrase": PASSPHRASE});
        daemon.try_call("wallet_export", params)
    };
    assert_eq!(export(&json!(linked.address())).unwrap_err().code, INVALID_PARAMS);
    assert_eq!(export(&json!(Address::repeat_byte(9))).unwrap_err().code, NOT_FOUND);
    let address = import_key(&daemon)["address"].clone();
    let empty = json!({"address": address, "passphrase": ""});
    assert_eq!(daemon.refused("wallet_export", empty).code, INVALID_PARAMS);

    daemon.call("wallet_unlink", json!({"address": address}));
    export(&address).expect("the key of an unlinked wallet is still here");
    daemon.call("wallet_unlink", json!({"address": address, "destroy_key": true}));
    assert_eq!(export(&address).unwrap_err().code, NOT_FOUND);
}

#[test]
fn keystores_are_made_one_at_a_time_and_the_rest_is_told_to_wait() {
    const BUSY: i64 = -32009;
    let daemon = offline();
    let address = import_key(&daemon)["address"].clone();
    let params = json!({"address": address, "passphrase": PASSPHRASE});
    let replies: Vec<_> = std::thread::scope(|scope| {
        let export = || daemon.try_call("wallet_export", params.clone());
        let tries: Vec<_> = (0..6).map(|_| scope.spawn(export)).collect();
        tries.into_iter().map(|it| it.join().unwrap()).collect()
    });
    let made = replies.iter().filter(|it| it.is_ok()).count();
    assert!(made >= 1, "{replies:?}");
    for refused in replies.into_iter().filter_map(Result::err) {
        assert_eq!(refused.code, BUSY, "{refused:?}");
    }
    assert_eq!(audited(&daemon, "wallet_exported").len(), made);
    let most = 400 << 20;
    let mut daemon = daemon;
    assert!(daemon.peak_memory() < most, "two at once would take {} bytes", daemon.peak_memory());
}

#[test]
fn who_imports_and_who_exports_is_in_the_audit() {
    let daemon = offline();
    let address = import_key(&daemon)["address"].clone();
    daemon.admin("wallet_export", {
        let own = crate::support::stage::own_customer();
        json!({"address": address, "passphrase": PASSPHRASE, "customer": own})
    });
    let uid = nix::unistd::getuid();
    for (action, by) in
        [("wallet_imported", format!("uid:{uid}")), ("wallet_exported", format!("admin uid:{uid}"))]
    {
        let entries = audited(&daemon, action);
        assert_eq!(entries.len(), 1, "{action}");
        assert_eq!((&entries[0]["by"], &entries[0]["subject"]), (&json!(by), &address), "{action}");
    }
    assert!(!daemon.log().contains(KEY) && !daemon.log().contains(PASSPHRASE));
}

#[test]
fn a_key_from_a_backup_mends_a_wallet_whose_key_encryption_key_is_lost() {
    let mut daemon = offline();
    let address = import_key(&daemon)["address"].clone();
    daemon.stop();
    std::fs::write(daemon.home().join("state/kek"), [7; 32]).unwrap();
    daemon.resume();
    let params = json!({"address": address, "passphrase": PASSPHRASE});
    assert_eq!(daemon.refused("wallet_export", params.clone()).code, LOCKED);
    // This key opens no wallet at all, so nothing is sealed under it before somebody gives the lost ones up.
    let import = json!({"private_key": KEY});
    assert_eq!(daemon.refused("wallet_import", import).code, LOCKED);
    daemon.call("wallet_unlink", json!({"address": address, "destroy_key": true}));
    daemon.stop();
    daemon.resume();
    import_key(&daemon);
    daemon.call("wallet_export", params);
    assert_eq!(signer_of(&daemon, &address), address_of(KEY));
}

#[test]
fn the_command_line_takes_secrets_from_standard_input_only() {
    let daemon = offline();
    let run = |arguments: &[&str], input: &str| {
        let mut child = daemon
            .entitlectl()
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // One that refuses its arguments does not read.
        let _unread = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap(), said(&output.stdout), said(&output.stderr))
    };
    let address = address_of(KEY);
    let (code, out, err) = run(&["wallet", "import", "--private-key"], &format!("{KEY}\n"));
    assert!(code == 0 && out.contains(&address), "{code} {out} {err}");
    let (code, keystore, err) = run(&["wallet", "export", &address], "with blanks \n");
    assert_eq!(code, 0, "{err}");
    let file = daemon.home().join("keystore.json");
    std::fs::write(&file, keystore).unwrap();
    let file = file.to_str().unwrap();
    let (code, out, err) = run(&["wallet", "import", "--keystore", file], "with blanks \n");
    assert!(code == 0 && out.contains(&address), "{code} {out} {err}");
    let (code, _, err) = run(&["wallet", "import", "--keystore", file], "with blanks\n");
    // It was understood, and declined.
    assert!(code == 1 && err.contains("passphrase"), "{code} {err}");
    let (code, out, err) =
        run(&["wallet", "import", "--mnemonic", "--path", "m/44'/60'/0'/0/1"], WORDS);
    assert_eq!(code, 0, "{out} {err}");
    for wrong in [
        &["wallet", "import"][..],
        &["wallet", "import", "--private-key", KEY],
        &["wallet", "import", "--private-key", "--path", "m/0"],
        &["wallet", "import", "--private-key", "--mnemonic"],
        &["wallet", "import", "--keystore", "-"],
    ] {
        assert_eq!(run(wrong, "\n").0, 2, "{wrong:?}");
    }
    assert_eq!(run(&["wallet", "import", "--private-key"], "").0, 2, "nothing was given");
}

/// All that the process holds and may be read. `None` when we may not look.
fn memory_of(pid: i32) -> Option<Vec<(String, Vec<u8>)>> {
    use std::os::unix::fs::FileExt as _;
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).ok()?;
    let memory = std::fs::File::open(format!("/proc/{pid}/mem")).ok()?;
    let mut found = Vec::new();
    for line in
        maps.lines().filter(|it| it.split(' ').nth(1).is_some_and(|it| it.starts_with("rw")))
    {
        let (from, to) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let from = u64::from_str_radix(from, 16).unwrap();
        let length = u64::from_str_radix(to, 16).unwrap() - from;
        let mut bytes = vec![0; usize::try_from(length).unwrap()];
        // A guard page or one that was just given back is no memory.
        if memory.read_exact_at(&mut bytes, from).is_ok() {
            found.push((line.to_owned(), bytes));
        }
    }
    (!found.is_empty()).then_some(found)
}

fn occurs(needle: &[u8], within: &[u8]) -> bool {
    // The first eight bytes betray it as well as all of them.
    let needle = &needle[..needle.len().min(8)];
    within.windows(needle.len()).any(|it| it == needle)
}

/// A secret in every form it may take: its bytes, also from the other end, and its digits.
fn forms(name: &str, bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let turned: Vec<u8> = bytes.iter().rev().copied().collect();
    let digits = hex::encode(bytes);
    vec![
        (format!("{name}, its bytes"), bytes.to_vec()),
        (format!("{name}, its bytes from the end"), turned),
        (format!("{name}, its end"), bytes[bytes.len() - 8..].to_vec()),
        (format!("{name}, its digits"), digits.clone().into_bytes()),
        (format!("{name}, the end of its digits"), digits.as_bytes()[48..].to_vec()),
    ]
}

fn import_over_http(daemon: &Daemon, key: &str) {
    let params = json!({"private_key": key});
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "wallet_import", "params": params});
    let body = body.to_string();
    let mut stream = std::os::unix::net::UnixStream::connect(daemon.socket()).unwrap();
    let length = body.len();
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .unwrap();
    let mut reply = String::new();
    std::io::Read::read_to_string(&mut stream, &mut reply).unwrap();
    assert!(reply.contains(&address_of(key)), "{reply}");
}

#[test]
fn after_use_no_secret_is_found_in_memory_or_in_the_store() {
    let mut daemon = offline();
    let vectors = std::fs::read_to_string(tests_dir().join("vectors/keystores.json")).unwrap();
    let vectors: Value = serde_json::from_str(&vectors).unwrap();
    let opened = vectors["passphrase"].as_str().unwrap();

    // One connection stays open, so that what it carried has not gone with it.
    let mut line = Line::connect(&daemon.socket());
    let address =
        line.call("wallet_import", &json!({"private_key": KEY})).unwrap()["address"].clone();
    import_over_http(&daemon, HTTP_KEY);
    let given = json!({"keystore": vectors["keystores"]["pbkdf2"], "passphrase": opened});
    daemon.call("wallet_import", given);
    daemon.call("wallet_import", json!({"mnemonic": WORDS}));
    signer_of(&daemon, &address);
    daemon.call("wallet_export", json!({"address": address, "passphrase": PASSPHRASE}));
    let made = daemon.call("wallet_create", json!({}));
    signer_of(&daemon, &made["address"]);

    line.call("system_version", &json!({})).expect("the connection is still open");
    let kek = std::fs::read(daemon.home().join("state/kek")).unwrap();
    let from_words = "m/44'/60'/0'/0/0";
    let mut secrets = forms("the imported key", &hex::decode(KEY).unwrap());
    let from_keystore = hex::decode(vectors["private_key"].as_str().unwrap()).unwrap();
    secrets.extend(forms("the key that came by HTTP", &hex::decode(HTTP_KEY).unwrap()));
    secrets.extend(forms("the keystore's key", &from_keystore));
    secrets.extend(forms("the key-encryption key", &kek));
    secrets.push((format!("the mnemonic of {from_words}"), WORDS.as_bytes().to_vec()));
    secrets.push(("the mnemonic's end".to_owned(), b"letter advice cage above".to_vec()));
    secrets.push(("the keystore's passphrase".to_owned(), opened.as_bytes().to_vec()));
    secrets.push(("the export's passphrase".to_owned(), PASSPHRASE.as_bytes().to_vec()));

    let Some(memory) = memory_of(daemon.pid()) else {
        eprintln!("skipped: a search of the daemon's memory: this user cannot read it");
        return;
    };
    let shown = daemon.home().to_str().unwrap().as_bytes()[4..].to_vec();
    assert!(memory.iter().any(|(_, it)| occurs(&shown, it)), "the search finds what is there");
    let mut found = Vec::new();
    for (name, secret) in &secrets {
        for (place, bytes) in &memory {
            if occurs(secret, bytes) {
                found.push(format!("{name} in {place}"));
            }
        }
    }
    daemon.stop();
    let store = std::fs::read(daemon.home().join("state/ledger.redb")).unwrap();
    found.extend(
        secrets
            .iter()
            .filter(|(_, it)| occurs(it, &store))
            .map(|(it, _)| format!("{it} in the store")),
    );
    assert!(found.is_empty(), "{found:#?}");
}
