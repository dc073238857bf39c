//! HTTP/2 in raw frames (RFC 9113), as a client speaks it that does not mean well.

use super::*;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A connection by HTTP/2.
struct Http2 {
    io: UnixStream,
    stream: u32,
}

impl Http2 {
    /// Begins, and grants `window` bytes to each reply.
    async fn open(house: &House, window: u32) -> Self {
        let mut io = UnixStream::connect(house.path()).await.unwrap();
        io.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        let mut http2 = Self { io, stream: 1 };
        let initial_window_size = [&[0, 4][..], &window.to_be_bytes()].concat();
        http2.frame(SETTINGS, 0, 0, &initial_window_size).await.unwrap();
        http2
    }

    async fn frame(
        &mut self,
        kind: u8,
        flags: u8,
        stream: u32,
        payload: &[u8],
    ) -> std::io::Result<()> {
        self.io.write_all(&frame(kind, flags, stream, payload)).await
    }

    /// Sends a request; gives its stream.
    async fn request(&mut self, head: &[u8], body: &str) -> u32 {
        let stream = self.stream;
        self.stream += 2;
        let end = if body.is_empty() { END_STREAM } else { 0 };
        self.frame(HEADERS, END_HEADERS | end, stream, head).await.unwrap();
        if !body.is_empty() {
            self.frame(DATA, END_STREAM, stream, body.as_bytes()).await.unwrap();
        }
        stream
    }

    async fn post(&mut self, body: &str) -> u32 {
        let json = b"application/json";
        // HPACK: `:method: POST`, `:scheme: http`, `:path: /` of the static table, and a literal content-type.
        let mut head = vec![0x83, 0x86, 0x84];
        head.extend(literal(1, b"localhost"));
        head.extend(literal(31, json));
        self.request(&head, body).await
    }

    async fn get(&mut self, authority: &[u8], path: &[u8]) -> u32 {
        let mut head = vec![0x82, 0x86];
        head.extend(literal(1, authority));
        head.extend(literal(4, path));
        self.request(&head, "").await
    }

    /// The next frame: its type, flags, stream and payload. `None` at the end.
    async fn hear(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        within(self.io.read_exact(&mut head)).await.ok()?;
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let mut payload = vec![0; length];
        within(self.io.read_exact(&mut payload)).await.ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Some((head[3], head[4], stream, payload))
    }

    /// The first byte of the head of the reply on `stream`: the status, where the static table has it.
    async fn status(&mut self, stream: u32) -> u8 {
        loop {
            let (kind, _, on, payload) = self.hear().await.expect("a reply");
            if kind == HEADERS && on == stream {
                return payload[0];
            }
        }
    }

    async fn end(&mut self) {
        while self.hear().await.is_some() {}
    }
}

/// A connection with so many requests, one after the other.
pub(super) fn posts(count: u32, body: &str) -> Vec<u8> {
    let mut head = vec![0x83, 0x86, 0x84];
    head.extend(literal(1, b"localhost"));
    head.extend(literal(31, b"application/json"));
    let mut sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    sent.extend(frame(SETTINGS, 0, 0, &[]));
    for stream in (0..count).map(|it| 2 * it + 1) {
        sent.extend(frame(HEADERS, END_HEADERS, stream, &head));
        sent.extend(frame(DATA, END_STREAM, stream, body.as_bytes()));
    }
    sent
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [&head, payload].concat()
}

/// A header field whose name is number `name` of the static table, not indexed.
fn literal(name: u8, value: &[u8]) -> Vec<u8> {
    let number = if name < 15 { vec![name] } else { vec![0x0f, name - 15] };
    [&number[..], &[u8::try_from(value.len()).unwrap()], value].concat()
}

fn without_exemption() -> Limits {
    Limits { root_is_exempt: false, ..limits() }
}

#[tokio::test]
async fn a_reply_that_gets_no_window_ends_the_connection_in_time() {
    let house = House::open(Limits { write: Duration::from_millis(150), ..limits() });
    let mut client = Http2::open(&house, 0).await;
    for id in 0..20 {
        client.post(&call(id, "long")).await;
    }
    house.until(|it| it.requests.get() == 20).await;
    client.end().await;
    house.until(|it| it.connections_open.get() == 0).await;
    assert_eq!(house.figures.slow_readers.get(), 1);
}

