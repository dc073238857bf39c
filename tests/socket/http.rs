//! HTTP/1.1, HTTP/2 and the pages, with raw bytes and with curl.

use std::process::Command;

use serde_json::Value;

use super::*;

/// Sends one HTTP/1.1 request; gives the status and the body.
async fn http(house: &House, head: &str, body: &str) -> (u16, String) {
    let mut client = house.connect().await;
    let length = body.len();
    let request = format!("{head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
    let said = client.send(request).await.rest().await;
    let (head, body) = said.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{said:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

pub(crate) async fn post(house: &House, body: &str) -> (u16, String) {
    let head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json";
    http(house, head, body).await
}

async fn get(house: &House, path: &str, headers: &str) -> (u16, String) {
    http(house, &format!("GET {path} HTTP/1.1\r\n{headers}"), "").await
}

#[tokio::test]
async fn requests_are_answered_as_on_the_raw_socket() {
    let house = House::open(limits());
    let (status, body) = post(&house, &call(1, "hot")).await;
    assert_eq!((status, body.as_str()), (200, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#));
    let (_, body) = post(&house, &call(2, "echo")).await;
    assert!(body.contains("\"result\":null"), "{body}");
    let (_, body) = post(&house, &format!("[{},{}]", call(3, "echo"), call(4, "hot"))).await;
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()[1]["id"], 4);
    let (_, body) = post(&house, &call(5, "panic")).await;
    assert_fault(&serde_json::from_str(&body).unwrap(), -32603, "INTERNAL_ERROR");
    let (status, body) = post(&house, r#"{"jsonrpc":"2.0","method":"hot"}"#).await;
    assert_eq!((status, body.as_str()), (204, ""));
}

#[tokio::test]
async fn a_body_has_the_limits_of_a_request() {
    let house = House::open(limits());
    let (status, body) = post(&house, &"[".repeat(70_000)).await;
    assert_eq!(status, 413);
    assert_fault(&serde_json::from_str(&body).unwrap(), -32005, "LIMIT_EXCEEDED");
    let deep = "[".repeat(65) + &"]".repeat(65);
    let batch = format!("[{}]", vec![call(1, "hot"); 33].join(","));
    for body in [deep, batch] {
        let (_, reply) = post(&house, &body).await;
        assert_fault(&serde_json::from_str(&reply).unwrap(), -32005, "LIMIT_EXCEEDED");
    }
    for body in ["{", "", "{}{}", "nonsense"] {
        let (_, reply) = post(&house, body).await;
        assert_fault(&serde_json::from_str(&reply).unwrap(), -32700, "PARSE_ERROR");
    }
}

#[tokio::test]
async fn the_rate_and_the_peer_are_those_of_the_raw_socket() {
    let slow = Limits { rate_per_second: 1, rate_burst: 1, root_is_exempt: false, ..limits() };
    let house = House::open(slow);
    let (_, body) = post(&house, &call(1, "whoami")).await;
    let uid = &serde_json::from_str::<Value>(&body).unwrap()["result"]["uid"];
    assert_eq!(uid, nix::unistd::geteuid().as_raw());
    let (_, body) = post(&house, &format!("[{},{}]", call(2, "echo"), call(3, "echo"))).await;
    let reply: Value = serde_json::from_str(&body).unwrap();
    assert_fault(&reply[1], -32005, "LIMIT_EXCEEDED");
}

#[tokio::test]
async fn a_page_is_shown_and_others_are_not_found() {
    let house = House::open(limits());
    let (status, body) = get(&house, "/healthz", "Host: entitled").await;
    assert_eq!((status, body.as_str()), (503, "{\"status\":\"starting\"}"));
    for path in ["/", "/nothing", "/healthz/more"] {
        assert_eq!(get(&house, path, "Host: localhost").await.0, 404, "{path}");
    }
}

#[tokio::test]
async fn what_a_web_page_could_have_sent_is_refused() {
    let house = House::open(limits());
    let headers = [
        "Host: localhost\r\nOrigin: http://localhost",
        "Host: localhost\r\nOrigin: null",
        "Host: localhost\r\nReferer: http://a.example/",
        "Host: a.example",
        "Host: localhost.a.example",
        "Host: 127.0.0.1",
    ];
    for headers in headers {
        let (status, body) = get(&house, "/healthz", headers).await;
        assert_eq!(status, 403, "{headers}");
        assert_fault(&serde_json::from_str(&body).unwrap(), -32001, "PERMISSION_DENIED");
        let head = format!("POST / HTTP/1.1\r\n{headers}\r\nContent-Type: application/json");
        assert_eq!(http(&house, &head, &call(1, "hot")).await.0, 403, "{headers}");
        let upgrade = format!(
            "{headers}\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: a"
        );
        assert_eq!(get(&house, "/", &upgrade).await.0, 403, "{headers}");
    }
    assert_eq!(get(&house, "http://a.example/healthz", "Host: localhost").await.0, 403);
    assert_eq!(get(&house, "/healthz", "Host:").await.0, 503, "an empty host is ours");
    assert_eq!(get(&house, "/healthz", "Host: localhost:80").await.0, 503, "so is HTTP's port");
}

#[tokio::test]
async fn only_json_by_post_to_the_root_is_a_request() {
    let house = House::open(limits());
    let form = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain";
    assert_eq!(http(&house, form, &call(1, "hot")).await.0, 415);
    let nowhere = "POST /rpc HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json";
    assert_eq!(http(&house, nowhere, &call(1, "hot")).await.0, 404);
    assert_eq!(http(&house, "DELETE / HTTP/1.1\r\nHost: localhost", "").await.0, 405);
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let house = House::open(limits());
    let mut client = house.connect().await;
    for id in 0..3 {
        let body = call(id, "hot");
        let head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json";
        client.send(format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())).await;
        while !client.line().await.is_empty() {}
        let mut reply = vec![0; format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#).len()];
        client.0.read_exact(&mut reply).await.unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&reply).unwrap()["id"], id);
    }
    assert_eq!(house.figures.connections_total.get(), 1);
}

#[tokio::test]
async fn pages_are_asked_for_at_the_rate_of_requests() {
    let slow = Limits { rate_per_second: 1, rate_burst: 3, root_is_exempt: false, ..limits() };
    let house = House::open(slow);
    let mut refused = 0;
    for _ in 0..8 {
        let (status, body) = get(&house, "/healthz", "Host: localhost").await;
        if status == 429 {
            assert_fault(&serde_json::from_str(&body).unwrap(), -32005, "LIMIT_EXCEEDED");
            refused += 1;
        }
    }
    assert!((3..=5).contains(&refused), "{refused}");
}

#[tokio::test]
async fn head_gives_the_head_of_a_page_and_nothing_else() {
    let house = House::open(limits());
    for (path, status) in [("/healthz", "503"), ("/nothing", "404")] {
        let mut client = house.connect().await;
        let asked = format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let said = client.send(asked).await.rest().await;
        let (head, body) = said.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        assert!(!head.contains("content-length: 0"), "{head}");
        assert!(head.to_lowercase().contains("content-length: "), "{head}");
        assert_eq!(body, "");
    }
}

#[tokio::test]
async fn a_page_is_told_what_its_reader_wants() {
    let house = House::open(limits());
    let accept = "Host: localhost\r\nAccept: text/plain\r\nAccept: a/b;q=0.5";
    let (_, body) = get(&house, "/metrics", accept).await;
    assert_eq!(body, "asked for \"text/plain,a/b;q=0.5\"");
}

/// Sends `drop` again and again until the connection is closed.
async fn drip(house: &House, begin: &str, drop: &str) {
    let mut client = house.connect().await;
    client.send(begin).await;
    within(async {
        while client.0.get_mut().write_all(drop.as_bytes()).await.is_ok() {
            // Twenty drops within the limit that they must not put off.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    house.until(|it| it.connections_open.get() == 0).await;
}

#[tokio::test]
async fn a_head_that_drips_in_does_not_keep_a_connection_open() {
    let begin = "POST / HTTP/1.1\r\nHost: localhost\r\nX: ";
    let house = House::open(Limits { idle: Duration::from_millis(200), ..limits() });
    drip(&house, begin, "x").await;
}

#[tokio::test]
async fn the_head_of_a_request_has_a_time_of_its_own() {
    let house = House::open(Limits { first_byte: Duration::from_millis(200), ..limits() });
    drip(&house, "POST / HTTP/1.1\r\nHost: localhost\r\nX: ", "x").await;
    // So has the second request of a connection, which may rest before it as long as it likes.
    let first = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut client = house.connect().await;
    client.send(first).await;
    while !client.line().await.is_empty() {}
    // Twice the limit, in which nothing must happen.
    tokio::time::sleep(Duration::from_millis(400)).await;
    client.0.read_exact(&mut [0; 21]).await.unwrap();
    client.send(first).await;
    assert!(client.line().await.starts_with("HTTP/1.1 503 "));
    drop(client);
    drip(&house, &format!("{first}GET"), "x").await;
}

#[tokio::test]
async fn an_idle_http_connection_is_let_go() {
    let house = House::open(Limits { idle: Duration::from_millis(50), ..limits() });
    let mut client = house.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: localhost\r\n").await;
    client.rest().await;
    house.until(|it| it.connections_open.get() == 0).await;
}

/// Runs curl, off the test's own thread. `None` when there is no curl.
async fn curl(house: &House, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--max-time", "30", "--unix-socket"]);
    command.arg(house.path()).args(arguments);
    match tokio::task::spawn_blocking(move || command.output()).await.unwrap() {
        Ok(output) => Some(String::from_utf8(output.stdout).unwrap()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("skipped: HTTP as curl speaks it: curl is missing");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_gets_answers_over_both_versions_and_both_names() {
    let house = House::open(limits());
    let data = call(1, "echo");
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        for url in ["http://localhost/", "http://entitled/"] {
            let json = "content-type: application/json";
            let Some(said) = curl(&house, &[version, "--header", json, "--data", &data, url]).await
            else {
                return;
            };
            assert_eq!(said, r#"{"jsonrpc":"2.0","id":1,"result":null}"#, "{version} {url}");
        }
        let status = ["--output", "/dev/null", "--write-out", "%{http_code}"];
        let ask = |url| [&[version], &status[..], &[url]].concat();
        let foreign = curl(&house, &ask("http://a.example/healthz")).await.unwrap();
        assert_eq!(foreign, "403", "{version}");
        assert_eq!(curl(&house, &ask("http://localhost/healthz")).await.unwrap(), "503");
    }
}
