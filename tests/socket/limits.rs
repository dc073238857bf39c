//! Every limit of the contract: what is over it is refused, and nothing else is lost.

use serde_json::Value;

use super::*;

fn without_exemption() -> Limits {
    Limits { root_is_exempt: false, ..limits() }
}

#[tokio::test]
async fn a_request_may_be_64_kib_and_no_longer() {
    let house = House::open(limits());
    let mut client = house.connect().await;
    let frame = |length: usize| {
        let empty = r#"{"jsonrpc":"2.0","id":1,"method":"hot","params":[""]}"#.len();
        let text = "x".repeat(length - empty);
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"hot","params":["{text}"]}}"#)
    };
    assert_eq!(client.ask(frame(65_536)).await["id"], 1);
    for length in [65_537, 300_000] {
        client.send(frame(length) + &call(2, "hot")).await;
        assert_fault(&client.reply().await, -32005, "LIMIT_EXCEEDED");
        assert_eq!(client.reply().await["id"], 2, "the next request is found");
    }
}

#[tokio::test]
async fn the_length_is_enforced_while_reading() {
    let house = House::open(limits());
    let mut client = house.connect().await;
    client.send("[".repeat(160 * 1024)).await;
    assert_fault(&client.reply().await, -32005, "LIMIT_EXCEEDED");
}

#[tokio::test]
async fn a_request_without_end_ends_the_connection() {
    let house = House::open(Limits { request_bytes: 1_000, ..limits() });
    let mut client = house.connect().await;
    let _ = client.0.get_mut().write_all("[".repeat(40_000).as_bytes()).await;
    let said = client.rest().await;
    let codes: Vec<Value> = said
        .lines()
        .map(|it| serde_json::from_str::<Value>(it).unwrap()["error"]["code"].clone())
        .collect();
    assert_eq!(codes, [-32005, -32700]);
}

#[tokio::test]
async fn a_request_may_nest_64_levels_and_no_deeper() {
    let house = House::open(limits());
    let mut client = house.connect().await;
    let nested = |levels: usize| {
        let (open, close) = ("[".repeat(levels - 1), "]".repeat(levels - 1));
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"hot","params":{open}{close}}}"#)
    };
    assert_eq!(client.ask(nested(64)).await["id"], 1);
    client.send(nested(65) + &call(2, "hot")).await;
    assert_fault(&client.reply().await, -32005, "LIMIT_EXCEEDED");
    assert_eq!(client.reply().await["id"], 2);
}

#[tokio::test]
async fn a_batch_may_have_32_requests_and_no_more() {
    let house = House::open(limits());
    let mut client = house.connect().await;
    let batch = |count: usize| {
        let calls: Vec<String> = (0..count).map(|id| call(id, "hot")).collect();
        format!("[{}]", calls.join(","))
    };
    assert_eq!(client.ask(batch(32)).await.as_array().unwrap().len(), 32);
    assert_fault(&client.ask(batch(33)).await, -32005, "LIMIT_EXCEEDED");
}

#[tokio::test]
async fn thirty_two_requests_may_be_in_flight_and_the_next_is_refused_alone() {
    let house = House::open(limits());
    let mut client = house.connect().await;
    let waits: String = (0..32).map(|id| call(id, "wait")).collect();
    let refused = client.ask(waits + &call(99, "wait")).await;
    assert_fault(&refused, -32005, "LIMIT_EXCEEDED");
    assert_eq!(refused["id"], 99);
    assert_eq!(client.ask(call(100, "hot")).await["id"], 100, "what is hot is not in flight");
    house.stage.gate.add_permits(32);
    let mut ids = Vec::new();
    for _ in 0..32 {
        ids.push(client.reply().await["id"].as_u64().unwrap());
    }
    ids.sort_unstable();
    assert_eq!(ids, (0..32).collect::<Vec<u64>>());
}

