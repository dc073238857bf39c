use super::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

fn at(text: &str) -> EndpointSettings {
    EndpointSettings::new(text.parse().unwrap())
}

/// Serves one connection with fixed bytes.
async fn serving(answer: Vec<u8>) -> EndpointSettings {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0_u8; 4096];
        let _ = stream.read(&mut request).await.unwrap();
        let _ = stream.write_all(&answer).await;
    });
    at(&format!("http://key:secret@127.0.0.1:{port}/v3/secret"))
}

async fn asked(answer: impl Into<Vec<u8>>) -> Result<ResponsePacket, WireError> {
    let wire = Wire::new(&serving(answer.into()).await, Arc::default()).unwrap();
    wire.exchange(b"{}".to_vec(), 1).await
}

fn http_answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len())
}

const RESULT: &str = r#"{"jsonrpc":"2.0","id":1,"result":"0x1"}"#;
const REFUSAL: &str = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32600,"message":"no"}}"#;

#[tokio::test]
async fn an_answer_is_read() {
    assert!(asked(http_answer("200 OK", "", RESULT)).await.unwrap().is_success());
}

#[tokio::test]
async fn a_json_rpc_error_counts_whatever_the_status() {
    assert!(asked(http_answer("400 Bad Request", "", REFUSAL)).await.unwrap().is_error());
}

#[tokio::test]
async fn a_result_with_an_error_status_is_no_answer() {
    let error = asked(http_answer("500 Oh", "", RESULT)).await.unwrap_err();
    assert_eq!(error, WireError::Status { status: 500 });
}

#[tokio::test]
async fn the_rate_limit_and_its_wait_are_understood() {
    let error = asked(http_answer("429 Slow", "retry-after: 7\r\n", "")).await.unwrap_err();
    let retry_after = Some(Duration::from_secs(7));
    assert_eq!(error, WireError::RateLimited { retry_after });
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let to = "location: http://127.0.0.1:9/\r\n";
    let error = asked(http_answer("307 Elsewhere", to, "")).await.unwrap_err();
    assert_eq!(error, WireError::Status { status: 307 });
}

#[tokio::test]
async fn a_body_is_bounded_whatever_it_says_of_itself() {
    let mut answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_vec();
    answer.resize(answer.len() + BODY + 1, b' ');
    assert_eq!(asked(answer).await.unwrap_err(), WireError::TooLarge);
}

#[tokio::test]
async fn what_is_not_json_rpc_is_garbled() {
    let error = asked(http_answer("200 OK", "", "<html>secret</html>")).await.unwrap_err();
    assert_eq!(error, WireError::Garbled);
}

#[tokio::test]
async fn an_ipc_answer_may_come_in_pieces() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("node.ipc");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0_u8; 64];
        for _ in 0..2 {
            let _ = stream.read(&mut request).await.unwrap();
            for piece in RESULT.as_bytes().chunks(7) {
                stream.write_all(piece).await.unwrap();
                stream.flush().await.unwrap();
                tokio::task::yield_now().await;
            }
        }
    });
    let wire = Wire::new(&at(path.to_str().unwrap()), Arc::default()).unwrap();
    // Twice, so that the second question goes over the connection of the first.
    for _ in 0..2 {
        assert!(wire.exchange(b"{}".to_vec(), 1).await.unwrap().is_success());
    }
}
