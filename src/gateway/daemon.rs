//! Asking the daemon: a few connections, each for one question at a time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio::net::UnixStream;
use tokio::sync::{Semaphore, SemaphorePermit, TryAcquireError};
use tokio::time::Instant;

use super::problem::Problem;
use entitled_client::{AsyncClient, AsyncSubscription, ClientError, SocketPath};

/// Questions to the daemon at a time. Its own limit of a user's connections leaves as many for streams.
const AT_A_TIME: usize = 24;
/// How many of them may look at a chain, more than one client may have; and how many may wait for what another look comes to.
/// Those that need no chain do not wait behind them.
const SLOW_AT_A_TIME: usize = 14;
const WAITING_AT_A_TIME: usize = 6;
/// A little longer than the daemon gives a question that needs the chain.
const PATIENCE: Duration = Duration::from_secs(80);
/// How long a question may wait for its turn.
const TURN: Duration = Duration::from_secs(5);

pub(super) struct Daemon {
    path: SocketPath,
    idle: Mutex<Vec<AsyncClient>>,
    places: Semaphore,
    slow: Semaphore,
    waiting: Semaphore,
    streams: Arc<Semaphore>,
}

/// A place for a stream of events.
pub(super) type Place = tokio::sync::OwnedSemaphorePermit;

impl Daemon {
    pub(super) fn new(path: SocketPath, streams: usize) -> Self {
        Self {
            path,
            idle: Mutex::new(Vec::new()),
            places: Semaphore::new(AT_A_TIME),
            slow: Semaphore::new(SLOW_AT_A_TIME),
            waiting: Semaphore::new(WAITING_AT_A_TIME),
            streams: Arc::new(Semaphore::new(streams)),
        }
    }

    /// Asks a method. The connection of a question that is given up is closed.
    pub(super) async fn ask(
        &self,
        method: &str,
        params: &(impl Serialize + ?Sized),
        is_slow: bool,
    ) -> Result<Box<RawValue>, Problem> {
        let _slow = match is_slow.then(|| self.slow.try_acquire()) {
            Some(Err(TryAcquireError::NoPermits | TryAcquireError::Closed)) => {
                return Err(Problem::busy("too many questions wait for a chain"));
            }
            Some(Ok(place)) => Some(place),
            None => None,
        };
        let turn = tokio::time::timeout(TURN, self.places.acquire()).await;
        let Ok(Ok(_place)) = turn else {
            return Err(Problem::busy("too many questions wait for the daemon"));
        };
        let mut client = self.client().await.map_err(|it| Problem::of(&it))?;
        let asked = client.call_raw(method, params).await;
        // What was refused left the connection as it was; after anything else it makes itself a new one.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(client);
        asked.map_err(|it| Problem::of(&it))
    }

    /// A place for one more question that waits, if there is one before `until`.
    pub(super) async fn waiting_place(&self, until: Instant) -> Option<SemaphorePermit<'_>> {
        tokio::time::timeout_at(until, self.waiting.acquire()).await.ok()?.ok()
    }

    async fn client(&self) -> Result<AsyncClient, ClientError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match idle {
            Some(client) => Ok(client),
            None => AsyncClient::connect_within(&self.path, PATIENCE).await,
        }
    }

    /// A place for one more stream.
    pub(super) fn place(&self) -> Result<Place, Problem> {
        let place = Arc::clone(&self.streams).try_acquire_owned();
        place.map_err(|_| Problem::busy("there are as many streams as there may be"))
    }

    /// Follows a product, over a connection of its own.
    pub(super) async fn follow(
        &self,
        params: &Map<String, Value>,
    ) -> Result<AsyncSubscription, Problem> {
        let client = self.connect().await?;
        client.subscribe_with(params).await.map_err(|it| Problem::of(&it))
    }

    /// A connection of its own, which ends with whoever has it.
    pub(super) async fn connect(&self) -> Result<AsyncClient, Problem> {
        AsyncClient::connect_within(&self.path, PATIENCE).await.map_err(|it| Problem::of(&it))
    }

    /// A connection to speak HTTP on.
    pub(super) async fn open(&self) -> Result<UnixStream, Problem> {
        let opened = AsyncClient::open(&self.path, TURN).await;
        opened.map_err(|it| Problem::of(&it))
    }
}
