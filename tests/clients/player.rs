//! The daemon of a case: a thread that plays on each connection what the case has for it, and notes what should not have
//! been heard.

use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, listen, socket,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::case::{Case, Listen, Play};
use crate::stranger::Stranger;

/// How long something that has to happen may take on a slow, busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Default)]
struct Score {
    closed: usize,
    is_over: bool,
    faults: Vec<String>,
}

type Shared = Arc<(Mutex<Score>, Condvar)>;

pub struct Player {
    pub socket: PathBuf,
    score: Shared,
    thread: Option<JoinHandle<()>>,
    _stranger: Option<Stranger>,
    /// Connections that fill a queue.
    _waiting: Vec<std::os::fd::OwnedFd>,
    _directory: TempDir,
}

impl Player {
    /// `None` where this machine cannot play the case.
    pub fn start(case: &Case) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("entitled.sock");
        let score = Shared::default();
        let (mut thread, mut stranger, mut waiting) = (None, None, Vec::new());
        match case.listen {
            Listen::No => {}
            Listen::Stale => drop(UnixListener::bind(&socket).unwrap()),
            Listen::QueueFull => waiting = full_queue(&socket),
            Listen::Stranger => stranger = Some(Stranger::listen_in(directory.path(), &socket)?),
            Listen::Yes => {
                let listener = UnixListener::bind(&socket).unwrap();
                let (plays, repeats) = (case.connections.clone(), case.last_repeats);
                let score = Arc::clone(&score);
                thread = Some(std::thread::spawn(move || {
                    serve(&listener, &plays, repeats, &score);
                }));
            }
        }
        let player = Self {
            socket,
            score,
            thread,
            _stranger: stranger,
            _waiting: waiting,
            _directory: directory,
        };
        Some(player)
    }

    /// Waits until that many connections were played to their end.
    pub fn wait_for_closed(&self, count: usize) {
        let (score, changed) = &*self.score;
        let guard = score.lock().unwrap();
        let (_guard, late) =
            changed.wait_timeout_while(guard, PATIENCE, |it| it.closed < count).unwrap();
        assert!(!late.timed_out(), "{count} connections were not closed");
    }

    /// What should not have been; to be asked once the client has hung up.
    pub fn end(mut self) -> Vec<String> {
        self.score.0.lock().unwrap().is_over = true;
        if let Some(thread) = self.thread.take() {
            // Wakes who waits for another connection.
            drop(UnixStream::connect(&self.socket));
            thread.join().unwrap();
        }
        let mut faults = std::mem::take(&mut self.score.0.lock().unwrap().faults);
        let heard = self._stranger.take().map(Stranger::heard).unwrap_or_default();
        if !heard.is_empty() {
            faults.push(format!("a stranger was told {heard:?}"));
        }
        faults
    }
}

fn serve(listener: &UnixListener, plays: &[Vec<Play>], repeats: bool, score: &Shared) {
    let (score, changed) = &**score;
    for at in 0.. {
        let (stream, _) = listener.accept().unwrap();
        if score.lock().unwrap().is_over {
            if at < plays.len() {
                score.lock().unwrap().faults.push(format!("only {at} connections were made"));
            }
            return;
        }
        let play = match repeats {
            true => plays.get(at).or(plays.last()),
            false => plays.get(at),
        };
        let outcome = match play {
            Some(play) => Conversation::new(stream).play_all(play),
            // One that asks again goes on to be served until the end, so that it does not hang.
            None => Err("a connection too many was made".to_owned()),
        };
        let mut guard = score.lock().unwrap();
        guard.closed += 1;
        guard.faults.extend(outcome.err().map(|it| format!("connection {}: {it}", at + 1)));
        changed.notify_all();
    }
}

struct Conversation {
    stream: BufReader<UnixStream>,
    id: Value,
}

