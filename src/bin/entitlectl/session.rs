//! Asking the daemon: which socket, for whom, which parameters, how many pages, how long.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use entitled_client::{
    Client, ClientError, SocketPath, Subscription, Verdict, default_admin_path, default_path,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::exit::Failure;
use crate::progress::Spinner;
use crate::{names, shapes, verdicts};

/// Pages of a list followed before giving up: with pages of a thousand, a million items.
const PAGES_MAX: usize = 1000;

/// What the daemon itself waits for the chain in a first check, unless told otherwise.
pub(crate) const FIRST_CHECK_WAIT: Duration = Duration::from_secs(2);

/// A proof made now may take as long as the daemon gives the chain.
pub(crate) const PROOF_WAIT: Duration = Duration::from_secs(30);

/// For whom to ask.
#[derive(Debug, Clone, Args)]
pub(crate) struct Behalf {
    /// Act for this customer, by its id or name, or by the name of a Unix user (for administrators)
    #[arg(long, value_name = "CUSTOMER")]
    customer: Option<String>,
}

impl Behalf {
    pub(crate) fn customer(&self) -> Option<&str> {
        self.customer.as_deref()
    }
}

/// Which of the daemon's sockets a question belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Public,
    Admin,
    /// The admin socket for those who may use it, and the public one for everybody else.
    Widest,
}

/// A method, the socket it belongs to, and its parameters by name. Values are kept as JSON text, so that
/// numbers beyond 64 bits in typed data arrive as they were written.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    pub(crate) method: &'static str,
    door: Door,
    params: BTreeMap<&'static str, Box<RawValue>>,
}

impl Question {
    pub(crate) fn new(method: &'static str) -> Self {
        Self { method, door: Door::Public, params: BTreeMap::new() }
    }

    pub(crate) fn admin(method: &'static str) -> Self {
        Self { door: Door::Admin, ..Self::new(method) }
    }

    /// What administrators are told more of: asked at their socket by those who may use it.
    pub(crate) fn of_all(method: &'static str) -> Self {
        Self { door: Door::Widest, ..Self::new(method) }
    }

