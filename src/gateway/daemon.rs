//! Asking the daemon: a few connections, each for one question at a time.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::response::Parts;
use http_body_util::Full;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio::net::UnixStream;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::clients::Client;
use super::exchange::Exchange;
use super::places::{Full as NoPlace, Place, Places};
use super::problem::Problem;
use entitled_client::{AsyncClient, AsyncSubscription, ClientError, SocketPath};

/// Questions to the daemon at a time, of whatever form. Its own limit of a user's connections leaves as many for streams.
const AT_A_TIME: usize = 24;
/// How many of them may look at a chain, or change something; and how many may wait for what another look comes to. Those that
/// need no chain do not wait behind them. Clients share these places.
const SLOW_AT_A_TIME: usize = 14;
const WAITING_AT_A_TIME: usize = 6;
/// A little longer than the daemon gives a question that needs the chain.
const PATIENCE: Duration = Duration::from_secs(80);
/// How long a question may wait for its turn.
const TURN: Duration = Duration::from_secs(5);

pub(super) struct Daemon {
    path: SocketPath,
    /// Invariant: together with those that are asked on, at most [`AT_A_TIME`].
    idle: Mutex<Idle>,
    places: Semaphore,
    slow: Places,
    waiting: Places,
    streams: Places,
}

/// Connections on which nothing is asked now.
#[derive(Default)]
struct Idle {
    clients: Vec<AsyncClient>,
    exchanges: Vec<Exchange>,
}

impl Idle {
    fn exchange(&mut self) -> Option<Exchange> {
        self.exchanges.retain(Exchange::is_open);
        self.exchanges.pop()
    }

    /// Closes those that there are more of than places for them.
    fn keep(&mut self, most: usize) {
        while self.clients.len() + self.exchanges.len() > most {
            if self.exchanges.pop().is_none() {
                self.clients.pop();
            }
        }
    }
}

impl Daemon {
    pub(super) fn new(path: SocketPath, streams: usize) -> Self {
        Self {
            path,
            idle: Mutex::default(),
            places: Semaphore::new(AT_A_TIME),
            slow: Places::new(SLOW_AT_A_TIME),
            waiting: Places::new(WAITING_AT_A_TIME),
            streams: Places::new(streams),
        }
    }

    /// Asks a method at once.
    pub(super) async fn ask(
        &self,
        method: &str,
        params: &(impl Serialize + ?Sized),
    ) -> Result<Box<RawValue>, Problem> {
        let _place = self.turn().await?;
        let mut client = self.client().await.map_err(|it| Problem::of(&it))?;
        // The connection of a question that is given up is closed.
        let asked = client.call_raw(method, params).await;
        // What was refused left the connection as it was; after anything else it makes itself a new one.
        self.idle().clients.push(client);
        asked.map_err(|it| Problem::of(&it))
    }

    /// Asks one that looks at a chain or changes something, within what the client may have of these.
    pub(super) async fn ask_slowly(
        &self,
        client: &Client,
        method: &str,
        params: &(impl Serialize + ?Sized),
    ) -> Result<Box<RawValue>, Problem> {
        let place = self.slow.wait(client.share(), Instant::now() + TURN).await;
        let _place = place.map_err(|full| match full {
            NoPlace::Own => Problem::limited(
                "this client has as many changes and questions about a chain under way as it may while others ask",
            ),
            NoPlace::All => Problem::busy("too many changes and questions about a chain are under way"),
        })?;
        self.ask(method, params).await
    }

    /// Asks by HTTP, which changes nothing.
    pub(super) async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<(Parts, Bytes), Problem> {
        let _place = self.turn().await?;
        let asking = async {
            if let Some(mut kept) = self.kept(Idle::exchange)
                && let Ok(said) = kept.ask(request.clone()).await
            {
                return Ok((kept, said));
            }
            // What was kept may have ended meanwhile.
            let mut exchange = self.open_exchange().await?;
            let said = exchange.ask(request).await?;
            Ok((exchange, said))
        };
        let asked = tokio::time::timeout(PATIENCE, asking).await;
        let (exchange, said) = asked.unwrap_or_else(|_| Err(Problem::late()))?;
        self.idle().exchanges.push(exchange);
        Ok(said)
    }

    /// A connection of its own to ask by HTTP on.
    pub(super) async fn open_exchange(&self) -> Result<Exchange, Problem> {
        Exchange::new(self.open().await?).await
    }

    /// A place for one more of the client's questions that wait, if there is one before `until`.
    pub(super) async fn waiting_place(&self, client: &Client, until: Instant) -> Option<Place> {
        self.waiting.wait(client.share(), until).await.ok()
    }

    async fn turn(&self) -> Result<SemaphorePermit<'_>, Problem> {
        match tokio::time::timeout(TURN, self.places.acquire()).await {
            Ok(Ok(place)) => Ok(place),
            _ => Err(Problem::busy("too many questions wait for the daemon")),
        }
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection for whoever has a place.
    async fn client(&self) -> Result<AsyncClient, ClientError> {
        let kept = self.kept(|it| it.clients.pop());
        match kept {
            Some(client) => Ok(client),
            None => AsyncClient::connect_within(&self.path, PATIENCE).await,
        }
    }

    /// One that lies idle; or else room for a new one.
    fn kept<T>(&self, take: impl FnOnce(&mut Idle) -> Option<T>) -> Option<T> {
        let mut idle = self.idle();
        let kept = take(&mut idle);
        if kept.is_none() {
            idle.keep(self.places.available_permits());
        }
        kept
    }

    /// A place for one more of the client's streams.
    pub(super) fn place(&self, client: &Client) -> Result<Place, Problem> {
        self.streams.take(client.share_of_streams()).map_err(|full| match full {
            NoPlace::Own => {
                Problem::limited("this client has as many streams as it may while others have some")
            }
            NoPlace::All => Problem::busy("there are as many streams as there may be"),
        })
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
