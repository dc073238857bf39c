use std::os::fd::AsFd as _;

use super::*;
use crate::rpc::call::answers::Page;
use crate::rpc::socket::census::Census;

struct Always;

impl Answers for Always {
    fn methods(&self) -> Methods {
        Methods::new()
    }

    fn changes(&self, _: &str) -> bool {
        false
    }

    fn answer_at_once(&self, _: &Peer, _: &str, _: Option<&RawValue>, out: &mut Vec<u8>) -> bool {
        out.extend_from_slice(b"true");
        true
    }

    fn page(&self, _: &str, _: &str) -> BoxFuture<'static, Option<Page>> {
        Box::pin(async { None })
    }
}

fn answer(welcome: bool, frame: &str) -> String {
    let limits = Limits::default();
    let service = Service {
        answers: Arc::new(Always),
        methods: Always.methods(),
        rates: Rates::new(&limits),
        limits,
        figures: Arc::default(),
        admin_group: None,
    };
    let peer = Peer {
        uid: 1000,
        gid: 1000,
        pid: None,
        door: Door::Admin,
        account: 1000,
        chose_gid: false,
        shares_uid: false,
    };
    let census = Arc::<Census>::default();
    let seat = census.admit(&peer, &service.limits, &service.figures).unwrap();
    let who = (peer, seat.share().clone());
    let caller = Arc::new(Caller::new(Arc::new(service), who, welcome, 1));
    let mut out = Vec::new();
    let (stream, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    let line = Line { sink: None, stream: Some(stream.as_fd()), hands_over: false };
    assert!(caller.take(frame.as_bytes(), line, &mut out).is_none());
    String::from_utf8(out).unwrap()
}

const ASKED: &str = r#"{"jsonrpc":"2.0","id":1,"method":"m"}"#;

#[test]
fn who_may_not_use_the_door_is_told_so_for_every_request() {
    assert!(answer(true, ASKED).ends_with(r#""result":true}"#));
    let refused = answer(false, ASKED);
    assert!(refused.contains(r#""id":1,"error":{"code":-32001,"#), "{refused}");
    let refused = answer(false, &format!("[{ASKED},{ASKED}]"));
    assert_eq!(refused.matches("-32001").count(), 2);
    assert!(!refused.contains("result"));
}

#[test]
fn a_batch_of_hot_answers_is_answered_at_once() {
    let reply = answer(true, &format!("[{ASKED},{ASKED}]"));
    assert_eq!(serde_json::from_str::<serde_json::Value>(&reply).unwrap()[1]["result"], true);
}
