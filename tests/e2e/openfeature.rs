//! Flags by OFREP: the SDKs and providers of OpenFeature ask, and each answer stays what it is.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::support::daemon::Daemon;
use crate::support::fake::FakeDaemon;
use crate::support::http::Message;
use crate::support::prerequisites;
use crate::support::settings::{ProductFile, Settings};
use crate::support::stage::{ACME, Stage};
use crate::support::tests_dir;

const FLAGS: &str = "/ofrep/v1/evaluate/flags";

const FILE: &str = r#"
[products.acme-cad]
tier = "pro"
features = { export = true, max_projects = 50, colour = "red", trial = false }
[products.lost]
code = "NOT_HELD"
features = { export = true, max_projects = 50 }
[products.unknown]
code = "UNDETERMINED"
features = { export = true, max_projects = 50 }
[products.grace]
code = "GRACE"
features = { export = true }
[products.busy]
error = "BUSY"
[products.gone]
code = "NO_PRODUCT"
"#;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// One request by HTTP/1.1 over the socket: the status, the reply, and its body as JSON.
fn post(socket: &Path, path: &str, more: &str, body: &str) -> (u16, Message, Value) {
    use std::io::{BufReader, Write as _};
    let stream = std::os::unix::net::UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(crate::support::PATIENCE)).unwrap();
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{more}Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    (&stream).write_all(format!("{head}{body}").as_bytes()).unwrap();
    let reply = Message::read(&mut BufReader::new(&stream)).unwrap().unwrap();
    let status = reply.first.split(' ').nth(1).unwrap().parse().unwrap();
    let body = serde_json::from_slice(&reply.body).unwrap_or(Value::Null);
    (status, reply, body)
}

fn flag(socket: &Path, key: &str) -> (u16, Value) {
    let (status, _, body) = post(socket, &format!("{FLAGS}/{key}"), "", "{}");
    (status, body)
}

#[test]
fn each_standing_has_its_own_form() {
    let fake = FakeDaemon::start(FILE);
    let cases = [
        ("acme-cad", json!(true), "TARGETING_MATCH", "pro"),
        ("acme-cad.tier", json!("pro"), "TARGETING_MATCH", "pro"),
        ("acme-cad.max_projects", json!(50), "TARGETING_MATCH", "pro"),
        ("acme-cad.trial", json!(false), "TARGETING_MATCH", "pro"),
        ("lost", json!(false), "DEFAULT", "NOT_HELD"),
        ("lost.export", json!(false), "DEFAULT", "NOT_HELD"),
        ("lost.max_projects", Value::Null, "DEFAULT", "NOT_HELD"),
        ("lost.tier", Value::Null, "DEFAULT", "NOT_HELD"),
        ("unknown", Value::Null, "UNKNOWN", "UNDETERMINED"),
        ("unknown.export", Value::Null, "UNKNOWN", "UNDETERMINED"),
        ("grace.export", json!(true), "STALE", "full"),
    ];
    for (key, value, reason, variant) in cases {
        let (status, said) = flag(&fake.socket(), key);
        assert_eq!(
            (status, &said["key"], &said["reason"]),
            (200, &json!(key), &json!(reason)),
            "{said}"
        );
        assert_eq!(
            (said.get("value").unwrap_or(&Value::Null), &said["variant"]),
            (&value, &json!(variant)),
            "{said}"
        );
        assert_eq!(said.get("value").is_none(), value.is_null(), "no value is no member: {said}");
        assert_eq!(said["metadata"]["trust"], "fake", "{said}");
    }
    for key in ["nowhere", "acme-cad.3d", "unknown.3d", "gone", "acme-cad/export", "..%2f", "A"] {
        let (status, said) = flag(&fake.socket(), key);
        assert_eq!((status, &said["errorCode"]), (404, &json!("FLAG_NOT_FOUND")), "{key}: {said}");
    }
    let (status, said) = flag(&fake.socket(), "busy");
    assert_eq!(
        (status, &said["errorCode"], &said["key"]),
        (500, &json!("GENERAL"), &json!("busy")),
        "{said}"
    );
}

