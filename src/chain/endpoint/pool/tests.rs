use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64};

use alloy_consensus::Header;
use alloy_primitives::B256;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::chain::endpoint::chain_identity::Genesis;
use crate::endpoint::Budget;
use entitled_core::domain::ids::ChainId;

const FAR: Duration = Duration::from_secs(60);

/// An endpoint of chain 1 with one block, which does what a test says.
#[derive(Default)]
struct Node {
    /// Before each answer.
    delay_ms: AtomicU64,
    /// Closes instead of answering.
    is_broken: AtomicBool,
    /// The HTTP status of every answer; 0 for the usual.
    status: AtomicU64,
    asked: AtomicU64,
}

impl Node {
    async fn start() -> (Arc<Self>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let node = Arc::new(Self::default());
        let serving = Arc::clone(&node);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&serving).serve(stream));
            }
        });
        (node, url)
    }

    async fn serve(self: Arc<Self>, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        loop {
            let mut length = 0;
            loop {
                let mut line = String::new();
                if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                    return;
                }
                match line.to_ascii_lowercase().trim().split_once(": ") {
                    Some(("content-length", value)) => length = value.parse().unwrap(),
                    Some(_) => {}
                    None if line.trim().is_empty() => break,
                    None => {}
                }
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).await.unwrap();
            self.asked.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(self.delay_ms.load(Ordering::SeqCst))).await;
            if self.is_broken.load(Ordering::SeqCst) {
                return;
            }
            let question: Value = serde_json::from_slice(&body).unwrap();
            let answer = answer(&question).to_string();
            let status = self.status.load(Ordering::SeqCst);
            let status = if status == 0 { 200 } else { status };
            let length = answer.len();
            let head = format!("HTTP/1.1 {status} -\r\ncontent-length: {length}\r\n\r\n");
            stream.write_all(format!("{head}{answer}").as_bytes()).await.unwrap();
        }
    }

    fn delay(&self, milliseconds: u64) {
        self.delay_ms.store(milliseconds, Ordering::SeqCst);
    }

    fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }
}

fn answer(question: &Value) -> Value {
    if let Some(batch) = question.as_array() {
        return batch.iter().map(answer).collect();
    }
    let result = match question["method"].as_str() {
        Some("eth_chainId") => json!("0x1"),
        Some("eth_getBlockByNumber") => {
            json!(alloy_rpc_types_eth::Header::new(Header::default()))
        }
        _ => json!("0x7"),
    };
    json!({ "jsonrpc": "2.0", "id": question["id"], "result": result })
}

fn at(url: &str) -> EndpointSettings {
    EndpointSettings::new(url.parse().unwrap())
}

fn pool(endpoints: &[EndpointSettings], pinned: Vec<(u64, B256)>) -> Pool {
    let identity = Identity {
        chain: ChainId(1),
        genesis: Mutex::new(Genesis::Unknown),
        pinned,
        head_order: Mutex::default(),
        retry: FAR,
    };
    let pace = (Duration::from_secs(12), Now::new(|| jiff::Timestamp::UNIX_EPOCH));
    Pool::new(identity, endpoints.to_vec(), pace, None).unwrap()
}

/// Two endpoints, and a pool of them.
async fn two() -> (Arc<Node>, Arc<Node>, Pool) {
    let ((one, first), (other, second)) = (Node::start().await, Node::start().await);
    let pool = pool(&[at(&first), at(&second)], Vec::new());
    (one, other, pool)
}

/// Asks for a number; says which endpoint gave it.
async fn ask(pool: &Pool) -> Result<usize, Cause> {
    let ask = |endpoint: Arc<Endpoint>| {
        async move {
            let _: Value = endpoint.ask("eth_blockNumber", json!([])).await?;
            Ok(endpoint)
        }
        .boxed()
    };
    let winner = pool.first(Instant::now() + FAR, ask).await?;
    Ok(pool.all().iter().position(|it| Arc::ptr_eq(it, &winner)).unwrap())
}

/// Makes the usual latency of each endpoint known.
async fn acquaint(pool: &Pool) {
    for endpoint in pool.all() {
        for _ in 0..12 {
            let _: Value = endpoint.ask("eth_blockNumber", json!([])).await.unwrap();
        }
    }
}

#[tokio::test]
async fn one_that_answers_is_enough() {
    let (_, other, pool) = two().await;
    assert_eq!(ask(&pool).await, Ok(0));
    assert_eq!(other.asked(), 0);
}