#[tokio::test]
async fn a_page_that_gets_no_window_ends_the_connection_in_time() {
    let house = House::open(Limits { write: Duration::from_millis(150), ..limits() });
    let mut client = Http2::open(&house, 0).await;
    client.get(b"localhost", b"/healthz").await;
    client.end().await;
    house.until(|it| it.slow_readers.get() == 1).await;
}

#[tokio::test]
async fn replies_that_are_not_read_keep_their_places_in_flight() {
    let house = House::open(Limits { in_flight_per_uid: 4, ..without_exemption() });
    let mut deaf = Http2::open(&house, 0).await;
    for id in 0..4 {
        let stream = deaf.post(&call(id, "long")).await;
        deaf.status(stream).await;
    }
    let mut other = house.connect().await;
    let refused = other.ask(call(1, "echo")).await;
    assert_fault(&refused, -32005, "LIMIT_EXCEEDED");
    assert_eq!(other.ask(call(2, "hot")).await["id"], 2, "what is hot is not in flight");
    drop(deaf);
    within(async {
        while other.ask(call(3, "echo")).await.get("error").is_some() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn replies_that_are_not_read_are_bounded_in_bytes() {
    let house = House::open(Limits { reply_bytes_per_uid: 9_000, ..without_exemption() });
    let mut deaf = Http2::open(&house, 0).await;
    for id in 0..2 {
        let stream = deaf.post(&call(id, "long")).await;
        deaf.status(stream).await;
    }
    let mut other = house.connect().await;
    assert_fault(&other.ask(call(1, "long")).await, -32005, "LIMIT_EXCEEDED");
    assert_eq!(other.ask(call(2, "echo")).await["id"], 2, "there is room for a short one");
    drop(deaf);
    within(async {
        while other.ask(call(3, "long")).await.get("error").is_some() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_reply_that_is_read_slowly_arrives_whole() {
    let house = House::open(limits());
    let mut client = Http2::open(&house, 1_000).await;
    let stream = client.post(&call(1, "long")).await;
    let mut body = Vec::new();
    loop {
        let (kind, flags, on, payload) = client.hear().await.unwrap();
        if kind == DATA && on == stream {
            let more = u32::try_from(payload.len()).unwrap().to_be_bytes();
            body.extend(payload);
            if flags & END_STREAM != 0 {
                break;
            }
            client.frame(8, 0, stream, &more).await.unwrap();
        }
    }
    let reply: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(reply["result"].as_str().map(str::len), Some(4_000));
    assert_eq!(house.figures.slow_readers.get(), 0);
}

#[tokio::test]
async fn pings_do_not_keep_a_connection_open() {
    let house = House::open(Limits { idle: Duration::from_millis(200), ..limits() });
    let mut client = Http2::open(&house, 65_535).await;
    within(async {
        // What is answered is read, so that nothing but silence ends it.
        while client.frame(PING, 0, 0, &[0; 8]).await.is_ok() && client.hear().await.is_some() {
            // Ten pings within the limit that they must not put off.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    house.until(|it| it.connections_open.get() == 0).await;
}

#[tokio::test]
async fn the_port_of_http_may_stand_behind_our_name() {
    let house = House::open(limits());
    let mut client = Http2::open(&house, 65_535).await;
    // Node's client names the port; of the static table 0x8b is 404, and what is not in it is written out.
    for (authority, is_ours) in [
        (&b"localhost:80"[..], true),
        (b"entitled:80", true),
        (b"localhost:81", false),
        (b"a.example:80", false),
    ] {
        let stream = client.get(authority, b"/nothing").await;
        let status = client.status(stream).await;
        assert_eq!(status == 0x8d, is_ours, "{authority:?}: {status:#x}");
    }
}

#[tokio::test]
async fn who_finds_no_place_is_told_so_by_http2() {
    let house = House::open(Limits { connections_per_uid: 1, ..without_exemption() });
    let _inside = house.connect().await.ask(call(1, "hot")).await;
    let mut inside = house.connect().await;
    inside.ask(call(1, "hot")).await;
    house.until(|it| it.connections_open.get() == 1).await;
    let mut client = Http2::open(&house, 65_535).await;
    let mut told = None;
    while let Some((kind, _, _, payload)) = client.hear().await {
        if kind == GOAWAY {
            told = Some(payload);
        }
    }
    let told = told.expect("GOAWAY");
    assert_eq!(told[4..8], [0, 0, 0, 0x0b], "ENHANCE_YOUR_CALM");
    assert!(String::from_utf8_lossy(&told[8..]).contains("-32005"));
}