#[test]
fn the_flags_of_a_product_are_told_anew_only_when_they_come_to_something_else() {
    let fake = FakeDaemon::start(
        "[products.acme-cad]\nfeatures = { export = true }
         [[products.acme-cad.then]]\nafter_checks = 2\nexpires_in = \"1h\"
         [[products.acme-cad.then]]\nafter_checks = 1\ncode = \"EXPIRED\"
         [products.other]",
    );
    let all = |more: &str| {
        let (status, reply, body) =
            post(&fake.socket(), &format!("{FLAGS}?product={ACME}"), more, "{}");
        (status, reply.header("etag").map(str::to_owned), body)
    };
    let (status, etag, body) = all("");
    let (etag, flags) = (etag.unwrap(), body["flags"].as_array().unwrap().clone());
    let keys: Vec<&str> = flags.iter().map(|it| it["key"].as_str().unwrap()).collect();
    assert_eq!((status, keys), (200, vec!["acme-cad", "acme-cad.tier", "acme-cad.export"]));
    let (status, again, body) = all(&format!("If-None-Match: \"x\", {etag}\r\n"));
    assert_eq!((status, again.as_deref(), body), (304, Some(etag.as_str()), Value::Null));
    // It ends now, which is metadata; then it has ended.
    let (status, expiring, body) = all(&format!("If-None-Match: {etag}\r\n"));
    assert_eq!(status, 200, "{body}");
    let (status, _, body) = all(&format!("If-None-Match: {}\r\n", expiring.unwrap()));
    assert_eq!((status, &body["flags"][2]["value"]), (200, &json!(false)), "{body}");

    let by_context = r#"{"context":{"product":"other","targetingKey":"me","plan":{"a":[1]}}}"#;
    let (status, _, body) = post(&fake.socket(), FLAGS, "", by_context);
    assert_eq!((status, &body["flags"][0]["key"]), (200, &json!("other")), "{body}");
    for (path, body) in [
        (FLAGS.to_owned(), "{}"),
        (format!("{FLAGS}?product=nowhere"), "{}"),
        (format!("{FLAGS}?product=A"), "{}"),
    ] {
        let (status, _, said) = post(&fake.socket(), &path, "", body);
        assert_eq!(
            (status, &said["errorCode"]),
            (400, &json!("INVALID_CONTEXT")),
            "{path}: {said}"
        );
        assert!(said.get("flags").is_none(), "{said}");
    }
}

#[test]
fn what_cannot_be_read_is_told_from_what_cannot_be_meant() {
    let fake = FakeDaemon::start(FILE);
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let deep = format!("{{\"context\":{{\"deep\":{deep}}}}}");
    let cases = [
        ("{", 400, "PARSE_ERROR"),
        ("{}{}", 400, "PARSE_ERROR"),
        ("{\"context\":01}", 400, "PARSE_ERROR"),
        (deep.as_str(), 400, "PARSE_ERROR"),
        ("[]", 400, "PARSE_ERROR"),
        ("{\"context\":[]}", 400, "INVALID_CONTEXT"),
        ("{\"context\":null,\"more\":1}", 200, ""),
        ("{\"context\":{\"publisher\":7}}", 400, "INVALID_CONTEXT"),
        ("{\"context\":{\"publisher\":\"nonsense\"}}", 400, "INVALID_CONTEXT"),
    ];
    for (body, status, code) in cases {
        let (got, _, said) = post(&fake.socket(), &format!("{FLAGS}/acme-cad"), "", body);
        let said_code = said["errorCode"].as_str().unwrap_or_default();
        assert_eq!((got, said_code), (status, code), "{body}: {said}");
    }
    let key = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
    let unsigned = format!(r#"{{"context":{{"publisher":"{key}"}}}}"#);
    let (status, _, said) = post(&fake.socket(), &format!("{FLAGS}/acme-cad"), "", &unsigned);
    assert_eq!(
        (status, &said["value"], &said["metadata"]["code"]),
        (200, &json!(false), &json!("PUBLISHER_MISMATCH")),
        "{said}"
    );
    let (status, _, _) = post(
        &fake.socket(),
        &format!("{FLAGS}/acme-cad"),
        "Origin: https://evil.example\r\n",
        "{}",
    );
    assert_eq!(status, 403, "a web page");
}

/// Asks for a flag `argv[3]` times over connections of their own, and says the status and `Retry-After` of each.
const OFTEN: &str = r#"
import json, socket, sys
said = []
for _ in range(int(sys.argv[3])):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(30)
        s.connect(sys.argv[1])
        head = f"POST {sys.argv[2]} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n"
        s.sendall(head.encode() + b"{}")
        lines = s.makefile("rb").read().decode().lower().split("\r\n")
        retry = [it.split(": ")[1] for it in lines if it.startswith("retry-after: ")]
        said.append([int(lines[0].split(" ")[1]), "".join(retry)])
print(json.dumps(said))
"#;

#[test]
fn flags_have_the_limits_of_any_request() {
    if !prerequisites::has("python3", "the limits of flags") {
        return;
    }
    // What is delayed is not at hand, and so has a rate.
    let fake = FakeDaemon::start(
        "[products.slow]\ndelay = \"1ms\"\n[socket.limits]\nrequests_per_second = 1\nburst = 2",
    );
    let mut often = Command::new("python3");
    often
        .args(["-c", OFTEN])
        .arg(fake.socket())
        .args([&format!("{FLAGS}/slow"), "6"])
        .current_dir("/");
    if nix::unistd::geteuid().is_root() {
        // Root has no rate.
        std::fs::set_permissions(fake.home(), PermissionsExt::from_mode(0o755)).unwrap();
        often.uid(4242).gid(4242);
    }
    let output = often.output().unwrap();
    let said: Vec<(u16, String)> = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|it| panic!("{it}: {}", text(&output.stderr)));
    let limited: Vec<_> = said.iter().filter(|(status, _)| *status == 429).collect();
    assert!(limited.len() >= 2 && limited.iter().all(|(_, retry)| retry == "1"), "{said:?}");
    assert!(said.iter().filter(|(status, _)| *status == 200).count() >= 2, "{said:?}");
    let long = format!("{{\"context\":{{\"x\":\"{}\"}}}}", "x".repeat(100_000));
    assert_eq!(post(&fake.socket(), &format!("{FLAGS}/slow"), "", &long).0, 413);
}

