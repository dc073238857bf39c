//! Who gets in, who does not, and what they hear of it.

use serde_json::Value;

use super::*;

fn without_exemption() -> Limits {
    Limits { root_is_exempt: false, ..limits() }
}

#[tokio::test]
async fn over_the_connections_of_a_user_one_line_says_so() {
    let house = House::open(Limits { connections_per_uid: 3, ..without_exemption() });
    let mut inside = Vec::new();
    for id in 0..3 {
        let mut client = house.connect().await;
        assert_eq!(client.ask(call(id, "hot")).await["id"], id);
        inside.push(client);
    }
    let said = house.connect().await.rest().await;
    assert_eq!(said.lines().count(), 1);
    assert_fault(&serde_json::from_str(&said).unwrap(), -32005, "LIMIT_EXCEEDED");
    assert_eq!(inside[0].ask(call(4, "hot")).await["id"], 4, "those inside stay");
    inside.pop();
    house.until(|it| it.connections_open.get() == 2).await;
    assert_eq!(house.connect().await.ask(call(5, "hot")).await["id"], 5);
    assert_eq!(house.figures.connections_refused.get(), 1);
}

#[tokio::test]
async fn over_the_connections_of_the_daemon_root_too_is_refused() {
    let house = House::open(Limits { connections: 2, ..limits() });
    let mut first = house.connect().await;
    let mut second = house.admin().await;
    first.ask(call(1, "hot")).await;
    second.ask(call(1, "hot")).await;
    let said = house.connect().await.rest().await;
    assert_fault(&serde_json::from_str(&said).unwrap(), -32005, "LIMIT_EXCEEDED");
}

#[tokio::test]
async fn who_is_turned_away_can_still_ask_and_reads_why() {
    let house = House::open(Limits { connections_per_uid: 1, ..without_exemption() });
    let mut inside = house.connect().await;
    inside.ask(call(1, "hot")).await;
    for asked in [call(7, "hot"), format!("[{}]", call(7, "hot")), String::new()] {
        let refused = house.figures.connections_refused.get();
        let mut client = house.connect().await;
        house.until(|it| it.connections_refused.get() == refused + 1).await;
        // `send` fails where the socket is closed already.
        client.send(&asked).await;
        let said: Value = serde_json::from_str(&client.rest().await).unwrap();
        assert_fault(&said, -32005, "LIMIT_EXCEEDED");
        let id = if asked.starts_with('{') { Value::from(7) } else { Value::Null };
        assert_eq!(said["id"], id, "{asked}");
    }
    let mut client = house.connect().await;
    client.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let said = client.rest().await;
    assert!(said.starts_with("HTTP/1.1 503 ") && said.contains("-32005"), "{said}");
}

#[tokio::test]
async fn places_are_kept_for_the_admin_door() {
    let limits = Limits {
        connections: 4,
        connections_reserved: 2,
        connections_per_uid: 10,
        ..without_exemption()
    };
    let house = House::open(limits);
    let mut inside = Vec::new();
    for id in 0..2 {
        let mut client = house.connect().await;
        client.ask(call(id, "hot")).await;
        inside.push(client);
    }
    let said = house.connect().await.send(call(3, "hot")).await.rest().await;
    assert_fault(&serde_json::from_str(&said).unwrap(), -32005, "LIMIT_EXCEEDED");
    assert_eq!(house.admin().await.ask(call(4, "hot")).await["id"], 4);
}

#[tokio::test]
async fn who_says_nothing_is_let_go_when_places_are_scarce() {
    let first_byte = Duration::from_millis(30);
    let house =
        House::open(Limits { first_byte, connections: 3, connections_reserved: 0, ..limits() });
    let mut silent = house.connect().await;
    let mut blank = house.connect().await;
    blank.send("  \n").await;
    assert_eq!(silent.rest().await, "");
    let mut second = house.connect().await;
    assert_eq!(blank.rest().await, "");
    assert_eq!(second.ask(call(1, "hot")).await["id"], 1);
}

#[tokio::test]
async fn who_says_nothing_keeps_its_line_while_there_is_room() {
    let first_byte = Duration::from_millis(20);
    let house = House::open(Limits { first_byte, ..limits() });
    let mut early = house.connect().await;
    let mut clock = house.connect().await;
    for id in 0..20 {
        // Many times the limit, measured by another connection that is answered meanwhile.
        tokio::time::sleep(first_byte).await;
        clock.ask(call(id, "hot")).await;
    }
    assert_eq!(early.ask(call(1, "hot")).await["id"], 1);
}

#[tokio::test]
async fn who_says_nothing_at_all_is_idle() {
    let idle = Duration::from_millis(100);
    let house = House::open(Limits { idle, first_byte: Duration::from_millis(10), ..limits() });
    assert_eq!(house.connect().await.rest().await, "");
}
