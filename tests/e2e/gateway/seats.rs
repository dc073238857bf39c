//! Seats of those who are elsewhere: each client's are its customer's own.

use serde_json::{Value, json};

use super::streams::Stream;
use crate::support::eventually;
use crate::support::gateway::{GatewayStage, Reply, TOKEN, client, everything};
use crate::support::settings::ProductFile;
use crate::support::stage::ACME;

const AN_HOUR: u64 = 3_600_000;

fn two_seats(collection: &str) -> ProductFile {
    let tier = "features = { export = true }\nseats = 2";
    ProductFile::new(ACME).tier("pro", 20, tier).grant(
        "pro",
        collection,
        r#"tokens_of = "enumerable""#,
    )
}

/// A seat, for as long as the stream is there.
fn seat(stage: &GatewayStage, token: &str) -> Stream {
    let body = json!({"product": ACME}).to_string();
    let url = stage.gateway.url("/api/v1/seats");
    let json = "Content-Type: application/json";
    Stream::open(token, &["-H", json, "-H", "Accept: text/event-stream", "-d", &body, &url])
}

/// The client of [`TOKEN`], one of the same customer that may ask about another product only, and one of customer two.
fn three_clients() -> String {
    let bound = "scopes = [\"seats\"]\nproducts = [\"other\"]\n";
    let scopes = "scopes = [\"entitlements\", \"seats\"]\n";
    let others = [client("bound", "bound", 1, bound), client("other", "other", 2, scopes)];
    format!("{}{}", everything(), others.concat())
}

/// The two seats are of the machine's licence, which every customer has.
fn of_the_machine() -> GatewayStage {
    let stage = GatewayStage::with(&three_clients(), two_seats);
    stage.daemon.link_for(&stage.wallet, "machine");
    stage.licence.mint(&stage.anvil, stage.wallet.address(), 7);
    eventually("customer two is entitled", || {
        let path = "/api/v1/products/acme-cad/entitlement";
        let verdict = stage.gateway.get_as("other", path, &[]).body;
        if verdict["code"] == "VALID" { Ok(()) } else { Err(verdict.to_string()) }
    });
    stage
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|it| it["seat"].as_str().unwrap()).collect()
}

#[test]
fn a_seat_lasts_as_long_as_its_stream_and_each_stream_has_its_own() {
    let mut stage = GatewayStage::with(&everything(), two_seats).enter();
    let used =
        || stage.gateway.get("/api/v1/seats?product=acme-cad").ok()["pools"][0]["used"].clone();
    let (mut one, mut two) = (seat(&stage, TOKEN), seat(&stage, TOKEN));
    let (first, second) = (one.next().unwrap(), two.next().unwrap());
    assert_eq!((first.0.as_str(), &first.1["granted"]), ("seat", &json!(true)));
    assert_ne!(first.1["seat"], second.1["seat"], "two clients are not one process");
    assert_eq!(used(), 2);
    let body = json!({"product": ACME});
    let accept = ["-H", "Accept: text/event-stream"];
    let full = stage.gateway.post_as(TOKEN, "/api/v1/seats", &body, &accept).ok();
    assert_eq!((&full["granted"], &full["code"]), (&json!(false), &json!("SEATS_FULL")), "{full}");
    drop(one);
    eventually("the seat is free", || if used() == 1 { Ok(()) } else { Err(used().to_string()) });
    let refused = stage.gateway.post("/api/v1/seats", &body).status;
    assert_eq!(refused, 406, "a seat needs a stream");
    stage.daemon.stop();
    assert_eq!(two.next().unwrap().0, "ended");
    assert_eq!(two.next(), None, "and the stream ends with the seat");
}