#[tokio::test]
async fn a_user_has_so_many_requests_in_flight_over_all_connections() {
    let house = House::open(Limits { in_flight_per_uid: 40, ..without_exemption() });
    let mut first = house.connect().await;
    let mut second = house.connect().await;
    first.send((0..32).map(|id| call(id, "wait")).collect::<String>()).await;
    second.send((0..8).map(|id| call(id, "wait")).collect::<String>()).await;
    house.until(|it| it.requests.get() == 40).await;
    assert_fault(&second.ask(call(99, "echo")).await, -32005, "LIMIT_EXCEEDED");
    assert_eq!(second.ask(call(100, "hot")).await["id"], 100, "what is hot is not in flight");
    house.stage.gate.add_permits(40);
    for _ in 0..8 {
        assert_eq!(second.reply().await["result"], "waited");
    }
    for _ in 0..32 {
        assert_eq!(first.reply().await["result"], "waited");
    }
    assert_eq!(second.ask(call(101, "echo")).await["id"], 101);
}

#[tokio::test]
async fn sixteen_subscriptions_and_no_more_until_one_ends() {
    let house = House::open(limits());
    let mut client = house.connect().await;
    let mut last = Value::Null;
    for id in 0..16 {
        last = client.ask(call(id, "watch")).await["result"].clone();
        assert_eq!(client.reply().await["method"], "changed");
    }
    assert_fault(&client.ask(call(16, "watch")).await, -32005, "LIMIT_EXCEEDED");
    let end = format!(r#"{{"jsonrpc":"2.0","id":17,"method":"unwatch","params":[{last}]}}"#);
    assert_eq!(client.ask(end).await["result"], true);
    within(async {
        while client.ask(call(18, "watch")).await.get("error").is_some() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_long_reply_is_refused_with_our_own_code() {
    let house = House::open(Limits { response_bytes: 1_000, ..limits() });
    let mut client = house.connect().await;
    assert_fault(&client.ask(call(1, "long")).await, -32005, "LIMIT_EXCEEDED");
}

#[tokio::test]
async fn unfinished_connections_do_not_stop_the_next() {
    let limits = Limits { connections_per_uid: 200, ..without_exemption() };
    let house = House::open(limits);
    let mut unfinished = Vec::new();
    for number in 0..100 {
        let mut client = house.connect().await;
        client.send(["", "{", "[{\"jsonrpc\":\"2", "POST / HTTP/1.1\r\nHost:"][number % 4]).await;
        unfinished.push(client);
    }
    house.until(|it| it.connections_open.get() == 100).await;
    assert_eq!(house.connect().await.ask(call(101, "hot")).await["id"], 101);
    assert_eq!(house.connect().await.ask(call(102, "echo")).await["id"], 102);
}

#[tokio::test]
async fn a_user_over_its_rate_is_refused_but_not_for_what_is_hot() {
    let slow = Limits { rate_per_second: 1, rate_burst: 5, ..without_exemption() };
    let house = House::open(slow);
    let mut client = house.connect().await;
    let mut refused = 0;
    for id in 0..10 {
        let reply = client.ask(call(id, "echo")).await;
        if reply.get("error").is_some() {
            assert_fault(&reply, -32005, "LIMIT_EXCEEDED");
            refused += 1;
        }
    }
    assert!((1..=5).contains(&refused), "{refused}");
    assert_eq!(client.ask(call(11, "hot")).await["id"], 11);
    let mut other = house.connect().await;
    assert_fault(
        &other.ask(format!("[{},{}]", call(1, "echo"), call(2, "echo"))).await[1],
        -32005,
        "LIMIT_EXCEEDED",
    );
    assert!(house.figures.requests_limited.get() > refused);
}

#[tokio::test]
async fn an_idle_connection_is_let_go_unless_it_subscribed() {
    let house = House::open(Limits { idle: Duration::from_millis(150), ..limits() });
    let mut idle = house.connect().await;
    let mut unfinished = house.connect().await;
    let mut subscribed = house.connect().await;
    subscribed.ask(call(1, "watch")).await;
    subscribed.reply().await;
    idle.ask(call(1, "hot")).await;
    unfinished.send("{\"jsonrpc\"").await;
    assert_eq!(idle.rest().await, "");
    assert_eq!(unfinished.rest().await, "");
    house.stage.news.send(8).unwrap();
    assert_eq!(subscribed.reply().await["params"]["result"], 8);
}

#[tokio::test]
async fn who_does_not_read_is_let_go_and_others_are_not_held_up() {
    let house = House::open(Limits { write: Duration::from_millis(100), ..limits() });
    let mut deaf = house.connect().await;
    let stream: String = (0..200).map(|id| call(id, "long")).collect();
    let mut flooded = house.connect().await;
    for _ in 0..100 {
        // Once it is let go it can write no more.
        if deaf.0.get_mut().write_all(stream.as_bytes()).await.is_err() {
            break;
        }
        assert_eq!(flooded.ask(call(1, "hot")).await["id"], 1);
    }
    house.until(|it| it.slow_readers.get() == 1).await;
    assert_eq!(flooded.ask(call(2, "hot")).await["id"], 2);
}

#[tokio::test]
async fn the_replies_of_a_batch_count_while_the_others_are_made() {
    let house = House::open(Limits { reply_bytes_per_uid: 9_000, ..without_exemption() });
    let mut slow = house.connect().await;
    let entries = [call(1, "long"), call(2, "long"), call(3, "long"), call(4, "wait")];
    slow.send(format!("[{}]", entries.join(","))).await;
    let mut other = house.connect().await;
    within(async {
        while other.ask(call(1, "long")).await.get("error").is_none() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    house.stage.gate.add_permits(1);
    let replies = slow.reply().await;
    let errors: Vec<bool> =
        replies.as_array().unwrap().iter().map(|it| it.get("error").is_some()).collect();
    assert_eq!(errors, [false, false, true, false], "{replies}");
    assert!(other.ask(call(2, "long")).await.get("error").is_none(), "and no longer");
}

/// Has its user's room used up by a batch whose last request waits.
async fn use_up(house: &House) -> Client {
    let mut slow = house.connect().await;
    let entries = [call(1, "long"), call(2, "long"), call(3, "wait")];
    slow.send(format!("[{}]", entries.join(","))).await;
    let mut other = house.connect().await;
    within(async {
        while other.ask(call(1, "long")).await.get("error").is_none() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    slow
}

#[tokio::test]
async fn what_was_done_is_not_said_to_be_refused_however_little_room_is_left() {
    let house = House::open(Limits { reply_bytes_per_uid: 9_000, ..without_exemption() });
    for entries in [call(7, "change"), format!("[{}]", call(7, "change"))] {
        let before = house.stage.changed.load(Ordering::Relaxed);
        let mut changing = house.connect().await;
        changing.send(&entries).await;
        house.until(|_| house.stage.changing.load(Ordering::Relaxed) > before).await;
        let mut slow = use_up(&house).await;
        // Who came first has the first turn.
        house.stage.gate.add_permits(1);
        let told = changing.reply().await;
        let told = if entries.starts_with('[') { &told[0] } else { &told };
        assert_eq!(told["result"].as_str().map(str::len), Some(4_000), "{told}");
        assert_eq!(house.stage.changed.load(Ordering::Relaxed), before + 1);
        house.stage.gate.add_permits(1);
        slow.reply().await;
    }
}

#[tokio::test]
async fn a_change_that_there_is_no_room_for_is_refused_and_not_done() {
    let house = House::open(Limits { reply_bytes_per_uid: 9_000, ..without_exemption() });
    let mut slow = use_up(&house).await;
    let mut client = house.connect().await;
    assert_fault(&client.ask(call(1, "change")).await, -32005, "LIMIT_EXCEEDED");
    house.stage.gate.add_permits(2);
    slow.reply().await;
    assert_eq!(house.stage.changed.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn what_a_change_came_to_is_told_however_long_a_reply_may_be() {
    let house = House::open(Limits { response_bytes: 1_000, ..limits() });
    house.stage.gate.add_permits(1);
    let mut client = house.connect().await;
    let told = client.ask(call(1, "change")).await;
    assert_eq!(told["result"].as_str().map(str::len), Some(4_000), "{told}");
    assert_fault(&client.ask(call(2, "long")).await, -32005, "LIMIT_EXCEEDED");
}