#[test]
fn a_real_daemon_answers_flags_by_what_is_proven() {
    let stage = Stage::entitled();
    let socket = stage.daemon.socket();
    let (status, said) = flag(&socket, ACME);
    assert_eq!(
        (status, &said["value"], &said["variant"]),
        (200, &json!(true), &json!("pro")),
        "{said}"
    );
    assert_eq!(said["metadata"]["trust"], "single", "{said}");
    assert!(said["metadata"]["block"].is_u64(), "{said}");
    let verdict = stage.daemon.check(ACME);
    for (name, value) in verdict["features"].as_object().unwrap() {
        let (status, said) = flag(&socket, &format!("{ACME}.{name}"));
        assert_eq!((status, &said["value"]), (200, value), "{name}: {said}");
    }
    assert_eq!(flag(&socket, "acme-cad.no-such").0, 404);
    let stage = stage.enter(8);
    stage.give_away(7);
    stage.give_away(8);
    stage.daemon.wait_for_code(ACME, "NOT_HELD");
    assert_eq!(flag(&socket, ACME).1["value"], json!(false));
}

/// The program that the manual shows for a language, pointed at this socket and asking for these booleans by `ask`.
fn of_manual(language: &str, socket: &Path, ask: &str) -> String {
    let manual = std::fs::read_to_string(tests_dir().join("../docs/openfeature.md")).unwrap();
    let block = manual.split(&format!("```{language}\n")).nth(1).unwrap();
    let program = block.split("```").next().unwrap();
    let program = program.replace("/run/entitled/entitled.sock", socket.to_str().unwrap());
    format!("{program}\n{ask}\n")
}

/// What the program says in its first line for the manual's own question, and the object in its last.
fn said(output: &Output) -> (String, Value) {
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    let last = out.lines().last().unwrap();
    let object = serde_json::from_str(last).unwrap_or_else(|it| panic!("{it}: {out}{err}"));
    (out.lines().next().unwrap().to_lowercase(), object)
}

/// Each question with both defaults: what is known is the same by both, and the default holds for what is not.
fn expected() -> Value {
    json!({
        "acme-cad": [true, true], "acme-cad.export": [true, true], "acme-cad.trial": [false, false],
        "lost.export": [false, false],
        "unknown": [false, true], "unknown.export": [false, true],
        "busy": [false, true], "nowhere.export": [false, true], "acme-cad.3d": [false, true],
        "numbers": [50, 7, 7], "texts": ["pro", "red", "d", "d"],
    })
}

