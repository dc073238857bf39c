//! The six calls of the web service that came before, by curl and from web pages in a real browser.

use serde_json::{Value, json};

use super::tls::Authority;
use crate::support::gateway::{GatewayStage, TOKEN, curl, everything, gateway_uid};
use crate::support::page::{chromium, has_browser, run_scene};
use crate::support::stage::ACME;

/// Verb, path and body of each.
type Call = (&'static str, &'static str, Value);

fn calls(stage: &GatewayStage) -> [Call; 6] {
    let (token, wallet) = (stage.token(), stage.wallet.address().to_string());
    [
        ("POST", "/api/v1/wallets", json!({"customer_id": "customer:1", "label": "made here"})),
        ("GET", "/api/v1/wallets/customer:1", Value::Null),
        ("POST", "/api/v1/tokens/verify", json!({"token": token, "wallet": wallet})),
        ("POST", "/api/v1/customers/tier", json!({"customer_id": "customer:1", "product": ACME})),
        ("GET", "/api/v1/tiers", Value::Null),
        ("POST", "/api/v1/tokens/ownership", json!({"token": token, "wallet": wallet})),
    ]
}

/// Holds the answers to the calls, in their order, against what is so.
fn are_right(answers: &Value) {
    assert_eq!(
        (&answers[0]["customer"], &answers[0]["label"]),
        (&json!("customer:1"), &json!("made here"))
    );
    assert_eq!(answers[1]["items"].as_array().unwrap().len(), 2, "{}", answers[1]);
    assert_eq!(answers[2]["holding"], "held");
    assert_eq!(answers[3]["tier"], "pro");
    assert_eq!(answers[4]["items"].as_array().unwrap().len(), 4, "{}", answers[4]);
    assert_eq!(
        (&answers[5]["customer"], &answers[5]["active"]),
        (&json!("customer:1"), &json!(true))
    );
}

/// Every call is refused without a token and with a wrong one, and answered with the right one.
fn are_answered_with_a_token_alone(stage: &GatewayStage) {
    let (gateway, calls) = (&stage.gateway, calls(stage));
    for (verb, path, body) in &calls {
        let (body, url) = (body.to_string(), gateway.url(path));
        let json = ["-H", "Content-Type: application/json", "-d", &*body];
        let asked = if *verb == "POST" { &json[..] } else { &[] };
        let asked = [asked, &gateway.trust(), &[&*url]].concat();
        let refused = curl(&asked);
        assert_eq!(
            (refused.status, &refused.body["code"]),
            (401, &json!("UNAUTHENTICATED")),
            "{path}: {refused:?}"
        );
        assert_eq!(refused.header("www-authenticate"), Some("Bearer realm=\"entitled\""));
        let wrong = curl(&[&asked[..], &["-H", "Authorization: Bearer wrong"]].concat());
        assert_eq!(wrong.status, 401, "{path}");
    }
    let answers = calls.iter().map(|(verb, path, body)| match *verb {
        "POST" => gateway.post(path, body).ok(),
        _ => gateway.get(path).ok(),
    });
    are_right(&answers.collect());
}

#[test]
fn the_six_calls_of_old_are_answered_with_a_token_and_refused_without() {
    let stage = GatewayStage::entitled(&everything());
    are_answered_with_a_token_alone(&stage);
    let audit = stage.daemon.admin("audit_list", json!({"limit": 1000}));
    let by = format!("delegate uid:{}", gateway_uid());
    assert!(audit.to_string().contains(&by), "the audit says who asked: {audit}");
}

/// The usual scene, through TLS.
fn by_tls(authority: &Authority, text: &str) -> GatewayStage {
    authority.issue("gateway", "IP:127.0.0.1");
    let mut stage =
        GatewayStage::entitled(&format!("{}{text}{}", everything(), authority.section()));
    stage.gateway.trust_in(authority.path("ca.crt"));
    stage
}

#[test]
fn the_six_calls_of_old_are_answered_through_tls() {
    let Some(authority) = Authority::new() else { return };
    are_answered_with_a_token_alone(&by_tls(&authority, ""));
}

#[test]
fn a_page_of_a_named_origin_makes_the_six_calls_in_a_browser_and_no_other_page_does() {
    if !has_browser("the gateway before web pages") {
        return;
    }
    let Some(authority) = Authority::new() else { return };
    authority.issue("page", "DNS:app.example,DNS:evil.example");
    let stage = by_tls(&authority, "[cors]\norigins = [\"https://app.example\"]\n");
    let output = run_scene(
        "gateway",
        &json!({
            "url": stage.gateway.url(""),
            "chromium": chromium(),
            "token": TOKEN,
            "calls": calls(&stage),
            "gateway": authority.path("gateway.crt"),
            "page": {"key": authority.path("page.key"), "certificate": authority.path("page.crt")},
        }),
    );
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\nthe gateway wrote:\n{}", stage.gateway.log());
    // That there are two wallets, says also that the foreign page made none.
    are_right(&serde_json::from_slice(&output.stdout).unwrap());
}