#[tokio::test]
async fn beside_one_that_is_unusually_silent_another_is_asked() {
    let (one, other, pool) = two().await;
    acquaint(&pool).await;
    let before = other.asked();
    one.delay(20_000);
    assert_eq!(ask(&pool).await, Ok(1));
    assert_eq!(other.asked(), before + 1);
    assert_eq!(pool.all()[1].meter().beside.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_slow_first_answer_still_counts_when_the_other_fails() {
    let (one, other, pool) = two().await;
    acquaint(&pool).await;
    one.delay(300);
    other.is_broken.store(true, Ordering::SeqCst);
    assert_eq!(ask(&pool).await, Ok(0));
}

#[tokio::test]
async fn one_that_is_silent_again_and_again_is_asked_last() {
    let (one, _, pool) = two().await;
    acquaint(&pool).await;
    one.delay(20_000);
    for _ in 0..3 {
        assert_eq!(ask(&pool).await, Ok(1));
    }
    let before = one.asked();
    assert_eq!(ask(&pool).await, Ok(1));
    assert_eq!(one.asked(), before, "it was not asked any more");
}

#[tokio::test]
async fn one_that_is_limited_is_not_asked_beside_another() {
    let ((one, first), (other, second)) = (Node::start().await, Node::start().await);
    let budget = Some(Budget { units_per_second: 1, burst: 60 });
    let mut limited = at(&second);
    limited.budget = budget;
    let pool = pool(&[at(&first), limited], Vec::new());
    let second = &pool.all()[1];
    let _: Value = second.ask("eth_blockNumber", json!([])).await.unwrap();
    let before = other.asked();
    for _ in 0..12 {
        let _: Value = pool.all()[0].ask("eth_blockNumber", json!([])).await.unwrap();
    }
    one.delay(300);
    assert_eq!(ask(&pool).await, Ok(0));
    assert_eq!(other.asked(), before);
    let error = loop {
        let answer: Result<Value, _> = second.ask("eth_getLogs", json!([])).await;
        if let Err(error) = answer {
            break error;
        }
    };
    assert!(matches!(error, EndpointError::OverBudget), "{error}");
    assert!(second.health().faults.last.is_none(), "our thrift is no fault of it");
}

#[tokio::test]
async fn the_cheaper_is_asked_first() {
    let ((_, first), (_, second)) = (Node::start().await, Node::start().await);
    let mut dear = at(&first);
    dear.cost = 1;
    let pool = pool(&[dear, at(&second)], Vec::new());
    assert_eq!(ask(&pool).await, Ok(1));
}

#[tokio::test]
async fn after_five_failures_it_is_left_alone_while_another_answers() {
    let (one, _, pool) = two().await;
    one.is_broken.store(true, Ordering::SeqCst);
    for _ in 0..5 {
        let answer: Result<Value, _> = pool.all()[0].ask("eth_blockNumber", json!([])).await;
        assert!(answer.is_err());
    }
    let before = one.asked();
    assert_eq!(ask(&pool).await, Ok(1));
    assert_eq!(one.asked(), before);
    assert_eq!(pool.voices(1).len(), 1, "it has no voice while there are enough others");
    assert_eq!(pool.voices(2).len(), 2);
}

#[tokio::test]
async fn when_nobody_else_answers_it_is_asked_all_the_same() {
    let (one, other, pool) = two().await;
    for node in [&one, &other] {
        node.is_broken.store(true, Ordering::SeqCst);
    }
    for _ in 0..5 {
        assert_eq!(ask(&pool).await, Err(Cause::Unreachable));
    }
    one.is_broken.store(false, Ordering::SeqCst);
    assert_eq!(ask(&pool).await, Ok(0));
}

#[tokio::test]
async fn many_who_ask_at_once_share_one_trial() {
    let (one, url) = Node::start().await;
    let pool = pool(&[at(&url)], Vec::new());
    one.delay(100);
    one.is_broken.store(true, Ordering::SeqCst);
    let asked = futures_util::future::join_all((0..20).map(|_| ask(&pool))).await;
    assert!(asked.iter().all(|it| *it == Err(Cause::Unreachable)), "{asked:?}");
    // The client of HTTP may try a second connection by itself.
    assert!(one.asked() <= 2, "{}", one.asked());
}

#[tokio::test]
async fn a_server_error_is_a_failure_of_the_endpoint() {
    let (one, _, pool) = two().await;
    one.status.store(502, Ordering::SeqCst);
    assert_eq!(ask(&pool).await, Ok(1));
    let health = pool.all()[0].health();
    let last = health.faults.last.as_ref().unwrap();
    assert_eq!((last.kind.word(), last.asked.as_str()), ("down", "eth_chainId"));
    assert!(last.message.contains("502"), "{}", last.message);
}

#[tokio::test]
async fn another_block_at_a_pinned_number_is_another_chain() {
    let (_, url) = Node::start().await;
    let genesis = Header::default().hash_slow();
    let right = pool(&[at(&url)], vec![(0, genesis)]);
    assert_eq!(ask(&right).await, Ok(0));
    let wrong = pool(&[at(&url)], vec![(0, B256::repeat_byte(1))]);
    assert_eq!(ask(&wrong).await, Err(Cause::WrongChain));
}

#[tokio::test]
async fn what_was_asked_is_counted_in_compute_units() {
    let (_, url) = Node::start().await;
    let units = BTreeMap::from([("eth_getProof".to_owned(), 400)]);
    let mut settings = at(&url);
    settings.units = units;
    let pool = pool(&[settings], Vec::new());
    let endpoint = &pool.all()[0];
    let _: Value = endpoint.ask("eth_getProof", json!([])).await.unwrap();
    // The chain's id costs nothing, and the genesis block 20.
    assert_eq!(endpoint.meter().units.load(Ordering::SeqCst), 420);
    assert_eq!(endpoint.meter().requests.load(Ordering::SeqCst), 3);
}
