//! TLS: certificates of the gateway, which change while it runs, and certificates of clients.

use std::path::Path;
use std::process::Command;

pub(super) use crate::support::authority::Authority;
use crate::support::eventually;
use crate::support::gateway::{GatewayStage, Reply, TOKEN, client, curl, everything};

fn ask(stage: &GatewayStage, ca: &Path, more: &[&str]) -> Reply {
    let url = stage.gateway.url("/api/v1/products/acme-cad/entitlement").replace("http:", "https:");
    curl(&[&["--cacert", ca.to_str().unwrap(), &url], more].concat())
}

#[test]
fn a_name_of_one_kind_is_no_name_of_the_other() {
    let Some(authority) = Authority::new() else { return };
    authority.issue("gateway", "IP:127.0.0.1");
    authority.issue("shop", "DNS:shop.example");
    authority.issue("sneak", "URI:shop.example");
    authority.issue("sneaky", "DNS:spiffe.example,URI:shop.example,email:shop.example");
    let known = "[[client]]\nname = \"shop\"\ncertificate = \"shop.example\"\ncustomer = \"customer:1\"\nscopes = [\"entitlements\"]\n";
    let stage = GatewayStage::entitled(&format!("{known}{}", authority.section()));
    let ca = authority.path("ca.crt");
    let shown = |name: &str| {
        let file = |end: &str| authority.path(&format!("{name}.{end}")).display().to_string();
        ask(&stage, &ca, &["--key", &file("key"), "--cert", &file("crt")])
    };
    assert_eq!(shown("shop").ok()["code"], "VALID");
    for name in ["sneak", "sneaky"] {
        assert_eq!(shown(name).status, 401, "{name}");
    }
}

#[test]
fn a_client_is_known_by_its_certificate_or_its_token() {
    let Some(authority) = Authority::new() else { return };
    authority.issue("gateway", "IP:127.0.0.1");
    authority.issue("pod", "URI:spiffe://example/ns/shop/sa/web");
    authority.issue("stranger", "URI:spiffe://example/ns/shop/sa/other");
    let known = "[[client]]\nname = \"pod\"\ncertificate = \"spiffe://example/ns/shop/sa/web\"\ncustomer = \"customer:1\"\nscopes = [\"entitlements\"]\n";
    let stage = GatewayStage::entitled(&format!("{}{known}{}", everything(), authority.section()));
    let ca = authority.path("ca.crt");
    let bearer = format!("Authorization: Bearer {TOKEN}");
    assert_eq!(ask(&stage, &ca, &["-H", &bearer]).ok()["code"], "VALID");
    assert_eq!(ask(&stage, &ca, &["-H", &bearer, "--http1.1"]).ok()["code"], "VALID");
    assert_eq!(ask(&stage, &ca, &[]).status, 401);
    let shown = |name: &str, more: &[&str]| {
        let (key, certificate) =
            (authority.path(&format!("{name}.key")), authority.path(&format!("{name}.crt")));
        let both = ["--key", key.to_str().unwrap(), "--cert", certificate.to_str().unwrap()];
        ask(&stage, &ca, &[&both, more].concat())
    };
    assert_eq!(shown("pod", &[]).ok()["code"], "VALID");
    assert_eq!(shown("stranger", &[]).status, 401, "of the authority, and no client");
    assert_eq!(
        shown("pod", &["-H", "Authorization: Bearer wrong"]).status,
        401,
        "what is shown counts"
    );
    let Some(another) = Authority::new() else { return };
    another.issue("pod", "URI:spiffe://example/ns/shop/sa/web");
    let (key, certificate) = (another.path("pod.key"), another.path("pod.crt"));
    let both = ["--key", key.to_str().unwrap(), "--cert", certificate.to_str().unwrap()];
    let refused = ask(&stage, &ca, &both);
    assert_eq!(
        refused.status, 0,
        "another authority's certificate ends the handshake: {refused:?}"
    );
    assert_eq!(
        curl(&[&stage.gateway.url("/api/v1/tiers"), "-H", &bearer]).status,
        0,
        "plain text on the port of TLS"
    );
}

#[test]
fn a_certificate_that_changes_is_shown_anew_and_a_broken_one_is_not() {
    let Some(authority) = Authority::new() else { return };
    authority.issue("first", "IP:127.0.0.1");
    authority.mount("first", "..1");
    let stage = GatewayStage::start(&format!("{}{}", everything(), authority.section()));
    let serial = || {
        let address = format!("127.0.0.1:{}", stage.gateway.port);
        let script = format!(
            "openssl s_client -connect {address} </dev/null 2>/dev/null | openssl x509 -noout -serial"
        );
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let first = serial();
    assert!(first.starts_with("serial="), "{first}");
    authority.issue("second", "IP:127.0.0.1");
    authority.mount("second", "..2");
    let second = eventually("the new certificate is shown", || {
        let shown = serial();
        if shown != first && !shown.is_empty() { Ok(shown) } else { Err(shown) }
    });
    std::fs::write(authority.path("gateway.crt"), "no certificate").unwrap();
    eventually("the broken certificate is told", || {
        let log = stage.gateway.log();
        if log.contains("the one before serves on") { Ok(()) } else { Err(log) }
    });
    assert_eq!(serial(), second);
    let bearer = format!("Authorization: Bearer {TOKEN}");
    assert_eq!(ask(&stage, &authority.path("ca.crt"), &["-H", &bearer]).status, 200);
}

#[test]
fn the_wrong_kind_of_file_stops_the_start() {
    let Some(authority) = Authority::new() else { return };
    authority.issue("gateway", "IP:127.0.0.1");
    std::fs::write(authority.path("gateway.key"), "no key").unwrap();
    let home = tempfile::tempdir().unwrap();
    let text = format!("{}{}", client("a", "a", 1, "scopes = [\"seats\"]\n"), authority.section());
    let socket = home.path().join("none.sock");
    let mut command = crate::support::gateway::Gateway::command(home.path(), &socket, &text);
    let output = command.arg("--check").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("holds no private key"), "{said}");
}