#[test]
fn the_sdk_of_python_is_told_the_three_answers_apart() {
    let Some(python) = prerequisites::python_with_web3("OpenFeature's SDK for Python") else {
        return;
    };
    let fake = FakeDaemon::start(FILE);
    let ask = r#"
import json
booleans = ["acme-cad", "acme-cad.export", "acme-cad.trial", "lost.export", "unknown", "unknown.export", "busy", "nowhere.export", "acme-cad.3d"]
answers = {key: [client.get_boolean_value(key, default) for default in (False, True)] for key in booleans}
answers["numbers"] = [client.get_integer_value(f"{key}.max_projects", 7) for key in ("acme-cad", "lost", "unknown")]
answers["texts"] = [client.get_string_value(key, "d") for key in ("acme-cad.tier", "acme-cad.colour", "lost.tier", "unknown.tier")]
details = client.get_boolean_details("acme-cad.export", False)
assert details.variant == "pro" and details.flag_metadata["code"] == "VALID", details
assert client.get_boolean_details("unknown", True).reason == "UNKNOWN"
print(json.dumps(answers))
"#;
    let output =
        Command::new(python).args(["-c", &of_manual("python", &fake.socket(), ask)]).output();
    assert_eq!(said(&output.unwrap()), ("true".to_owned(), expected()));
}

#[test]
fn the_sdk_of_node_is_told_the_three_answers_apart() {
    if !prerequisites::has("node", "OpenFeature's SDK for Node") {
        return;
    }
    let fake = FakeDaemon::start(FILE);
    let ask = r"
const booleans = ['acme-cad', 'acme-cad.export', 'acme-cad.trial', 'lost.export', 'unknown', 'unknown.export', 'busy', 'nowhere.export', 'acme-cad.3d'];
const answers = {};
for (const key of booleans) {
  answers[key] = [await client.getBooleanValue(key, false), await client.getBooleanValue(key, true)];
}
answers.numbers = [];
for (const key of ['acme-cad', 'lost', 'unknown']) answers.numbers.push(await client.getNumberValue(`${key}.max_projects`, 7));
answers.texts = [];
for (const key of ['acme-cad.tier', 'acme-cad.colour', 'lost.tier', 'unknown.tier']) answers.texts.push(await client.getStringValue(key, 'd'));
const details = await client.getBooleanDetails('acme-cad.export', false);
if (details.variant !== 'pro' || details.flagMetadata.code !== 'VALID') throw new Error(JSON.stringify(details));
console.log(JSON.stringify(answers));
";
    let program = of_manual("js", &fake.socket(), ask);
    let output = Command::new("node")
        .args(["--input-type=module", "-e", &program])
        .current_dir(tests_dir())
        .output();
    assert_eq!(said(&output.unwrap()), ("true".to_owned(), expected()));
}

/// A product may have tens of thousands of features over all its tiers, and anybody may ask.
#[test]
fn the_flags_of_a_product_with_very_many_are_not_told_all_at_once() {
    let tiers = (0..100).fold(ProductFile::new("big"), |product, tier| {
        let features: Vec<String> = (0..150).map(|it| format!("a{tier}x{it}=1")).collect();
        product.tier(&format!("t{tier}"), tier, &format!("features={{{}}}", features.join(",")))
    });
    let token = "eip155:31337/erc721:0x00000000000000000000000000000000000000cc";
    let product = tiers.grant("t0", token, "tokens_of = \"enumerable\"");
    let settings = Settings::new(["http://127.0.0.1:9".to_owned()]).product(product);
    let daemon = Daemon::start(&settings);
    let (status, reply, said) = post(&daemon.socket(), &format!("{FLAGS}?product=big"), "", "{}");
    let (one, _, flag) = post(&daemon.socket(), &format!("{FLAGS}/big.a7x9"), "", "{}");
    assert_eq!((one, &flag["reason"]), (200, &json!("DEFAULT")), "one of them is told: {flag}");
    assert_eq!(
        (status, &said["errorCode"]),
        (400, &json!("INVALID_CONTEXT")),
        "{}",
        reply.body.len()
    );
    assert!(said["errorDetails"].as_str().unwrap().contains("one by one"), "{said}");
}