impl Conversation {
    fn new(stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream: BufReader::new(stream), id: Value::Null }
    }

    fn play_all(mut self, plays: &[Play]) -> Result<(), String> {
        plays.iter().try_for_each(|it| self.play(it))
    }

    fn play(&mut self, play: &Play) -> Result<(), String> {
        if let Some(wanted) = &play.hear {
            return self.hear(wanted);
        }
        if play.hold {
            let mut rest = String::new();
            return match self.stream.read_line(&mut rest) {
                Ok(0) => Ok(()),
                // Hung up with something unread.
                Err(it) if it.kind() == std::io::ErrorKind::ConnectionReset => Ok(()),
                it => Err(format!("the client did not hang up: {it:?} {rest:?}")),
            };
        }
        if let Some(repeat) = &play.repeat {
            let bytes = repeat.text.repeat(repeat.times);
            // The client may hang up in the middle.
            let _ = self.stream.get_mut().write_all(bytes.as_bytes());
            return Ok(());
        }
        if let Some(bytes) = self.bytes(play) {
            for piece in bytes.chunks(play.cut.unwrap_or(bytes.len())) {
                if self.stream.get_mut().write_all(piece).is_err() {
                    return Ok(());
                }
                pause(play.pause_ms);
            }
            return Ok(());
        }
        pause(play.pause_ms);
        Ok(())
    }

    fn bytes(&self, play: &Play) -> Option<Vec<u8>> {
        if let Some(hex) = &play.hex {
            let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
            return Some((0..hex.len()).step_by(2).map(byte).collect());
        }
        if let Some(text) = &play.text {
            return Some(text.replace("$ID", &self.id.to_string()).into_bytes());
        }
        let about = |members: &Value| {
            let mut verdict = json!({ "product": "acme-cad" });
            let members = members.as_object().unwrap().clone();
            verdict.as_object_mut().unwrap().extend(members);
            verdict
        };
        let said = match play {
            Play { say: Some(said), .. } => said.clone(),
            Play { verdict: Some(it), .. } => {
                json!({ "jsonrpc": "2.0", "id": self.id, "result": about(it) })
            }
            Play { notice: Some(it), of, .. } => {
                let of = of.clone().unwrap_or(json!(7));
                let params = json!({ "subscription": of, "result": about(it) });
                json!({ "jsonrpc": "2.0", "method": "entitlement_changed", "params": params })
            }
            _ => return None,
        };
        let line = said.to_string().replace("\"$ID\"", &self.id.to_string());
        Some((line + "\n").into_bytes())
    }

    fn hear(&mut self, wanted: &Value) -> Result<(), String> {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line).map_err(|it| format!("nothing heard: {it}"))?;
        if read == 0 {
            return Err(format!("the client hung up before it asked {wanted}"));
        }
        let heard: Value = serde_json::from_str(&line).map_err(|it| format!("{it}: {line}"))?;
        let mut right = wanted.clone();
        right["jsonrpc"] = json!("2.0");
        right["id"] = heard["id"].clone();
        self.id = heard["id"].clone();
        if let (Some(wait), None) = (heard["params"].get("wait_ms"), right["params"].get("wait_ms"))
        {
            right["params"]["wait_ms"] = wait.clone();
        }
        match heard == right && self.id.is_u64() && line.ends_with('\n') {
            true => Ok(()),
            false => Err(format!("heard {line:?} instead of {right}")),
        }
    }
}

fn pause(milliseconds: Option<u64>) {
    if let Some(milliseconds) = milliseconds {
        // How slowly a daemon talks is what the case is about.
        std::thread::sleep(Duration::from_millis(milliseconds));
    }
}

/// A listener that takes nobody in, with a queue that is full.
fn full_queue(path: &Path) -> Vec<std::os::fd::OwnedFd> {
    let new = |flags| socket(AddressFamily::Unix, SockType::Stream, flags, None).unwrap();
    let address = UnixAddr::new(path).unwrap();
    let listener = new(SockFlag::SOCK_CLOEXEC);
    bind(listener.as_raw_fd(), &address).unwrap();
    listen(&listener, Backlog::new(1).unwrap()).unwrap();
    let mut held = vec![listener];
    for _ in 0..100 {
        let waiting = new(SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK);
        if connect(waiting.as_raw_fd(), &address).is_err() {
            return held;
        }
        held.push(waiting);
    }
    panic!("a queue of one took {} connections", held.len());
}