    /// A parameter that is a text, if it is given.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.params.get(name)?.get()).ok()
    }

    pub(crate) fn with<T: Serialize + ?Sized>(
        mut self,
        name: &'static str,
        value: &T,
    ) -> Result<Self, Failure> {
        let value = serde_json::value::to_raw_value(value);
        let value = value.map_err(|source| Failure::Shape { method: self.method, source })?;
        self.params.insert(name, value);
        Ok(self)
    }

    /// Leaves the parameter out if there is none.
    pub(crate) fn with_some<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: Option<&T>,
    ) -> Result<Self, Failure> {
        match value {
            Some(value) => self.with(name, value),
            None => Ok(self),
        }
    }

    /// Only administrators may act for another customer, so the question goes to their door.
    pub(crate) fn for_whom(mut self, behalf: &Behalf) -> Result<Self, Failure> {
        if behalf.customer.is_some() {
            self.door = Door::Admin;
        }
        self.with_some("customer", behalf.customer.as_ref())
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Session {
    socket: Option<PathBuf>,
    /// Found before any secret is read: a program that cannot be dumped is not told how it was started, and would not
    /// believe its environment.
    public: SocketPath,
    admin: SocketPath,
    timeout: Duration,
    /// Whether it is shown that an answer is waited for.
    lively: bool,
}

/// The variables that name a daemon's sockets.
const NAMES: [&str; 2] = ["ENTITLED_SOCKET", "ENTITLED_ADMIN_SOCKET"];

const WAITING: &str = "waiting for entitled";

impl Session {
    pub(crate) fn new(socket: Option<PathBuf>, timeout: Duration, lively: bool) -> Self {
        let (public, admin) = (default_path(), default_admin_path());
        Self { socket, public, admin, timeout, lively }
    }

    /// The same, with `more` time for an answer that may take that long by itself.
    pub(crate) fn patient(&self, more: Duration) -> Self {
        let timeout = self.timeout.saturating_add(more);
        Self { timeout, ..self.clone() }
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Shows, where that is wanted, that work of our own goes on.
    pub(crate) fn busy(&self, words: &'static str) -> Spinner {
        Spinner::begin(self.lively, words)
    }

    pub(crate) fn ask(&self, question: &Question) -> Result<Box<RawValue>, Failure> {
        match names::resolved(self, question)? {
            None => self.ask_as_is(question),
            Some(resolved) => self.ask_as_is(&resolved),
        }
    }

    /// Asks for a verdict: as it came, and as it reads. One that contradicts the question is none.
    pub(crate) fn ask_verdict(
        &self,
        question: &Question,
    ) -> Result<(Box<RawValue>, Verdict), Failure> {
        let resolved = names::resolved(self, question)?;
        let question = resolved.as_ref().unwrap_or(question);
        let result = self.ask_as_is(question)?;
        let verdict = read(question.method, &result)?;
        match verdicts::contradiction(&verdict, question) {
            None => Ok((result, verdict)),
            Some(reason) => Err(ClientError::Protocol { reason, source: None }.into()),
        }
    }

    /// Asks with names as they are.
    pub(crate) fn ask_as_is(&self, question: &Question) -> Result<Box<RawValue>, Failure> {
        let _spinner = Spinner::begin(self.lively, WAITING);
        let reply = self.connect(question.door)?.call_raw(question.method, &question.params)?;
        shapes::check(question.method, &reply)?;
        Ok(reply)
    }

    /// Asks for a list, and follows it to its end: one result for each page.
    pub(crate) fn ask_all(&self, mut question: Question) -> Result<Vec<Box<RawValue>>, Failure> {
        if let Some(resolved) = names::resolved(self, &question)? {
            question = resolved;
        }
        self.ask_all_as_is(question)
    }

    /// The same, with names as they are.
    pub(crate) fn ask_all_as_is(
        &self,
        mut question: Question,
    ) -> Result<Vec<Box<RawValue>>, Failure> {
        let spinner = Spinner::begin(self.lively, WAITING);
        let mut client = self.connect(question.door)?;
        let mut pages = Vec::new();
        while pages.len() < PAGES_MAX {
            let page = client.call_raw(question.method, &question.params)?;
            shapes::check(question.method, &page)?;
            let (count, cursor) = read_so_far(&page);
            spinner.count(count);
            pages.push(page);
            match cursor {
                Some(cursor) => question = question.with("cursor", &cursor)?,
                None => return Ok(pages),
            }
        }
        Err(Failure::Endless { method: question.method, pages: PAGES_MAX })
    }

    pub(crate) fn subscribe(&self, question: &Question) -> Result<Subscription, ClientError> {
        self.connect(question.door)?.subscribe_with(&question.params)
    }

    fn connect(&self, door: Door) -> Result<Client, ClientError> {
        if door == Door::Widest && self.socket.is_none() && are_of_one_daemon() {
            match self.connect(Door::Admin) {
                Err(ClientError::Unreachable { .. }) => {}
                outcome => return outcome,
            }
        }
        Client::connect_within(&self.path(door), self.timeout)
    }

    /// Whether somebody has said which daemon is meant.
    pub(crate) fn is_named(&self) -> bool {
        self.socket.is_some() || NAMES.iter().any(|it| is_set(it))
    }

    /// Where the daemon is asked.
    pub(crate) fn path(&self, door: Door) -> SocketPath {
        match (&self.socket, door) {
            (Some(path), _) => SocketPath::at(path),
            (None, Door::Admin) => self.admin.clone(),
            (None, Door::Public | Door::Widest) => self.public.clone(),
        }
    }
}

/// Whoever names one of the sockets alone may mean another daemon than that of the other one.
fn are_of_one_daemon() -> bool {
    let [public, admin] = NAMES.map(is_set);
    public == admin
}

fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|it| !it.is_empty())
}

/// Reads a result as `T`.
pub(crate) fn read<T: DeserializeOwned>(
    method: &'static str,
    result: &RawValue,
) -> Result<T, Failure> {
    serde_json::from_str(result.get()).map_err(|source| Failure::Shape { method, source })
}

/// How many things are on a page of a list, and where the next one begins.
fn read_so_far(page: &RawValue) -> (usize, Option<Value>) {
    let page: Value = serde_json::from_str(page.get()).unwrap_or_default();
    let count = page.get("items").and_then(Value::as_array).map_or(0, Vec::len);
    (count, page.get("next_cursor").filter(|it| !it.is_null()).cloned())
}
