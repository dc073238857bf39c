//! A beacon node on loopback: serves the simulated chain, moves it on, and misbehaves as it is told.

use std::io::{self, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::api::{self, Answer};
use super::chain::BeaconChain;
use super::execution::ExecutionBlock;
use super::execution_node::ExecutionNode;
use super::http::Message;
use super::schedule::Schedule;
use super::tamper;

/// How often a node that keeps pace looks at the clock.
const PACE: Duration = Duration::from_millis(200);

/// What goes wrong with an answer.
#[derive(Clone)]
pub enum BeaconFault {
    /// It comes only after this time.
    Delay(Duration),
    /// The connection is closed instead.
    Drop,
    /// The connection is closed in the middle of it.
    Cut,
    /// It is this HTTP status, with the API's body for errors.
    Status(u16),
    /// It is these bytes.
    Body(Arc<[u8]>),
    /// It is this JSON, made of the request's target.
    Made(Arc<dyn Fn(&str) -> Value + Send + Sync>),
    /// Something is done to each message in it.
    Alter(Arc<dyn Fn(&Value) -> Value + Send + Sync>),
}

impl BeaconFault {
    pub fn garbage() -> Self {
        Self::Body(Arc::from(*b"<html>not what was asked for</html>"))
    }

    /// A finality update of this many bytes and more.
    pub fn oversized(bytes: usize) -> Self {
        let text = json!({"version": "fulu", "data": {"filler": "0".repeat(bytes)}}).to_string();
        Self::Body(text.into_bytes().into())
    }

    /// One value of each message is altered; see [`tamper::tampered`].
    pub fn tampered(pointer: &'static str) -> Self {
        Self::alter(move |it| tamper::tampered(it, pointer))
    }

    /// Each message is said to be of another fork.
    pub fn version(name: &'static str) -> Self {
        Self::alter(move |it| tamper::replaced(it, "/version", json!(name)))
    }

    pub fn made(answer: impl Fn(&str) -> Value + Send + Sync + 'static) -> Self {
        Self::Made(Arc::new(answer))
    }

    pub fn alter(alteration: impl Fn(&Value) -> Value + Send + Sync + 'static) -> Self {
        Self::Alter(Arc::new(alteration))
    }
}

/// Ends with this value.
pub struct BeaconNode {
    /// `127.0.0.1:PORT`
    address: String,
    inner: Arc<Inner>,
}

struct Inner {
    execution: Option<ExecutionNode>,
    chain: Mutex<BeaconChain>,
    /// What is served instead.
    shown: Mutex<Option<BeaconChain>>,
    /// In whose target there is this text; for every one, if there is none.
    faults: Mutex<Vec<(Option<&'static str>, BeaconFault)>>,
    requests: Mutex<Vec<String>>,
    /// It is a static web server with a mirror, no beacon node.
    is_mirror: AtomicBool,
    ended: AtomicBool,
}

impl BeaconNode {
    /// Serves a chain that exists already, at a port of its own.
    pub fn serve(chain: BeaconChain) -> Self {
        Self::serve_at(chain, 0, None)
    }

    /// Serves a chain over the blocks of the EVM node at `execution` (`127.0.0.1:PORT`). `schedule` is made
    /// for the time of that node's block 0. From now on the node's blocks are a slot apart.
    pub fn over(execution: &str, schedule: impl FnOnce(u64) -> Schedule) -> Self {
        Self::over_at(execution, 0, schedule)
    }

    /// The same at a given port.
    pub fn over_at(execution: &str, port: u16, schedule: impl FnOnce(u64) -> Schedule) -> Self {
        let execution = ExecutionNode::at(execution);
        let genesis = execution.genesis().unwrap();
        let time = genesis["timestamp"].as_str().unwrap().trim_start_matches("0x");
        let schedule = schedule(u64::from_str_radix(time, 16).unwrap());
        execution.set_seconds_between_blocks(schedule.seconds_per_slot).unwrap();
        let node = Self::serve_at(BeaconChain::new(schedule), port, Some(execution));
        node.follow();
        node
    }

    fn serve_at(chain: BeaconChain, port: u16, execution: Option<ExecutionNode>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let inner = Arc::new(Inner {
            execution,
            chain: Mutex::new(chain),
            shown: Mutex::default(),
            faults: Mutex::default(),
            requests: Mutex::default(),
            is_mirror: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        });
        let address = listener.local_addr().unwrap().to_string();
        let served = Arc::clone(&inner);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if served.ended.load(Ordering::SeqCst) {
                    return;
                }
                let inner = Arc::clone(&served);
                std::thread::spawn(move || inner.converse(&stream));
            }
        });
        Self { address, inner }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `127.0.0.1:PORT`
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The chain as it is, whatever is shown of it. Nobody is answered while this is held, and whoever asks for
    /// it twice in one expression waits for ever.
    pub fn chain(&self) -> MutexGuard<'_, BeaconChain> {
        self.inner.chain.lock().unwrap()
    }

    /// The EVM node below.
    ///
    /// # Panics
    /// When there is none.
    pub fn execution(&self) -> &ExecutionNode {
        self.inner.execution.as_ref().expect("there is an EVM node")
    }

    // ---- time

    /// Takes the blocks the EVM node has made by itself, for transactions.
    pub fn follow(&self) {
        self.inner.follow().unwrap();
    }

    /// Lets so many slots pass, each with a block.
    pub fn advance(&self, slots: u64) {
        self.inner.advance(slots).unwrap();
    }

    /// Lets slots pass, each with a block, until the newest one is this: the first of a period or a fork, as the
    /// schedule tells.
    pub fn advance_to(&self, slot: u64) {
        self.follow();
        self.advance(slot.checked_sub(self.inner.head()).expect("a later slot"));
    }

    /// Lets so many slots pass without a block, and then one with.
    pub fn skip(&self, slots: u64) {
        self.follow();
        let slot = self.inner.head() + slots + 1;
        let time = self.chain().schedule.time_of(slot);
        match &self.inner.execution {
            Some(execution) => {
                execution.mine_at(time).unwrap();
                self.follow();
            }
            None => self.chain().append(ExecutionBlock::made_up(slot, time)),
        }
    }

    /// Lets slots pass until the newest one lies no further `behind` the wall clock than this.
    pub fn catch_up(&self, behind: Duration) {
        self.inner.catch_up(behind).unwrap();
    }

    /// From now on slots pass as time does, the newest one lying `behind` the wall clock, and what transactions
    /// make the EVM node do is seen soon. Waits while that node is away.
    pub fn keep_pace(&self, behind: Duration) {
        let inner = Arc::clone(&self.inner);
        std::thread::spawn(move || {
            while !inner.ended.load(Ordering::SeqCst) {
                let _away = inner.catch_up(behind);
                // Slots pass with time.
                std::thread::sleep(PACE);
            }
        });
    }

    // ---- what is shown

    /// From now on serves this chain, while the real one goes on unseen.
    pub fn show(&self, chain: BeaconChain) {
        *self.inner.shown.lock().unwrap() = Some(chain);
    }

    /// From now on withholds what is new, and replays what was.
    pub fn freeze(&self) {
        let chain = self.chain().clone();
        self.show(chain);
    }

    /// From now on answers as a static web server does that has the mirror of [`super::files`], always up to date.
    pub fn become_mirror(&self) {
        self.inner.is_mirror.store(true, Ordering::SeqCst);
    }

    /// From now on this is the only thing wrong, for every request.
    pub fn fault(&self, fault: BeaconFault) {
        *self.inner.faults.lock().unwrap() = vec![(None, fault)];
    }

    /// From now on this is wrong too, with requests whose target has this text in it.
    pub fn fault_in(&self, target: &'static str, fault: BeaconFault) {
        self.inner.faults.lock().unwrap().push((Some(target), fault));
    }

    /// From now on nothing is wrong and nothing is hidden.
    pub fn heal(&self) {
        self.inner.faults.lock().unwrap().clear();
        *self.inner.shown.lock().unwrap() = None;
    }

    /// The targets asked for so far that have this text in them.
    pub fn requests(&self, target: &str) -> Vec<String> {
        let all = self.inner.requests.lock().unwrap();
        all.iter().filter(|it| it.contains(target)).cloned().collect()
    }
}

