use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

type Shared<T> = std::sync::Arc<std::sync::Mutex<T>>;
/// Answers by path and query.
type Pages = Vec<(&'static str, String)>;

/// Serves fixed answers; everything else is 404. Says what was asked for.
async fn serving(pages: Pages) -> (Remote, Shared<Vec<String>>) {
    serving_what_is_there(std::sync::Arc::new(pages.into())).await
}

/// Serves answers that may be exchanged.
async fn serving_what_is_there(pages: Shared<Pages>) -> (Remote, Shared<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = std::sync::Arc::<std::sync::Mutex<Vec<String>>>::default();
    let noted = std::sync::Arc::clone(&asked);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0_u8; 8192];
            let length = stream.read(&mut request).await.unwrap();
            let text = String::from_utf8_lossy(&request[..length]).into_owned();
            let path = text.split(' ').nth(1).unwrap_or_default().to_owned();
            let page = {
                let pages = pages.lock().unwrap();
                pages.iter().find(|(it, _)| *it == path).map(|(_, page)| page.clone())
            };
            noted.lock().unwrap().push(path);
            let none = "HTTP/1.1 404 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            let _ = stream.write_all(page.as_deref().unwrap_or(none).as_bytes()).await;
        }
    });
    let base = format!("http://127.0.0.1:{port}/KEY/?token=KEY").parse().unwrap();
    (Remote::new(base, true).unwrap(), asked)
}

fn page(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

const FOLDER_THERE: &str = "/KEY/eth/v1/beacon/light_client";

#[tokio::test]
async fn a_beacon_node_is_asked_with_periods() {
    let path = "/KEY/eth/v1/beacon/light_client/updates?token=KEY&start_period=3&count=2";
    let (remote, asked) = serving(vec![(path, page("[1,2]"))]).await;
    let pieces = remote.ask(Query::Updates { from: 3, count: 2 }).await.unwrap();
    assert_eq!(pieces, [b"[1,2]"]);
    assert_eq!(asked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_mirror_is_found_out_and_then_asked_for_files() {
    let (three, four) = (
        "/KEY/eth/v1/beacon/light_client/updates/3.json?token=KEY",
        "/KEY/eth/v1/beacon/light_client/updates/4.json?token=KEY",
    );
    let (remote, asked) = serving(vec![(three, page("3")), (four, page("4"))]).await;
    for _ in 0..2 {
        let pieces = remote.ask(Query::Updates { from: 3, count: 9 }).await.unwrap();
        assert_eq!(pieces, [b"3", b"4"]);
    }
    let asked = asked.lock().unwrap();
    let as_a_node = asked.iter().filter(|it| it.contains("start_period"));
    assert_eq!(as_a_node.count(), 1, "{asked:?}");
    assert!(asked.iter().all(|it| it.starts_with(FOLDER_THERE)), "{asked:?}");
}

/// Whoever stood before a node for a moment, and answered as a mirror does, has not made a mirror of it.
#[tokio::test]
async fn what_was_a_mirror_and_is_a_node_is_asked_as_one_again() {
    let file = "/KEY/eth/v1/beacon/light_client/finality_update.json?token=KEY";
    let node = "/KEY/eth/v1/beacon/light_client/finality_update?token=KEY";
    let updates = "/KEY/eth/v1/beacon/light_client/updates?token=KEY&start_period=3&count=1";
    let pages: Shared<Pages> = std::sync::Arc::new(vec![(file, page("forged"))].into());
    let (remote, asked) = serving_what_is_there(std::sync::Arc::clone(&pages)).await;
    assert_eq!(remote.ask(Query::Finality).await.unwrap(), [b"forged"]);
    // What a mirror does not have yet is no reason to ask it as a node.
    let update = Query::Updates { from: 3, count: 1 };
    assert_eq!(remote.ask(update).await, Err(SourceFault::Absent));
    assert!(!asked.lock().unwrap().iter().any(|it| it.contains("start_period")));

    *pages.lock().unwrap() = vec![(node, page("true")), (updates, page("[3]"))];
    assert_eq!(remote.ask(Query::Finality).await.unwrap(), [b"true"]);
    assert_eq!(remote.ask(update).await.unwrap(), [b"[3]"]);
}

#[tokio::test]
async fn what_is_nowhere_is_absent() {
    let (remote, _) = serving(Vec::new()).await;
    assert_eq!(remote.ask(Query::Finality).await, Err(SourceFault::Absent));
}

#[tokio::test]
async fn a_body_is_bounded_whatever_it_says_of_itself() {
    let mut endless = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_owned();
    endless.push_str(&" ".repeat(BODY + 1));
    let path = "/KEY/eth/v1/beacon/light_client/finality_update?token=KEY";
    let (remote, _) = serving(vec![(path, endless)]).await;
    assert_eq!(remote.ask(Query::Finality).await, Err(SourceFault::TooLarge));
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_an_error_names_no_address() {
    let to = "HTTP/1.1 302 There\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let path = "/KEY/eth/v1/beacon/light_client/finality_update?token=KEY";
    let (remote, _) = serving(vec![(path, to.to_owned())]).await;
    let fault = remote.ask(Query::Finality).await.unwrap_err();
    assert_eq!(fault, SourceFault::Status { status: 302 });
    assert!(!fault.to_string().contains("KEY"));
}