#[test]
fn a_seat_of_the_machines_licence_goes_on_and_is_its_customers_alone() {
    let stage = of_the_machine();
    let (mut one, mut two) = (seat(&stage, TOKEN), seat(&stage, "other"));
    let (first, second) = (one.next().unwrap().1, two.next().unwrap().1);
    let of = |token: &str| stage.gateway.get_as(token, "/api/v1/seats?product=acme-cad", &[]).ok();
    let (of_one, of_two) = (of(TOKEN), of("other"));
    assert_eq!(names(&of_one["items"]), [first["seat"].as_str().unwrap()], "{of_one}");
    assert_eq!(names(&of_two["items"]), [second["seat"].as_str().unwrap()], "{of_two}");
    assert_eq!(
        (&of_one["pools"][0]["customer"], &of_one["pools"][0]["used"]),
        (&json!("machine"), &json!(2))
    );
    let accept = ["-H", "Accept: text/event-stream"];
    let full =
        stage.gateway.post_as(TOKEN, "/api/v1/seats", &json!({"product": ACME}), &accept).ok();
    assert_eq!(
        (&full["code"], names(&full["holders"])),
        (&json!("SEATS_FULL"), names(&of_one["items"])),
        "{full}"
    );
    // The sign that a stream is there comes after the gateway has looked at the seat several times.
    for stream in [&mut one, &mut two] {
        loop {
            let line = stream.line().expect("the stream goes on");
            assert!(!line.contains("ended"), "{line}");
            if line.starts_with(": here") {
                break;
            }
        }
    }
}

#[test]
fn a_seat_is_lent_to_a_client_and_given_back_by_its_customer_alone() {
    let stage = of_the_machine();
    let lend = |token: &str, for_ms: u64, more: &[&str]| {
        let body = json!({"product": ACME, "for_ms": for_ms});
        stage.gateway.post_as(token, "/api/v1/seats/loans", &body, more)
    };
    let give_back = |token: &str, seat: &str, body: Value| -> Reply {
        stage.gateway.post_as(token, &format!("/api/v1/seats/{seat}/release"), &body, &[])
    };
    let key = ["-H", "Idempotency-Key: loan-1"];
    let lent = lend(TOKEN, AN_HOUR, &key);
    assert_eq!(
        (lent.status, &lent.body["granted"], &lent.body["count"]),
        (201, &json!(true), &json!(1))
    );
    let again = lend(TOKEN, AN_HOUR, &key);
    assert_eq!((again.status, &again.body["seat"]), (201, &lent.body["seat"]), "one key, one seat");
    let of_two = lend("other", AN_HOUR, &[]).ok();
    let full = lend("other", AN_HOUR, &[]);
    assert_eq!((full.status, &full.body["code"]), (200, &json!("SEATS_FULL")), "nothing was made");
    assert_eq!(names(&full.body["holders"]), [of_two["seat"].as_str().unwrap()]);
    assert_eq!(lend(TOKEN, 1, &[]).status, 400);
    assert_eq!(lend("bound", AN_HOUR, &[]).status, 403);
    let audit = stage.daemon.admin("audit_list", json!({"limit": 1000}));
    let rows = audit["items"].as_array().unwrap().iter();
    let lent_to: Vec<&Value> = rows.filter(|it| it["action"] == "seat_borrowed").collect();
    assert!(lent_to[0]["detail"].as_str().unwrap().contains("customer:1"), "{lent_to:?}");

    let seat = lent.body["seat"].as_str().unwrap();
    let released = |reply: Reply| reply.ok()["released"].clone();
    assert_eq!(released(give_back("other", seat, json!({}))), false, "another customer's");
    assert_eq!(give_back("bound", seat, json!({})).status, 403, "of which product?");
    assert_eq!(
        released(give_back("bound", seat, json!({"product": "other"}))),
        false,
        "not of that one"
    );
    // Neither does whoever names somebody else on the socket, nor the gateway's own user for itself.
    assert_eq!(released(give_back(TOKEN, seat, json!({"product": ACME}))), true);
    assert_eq!(released(give_back(TOKEN, seat, json!({}))), false, "once");
    assert_eq!(lend("other", AN_HOUR, &[]).body["granted"], true, "it is free again");
}

#[test]
fn how_often_a_customer_borrows_is_limited_and_is_not_anothers_limit() {
    let stage = of_the_machine();
    let lend = |token: &str| {
        let body = json!({"product": ACME, "for_ms": AN_HOUR});
        stage.gateway.post_as(token, "/api/v1/seats/loans", &body, &[]).status
    };
    let limited = (0..20).find(|_| lend(TOKEN) == 429);
    assert!(limited.is_some(), "each loan is kept in the audit for good");
    assert_ne!(lend("other"), 429);
}
