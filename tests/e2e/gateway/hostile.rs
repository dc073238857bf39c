//! Clients that mean harm, or are broken: none of them keeps the others from their answers.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::gateway::{GatewayStage, TOKEN, curl, everything};
use crate::support::prerequisites::has;
use crate::support::{PATIENCE, eventually};

/// Whoever is slow has little time, and yet enough for who asks at once on a busy machine.
fn stage() -> GatewayStage {
    let limits = "[limits]\nhead = \"2s\"\nwrite = \"2s\"\nidle = \"3s\"\nconnections = 40\n";
    GatewayStage::start(&format!("{}{limits}", everything()))
}

fn connect(stage: &GatewayStage) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", stage.gateway.port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// All that the gateway says until it closes the connection.
fn said_until_closed(mut stream: &TcpStream) -> String {
    let mut said = Vec::new();
    // A connection that was reset is closed as well.
    let _ = stream.read_to_end(&mut said);
    String::from_utf8_lossy(&said).into_owned()
}

fn still_answers(stage: &GatewayStage) {
    eventually("who asks is answered", || match stage.gateway.get("/api/v1/tiers") {
        reply if reply.status == 200 => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

/// The head of a question that is answered.
fn question() -> String {
    format!("GET /api/v1/tiers HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n")
}

#[test]
fn who_drips_or_stays_silent_is_closed() {
    let stage = stage();
    let silent: Vec<TcpStream> = (0..30).map(|_| connect(&stage)).collect();
    let dripping = connect(&stage);
    (&dripping).write_all(question().as_bytes()).unwrap();
    let drips = std::thread::spawn({
        let mut dripping = dripping.try_clone().unwrap();
        move || {
            // Each header is soon enough; the head never ends.
            for number in 0.. {
                if dripping.write_all(format!("X-{number}: y\r\n").as_bytes()).is_err() {
                    return;
                }
                // What drips has pauses.
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    });
    still_answers(&stage);
    assert_eq!(said_until_closed(&dripping), "", "the head had its time");
    for stream in &silent {
        said_until_closed(stream);
    }
    drips.join().unwrap();
    let head = question().replace("GET /api/v1/tiers", "POST /api/v1/customers/tier");
    let head = format!("{head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{");
    eventually("the body had its time", || {
        let body = connect(&stage);
        (&body).write_all(head.as_bytes()).map_err(|it| it.to_string())?;
        let said = said_until_closed(&body);
        if said.starts_with("HTTP/1.1 408 ") { Ok(()) } else { Err(said) }
    });
    still_answers(&stage);
}

#[test]
fn more_connections_than_there_are_places_are_turned_away_at_once() {
    let limits = "[limits]\nhead = \"10m\"\nconnections_per_address = 8\n";
    let stage = GatewayStage::start(&format!("{}{limits}", everything()));
    let held: Vec<TcpStream> = (0..8).map(|_| connect(&stage)).collect();
    eventually("the ninth is turned away", || {
        let ninth = connect(&stage);
        ninth.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        match (&ninth).read(&mut [0]) {
            Ok(0) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    drop(held);
    eventually("places are free", || match stage.gateway.get("/api/v1/tiers").status {
        200 => Ok(()),
        other => Err(other.to_string()),
    });
}

#[test]
fn two_ends_of_one_body_are_refused_and_what_follows_is_not_read() {
    let stage = GatewayStage::start(&everything());
    let smuggled = format!("{}\r\n", question().replace("tiers", "smuggled"));
    for (name, headers) in [
        ("both", "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n"),
        ("both, turned", "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n"),
        ("two encodings", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
        ("an encoding nobody knows", "Transfer-Encoding: xchunked\r\n"),
        ("a space before the colon", "Content-Length : 4\r\n"),
        ("two lengths", "Content-Length: 4\r\nContent-Length: 5\r\n"),
        ("a list of lengths", "Content-Length: 4, 5\r\n"),
        ("a signed length", "Content-Length: +4\r\n"),
        ("a folded line", "X-A: b\r\n Content-Length: 4\r\n"),
        ("a bare end of line", "X-A: b\nTransfer-Encoding: chunked\r\n"),
        ("a zero byte", "X-A: \0\r\n"),
    ] {
        let stream = connect(&stage);
        let head = question().replace("GET /api/v1/tiers", "POST /api/v1/customers/tier");
        let request =
            format!("{head}Content-Type: application/json\r\n{headers}\r\n0\r\n\r\n{smuggled}");
        (&stream).write_all(request.as_bytes()).unwrap();
        let said = said_until_closed(&stream);
        assert_eq!(
            said.matches("HTTP/1.1 ").count(),
            1,
            "{name}: one answer, and no second: {said}"
        );
        let status = said.get(9..12).unwrap();
        assert!(["400", "411"].contains(&status), "{name}: {said}");
    }
    still_answers(&stage);
}

#[test]
fn heads_without_measure_are_refused() {
    let stage = GatewayStage::start(&everything());
    let many: String = (0..200).map(|it| format!("X-{it}: y\r\n")).collect();
    let long = format!("X-Long: {}\r\n", "y".repeat(64 * 1024));
    for more in [many, long] {
        let stream = connect(&stage);
        // The gateway may have closed before all of it is written.
        let _ = (&stream).write_all(format!("{}{more}\r\n", question()).as_bytes());
        let said = said_until_closed(&stream);
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 431 "), "{said}");
    }
    let path = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "a".repeat(70_000));
    let stream = connect(&stage);
    let _ = (&stream).write_all(path.as_bytes());
    let said = said_until_closed(&stream);
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 4"), "{said}");
    still_answers(&stage);
}

#[test]
fn who_does_not_read_is_closed() {
    let stage = stage();
    let stream = connect(&stage);
    let requests = format!("{}\r\n", question()).repeat(64);
    let mut writing = stream.try_clone().unwrap();
    let writer = std::thread::spawn(move || {
        // Until both buffers are full, or the gateway has had enough.
        writing.set_write_timeout(Some(PATIENCE)).unwrap();
        for _ in 0..100_000 {
            if writing.write_all(requests.as_bytes()).is_err() {
                return true;
            }
        }
        false
    });
    assert!(writer.join().unwrap(), "the connection was closed");
    still_answers(&stage);
}

/// A frame of HTTP/2 (RFC 9113, 4.1).
pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A literal header without indexing (RFC 7541, 6.2.2).
fn header(name: &str, value: &str) -> Vec<u8> {
    let text = |it: &str| {
        assert!(it.len() < 127);
        [&[u8::try_from(it.len()).unwrap()], it.as_bytes()].concat()
    };
    [vec![0], text(name), text(value)].concat()
}

fn request() -> Vec<u8> {
    asking("GET", "/api/v1/tiers")
}

pub(super) fn asking(method: &str, path: &str) -> Vec<u8> {
    let bearer = format!("Bearer {TOKEN}");
    [
        header(":method", method),
        header(":scheme", "http"),
        header(":path", path),
        header(":authority", "localhost"),
        header("authorization", &bearer),
    ]
    .concat()
}

#[test]
fn streams_that_are_reset_as_they_are_opened_end_the_connection() {
    let stage = stage();
    let stream = connect(&stage);
    (&stream).write_all(&[PREFACE, &frame(4, 0, 0, &[])].concat()).unwrap();
    let reading = stream.try_clone().unwrap();
    let reader = std::thread::spawn(move || said_until_closed(&reading));
    for number in 0..20_000_u32 {
        let id = 1 + 2 * number;
        let both = [frame(1, 5, id, &request()), frame(3, 0, id, &8_u32.to_be_bytes())].concat();
        if (&stream).write_all(&both).is_err() {
            break;
        }
    }
    reader.join().unwrap();
    still_answers(&stage);
}

#[test]
fn a_window_that_never_opens_and_a_head_that_never_ends_are_closed() {
    let stage = stage();
    let stalled = connect(&stage);
    // SETTINGS_INITIAL_WINDOW_SIZE 0: the answer can never be sent.
    let settings = frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]);
    let asked = frame(1, 5, 1, &request());
    (&stalled).write_all(&[PREFACE, &settings, &asked].concat()).unwrap();
    let endless = connect(&stage);
    let begun = frame(1, 1, 1, &request());
    (&endless).write_all(&[PREFACE, &frame(4, 0, 0, &[]), &begun].concat()).unwrap();
    let mut going_on = endless.try_clone().unwrap();
    let writer = std::thread::spawn(move || {
        let more = frame(9, 0, 1, &header("x", "y"));
        while going_on.write_all(&more).is_ok() {
            // What drips has pauses.
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    still_answers(&stage);
    said_until_closed(&stalled);
    said_until_closed(&endless);
    writer.join().unwrap();
    still_answers(&stage);
}

#[test]
fn who_asks_for_the_head_of_a_stream_is_sent_no_events() {
    let stage = GatewayStage::start(&everything());
    let stream = connect(&stage);
    let asked = frame(1, 5, 1, &asking("HEAD", "/api/v1/events?product=acme-cad"));
    (&stream).write_all(&[PREFACE, &frame(4, 0, 0, &[]), &asked].concat()).unwrap();
    let flags = loop {
        let mut head = [0; 9];
        (&stream).read_exact(&mut head).unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        (&stream).read_exact(&mut payload).unwrap();
        // HEADERS of the stream.
        if (head[3], head[8]) == (1, 1) {
            break head[4];
        }
    };
    assert_eq!(flags & 1, 1, "the head is all there is");
}

/// The status and the code of each answer to a body that is too long, by HTTP/2 as browsers speak it.
const LONG: &str = r#"
const client = require('node:http2').connect(process.argv[1]);
const ask = ([token, path]) => new Promise((resolve, reject) => {
  const asked = client.request({ ':method': 'POST', ':path': path, authorization: `Bearer ${token}`, 'content-type': 'application/json' });
  let status, text = '';
  asked.on('response', (headers) => { status = headers[':status']; });
  asked.on('data', (bytes) => { text += bytes; });
  asked.on('error', reject);
  asked.on('close', () => resolve([status, JSON.parse(text).code]));
  asked.end(JSON.stringify({ product: 'a'.repeat(900_000) }));
});
(async () => {
  const answers = [];
  for (const question of JSON.parse(process.argv[2])) answers.push(await ask(question));
  console.log(JSON.stringify(answers));
  client.close();
})();
"#;

#[test]
fn a_refusal_is_heard_by_both_protocols_though_the_body_was_not_read() {
    let stage = GatewayStage::start(&everything());
    let (tier, nowhere) = ("/api/v1/customers/tier", "/api/v1/nowhere");
    let long = json!({"product": "a".repeat(900_000)}).to_string();
    std::fs::write(stage.file("long.json"), long).unwrap();
    let long = format!("@{}", stage.file("long.json").display());
    let short = r#"{"product": "acme-cad"}"#;
    let code = |protocol: &str, (token, path): (&str, &str), body: &str| {
        let (url, bearer) = (stage.gateway.url(path), format!("Authorization: Bearer {token}"));
        let json = ["-H", "Content-Type: application/json", "--data-binary", body];
        let reply = curl(&[&json[..], &[protocol, "-H", "Expect:", "-H", &bearer, &url]].concat());
        assert!(reply.body["code"].is_string(), "{protocol} {path}: {reply:?}");
        reply.status
    };
    let all = [("--http1.1", short), ("--http2-prior-knowledge", short), ("--http1.1", &*long)];
    for (protocol, body) in all {
        assert_eq!(code(protocol, ("wrong", tier), body), 401, "{protocol}");
        assert_eq!(code(protocol, (TOKEN, nowhere), body), 404, "{protocol}");
    }
    assert_eq!(code("--http1.1", (TOKEN, tier), &long), 413);
    if !has("node", "long bodies by HTTP/2 before the gateway") {
        return;
    }
    let asked = json!([["wrong", tier], [TOKEN, nowhere], [TOKEN, tier]]);
    let mut node = Command::new("node");
    let output = node.args(["-e", LONG, &stage.gateway.url(""), &asked.to_string()]).output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let expected = json!([[401, "UNAUTHENTICATED"], [404, "NOT_FOUND"], [413, "LIMIT_EXCEEDED"]]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(serde_json::from_str(&said).unwrap_or(Value::Null), expected, "{errors}");
}

/// What the daemon answers this gateway in a second is for its clients.
#[test]
fn who_asks_the_port_for_probes_without_end_takes_no_questions_of_the_clients() {
    let stage = GatewayStage::start(&everything());
    // Figures are asked for over a connection of their own, and are no request.
    let answered = || -> f64 {
        let figures = stage.daemon.figures();
        let value = |name: &str| -> f64 {
            let found = figures.lines().find_map(|it| it.strip_prefix(name));
            found.unwrap().trim().parse().unwrap()
        };
        value("entitled_requests_total ") + value("entitled_connections_total ")
    };
    for path in ["/readyz", "/metrics", "/daemon/metrics"] {
        let (before, begun) = (answered(), Instant::now());
        let url = format!("http://127.0.0.1:{}{path}?[1-500]", stage.gateway.probes);
        let output = Command::new("curl").args(["-sS", "--noproxy", "*", &url]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let asked = answered() - before;
        let allowed = begun.elapsed().as_secs_f64() * 5.0 + 10.0;
        assert!(asked <= allowed, "{path}: {asked} questions, {allowed} may be");
    }
}

#[test]
fn a_page_that_names_no_origin_asks_nothing_by_an_image_or_a_link() {
    let cors = "[cors]\norigins = [\"https://app.example\"]\n";
    let anonymous = "[anonymous]\ncustomer = \"customer:1\"\nscopes = [\"entitlements\"]\n";
    let stage = GatewayStage::start(&format!("{anonymous}{cors}"));
    let status = |path: &str, site: &str, more: &[&str]| {
        let site = format!("Sec-Fetch-Site: {site}");
        curl(&[&["-H", &site, &stage.gateway.url(path)], more].concat()).status
    };
    for site in ["cross-site", "same-site", "what-may-come"] {
        assert_eq!(status("/api/v1/tiers", site, &[]), 403, "{site}");
        assert_eq!(status("/api/v1/events?product=acme-cad", site, &[]), 403, "{site}");
        assert_eq!(status("/openapi.json", site, &[]), 200, "{site}: it is everybody's");
    }
    for site in ["none", "same-origin"] {
        assert_eq!(status("/api/v1/tiers", site, &[]), 200, "{site}");
    }
    let named = ["-H", "Origin: https://app.example"];
    assert_eq!(status("/api/v1/tiers", "cross-site", &named), 200, "who is named may ask");
    let odd = [
        "null",
        "https://app.example:443",
        "https://app.example.",
        "https://app.example/",
        "https://app.example https://evil.example",
        "https://APP.example",
        "app.example",
        "",
        "https://app.example%00.evil",
        "https://user@app.example",
        "http://app.example",
    ];
    for origin in odd {
        let header = match origin {
            "" => "Origin;".to_owned(),
            _ => format!("Origin: {origin}"),
        };
        let reply = curl(&["-H", &header, &stage.gateway.url("/api/v1/tiers")]);
        let allowed = reply.header("access-control-allow-origin");
        assert_eq!((reply.status, allowed), (403, None), "{origin}");
    }
}

#[test]
fn no_other_name_and_no_other_form_of_an_address_leads_past_who_is_asked() {
    let stage = GatewayStage::start(&everything());
    let bearer = format!("Authorization: Bearer {TOKEN}");
    let ask = |head: &str| {
        let stream = connect(&stage);
        let request = format!("{head}\r\n{bearer}\r\nConnection: close\r\n\r\n");
        (&stream).write_all(request.as_bytes()).unwrap();
        let said = said_until_closed(&stream);
        said.get(9..12).unwrap_or("none").to_owned()
    };
    let tiers = "GET /api/v1/tiers HTTP/1.1";
    for host in [
        "localhost.",
        "LOCALHOST.evil",
        "localhost@evil",
        "evil@localhost",
        "127.0.0.1.evil:80",
        "2130706433",
        "127.1",
        "[::1%25lo]",
        "localhost:80:80",
        "localhost\tevil",
        "localhost:x",
    ] {
        let status = ask(&format!("{tiers}\r\nHost: {host}"));
        assert!(["400", "421"].contains(&&*status), "{host}: {status}");
    }
    for (head, wanted) in [
        (format!("{tiers}\r\nHost: LocalHost:1"), "200"),
        (format!("{tiers}\r\nHost: localhost\r\nHost: evil"), "421"),
        ("GET http://localhost/api/v1/tiers HTTP/1.1\r\nHost: localhost".to_owned(), "200"),
        ("GET http://evil/api/v1/tiers HTTP/1.1\r\nHost: localhost".to_owned(), "421"),
        ("GET http://u@localhost/api/v1/tiers HTTP/1.1\r\nHost: localhost".to_owned(), "421"),
        ("GET //api/v1/tiers HTTP/1.1\r\nHost: localhost".to_owned(), "404"),
        ("GET /api/v1/../v1/tiers HTTP/1.1\r\nHost: localhost".to_owned(), "404"),
        ("GET /api/v1/tiers/ HTTP/1.1\r\nHost: localhost".to_owned(), "404"),
        ("GET /API/v1/tiers HTTP/1.1\r\nHost: localhost".to_owned(), "404"),
        ("GET /api/v1/tiers?limit=1&limit=2 HTTP/1.1\r\nHost: localhost".to_owned(), "400"),
        ("GET /api/v1/tiers?limit=1&%6cimit=1 HTTP/1.1\r\nHost: localhost".to_owned(), "400"),
        ("GET /api/v1/tiers?Limit=1 HTTP/1.1\r\nHost: localhost".to_owned(), "400"),
        ("OPTIONS * HTTP/1.1\r\nHost: localhost".to_owned(), "404"),
        ("TRACE /api/v1/tiers HTTP/1.1\r\nHost: localhost".to_owned(), "405"),
        ("CONNECT localhost:80 HTTP/1.1\r\nHost: localhost".to_owned(), "404"),
    ] {
        assert_eq!(ask(&head), wanted, "{head}");
    }
}
