//! Answers of an API server that are no clear yes, and those who have it asked without end.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Instant;

use serde_json::{Value, json};

use super::tls::Authority;
use super::vouchers::{Voucher, WEB, status, subject};
use crate::support::eventually;
use crate::support::gateway::{Gateway, GatewayStage, TOKEN, everything};

const PATH: &str = "/api/v1/products/acme-cad/entitlement";

/// A status that says yes.
fn yes() -> Value {
    json!({"authenticated": true, "user": {"username": WEB}, "audiences": ["entitled"]})
}

/// A whole answer that says yes, with these changes.
fn review(changes: &Value) -> String {
    let mut review = json!({"kind": "TokenReview", "spec": {}, "status": yes()});
    for (name, value) in changes.as_object().unwrap() {
        review[name] = value.clone();
    }
    review.to_string()
}

fn said(status: u16, body: &str) -> Value {
    json!({"raw": [status, body]})
}

/// A yes with one member of its status as given.
fn but(name: &str, value: Value) -> Value {
    let mut status = yes();
    status[name] = value;
    status
}

#[test]
fn what_is_no_clear_answer_about_this_token_is_no_answer() {
    let Some(voucher) = Voucher::start() else { return };
    let twice = yes().to_string().replacen('{', "{\"authenticated\":false,", 1);
    let twice = format!("{{\"kind\":\"TokenReview\",\"status\":{twice}}}");
    let long = review(&json!({"metadata": {"name": "n".repeat(100_000)}}));
    let elsewhere = json!({"Location": voucher.url("/elsewhere")});
    let unknown = [
        ("page", said(200, "<html>all is well</html>")),
        ("nothing", said(200, "{}")),
        ("failure", said(200, r#"{"kind":"Status","status":"Failure"}"#)),
        ("no status", said(201, r#"{"kind":"TokenReview"}"#)),
        ("another kind", said(201, &review(&json!({"kind": "SubjectAccessReview"})))),
        ("another token", said(201, &review(&json!({"spec": {"token": "a.b.another"}})))),
        ("said twice", said(201, &twice)),
        ("too long", said(201, &long)),
        ("not yet", said(202, &review(&json!({})))),
        ("moved", json!({"raw": [302, review(&json!({})), elsewhere]})),
        ("an error beside it", but("error", json!("the webhook cannot be reached"))),
        ("a word for yes", but("authenticated", json!("true"))),
        ("a number for a name", but("user", json!({"username": 7}))),
        ("a text for a list", but("audiences", json!("entitled"))),
        ("after too long", but("after", json!(30))),
    ];
    let nobody = [
        ("no word for yes", json!({"user": {"username": WEB}, "audiences": ["entitled"]})),
        ("nobody named", but("user", json!({}))),
        ("nobody", but("user", Value::Null)),
        ("an empty name", but("user", json!({"username": ""}))),
        ("a blank after it", but("user", json!({"username": format!("{WEB} ")}))),
        ("a line after it", but("user", json!({"username": format!("{WEB}\n")}))),
        ("another case", but("user", json!({"username": WEB.to_uppercase()}))),
        ("what is not seen", but("user", json!({"username": format!("{WEB}\u{200b}")}))),
        ("half of it", but("user", json!({"username": "system:serviceaccount:shop"}))),
        ("no audience", but("audiences", json!([]))),
        ("an audience like it", but("audiences", json!(["Entitled", "entitled/", "entitled "]))),
    ];
    let named = |all: &[(&str, Value)]| -> Vec<String> {
        all.iter().map(|(what, _)| format!("a.b.{}", what.replace(' ', "-"))).collect()
    };
    let all = named(&unknown).into_iter().chain(named(&nobody));
    let answers = unknown.iter().chain(&nobody).map(|(_, answer)| answer.clone());
    let mut reviews: serde_json::Map<String, Value> = all.zip(answers).collect();
    reviews.insert("a.b.web".to_owned(), yes());
    voucher.answer(&Value::from(reviews));
    let text = format!("{}{}", subject(), voucher.review());
    let stage = GatewayStage::entitled(&text);
    // Each from an address of its own, of which none asks for much.
    let mut addresses = (2..).map(|it| format!("127.0.0.{it}"));
    let mut status = |token: &str| {
        let from = addresses.next().unwrap();
        stage.gateway.get_as(token, PATH, &["--interface", &from]).status
    };
    assert_eq!(status("a.b.web"), 200);
    for token in named(&unknown) {
        assert_eq!(status(&token), 503, "{token}: it is not known");
    }
    for token in named(&nobody) {
        assert_eq!(status(&token), 401, "{token}: it is nobody's");
    }
    // What is beside a token makes another of it.
    for token in ["a.b.web,", "a.b.web, Bearer a.b.web", "\"a.b.web\"", "a.b.WEB", "a.b.web.c"] {
        assert_eq!(status(token), 401, "{token}");
    }
    let bearer = format!("Authorization: Bearer a.b.{}", "w".repeat(9_000));
    let url = stage.gateway.url(PATH);
    assert_eq!(crate::support::gateway::curl(&["-H", &bearer, &url]).status, 401, "a long one");
    // Whoever else sits at the API server's address is believed nothing.
    let Some(another) = Authority::new() else { return };
    let foreign = another.path("ca.crt").display().to_string();
    let text = text.replace(&format!("ca = {:?}", voucher.ca()), &format!("ca = {foreign:?}"));
    let gateway = Gateway::start(stage.daemon.home(), &stage.daemon.socket(), &text);
    let reply = gateway.get_as("a.b.web", PATH, &[]);
    assert_eq!(reply.status, 503, "{reply:?}");
}

/// One question for each token, over one connection.
fn show(stage: &GatewayStage, tokens: impl Iterator<Item = String>) {
    let mut stream = TcpStream::connect(("127.0.0.1", stage.gateway.port)).unwrap();
    stream.set_nodelay(true).unwrap();
    for token in tokens {
        let head = "GET /api/v1/tiers HTTP/1.1\r\nHost: localhost\r\n";
        write!(stream, "{head}Authorization: Bearer {token}\r\n\r\n").unwrap();
        let mut said = Vec::new();
        loop {
            let mut part = [0; 4_096];
            let count = stream.read(&mut part).unwrap();
            assert!(count > 0, "it has hung up");
            said.extend_from_slice(&part[..count]);
            let text = String::from_utf8_lossy(&said);
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|it| it.strip_prefix("content-length: ")).unwrap();
            if body.len() >= length.parse::<usize>().unwrap() {
                break;
            }
        }
    }
}

/// The API server is everybody's, and so is how often it may be asked.
#[test]
fn who_shows_very_many_tokens_does_not_use_up_what_others_may_have_looked_at() {
    let Some(voucher) = Voucher::start() else { return };
    voucher.answer(&json!({"a.b.web": yes()}));
    let stage = GatewayStage::entitled(&format!("{}{}", subject(), voucher.review()));
    let begun = Instant::now();
    show(&stage, (0..400).map(|it| format!("a.b.{it}")));
    // So many at once, and so many a second.
    let allowed = 25 + 5 * (begun.elapsed().as_secs() + 1);
    let asked = voucher.asked("POST") as u64;
    assert!(asked <= allowed, "{asked} of 400 were asked about, {allowed} may be");
    eventually("another address has its own", || {
        let elsewhere = ["--interface", "127.0.0.2"];
        let reply = stage.gateway.get_as("a.b.web", PATH, &elsewhere);
        if reply.status == 200 { Ok(()) } else { Err(format!("{reply:?}")) }
    });
}

#[test]
fn many_questions_at_once_about_one_token_are_one() {
    let Some(voucher) = Voucher::start() else { return };
    let mut slow = yes();
    slow["after"] = json!(0.5);
    voucher.answer(&json!({"a.b.web": slow}));
    let stage = GatewayStage::entitled(&format!("{}{}", subject(), voucher.review()));
    std::thread::scope(|scope| {
        let asking: Vec<_> = (0..12).map(|_| scope.spawn(|| status(&stage, "a.b.web"))).collect();
        for asked in asking {
            assert_eq!(asked.join().unwrap(), 200);
        }
    });
    assert_eq!(voucher.asked("POST"), 1);
}

/// Whoever is nobody, and the API server that fails, write nothing into the log without end.
#[test]
fn what_fails_again_and_again_is_told_now_and_then() {
    let Some(voucher) = Voucher::start() else { return };
    let tokens = || (0..25).map(|it| format!("a.b.{it}"));
    let fails: serde_json::Map<String, Value> = tokens().map(|it| (it, said(500, "{}"))).collect();
    voucher.answer(&Value::from(fails));
    let text = format!("{}{}{}", everything(), subject(), voucher.review());
    let mut stage = GatewayStage::entitled(&text);
    let begun = Instant::now();
    show(&stage, tokens());
    assert_eq!(voucher.asked("POST"), 25);
    stage.daemon.stop();
    show(&stage, (0..25).map(|_| TOKEN.to_owned()));
    // Once, and again when it lasts.
    let most = usize::try_from(begun.elapsed().as_secs()).unwrap() / 10 + 2;
    for event in ["token_review_failed", "daemon_unreachable"] {
        let told = || stage.gateway.log().matches(event).count();
        eventually("it is told", || if told() > 0 { Ok(()) } else { Err(stage.gateway.log()) });
        assert!(told() <= most, "{event}: {} times", told());
    }
}