impl Drop for BeaconNode {
    fn drop(&mut self) {
        self.inner.ended.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(&self.address)); // wakes the listener, which sees that it has ended
    }
}

/// What the wall clock says, in Unix seconds.
#[allow(clippy::disallowed_methods, reason = "the daemon that is tested goes by the real time")]
pub fn seconds_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

impl Inner {
    fn head(&self) -> u64 {
        self.chain.lock().unwrap().head().map_or(0, |it| it.slot())
    }

    fn follow(&self) -> Result<(), String> {
        match &self.execution {
            Some(execution) => execution.hand_over(&mut self.chain.lock().unwrap()),
            None => Ok(()),
        }
    }

    fn advance(&self, slots: u64) -> Result<(), String> {
        let Some(execution) = &self.execution else {
            let slot = self.head() + slots;
            self.chain.lock().unwrap().grow_to(slot);
            return Ok(());
        };
        // Once more: a node that was started again has forgotten.
        let apart = self.chain.lock().unwrap().schedule.seconds_per_slot;
        execution.set_seconds_between_blocks(apart)?;
        execution.mine(slots)?;
        self.follow()
    }

    fn catch_up(&self, behind: Duration) -> Result<(), String> {
        self.follow()?;
        let now = {
            let chain = self.chain.lock().unwrap();
            let time = seconds_now().saturating_sub(behind.as_secs());
            chain.schedule.slot_at(time.max(chain.schedule.genesis_time))
        };
        match now.saturating_sub(self.head()) {
            0 => Ok(()),
            missing => self.advance(missing),
        }
    }

