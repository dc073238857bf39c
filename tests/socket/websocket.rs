//! WebSocket, with the client others use.

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::*;

async fn open(house: &House) -> WebSocketStream<UnixStream> {
    let stream = UnixStream::connect(house.path()).await.unwrap();
    within(tokio_tungstenite::client_async("ws://localhost/", stream)).await.unwrap().0
}

async fn hear(socket: &mut WebSocketStream<UnixStream>) -> Value {
    let message = within(socket.next()).await.unwrap().unwrap();
    serde_json::from_str(message.to_text().unwrap()).unwrap()
}

async fn ask(socket: &mut WebSocketStream<UnixStream>, text: String) -> Value {
    within(socket.send(Message::text(text))).await.unwrap();
    hear(socket).await
}

#[tokio::test]
async fn requests_are_answered_hot_and_not_and_in_batches() {
    let house = House::open(limits());
    let mut socket = open(&house).await;
    assert_eq!(ask(&mut socket, call(1, "hot")).await["id"], 1);
    assert_eq!(ask(&mut socket, call("-2.5", "echo")).await["id"], -2.5);
    assert_eq!(ask(&mut socket, format!("[{}]", call(3, "echo"))).await[0]["id"], 3);
    assert_fault(&ask(&mut socket, call(4, "panic")).await, -32603, "INTERNAL_ERROR");
    assert_fault(&ask(&mut socket, "nonsense".into()).await, -32700, "PARSE_ERROR");
    let deep = "[".repeat(65) + &"]".repeat(65);
    assert_fault(&ask(&mut socket, deep).await, -32005, "LIMIT_EXCEEDED");
    assert_eq!(ask(&mut socket, call(5, "hot")).await["id"], 5, "it goes on");
}

#[tokio::test]
async fn subscriptions_tell_and_end_with_the_connection() {
    let house = House::open(limits());
    let mut socket = open(&house).await;
    let id = ask(&mut socket, call(1, "watch")).await["result"].clone();
    assert_eq!(hear(&mut socket).await["params"]["subscription"], id);
    house.stage.news.send(4).unwrap();
    assert_eq!(hear(&mut socket).await["params"]["result"], 4);
    socket.close(None).await.unwrap();
    within(async {
        while house.stage.news.receiver_count() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    house.until(|it| it.connections_open.get() == 0).await;
}

#[tokio::test]
async fn one_connection_has_sixteen_subscriptions_here_too() {
    let house = House::open(limits());
    let mut socket = open(&house).await;
    for id in 0..16 {
        ask(&mut socket, call(id, "watch")).await;
        hear(&mut socket).await;
    }
    assert_fault(&ask(&mut socket, call(16, "watch")).await, -32005, "LIMIT_EXCEEDED");
}

#[tokio::test]
async fn a_message_that_is_too_long_is_refused_in_our_words() {
    let house = House::open(limits());
    let mut socket = open(&house).await;
    let long = format!("[\"{}\"]", "x".repeat(70_000));
    assert_fault(&ask(&mut socket, long.clone()).await, -32005, "LIMIT_EXCEEDED");
    assert_eq!(ask(&mut socket, call(1, "hot")).await["id"], 1, "it costs that message only");
    let id = ask(&mut socket, call(2, "watch")).await["result"].clone();
    hear(&mut socket).await;
    assert_fault(&ask(&mut socket, long).await, -32005, "LIMIT_EXCEEDED");
    house.stage.news.send(4).unwrap();
    let told = hear(&mut socket).await;
    assert_eq!((&told["params"]["subscription"], &told["params"]["result"]), (&id, &4.into()));
}

/// Sends raw bytes after the handshake; gives the code of the close frame that ends the connection.
async fn close_code(house: &House, frames: &[u8]) -> u16 {
    let mut socket = open(house).await;
    // The other end may close before it has read all.
    let _ = socket.get_mut().write_all(frames).await;
    loop {
        match within(socket.next()).await {
            Some(Ok(Message::Close(Some(close)))) => return close.code.into(),
            Some(Ok(_)) => {}
            other => panic!("no close frame: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_close_frame_says_why() {
    let house = House::open(limits());
    let masked = |first: u8, payload: &[u8]| {
        let length = 0x80 | u8::try_from(payload.len()).unwrap();
        [&[first, length, 0, 0, 0, 0], payload].concat()
    };
    assert_eq!(close_code(&house, &[0x81, 2, b'{', b'}']).await, 1002, "not masked");
    assert_eq!(close_code(&house, &masked(0x83, b"{}")).await, 1002, "no such opcode");
    assert_eq!(close_code(&house, &masked(0x80, b"{}")).await, 1002, "nothing to continue");
    assert_eq!(close_code(&house, &masked(0x81, b"{\"\xff\"}")).await, 1007, "no UTF-8");
    let endless = [&[0x81, 0xff][..], &[0, 0, 0, 0, 0x7f, 0, 0, 0, 0, 0, 0, 0]].concat();
    assert_eq!(close_code(&house, &endless).await, 1009, "two gigabytes");
}

#[tokio::test]
async fn pings_do_not_keep_a_websocket_open() {
    let house = House::open(Limits { idle: Duration::from_millis(200), ..limits() });
    let mut socket = open(&house).await;
    within(async {
        // What is answered is read, so that nothing but silence ends it.
        while socket.send(Message::Ping("x".into())).await.is_ok()
            && matches!(socket.next().await, Some(Ok(Message::Pong(_))))
        {
            // Ten pings within the limit that they must not put off.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    house.until(|it| it.connections_open.get() == 0).await;
}

#[tokio::test]
async fn a_slow_subscriber_is_dropped() {
    let house = House::open(limits());
    let mut socket = open(&house).await;
    socket.send(Message::text(call(1, "flood"))).await.unwrap();
    house.until(|it| it.slow_readers.get() == 1).await;
    house.until(|it| it.connections_open.get() == 0).await;
}

#[tokio::test]
async fn a_web_page_gets_no_websocket() {
    let house = House::open(limits());
    let stream = UnixStream::connect(house.path()).await.unwrap();
    let mut request = "ws://localhost/".into_client_request().unwrap();
    request.headers_mut().insert("origin", "https://a.example".parse().unwrap());
    match within(tokio_tungstenite::client_async(request, stream)).await {
        Err(Error::Http(response)) => assert_eq!(response.status(), 403),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn stopping_finishes_what_is_in_flight_and_says_goodbye() {
    let mut house = House::open(limits());
    let mut socket = open(&house).await;
    socket.send(Message::text(call(1, "wait"))).await.unwrap();
    house.until(|it| it.requests.get() == 1).await;
    house.tell_to_stop();
    house.stage.gate.add_permits(1);
    assert_eq!(hear(&mut socket).await["result"], "waited");
    assert!(matches!(within(socket.next()).await, Some(Ok(Message::Close(_)))));
    drop(socket);
    assert_eq!(within(house.serving).await.unwrap().cut_off, 0);
}
