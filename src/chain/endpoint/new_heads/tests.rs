use super::*;

fn arrival(text: &str) -> Arrival<'_> {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_notice_a_consent_and_a_refusal_are_told_apart() {
    let notice = arrival(r#"{"jsonrpc":"2.0","method":"eth_subscription","params":{}}"#);
    assert!(notice.is_notice() && !notice.is_consent());
    assert!(arrival(r#"{"jsonrpc":"2.0","id":1,"result":"0xcd"}"#).is_consent());
    let error = arrival(r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601}}"#);
    assert!(!error.is_notice() && !error.is_consent());
    assert!(!arrival(r#"{"id":2,"result":"0xcd"}"#).is_consent());
}

#[tokio::test]
async fn who_floods_us_with_notices_is_read_at_our_own_pace() {
    const FLOOD: u32 = 8;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        socket.next().await.unwrap().unwrap();
        for _ in 0..FLOOD {
            let notice = r#"{"method":"eth_subscription"}"#;
            socket.send(Message::text(notice)).await.unwrap();
            socket.send(Message::Ping(Vec::new().into())).await.unwrap();
        }
        socket.close(None).await.unwrap();
        while let Some(Ok(_)) = socket.next().await {}
    });
    let begun = Instant::now();
    assert_eq!(subscription(&url, &Notify::new()).await, usize::try_from(FLOOD).unwrap());
    assert!(begun.elapsed() >= PACE * FLOOD * 2);
}
