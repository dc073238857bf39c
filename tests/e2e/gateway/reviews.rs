//! Answers of an API server that are no clear yes, and those who have it asked without end.

use std::time::Instant;

use serde_json::{Value, json};

use super::tls::Authority;
use super::vouchers::{Voucher, WEB, asked_seldom, claimed, now, status, subject, unsigned};
use crate::support::eventually;
use crate::support::gateway::{Asking, Gateway, GatewayStage, TOKEN, everything};

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
        ("another token", said(201, &review(&json!({"spec": {"token": claimed(WEB, "another")}})))),
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
        all.iter().map(|(what, _)| claimed(WEB, what)).collect()
    };
    let all = named(&unknown).into_iter().chain(named(&nobody));
    let answers = unknown.iter().chain(&nobody).map(|(_, answer)| answer.clone());
    let mut reviews: serde_json::Map<String, Value> = all.zip(answers).collect();
    let web = claimed(WEB, "web");
    reviews.insert(web.clone(), yes());
    voucher.answer(&Value::from(reviews));
    let text = format!("{}{}", subject(), voucher.review());
    let stage = GatewayStage::entitled(&text);
    // Each from an address of its own, of which none asks for much.
    let mut addresses = (2..).map(|it| format!("127.0.0.{it}"));
    let mut status = |token: &str| {
        let from = addresses.next().unwrap();
        stage.gateway.get_as(token, PATH, &["--interface", &from]).status
    };
    assert_eq!(status(&web), 200);
    for ((what, _), token) in unknown.iter().zip(named(&unknown)) {
        assert_eq!(status(&token), 503, "{what}: it is not known");
    }
    for ((what, _), token) in nobody.iter().zip(named(&nobody)) {
        assert_eq!(status(&token), 401, "{what}: it is nobody's");
    }
    // What is beside a token makes another of it.
    for beside in ["T,", "T, Bearer T", "\"T\"", "T.c", "T=", "TT"] {
        assert_eq!(status(&beside.replace('T', &web)), 401, "{beside}");
    }
    assert_eq!(status(&web.to_uppercase()), 401);
    assert_eq!(status(&claimed(WEB, &"w".repeat(9_000))), 401, "a long one");
    // Whoever else sits at the API server's address is believed nothing.
    let Some(another) = Authority::new() else { return };
    let foreign = another.path("ca.crt").display().to_string();
    let text = text.replace(&format!("ca = {:?}", voucher.ca()), &format!("ca = {foreign:?}"));
    let gateway = Gateway::start(stage.daemon.home(), &stage.daemon.socket(), &text);
    let reply = gateway.get_as(&web, PATH, &[]);
    assert_eq!(reply.status, 503, "{reply:?}");
}

/// One question for each token, over one connection.
fn show(stage: &GatewayStage, tokens: impl Iterator<Item = String>) {
    let mut asking = Asking::to(&stage.gateway);
    tokens.for_each(|it| drop(asking.ask(&it, "/api/v1/tiers")));
}

fn tokens(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|it| claimed(WEB, &it.to_string()))
}

/// The API server is everybody's, and so is how often it may be asked.
#[test]
fn who_shows_very_many_tokens_does_not_use_up_what_others_may_have_looked_at() {
    let Some(voucher) = Voucher::start() else { return };
    let web = claimed(WEB, "web");
    voucher.answer(&json!({&web: yes()}));
    let stage = GatewayStage::entitled(&format!("{}{}", subject(), voucher.review()));
    let begun = Instant::now();
    show(&stage, tokens(400));
    // So many at once, and so many a second, of the address and of the name.
    let allowed = 35 + 6 * (begun.elapsed().as_secs() + 1);
    let asked = voucher.asked("POST") as u64;
    assert!(asked <= allowed, "{asked} of 400 were asked about, {allowed} may be");
    eventually("another address has its own", || {
        let elsewhere = ["--interface", "127.0.0.2"];
        let reply = stage.gateway.get_as(&web, PATH, &elsewhere);
        if reply.status == 200 { Ok(()) } else { Err(format!("{reply:?}")) }
    });
}

