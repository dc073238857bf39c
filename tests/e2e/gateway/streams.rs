//! What lasts: events, tags, and changes that are asked for twice.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::support::eventually;
use crate::support::gateway::{GatewayStage, TOKEN, client, everything};
use crate::support::settings::ProductFile;

/// A stream of events, as curl hears it.
pub(super) struct Stream {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Stream {
    pub(super) fn open(token: &str, arguments: &[&str]) -> Self {
        let bearer = format!("Authorization: Bearer {token}");
        Self::begin(&[&["-H", &bearer], arguments].concat())
    }

    /// Without a token of its own.
    pub(super) fn begin(arguments: &[&str]) -> Self {
        let mut curl = Command::new("curl");
        curl.args(["-sSN", "--noproxy", "*", "--max-time", "150"]).args(arguments);
        let mut child = curl.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// The next line, which may be empty.
    pub(super) fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        (self.lines.read_line(&mut line).unwrap() > 0).then_some(line)
    }

    /// Waits until the gateway has ended it, and curl not by itself.
    pub(super) fn ends(&mut self) {
        while self.line().is_some() {}
        let status = self.child.wait().unwrap();
        assert!(status.success(), "the stream has not ended: {status}");
    }

    /// The code of the refusal that came instead of a stream.
    pub(super) fn refused(&mut self) -> Value {
        let told = self.line().unwrap_or_default();
        let told: Value = serde_json::from_str(&told).unwrap_or_default();
        told["code"].clone()
    }

