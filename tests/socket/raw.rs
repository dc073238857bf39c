//! Raw JSON: framing, ids, errors, batches, pipelining.

use serde_json::{Value, json};

use super::*;

#[tokio::test]
async fn a_hot_answer_comes_with_its_id_and_ends_in_a_line() {
    let house = House::open(limits());
    let mut client = house.connect().await;
    let asked = r#"{"jsonrpc":"2.0","id":7,"method":"hot","params":{"a":[1]}}"#;
    let line = client.send(asked).await.line().await;
    assert_eq!(line, r#"{"jsonrpc":"2.0","id":7,"result":{"a":[1]}}"#);
}

#[tokio::test]
async fn values_may_be_concatenated_or_separated_by_lines_or_nul() {
    let house = House::open(limits());
    let mut client = house.connect().await;
    let stream =
        [call(1, "hot"), call(2, "hot"), "\n".into(), call(3, "hot"), "\0".into(), call(4, "hot")];
    client.send(stream.concat()).await;
    for id in 1..=4 {
        assert_eq!(client.reply().await["id"], id);
    }
}

#[tokio::test]
async fn a_request_may_arrive_byte_by_byte() {
    let house = House::open(limits());
    let mut client = house.connect().await;
    for byte in call("\"é]\"", "hot").bytes() {
        client.send([byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(client.reply().await["id"], "é]");
}

#[tokio::test]
async fn every_kind_of_id_is_echoed_hot_and_not() {
    let house = House::open(limits());
    let mut client = house.connect().await;
    for id in ["0", "-7", "1.5", "18446744073709551616", "\"a\\\"b\"", "null"] {
        for method in ["hot", "echo"] {
            let wanted: Value = serde_json::from_str(id).unwrap();
            assert_eq!(client.ask(call(id, method)).await["id"], wanted, "{method} {id}");
        }
    }
}

#[tokio::test]
async fn methods_find_the_peer_the_kernel_names() {
    let house = House::open(limits());
    let own = nix::unistd::geteuid().as_raw();
    let public = house.connect().await.ask(call(1, "whoami")).await;
    assert_eq!(public["result"], json!({"uid": own, "pid": std::process::id(), "door": "public"}));
    assert_eq!(house.admin().await.ask(call(1, "whoami")).await["result"]["door"], "admin");
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_said_and_the_next_is_answered() {
    let house = House::open(limits());
    let mut client = house.connect().await;
    let cases: [(&[u8], i64, &str, Value); 7] = [
        (b"{\"jsonrpc\":\"2.0\",}", -32700, "PARSE_ERROR", Value::Null),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}", -32700, "PARSE_ERROR", Value::Null),
        (b"{\"id\":3,\"method\":\"hot\"}", -32600, "INVALID_REQUEST", json!(3)),
        (b"{}", -32600, "INVALID_REQUEST", Value::Null),
        (b"[]", -32600, "INVALID_REQUEST", Value::Null),
        (b"{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"no\"}", -32601, "METHOD_NOT_FOUND", json!(4)),
        (b"[1,]", -32700, "PARSE_ERROR", Value::Null),
    ];
    for (request, code, name, id) in cases {
        let reply = client.ask(request).await;
        assert_fault(&reply, code, name);
        assert_eq!(reply["id"], id);
        assert_eq!(client.ask(call(9, "hot")).await["id"], 9, "the connection lives");
    }
}

#[tokio::test]
async fn what_cannot_be_framed_gets_one_error_and_the_end() {
    let house = House::open(limits());
    for stream in ["{]", "{}hello{}", "{\"a\n\":1}", "{\0}"] {
        let mut client = house.connect().await;
        let said = client.send(stream).await.rest().await;
        let last: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
        assert_fault(&last, -32700, "PARSE_ERROR");
    }
}

#[tokio::test]
async fn what_is_neither_json_nor_http_gets_one_line_and_the_end() {
    let house = House::open(limits());
    for stream in ["\u{1}\u{2}", "123", "\"text\"", "}"] {
        let mut client = house.connect().await;
        let said = client.send(stream).await.rest().await;
        assert_eq!(said.lines().count(), 1);
        assert_fault(&serde_json::from_str(&said).unwrap(), -32700, "PARSE_ERROR");
    }
}

#[tokio::test]
async fn replies_under_way_are_written_before_a_broken_connection_ends() {
    let house = House::open(limits());
    let mut client = house.connect().await;
    client.send(call(1, "wait")).await.send("oops").await;
    assert_fault(&client.reply().await, -32700, "PARSE_ERROR");
    house.stage.gate.add_permits(1);
    assert_eq!(client.reply().await["id"], 1);
    assert_eq!(client.line().await, "");
}

#[tokio::test]
async fn a_notification_gets_no_reply() {
    let house = House::open(limits());
    let mut client = house.connect().await;
    client.send(r#"{"jsonrpc":"2.0","method":"hot"}{"jsonrpc":"2.0","method":"no"}"#).await;
    client.send(r#"[{"jsonrpc":"2.0","method":"hot"}]"#).await;
    assert_eq!(client.ask(call(1, "hot")).await["id"], 1);
}

#[tokio::test]
async fn a_batch_is_answered_in_order_whatever_is_in_it() {
    let house = House::open(limits());
    let mut client = house.connect().await;
    let batch = [
        call(1, "hot"),
        call(2, "echo"),
        r#"{"jsonrpc":"2.0","method":"hot"}"#.into(),
        "7".into(),
        call(3, "no"),
        call(4, "panic"),
        call("\"five\"", "hot"),
    ];
    let reply = client.ask(format!("[{}]", batch.join(" , "))).await;
    let ids: Vec<&Value> = reply.as_array().unwrap().iter().map(|it| &it["id"]).collect();
    assert_eq!(json!(ids), json!([1, 2, null, 3, 4, "five"]));
    assert_fault(&reply[2], -32600, "INVALID_REQUEST");
    assert_fault(&reply[3], -32601, "METHOD_NOT_FOUND");
    assert_fault(&reply[4], -32603, "INTERNAL_ERROR");
}

#[tokio::test]
async fn a_slow_request_does_not_hold_up_the_others() {
    let house = House::open(limits());
    let mut client = house.connect().await;
    client.send(call(1, "wait") + &call(2, "echo") + &call(3, "hot")).await;
    let mut first = [client.reply().await["id"].clone(), client.reply().await["id"].clone()];
    first.sort_by_key(Value::to_string);
    assert_eq!(json!(first), json!([2, 3]));
    house.stage.gate.add_permits(1);
    assert_eq!(client.reply().await["result"], "waited");
}

#[tokio::test]
async fn hot_answers_keep_their_order_when_pipelined() {
    let house = House::open(limits());
    let mut client = house.connect().await;
    let stream: String = (0..2_000).map(|id| call(id, "hot") + "\n").collect();
    let sent = tokio::spawn({
        let mut other = house.connect().await;
        async move { other.ask(call(1, "hot")).await }
    });
    client.send(stream).await;
    for id in 0..2_000 {
        assert_eq!(client.reply().await["id"], id);
    }
    assert_eq!(sent.await.unwrap()["id"], 1);
    assert_eq!(house.figures.answered_at_once.get(), 2_001);
}

#[tokio::test]
async fn a_panic_costs_one_request() {
    let house = House::open(limits());
    let mut client = house.connect().await;
    for method in ["panic", "hot_panic"] {
        let reply = client.ask(call(5, method)).await;
        assert_fault(&reply, -32603, "INTERNAL_ERROR");
        assert_eq!(reply["id"], 5);
        assert!(!reply.to_string().contains("asked for"), "never a panic message");
    }
    assert_eq!(client.ask(call(6, "hot")).await["id"], 6);
    assert_eq!(house.figures.panics.get(), 2);
}

#[tokio::test]
async fn who_stops_sending_still_gets_its_answers() {
    let house = House::open(limits());
    let mut client = house.connect().await;
    client.send(call(1, "hot") + &call(2, "wait")).await;
    client.0.get_mut().shutdown().await.unwrap();
    house.stage.gate.add_permits(1);
    assert_eq!(client.rest().await.lines().count(), 2);
}

#[tokio::test]
async fn who_stops_inside_a_request_is_told() {
    let house = House::open(limits());
    let mut client = house.connect().await;
    client.send("{\"jsonrpc\":").await;
    client.0.get_mut().shutdown().await.unwrap();
    assert_fault(&client.reply().await, -32700, "PARSE_ERROR");
}

/// Everything happens on one thread here, as it does in the daemon: what was sent before anybody is let in is there
/// when the first is served.
#[tokio::test]
async fn who_has_sent_thousands_of_requests_keeps_nobody_waiting_for_all_of_them() {
    use std::io::Write as _;
    let house = House::open(limits());
    let connect = || std::os::unix::net::UnixStream::connect(house.path()).unwrap();
    let (mut busy, mut other) = (connect(), connect());
    busy.write_all(call(1, "count").repeat(2_000).as_bytes()).unwrap();
    other.write_all(call(1, "count").as_bytes()).unwrap();
    other.set_nonblocking(true).unwrap();
    let reply = Client::new(UnixStream::from_std(other).unwrap()).reply().await;
    let before = reply["result"].as_u64().unwrap();
    assert!(before < 500, "{before} of another's were answered before it");
    busy.set_nonblocking(true).unwrap();
    let mut busy = Client::new(UnixStream::from_std(busy).unwrap());
    for _ in 0..2_000 {
        assert!(busy.reply().await["result"].is_u64());
    }
}

/// As above: what is read takes its turn as well, be it no request at all, or one that is refused for its length.
#[tokio::test]
async fn who_sends_much_that_is_no_request_keeps_nobody_waiting_for_all_of_it() {
    use std::io::Write as _;
    const MUCH: usize = 120_000;
    let blanks = " ".repeat(MUCH);
    let long = format!("{{\"long\":\"{}\"}}", "x".repeat(MUCH));
    for (first, much) in [("", &blanks), ("{}", &blanks), ("", &long)] {
        let house = House::open(Limits { request_bytes: 4_096, ..limits() });
        let connect = || std::os::unix::net::UnixStream::connect(house.path()).unwrap();
        let (mut busy, mut other) = (connect(), connect());
        busy.write_all(format!("{first}{much}{}", call(1, "count")).as_bytes()).unwrap();
        other.write_all(call(1, "count").as_bytes()).unwrap();
        other.set_nonblocking(true).unwrap();
        let reply = Client::new(UnixStream::from_std(other).unwrap()).reply().await;
        assert_eq!(reply["result"], 0, "another's was answered before it, behind {}", &much[..9]);
    }
}

/// More requests, one after the other, than a task of the runtime may serve in one turn.
const MANY: u64 = 1_000;

async fn ask_many(client: &mut Client) {
    for id in 0..MANY {
        assert_eq!(client.ask(call(id, "hot")).await["id"], id);
    }
    // And so many at once.
    let all: String = (0..MANY).map(|id| call(id, "hot")).collect();
    client.send(all).await;
    for id in 0..MANY {
        assert_eq!(client.reply().await["id"], id);
    }
}

#[tokio::test]
async fn who_asks_much_is_still_told_what_it_subscribed_to() {
    let house = House::open(limits());
    let mut client = house.connect().await;
    client.ask(call(1, "watch")).await;
    assert_eq!(client.reply().await["params"]["result"], 0);
    for news in 1..5 {
        ask_many(&mut client).await;
        house.stage.news.send(news).unwrap();
        assert_eq!(client.reply().await["params"]["result"], news);
        house.stage.news.send(news * 10).unwrap();
        assert_eq!(client.reply().await["params"]["result"], news * 10);
    }
}

#[tokio::test]
async fn who_asks_much_is_still_answered_what_takes_time() {
    let house = House::open(limits());
    let mut client = house.connect().await;
    for _ in 0..3 {
        ask_many(&mut client).await;
        client.send(call("\"slow\"", "wait")).await;
        ask_many(&mut client).await;
        house.stage.gate.add_permits(1);
        assert_eq!(client.reply().await["id"], "slow");
    }
}

#[tokio::test]
async fn who_asks_much_still_hears_of_the_end() {
    let mut house = House::open(limits());
    let mut client = house.connect().await;
    ask_many(&mut client).await;
    house.tell_to_stop();
    assert_eq!(client.rest().await, "");
    assert_eq!(within(house.serving).await.unwrap().cut_off, 0);
}

#[tokio::test]
async fn who_asked_much_and_falls_silent_is_closed_after_the_idle_limit() {
    let house = House::open(Limits { idle: Duration::from_millis(300), ..limits() });
    let mut client = house.connect().await;
    ask_many(&mut client).await;
    assert_eq!(client.rest().await, "");
}