/// All may come from one address: that of a proxy.
#[test]
fn who_shows_very_many_tokens_in_one_name_uses_up_nothing_of_another() {
    const JOBS: &str = "system:serviceaccount:shop:jobs";
    let Some(voucher) = Voucher::start() else { return };
    let jobs = claimed(JOBS, "jobs");
    let mut answer = yes();
    answer["user"]["username"] = json!(JOBS);
    voucher.answer(&json!({&jobs: answer}));
    let other = subject().replace(WEB, JOBS).replace("\"web\"", "\"jobs\"");
    let stage = GatewayStage::entitled(&format!("{}{other}{}", subject(), voucher.review()));
    let mut asking = Asking::to(&stage.gateway);
    let mut strangers = (0..).map(|it| claimed(WEB, &it.to_string()));
    eventually("its name is looked at no more", || {
        let mut shown = strangers.by_ref().take(100).map(|it| asking.ask(&it, PATH).status);
        if shown.any(|it| it == 503) { Ok(()) } else { Err("not yet".to_owned()) }
    });
    let reply = asking.ask(&jobs, PATH);
    assert_eq!(reply.status, 200, "{reply:?}");
}

/// Whatever cannot be a token for this gateway, by its own words, costs nobody anything.
#[test]
fn what_says_that_it_is_for_somebody_else_is_not_asked_about() {
    let Some(voucher) = Voucher::start() else { return };
    let stage = GatewayStage::entitled(&format!("{}{}", subject(), voucher.review()));
    let good = json!({"sub": WEB, "aud": ["entitled"], "exp": 4_000_000_000_u64});
    let but = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        unsigned(&claims, "s")
    };
    let web = unsigned(&good, "s");
    let (head, signature) = web.rsplit_once('.').unwrap();
    let mut tokens = vec![
        "a.b.c".to_owned(),
        "..".to_owned(),
        format!("{head}."),
        format!("{head}.{signature}="),
        format!("e.{}", web.split_once('.').unwrap().1),
        unsigned(&json!([]), "s"),
        unsigned(&json!({}), "s"),
        but("sub", json!("system:serviceaccount:shop:other")),
        but("sub", json!("system:serviceaccount:shop:web ")),
        but("sub", json!("jane")),
        but("sub", Value::Null),
        but("aud", json!(["another"])),
        but("aud", json!("another")),
        but("aud", json!([])),
        but("aud", json!({"entitled": true})),
        but("exp", json!(now() - 3_600)),
        but("exp", json!("4000000000")),
    ];
    let foreign = "system:serviceaccount:shop:";
    tokens.extend((0..300).map(|it| but("sub", json!(format!("{foreign}{it}")))));
    let mut asking = Asking::to(&stage.gateway);
    for token in &tokens {
        assert_eq!(asking.ask(token, PATH).status, 401, "{token}");
    }
    assert_eq!(voucher.asked("POST"), 0);
    let old = json!({"sub": WEB});
    for token in [web, unsigned(&old, "s"), but("aud", json!("entitled"))] {
        assert_eq!(asking.ask(&token, PATH).status, 401, "the API server says no: {token}");
    }
    assert_eq!(voucher.asked("POST"), 3);
}

#[test]
fn many_questions_at_once_about_one_token_are_one() {
    let Some(voucher) = Voucher::start() else { return };
    let mut slow = yes();
    slow["after"] = json!(0.5);
    let web = claimed(WEB, "web");
    voucher.answer(&json!({&web: slow}));
    let stage = GatewayStage::entitled(&format!("{}{}", subject(), voucher.review()));
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let asking: Vec<_> = (0..12).map(|_| scope.spawn(|| status(&stage, &web))).collect();
        for asked in asking {
            assert_eq!(asked.join().unwrap(), 200);
        }
    });
    asked_seldom(&voucher, "POST", begun);
}

/// Whoever is nobody, and the API server that fails, write nothing into the log without end.
#[test]
fn what_fails_again_and_again_is_told_now_and_then() {
    let Some(voucher) = Voucher::start() else { return };
    let fails: serde_json::Map<String, Value> =
        tokens(25).map(|it| (it, said(500, "{}"))).collect();
    voucher.answer(&Value::from(fails));
    let text = format!("{}{}{}", everything(), subject(), voucher.review());
    let mut stage = GatewayStage::entitled(&text);
    let begun = Instant::now();
    show(&stage, tokens(25));
    let failed = voucher.asked("POST");
    stage.daemon.stop();
    show(&stage, (0..25).map(|_| TOKEN.to_owned()));
    // Once, and again when it lasts.
    let most = usize::try_from(begun.elapsed().as_secs()).unwrap() / 10 + 2;
    for event in ["token_review_failed", "daemon_unreachable"] {
        let told = || stage.gateway.log().matches(event).count();
        eventually("it is told", || if told() > 0 { Ok(()) } else { Err(stage.gateway.log()) });
        assert!(told() <= most, "{event}: {} times", told());
    }
    assert!(failed > most, "{failed} of them failed, and {most} may be told");
}