    /// The next event and its data.
    pub(super) fn next(&mut self) -> Option<(String, Value)> {
        let mut name = String::new();
        loop {
            let line = self.line()?;
            if let Some(it) = line.strip_prefix("event: ") {
                it.trim().clone_into(&mut name);
            } else if let Some(data) = line.strip_prefix("data: ") {
                return Some((name, serde_json::from_str(data).unwrap()));
            }
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _waited = self.child.wait();
    }
}

#[test]
fn changes_are_told_as_they_happen() {
    let stage = GatewayStage::entitled(&everything());
    let url = stage.gateway.url("/api/v1/events?product=acme-cad");
    let mut events = Stream::open(TOKEN, &[&url]);
    let (name, verdict) = events.next().unwrap();
    assert_eq!((name.as_str(), &verdict["code"]), ("entitlement_changed", &json!("VALID")));
    stage.licence.transfer(
        &stage.anvil,
        stage.wallet.address(),
        crate::support::stage::stranger(),
        7,
    );
    assert_eq!(events.next().unwrap().1["code"], "NOT_HELD");
    assert_eq!(stage.gateway.get("/api/v1/events").status, 400, "of which product?");
    let mut others: Vec<Stream> = (0..7).map(|_| Stream::open(TOKEN, &[&url])).collect();
    others.iter_mut().for_each(|it| assert!(it.next().is_some()));
    let ninth = stage.gateway.get("/api/v1/events?product=acme-cad");
    assert_eq!(ninth.status, 429, "a client has so many streams, and no more: {ninth:?}");
}

#[test]
fn an_answer_is_kept_no_longer_than_it_holds() {
    let stage = GatewayStage::entitled(&everything());
    let path = "/api/v1/products/acme-cad/entitlement";
    let age = |reply: &crate::support::gateway::Reply| {
        reply
            .header("cache-control")
            .unwrap()
            .strip_prefix("private, max-age=")
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    // The tag is that of the evidence: another look at the chain, as there may be now, makes another one.
    let known = eventually("an answer is known by its tag", || {
        let reply = stage.gateway.get(path);
        let etag = reply.header("etag").unwrap().to_owned();
        assert!((1..=60).contains(&age(&reply)), "{reply:?}");
        let known = format!("If-None-Match: {etag}");
        let again = stage.gateway.get_as(TOKEN, path, &["-H", &known]);
        match (again.status, again.header("etag"), again.text.as_str()) {
            (304, Some(same), "") if same == etag => Ok(known),
            _ => Err(format!("{again:?}")),
        }
    });
    stage.licence.transfer(
        &stage.anvil,
        stage.wallet.address(),
        crate::support::stage::stranger(),
        7,
    );
    let changed = eventually("another answer", || {
        let reply = stage.gateway.get_as(TOKEN, path, &["-H", &known]);
        if reply.status == 200 && reply.body["valid"] == false {
            Ok(reply)
        } else {
            Err(format!("{reply:?}"))
        }
    });
    assert!(!known.ends_with(changed.header("etag").unwrap()));
    let tiers = stage.gateway.get("/api/v1/tiers");
    assert_eq!(tiers.header("cache-control"), Some("private, no-cache"));
    let head = stage.gateway.get_as(TOKEN, path, &["--head"]);
    assert_eq!((head.status, head.text.as_str()), (200, ""));
}

#[test]
fn a_change_that_is_asked_for_twice_is_made_once() {
    let other = client("other", "other", 2, "scopes = [\"wallets\"]\n");
    let stage = GatewayStage::start(&format!("{}{other}", everything()));
    let gateway = &stage.gateway;
    let make = |token: &str, key: &str, label: &str| {
        let key = format!("Idempotency-Key: {key}");
        gateway.post_as(token, "/api/v1/wallets", &json!({"label": label}), &["-H", &key])
    };
    let first = make(TOKEN, "k1", "a");
    assert_eq!((first.status, first.header("idempotency-replayed")), (201, None));
    let again = make(TOKEN, "k1", "a");
    assert_eq!((again.status, again.header("idempotency-replayed")), (201, Some("true")));
    assert_eq!(first.body["address"], again.body["address"]);
    assert_eq!(make(TOKEN, "k1", "b").status, 422, "one key, one request");
    assert_ne!(make(TOKEN, "k2", "a").body["address"], first.body["address"]);
    assert_ne!(make("other", "k1", "a").body["address"], first.body["address"], "another's key");
    assert_eq!(make(TOKEN, &"k".repeat(256), "a").status, 400);
    assert_eq!(gateway.get("/api/v1/wallets").ok()["items"].as_array().unwrap().len(), 2);
}

#[test]
fn flags_are_those_of_the_clients_customer() {
    let few = client("few", "few", 2, "scopes = [\"entitlements\"]\nproducts = [\"other\"]\n");
    let stage = GatewayStage::entitled(&format!("{}{few}", everything()));
    let flags = "/ofrep/v1/evaluate/flags";
    let context = json!({"context": {"targetingKey": "somebody", "customer": "customer:2"}});
    let asked = |token: &str, key: &str| {
        stage.gateway.post_as(token, &format!("{flags}/{key}"), &context, &[])
    };
    assert_eq!(asked(TOKEN, "acme-cad.export").ok()["value"], true);
    assert_eq!(asked("few", "other.export").ok()["value"], false, "of customer two");
    assert_eq!(asked("few", "acme-cad.export").status, 403);
    assert_eq!(asked(TOKEN, "nowhere").status, 404);
    let all = stage.gateway.post(&format!("{flags}?product=acme-cad"), &json!({}));
    let etag = format!("If-None-Match: {}", all.header("etag").unwrap());
    assert_eq!(all.ok()["flags"].as_array().unwrap().len(), 4);
    let known = stage.gateway.post_as(
        TOKEN,
        &format!("{flags}?product=acme-cad"),
        &json!({}),
        &["-H", &etag],
    );
    assert_eq!(known.status, 304);
    assert_eq!(
        stage.gateway.post_as("few", &format!("{flags}?product=acme-cad"), &json!({}), &[]).status,
        403
    );
    assert_eq!(
        stage.gateway.post_as("few", flags, &json!({"context": {"product": "other"}}), &[]).status,
        403
    );
}

#[test]
fn a_client_bound_to_a_product_asks_for_flags_of_no_other_that_begins_with_its_name() {
    let bound = "scopes = [\"entitlements\"]\nproducts = [\"acme-cad\"]\n";
    let stage =
        GatewayStage::entitled(&format!("{}{}", everything(), client("bound", "bound", 1, bound)));
    let collection = stage.licence.collection();
    let plus = ProductFile::acme(&collection).named("acme-cad.plus");
    stage.daemon.admin("product_install", json!({"toml": plus.text()}));
    let asked = |token: &str, key: &str| {
        let path = format!("/ofrep/v1/evaluate/flags/{key}");
        let reply = stage.gateway.post_as(token, &path, &json!({}), &[]);
        (reply.status, reply.body["value"].clone())
    };
    eventually("the second product is installed", || match asked(TOKEN, "acme-cad.plus.tier") {
        (200, Value::String(tier)) if tier == "pro" => Ok(()),
        other => Err(format!("{other:?}")),
    });
    assert_eq!(asked("bound", "acme-cad.tier"), (200, json!("pro")));
    assert_eq!(asked("bound", "acme-cad.export"), (200, json!(true)));
    for of_the_other in ["acme-cad.plus", "acme-cad.plus.tier", "acme-cad.plus.export"] {
        assert_eq!(asked("bound", of_the_other), (404, Value::Null), "{of_the_other}");
    }
    // What of its own product could be taken for one of the other is its own.
    let own = ProductFile::new("acme-cad")
        .set("version", "2")
        .tier("pro", 20, "features = { \"plus.tier\" = 7, export = true }")
        .grant("pro", &collection, r#"tokens_of = "enumerable""#);
    stage.daemon.write_product(&own);
    stage.daemon.admin("system_reload", json!({}));
    eventually("the flag is that of its own product", || {
        match asked("bound", "acme-cad.plus.tier") {
            (200, Value::Number(seven)) if seven.as_u64() == Some(7) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    assert_eq!(
        asked(TOKEN, "acme-cad.plus.tier"),
        (200, json!("pro")),
        "who may ask about both: the longest"
    );
}
