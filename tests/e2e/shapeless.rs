//! Replies that are none: what a broken daemon says, or whoever sits at its socket, is never told as done; and what nobody can
//! have meant ends the command line with a code that scripts know.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

const INTERNAL: i32 = 70;
const ADDRESS: &str = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";

/// Somebody at the daemon's sockets.
struct Somebody {
    home: TempDir,
}

impl Somebody {
    fn socket(&self) -> PathBuf {
        self.home.path().join("somebody.sock")
    }

    /// How `entitlectl` ends where `method` is answered so.
    fn answers(&self, method: &str, reply: &str, arguments: &[&str]) -> (i32, String) {
        let socket = self.socket();
        let _ = std::fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).unwrap();
        let (method, reply) = (method.to_owned(), reply.to_owned());
        // Each listens until its test process ends.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (method, reply) = (method.clone(), reply.clone());
                std::thread::spawn(move || converse(&stream.unwrap(), &method, &reply));
            }
        });
        let done = self.entitlectl().args(arguments).output().unwrap();
        let said = [done.stdout, done.stderr].concat();
        (done.status.code().unwrap(), String::from_utf8_lossy(&said).into_owned())
    }

    fn entitlectl(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_entitlectl"));
        command.env("ENTITLED_SOCKET", self.socket()).env("NO_COLOR", "1");
        command.env("ENTITLED_ADMIN_SOCKET", self.socket()).current_dir(self.home.path());
        command
    }
}

fn converse(mut stream: &UnixStream, method: &str, reply: &str) {
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        let asked: Value = serde_json::from_str(&line).unwrap();
        let result = match asked["method"].as_str().unwrap() {
            it if it == method => reply,
            "system_health" => r#"{"status":"ok","version":"0","actors":[],"chains":[]}"#,
            _ => r#"{"items":[],"pools":[],"next_cursor":null}"#,
        };
        let said = format!("{{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{result}}}\n", asked["id"]);
        if stream.write_all(said.as_bytes()).is_err() {
            return;
        }
    }
}

#[test]
fn a_reply_without_shape_counts_as_no_answer() {
    let somebody = Somebody { home: TempDir::new().unwrap() };
    let file = somebody.home.path().join("acme.toml");
    let text = "product = \"acme-cad\"\nname = \"Acme\"\n[tiers.pro]\nrank = 1\n[[grants]]\ntier = \"pro\"\ntoken = \"eip155:1/erc721:0x00000000000000000000000000000000000000cc\"\n";
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    for (method, arguments) in [
        ("system_health", &["status"][..]),
        ("entitlement_list", &["status"]),
        ("wallet_list", &["wallet", "list"]),
        ("wallet_list", &["wallet", "list", "--json"]),
        ("product_list", &["product", "list", "-q"]),
        ("wallet_create", &["wallet", "create"]),
        ("wallet_unlink", &["wallet", "unlink", ADDRESS]),
        ("product_trust", &["product", "trust", "acme-cad", "--anybody"]),
        ("product_remove", &["product", "remove", "acme-cad"]),
        ("product_install", &["product", "install", file]),
        ("product_check", &["product", "lint", "--online", file]),
        ("store_backup", &["store", "backup"]),
        ("store_stats", &["store", "stats", "--format", "tsv"]),
        ("fleet_status", &["fleet", "status"]),
        ("chain_status", &["chain", "status"]),
        ("keys_status", &["keys", "status"]),
        ("seat_list", &["seats", "list"]),
        ("customer_tier", &["customer", "tier", "acme-cad"]),
        ("entitlement_receipt", &["receipt", "make", "acme-cad"]),
    ] {
        for reply in ["null", "{}", "[]", "true", "\"done\"", "[[\"a\"]]", "{\"items\":[7]}"] {
            // No chain at all, and no tier, are answers.
            let is_one =
                matches!((method, reply), ("chain_status", "[]") | ("customer_tier", "null"));
            let (code, said) = somebody.answers(method, reply, arguments);
            assert!(is_one || code == INTERNAL, "{arguments:?} of {reply}: {code} {said}");
        }
    }
}

#[test]
fn a_reply_that_says_two_things_counts_as_neither() {
    let somebody = Somebody { home: TempDir::new().unwrap() };
    let verify = ["wallet", "verify", ADDRESS, "--signature", "0x00", "--message", "a"];
    let method = "\"method\":\"eip191\"";
    for (reply, wanted) in [
        (format!("{{\"valid\":false,\"valid\":true,{method}}}"), INTERNAL),
        (format!("{{\"valid\":false,\"v\\u0061lid\":true,{method}}}"), INTERNAL),
        (format!("{{\"valid\":true,\"anchor\":{{\"a\":1,\"a\":2}},{method}}}"), INTERNAL),
        (format!("{{\"valid\":true,{method}}}"), 0),
        (format!("{{\"valid\":false,{method}}}"), 1),
    ] {
        let (code, said) = somebody.answers("wallet_verify", &reply, &verify);
        assert_eq!(code, wanted, "{reply}: {said}");
    }
}

#[test]
fn an_argument_that_is_no_text_is_not_understood() {
    let somebody = Somebody { home: TempDir::new().unwrap() };
    for more in [&[][..], &["--json"]] {
        let mut command = somebody.entitlectl();
        command.arg("check").arg(OsStr::from_bytes(b"acme\xff")).args(more);
        let done = command.output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(2), "{said}");
        assert_eq!(said.contains("\"USAGE\""), !more.is_empty(), "{said}");
    }
}
