//! The gateway: what the daemon answers, over HTTP, to whom it may concern and to nobody else.

mod bodies;
mod crowded;
mod described;
mod expiry;
mod handshakes;
mod hostile;
mod kept;
mod old;
mod quotas;
mod reviews;
mod seats;
mod shared;
mod streams;
mod tls;
mod vouchers;

use serde_json::{Value, json};

use crate::support::daemon::Daemon;
use crate::support::eventually;
use crate::support::gateway::{
    Asking, EVERYTHING, Gateway, GatewayStage, TOKEN, client, curl, everything, gateway_uid,
    hashed, let_ask,
};
use crate::support::settings::Settings;
use crate::support::stage::ACME;

#[test]
fn each_client_asks_for_its_own_customer_and_no_more_than_it_may() {
    let few = "scopes = [\"entitlements\"]\nproducts = [\"acme-cad\"]\n";
    let text = [
        everything(),
        client("few", "few", 1, few),
        client("other", "other", 2, &format!("scopes = {EVERYTHING}\nrate = 100000\n")),
        client("often", "often", 1, "scopes = [\"entitlements\"]\nrate = 1\nburst = 3\n"),
    ];
    let stage = GatewayStage::entitled(&text.concat());
    let gateway = &stage.gateway;
    let entitlement = "/api/v1/products/acme-cad/entitlement";
    let code = |token: &str, path: &str| {
        let reply = gateway.get_as(token, path, &[]);
        (reply.status, reply.body["code"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(code(TOKEN, entitlement), (200, "VALID".to_owned()));
    assert_eq!(code("few", entitlement), (200, "VALID".to_owned()));
    assert_eq!(code("other", entitlement), (200, "NO_WALLET".to_owned()));
    let feature = |it: &str| code(TOKEN, &format!("/api/v1/products/acme-cad/features/{it}"));
    assert_eq!(feature("export"), (200, "VALID".to_owned()));
    assert_eq!(feature("flying"), (200, "FEATURE_MISSING".to_owned()));
    let denied = (403, "PERMISSION_DENIED".to_owned());
    assert_eq!(code("other", "/api/v1/wallets/customer:1"), denied);
    assert_eq!(code("few", "/api/v1/products/other/entitlement"), denied);
    assert_eq!(code("few", "/api/v1/wallets"), denied);
    let named = json!({"customer": "customer:2", "product": ACME});
    assert_eq!(gateway.post("/api/v1/customers/tier", &named).status, 403);
    let seen = |token: &str, path: &str, key: &str| -> Vec<String> {
        let reply = gateway.get_as(token, path, &[]).ok();
        let items = reply["items"].as_array().unwrap().iter();
        items.map(|it| it[key].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(seen("few", "/api/v1/products", "id"), ["acme-cad"]);
    assert_eq!(seen(TOKEN, "/api/v1/products", "id"), ["acme-cad", "other"]);
    assert_eq!(seen(TOKEN, "/api/v1/products", "source")[0], "acme-cad.toml", "and no path");
    assert_eq!(seen("few", "/api/v1/entitlements", "product"), ["acme-cad"]);
    // Over one connection, so that each comes soon after the other.
    let mut often = Asking::to(gateway);
    let limited = eventually("a rate is met", || {
        let mut replies = (0..50).map(|_| often.ask("often", entitlement));
        replies.find(|it| it.status == 429).ok_or_else(|| "not yet".to_owned())
    });
    assert_eq!(limited.header("retry-after"), Some("1"));
    assert_eq!(code(TOKEN, entitlement).0, 200, "another client's rate is its own");
}

#[test]
fn a_delegate_is_known_by_its_uid_and_reaches_no_key() {
    let stage = GatewayStage::entitled(&everything());
    let gateway = &stage.gateway;
    let ask = |method: &str, params: Value| {
        let request = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
        gateway.post("/rpc", &request).ok()
    };
    let checked = ask("entitlement_check", json!({"product": ACME}));
    assert_eq!((&checked["id"], &checked["result"]["code"]), (&json!(7), &json!("VALID")));
    let address = stage.wallet.address();
    for (method, params) in [
        ("wallet_export", json!({"address": address, "passphrase": "p"})),
        ("wallet_sign", json!({"address": address, "message": "m"})),
        ("customer_list", json!({})),
        ("keys_rotate", json!({})),
        ("seat_acquire", json!({"product": ACME})),
    ] {
        assert_eq!(ask(method, params)["error"]["data"]["code"], "METHOD_NOT_FOUND", "{method}");
    }
    let foreign = ask("entitlement_check", json!({"product": ACME, "customer": "machine"}));
    assert_eq!(foreign["error"]["data"]["code"], "PERMISSION_DENIED", "{foreign}");
    let batch = json!([
        {"jsonrpc": "2.0", "id": 1, "method": "tier_list"},
        {"jsonrpc": "2.0", "method": "tier_list"},
        {"jsonrpc": "2.0", "id": 2, "method": "customer_get"},
    ]);
    let said = gateway.post("/rpc", &batch).ok();
    assert_eq!(
        (&said[0]["id"], &said[1]["result"]["id"]),
        (&json!(1), &json!("customer:1")),
        "{said}"
    );
    // A user who is no delegate names nobody; where the tests' own user is the delegate, there is no other.
    if gateway_uid() != nix::unistd::getuid().as_raw() {
        let named = json!({"product": ACME, "customer": "customer:1"});
        assert_eq!(
            stage.daemon.refused("entitlement_check", named).data["code"],
            "PERMISSION_DENIED"
        );
    }
}

#[test]
fn pages_of_named_origins_may_ask_and_no_others() {
    let cors = "[cors]\norigins = [\"https://app.example\"]\nmax_age = \"5m\"\n";
    let stage = GatewayStage::entitled(&format!("{}{cors}", everything()));
    let path = "/api/v1/products/acme-cad/entitlement";
    let asked =
        |origin: &str| stage.gateway.get_as(TOKEN, path, &["-H", &format!("Origin: {origin}")]);
    let allowed = asked("https://app.example");
    assert_eq!(
        (allowed.status, allowed.header("access-control-allow-origin")),
        (200, Some("https://app.example"))
    );
    assert_eq!(allowed.header("access-control-allow-credentials"), None);
    assert!(allowed.header("vary").unwrap().contains("origin"), "{allowed:?}");
    assert!(stage.gateway.get(path).header("vary").unwrap().contains("origin"));
    for foreign in [
        "https://evil.example",
        "http://app.example",
        "https://app.example.evil",
        "null",
        "https://APP.example",
    ] {
        let refused = asked(foreign);
        assert_eq!(
            (refused.status, refused.header("access-control-allow-origin")),
            (403, None),
            "{foreign}"
        );
    }
    let url = stage.gateway.url(path);
    let preflight = |origin: &str| {
        let origin = format!("Origin: {origin}");
        curl(&["-X", "OPTIONS", "-H", &origin, "-H", "Access-Control-Request-Method: GET", &url])
    };
    let allowed = preflight("https://app.example");
    assert_eq!((allowed.status, allowed.header("access-control-max-age")), (204, Some("300")));
    assert!(allowed.header("access-control-allow-headers").unwrap().contains("authorization"));
    assert_eq!(preflight("https://evil.example").status, 403);
}

#[test]
fn a_request_for_somebody_else_or_of_another_form_is_refused() {
    let stage = GatewayStage::start(&format!("{}[limits]\nrequest_bytes = 2048\n", everything()));
    let gateway = &stage.gateway;
    let status = |more: &[&str]| gateway.get_as(TOKEN, "/api/v1/tiers", more).status;
    assert_eq!(status(&[]), 200);
    assert_eq!(status(&["-H", "Host: evil.example"]), 421);
    assert_eq!(status(&["-H", "Host: localhost.evil.example"]), 421);
    assert_eq!(status(&["-H", "Host: localhost:9"]), 200);
    assert_eq!(status(&["-H", "Host;"]), 421, "an empty host");
    assert_eq!(status(&["-H", "Authorization: Bearer another"]), 401, "two tokens");
    assert_eq!(status(&["-X", "DELETE"]), 405);
    assert_eq!(gateway.get("/api/v1/nothing").status, 404);
    let problem = gateway.get_as(TOKEN, "/api/v1/tiers?limit=x", &["-H", "X-Request-Id: my-id"]);
    assert_eq!(problem.status, 400);
    assert_eq!(problem.header("content-type"), Some("application/problem+json"));
    assert_eq!(problem.header("x-request-id"), Some("my-id"));
    let expected = json!({"code": "INVALID_PARAMS", "status": 400, "title": "Bad Request", "request_id": "my-id",
        "type": "urn:entitled:problem:invalid-params", "detail": "`limit` must be a whole number"});
    assert_eq!(problem.body, expected);
    let by_daemon = gateway.get("/api/v1/tiers?limit=0");
    assert_eq!((by_daemon.status, &by_daemon.body["code"]), (400, &json!("INVALID_PARAMS")));
    let tier = "/api/v1/customers/tier";
    let long = json!({"product": "a".repeat(3_000)});
    assert_eq!(gateway.post(tier, &long).status, 413);
    let body = json!({"product": ACME});
    assert_eq!(
        gateway.post_as(TOKEN, tier, &body, &["-H", "Content-Type: text/plain"]).status,
        415
    );
    let chunked = gateway.post_as(TOKEN, tier, &body, &["-H", "Transfer-Encoding: chunked"]);
    assert_eq!((chunked.status, chunked.header("connection")), (411, Some("close")));
    assert_eq!(gateway.post(tier, &json!([])).status, 400);
    assert_eq!(gateway.post(tier, &json!({"product": ACME, "more": 1})).status, 400);
    assert_eq!(gateway.post(tier, &json!({"product": 7})).status, 400);
}

#[test]
fn without_authentication_only_a_loopback_address_is_listened_on() {
    let home = tempfile::tempdir().unwrap();
    let anonymous = format!("[anonymous]\ncustomer = \"customer:1\"\nscopes = {EVERYTHING}\n");
    let ended = |text: &str| {
        let mut command = Gateway::command(home.path(), &home.path().join("none.sock"), text);
        let output = command.output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    };
    let open = "listen = \"0.0.0.0:0\"\nhosts = [\"a.example\"]\n";
    for (text, says) in [
        (format!("{open}{anonymous}"), "anonymous"),
        (String::new(), "name at least one client"),
        (format!("listen = \"0.0.0.0:0\"\n{}", everything()), "hosts"),
        (everything().replace("customer:1", "machine"), "an administrator made"),
        (everything().replace("customer:1", "uid:0"), "an administrator made"),
        (format!("{}[cors]\norigins = [\"*\"]\n", everything()), "an exact origin"),
        (format!("{}[cors]\ncredentials = true\n", everything()), "needs `origins`"),
        (everything().replace("token_sha256", "subject"), "`[oidc]` or `[token_review]`"),
        (everything().replace("token_sha256", "certificate"), "client_ca"),
    ] {
        let (code, said) = ended(&text);
        assert_eq!(code, Some(2), "{text}\n{said}");
        assert!(said.contains(says), "{says}: {said}");
    }
    // What is wrong with the only client is all that is wrong.
    let (_, said) = ended(&everything().replace("token_sha256 = \"", "token_sha256 = \"x"));
    assert!(said.contains("token_sha256"), "{said}");
    assert!(!said.contains("at least one") && !said.contains("known by one of"), "{said}");
    let stage = GatewayStage::start(&anonymous);
    assert_eq!(
        curl(&[&stage.gateway.url("/api/v1/tiers")]).status,
        200,
        "on a loopback address it may"
    );
    let shown = stage.gateway.get_as("some-token", "/api/v1/tiers", &[]);
    assert_eq!(shown.status, 401, "a token that is shown is looked at");
}

/// Whose it is would be decided by which of them is read last.
#[test]
fn no_two_clients_are_known_by_the_same() {
    let home = tempfile::tempdir().unwrap();
    let known_by = |name: &str, what: &str| {
        let head = format!("[[client]]\nname = \"{name}\"\n{what}\n");
        format!("{head}customer = \"customer:1\"\nscopes = [\"seats\"]\n")
    };
    let token = |token: &str| format!("token_sha256 = \"{}\"", hashed(token));
    let subject = |by: &str| format!("subject = \"ci\"\nvouched_by = \"{by}\"");
    let oidc = "[oidc]\nissuer = \"i\"\njwks = \"https://127.0.0.1:1/\"\n";
    let (first, upper) =
        (token("a"), token("a").to_uppercase().replace("TOKEN_SHA256", "token_sha256"));
    let (second, ci) = (token("b"), subject("oidc"));
    for (one, other, expected) in [
        (&first, &first, Some(2)),
        (&first, &upper, Some(2)),
        (&ci, &ci, Some(2)),
        (&first, &second, Some(0)),
    ] {
        let text = format!("{}{}{oidc}", known_by("one", one), known_by("other", other));
        let mut command = Gateway::command(home.path(), &home.path().join("none.sock"), &text);
        let output = command.arg("--check").output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), expected, "{text}\n{said}");
        assert_eq!(said.contains("known by the same"), expected == Some(2), "{said}");
    }
}

/// The daemon has two seconds to say that it is.
fn is_ready(stage: &GatewayStage) {
    eventually("it is ready", || match stage.gateway.probe("/readyz") {
        told if told.status == 200 => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

/// What the program says when it is asked whether the gateway is ready.
fn probed(stage: &GatewayStage) -> (Option<i32>, String) {
    let probes =
        format!("listen = \"127.0.0.1:1\"\nprobes = \"127.0.0.1:{}\"\n", stage.gateway.probes);
    let text = format!("{probes}{}", everything());
    let mut command = Gateway::command(stage.daemon.home(), &stage.daemon.socket(), &text);
    let output = command.arg("--probe").output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

#[test]
fn without_the_daemon_nothing_is_said_of_what_is_so() {
    let mut stage = GatewayStage::entitled(&everything());
    let path = "/api/v1/products/acme-cad/entitlement";
    assert_eq!(stage.gateway.get(path).ok()["code"], "VALID");
    is_ready(&stage);
    eventually("it says that it is ready", || match probed(&stage) {
        (Some(0), said) if said == "the gateway is ready\n" => Ok(()),
        other => Err(format!("{other:?}")),
    });
    stage.daemon.stop();
    let said = eventually("it is not ready", || match probed(&stage) {
        (Some(1), said) => Ok(said),
        other => Err(format!("{other:?}")),
    });
    assert!(said.contains("the daemon does not answer"), "{said}");
    let reply = stage.gateway.get(path);
    assert_eq!((reply.status, &reply.body["code"]), (503, &json!("DAEMON_UNREACHABLE")));
    assert_eq!(
        (reply.header("retry-after"), reply.header("cache-control")),
        (Some("1"), Some("no-store"))
    );
    assert_eq!(stage.gateway.probe("/readyz").status, 503);
    assert_eq!(stage.gateway.probe("/daemon/metrics").status, 503);
    assert_eq!(
        stage.gateway.probe("/livez").status,
        200,
        "a daemon that is away is not dead threads"
    );
    stage.daemon.resume();
    assert_eq!(stage.gateway.get(path).ok()["code"], "VALID", "it asks the next one");
    let metrics = stage.gateway.probe("/metrics").text;
    assert!(metrics.contains("entitled_gateway_answers_total{status=\"2xx\"} 2"), "{metrics}");
    assert!(metrics.contains("entitled_gateway_answers_total{status=\"5xx\"} 1"), "{metrics}");
    let metrics = eventually("the daemon's figures are told", || {
        let metrics = stage.gateway.probe("/daemon/metrics");
        if metrics.status == 200 { Ok(metrics) } else { Err(format!("{metrics:?}")) }
    });
    assert!(metrics.text.contains("# TYPE entitled_checks_total counter"), "{}", metrics.text);
    assert_eq!(metrics.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert_eq!(stage.gateway.probe("/api/v1/tiers").status, 404, "and nothing else");
}

#[test]
fn a_chain_that_is_away_is_neither_dead_nor_unready() {
    let mut stage = GatewayStage::entitled(&everything());
    stage.anvil.stop();
    assert_eq!(stage.gateway.probe("/livez").status, 200);
    is_ready(&stage);
    assert_eq!(stage.gateway.get("/api/v1/products/acme-cad/entitlement").ok()["valid"], true);
    assert!(stage.gateway.stop().success(), "{}", stage.gateway.log());
}

/// Its clients would only hear that they may not name a customer.
#[test]
fn a_gateway_whose_user_is_no_delegate_says_so_once() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: the gateway's user would be the daemon's own");
        return;
    }
    let mut daemon = Daemon::start(&Settings::new(["http://127.0.0.1:1".to_owned()]));
    let gateway = Gateway::start(daemon.home(), &daemon.socket(), &everything());
    let told = || gateway.log().matches("name the user in `delegates` of `[socket]`").count();
    eventually("it is told", || if told() > 0 { Ok(()) } else { Err(gateway.log()) });
    let asked = || {
        let figures = daemon.figures();
        let value = figures.lines().find_map(|it| it.strip_prefix("entitled_requests_total "));
        value.unwrap_or_else(|| panic!("no figure in {figures}")).parse::<f64>().unwrap()
    };
    let before = asked();
    eventually("it has asked again", || {
        let now = asked();
        if now > before + 2.0 { Ok(()) } else { Err(now.to_string()) }
    });
    assert_eq!(told(), 1, "{}", gateway.log());

    daemon.stop();
    let_ask(&daemon);
    daemon.resume();
    daemon.admin("customer_create", json!({"name": "one"}));
    eventually("its clients are answered", || {
        let reply = gateway.get("/api/v1/wallets");
        if reply.status == 200 { Ok(()) } else { Err(reply.text) }
    });
    assert_eq!(told(), 1, "{}", gateway.log());
}
