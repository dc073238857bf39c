//! Subscriptions on a raw connection.

use super::*;

#[tokio::test]
async fn the_reply_comes_first_then_what_happens() {
    let house = House::open(limits());
    let mut client = house.connect().await;
    let subscribed = client.ask(call(1, "watch")).await;
    let id = &subscribed["result"];
    for news in [0, 5, 6] {
        if news > 0 {
            house.stage.news.send(news).unwrap();
        }
        let line = client.reply().await;
        assert_eq!(line["method"], "changed");
        assert_eq!(
            (&line["params"]["subscription"], &line["params"]["result"]),
            (id, &news.into())
        );
    }
}

#[tokio::test]
async fn replies_and_notifications_are_whole_lines_between_each_other() {
    let house = House::open(limits());
    let mut client = house.connect().await;
    client.ask(call(1, "watch")).await;
    client.reply().await;
    let (mut replies, mut notifications) = (0, 0);
    for number in 1..=50 {
        house.stage.news.send(number).unwrap();
        client.send(call(number, if number % 2 == 0 { "hot" } else { "echo" })).await;
    }
    for _ in 0..100 {
        let line = client.reply().await;
        if line.get("id").is_some() { replies += 1 } else { notifications += 1 }
    }
    assert_eq!((replies, notifications), (50, 50));
}

#[tokio::test]
async fn unsubscribing_ends_it() {
    let house = House::open(limits());
    let mut client = house.connect().await;
    let id = client.ask(call(1, "watch")).await["result"].clone();
    client.reply().await;
    let end = format!(r#"{{"jsonrpc":"2.0","id":2,"method":"unwatch","params":[{id}]}}"#);
    assert_eq!(client.ask(&end).await["result"], true);
    assert_eq!(client.ask(&end).await["result"], false);
    within(async {
        while house.stage.news.receiver_count() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn closing_the_connection_ends_its_subscriptions() {
    let house = House::open(limits());
    let mut client = house.connect().await;
    client.ask(call(1, "watch")).await;
    assert_eq!(house.stage.news.receiver_count(), 1);
    drop(client);
    within(async {
        while house.stage.news.receiver_count() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    house.until(|it| it.connections_open.get() == 0).await;
}

#[tokio::test]
async fn a_slow_subscriber_is_dropped_and_others_are_not() {
    let house = House::open(limits());
    let mut good = house.connect().await;
    good.ask(call(1, "watch")).await;
    good.reply().await;
    let mut slow = house.connect().await;
    slow.send(call(1, "flood")).await;
    // The queue fills long before the ten seconds that a write may take.
    house.until(|it| it.slow_readers.get() == 1).await;
    house.stage.news.send(9).unwrap();
    assert_eq!(good.reply().await["params"]["result"], 9);
    house.until(|it| it.connections_open.get() == 1).await;
}

#[tokio::test]
async fn subscribing_in_a_batch_or_by_http_is_refused_with_the_reason() {
    let house = House::open(limits());
    let mut client = house.connect().await;
    let reply = client.ask(format!("[{}]", call(1, "watch"))).await;
    assert_fault(&reply[0], -32600, "INVALID_REQUEST");
    let (status, body) = super::http::post(&house, &call(2, "watch")).await;
    assert_eq!(status, 200);
    assert_fault(&serde_json::from_str(&body).unwrap(), -32600, "INVALID_REQUEST");
}