    /// One connection, until it ends or a fault ends it.
    fn converse(&self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        while let Ok(Some(request)) = Message::read(&mut reader) {
            if self.ended.load(Ordering::SeqCst) || self.reply(&request, stream).is_err() {
                return;
            }
        }
    }

    /// An error ends the connection.
    fn reply(&self, request: &Message, mut stream: &TcpStream) -> io::Result<()> {
        let mut words = request.first.split(' ');
        let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        self.requests.lock().unwrap().push(target.to_owned());
        let mut answer = if method == "GET" {
            let is_mirror = self.is_mirror.load(Ordering::SeqCst);
            let answer = if is_mirror { api::answer_as_mirror } else { api::answer };
            match &*self.shown.lock().unwrap() {
                Some(shown) => answer(shown, target),
                None => answer(&self.chain.lock().unwrap(), target),
            }
        } else {
            Answer::error(405, "Method not allowed")
        };
        let (mut bytes, mut cut) = (None, false);
        for fault in self.faults_of(target) {
            match fault {
                // The fault is the delay.
                BeaconFault::Delay(time) => std::thread::sleep(time),
                BeaconFault::Drop => return Err(io::ErrorKind::ConnectionAborted.into()),
                BeaconFault::Cut => cut = true,
                BeaconFault::Status(status) => {
                    answer = Answer::error(status, "a fault of the test")
                }
                BeaconFault::Body(body) => bytes = Some(body.to_vec()),
                BeaconFault::Made(made) => bytes = Some(made(target).to_string().into_bytes()),
                BeaconFault::Alter(alter) if answer.status == 200 => match &mut answer.body {
                    Value::Array(all) => all.iter_mut().for_each(|it| *it = alter(it)),
                    one => *one = alter(one),
                },
                BeaconFault::Alter(_) => {}
            }
        }
        let body = bytes.unwrap_or_else(|| answer.body.to_string().into_bytes());
        let mut head = format!(
            "HTTP/1.1 {} -\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
            answer.status,
            body.len()
        );
        if let Some(version) = answer.body["version"].as_str() {
            head.push_str(&format!("Eth-Consensus-Version: {version}\r\n"));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes())?;
        if cut {
            stream.write_all(&body[..body.len() / 2])?;
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        stream.write_all(&body)
    }

    fn faults_of(&self, target: &str) -> Vec<BeaconFault> {
        let known = self.faults.lock().unwrap();
        let concern = |only: &Option<&'static str>| only.is_none_or(|it| target.contains(it));
        known.iter().filter(|(only, _)| concern(only)).map(|(_, it)| it.clone()).collect()
    }
}
