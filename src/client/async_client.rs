//! The same client for programs that run on tokio. It has no thread of its own.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::asked::Asked;
use crate::async_wire::AsyncWire;
use crate::connection::TIMEOUT_DEFAULT;
use crate::deadline::Deadline;
use crate::error::ClientError;
use crate::exchange::{self, Exchange, Inbox, Outcome, ProductParams};
use crate::socket_path::SocketPath;
use crate::verdict::{Explanation, Verdict};

/// [`Client`](crate::Client) for programs that run on tokio: the same limits on every wait, and the same check of who
/// answers. It needs a runtime with its drivers for input and output and for time enabled.
///
/// A call that is given up, by dropping its future, costs the connection; the next call makes another.
///
/// ```no_run
/// # async fn ask() -> Result<(), entitled_client::ClientError> {
/// let mut client = entitled_client::AsyncClient::connect(&entitled_client::default_path()).await?;
/// let verdict = client.check("acme-cad").await?;
/// if verdict.valid && verdict.has("export") {
///     // offer the export
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct AsyncClient {
    path: SocketPath,
    timeout: Duration,
    /// `None` after anything went wrong on it: what would still arrive belongs to a question given up.
    wire: Option<AsyncWire>,
    exchange: Exchange,
}

impl AsyncClient {
    /// # Errors
    /// [`ClientError::Unreachable`], [`ClientError::Untrusted`] or [`ClientError::Timeout`].
    pub async fn connect(path: &SocketPath) -> Result<Self, ClientError> {
        Self::connect_within(path, TIMEOUT_DEFAULT).await
    }

    /// Connects with another limit than 5 s, for connecting and for each question.
    ///
    /// # Errors
    /// As [`AsyncClient::connect`].
    pub async fn connect_within(path: &SocketPath, timeout: Duration) -> Result<Self, ClientError> {
        let wire = AsyncWire::connect(path, Deadline::after(timeout)).await?;
        Ok(Self { path: path.clone(), timeout, wire: Some(wire), exchange: Exchange::default() })
    }

    /// Opens a connection to speak something else on, such as HTTP, and makes sure who answers.
    ///
    /// # Errors
    /// As [`AsyncClient::connect`].
    pub async fn open(
        path: &SocketPath,
        timeout: Duration,
    ) -> Result<tokio::net::UnixStream, ClientError> {
        AsyncWire::connect(path, Deadline::after(timeout)).await.map(AsyncWire::into_stream)
    }

    /// A client that connects when it is asked something for the first time.
    pub(super) fn unconnected(path: &SocketPath, timeout: Duration) -> Self {
        Self { path: path.clone(), timeout, wire: None, exchange: Exchange::default() }
    }

    /// Sets how long each question may take from now on.
    pub fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    /// What the caller is entitled to of `product`.
    ///
    /// # Errors
    /// As [`AsyncClient::call`].
    pub async fn check(&mut self, product: &str) -> Result<Verdict, ClientError> {
        self.check_with(&ProductParams { product }).await
    }

    /// The same with other parameters of `entitlement_check`, such as the publisher and a feature. An answer about
    /// something else than they name is none.
    ///
    /// # Errors
    /// As [`AsyncClient::call`].
    pub async fn check_with<P>(&mut self, params: &P) -> Result<Verdict, ClientError>
    where
        P: Serialize + ?Sized,
    {
        let asked = Asked::in_params(params);
        // Written before anything is waited for, as in `call`.
        let request = self.exchange.ask("entitlement_check", params)?;
        let verdict: Verdict = exchange::read_result(&self.answer_to(request).await?)?;
        asked.require(&verdict)?;
        Ok(verdict)
    }

    /// The same, and how the daemon came to it.
    ///
    /// # Errors
    /// As [`AsyncClient::call`].
    pub async fn explain(&mut self, product: &str) -> Result<Explanation, ClientError> {
        let params = ProductParams { product };
        let explanation: Explanation = self.call("entitlement_explain", &params).await?;
        Asked::product(product).require(&explanation.verdict)?;
        Ok(explanation)
    }

    /// Asks any method. `params` is a struct or map of named parameters, or `&()` for none.
    ///
    /// # Errors
    /// [`ClientError::Refused`] when the daemon declines; the others when it could not be asked or understood.
    pub async fn call<P, R>(&mut self, method: &str, params: &P) -> Result<R, ClientError>
    where
        P: Serialize + ?Sized,
        R: DeserializeOwned,
    {
        // Written before anything is waited for, so that what is asked need not be sent between threads.
        let request = self.exchange.ask(method, params)?;
        exchange::read_result(&self.answer_to(request).await?)
    }

    /// Asks any method, and gives the result exactly as it came.
    ///
    /// # Errors
    /// As [`AsyncClient::call`].
    pub async fn call_raw<P>(
        &mut self,
        method: &str,
        params: &P,
    ) -> Result<Box<RawValue>, ClientError>
    where
        P: Serialize + ?Sized,
    {
        let request = self.exchange.ask(method, params)?;
        self.answer_to(request).await
    }

    /// Follows the verdict about `product`: the present one first, then one per change.
    ///
    /// # Errors
    /// As [`AsyncClient::call`].
    pub async fn subscribe(self, product: &str) -> Result<AsyncSubscription, ClientError> {
        self.subscribe_with(&ProductParams { product }).await
    }

    /// The same with other parameters of `entitlement_subscribe`.
    ///
    /// # Errors
    /// As [`AsyncClient::call`].
    pub async fn subscribe_with<P>(mut self, params: &P) -> Result<AsyncSubscription, ClientError>
    where
        P: Serialize + ?Sized,
    {
        let asked = Asked::in_params(params);
        let id: Value = self.call("entitlement_subscribe", params).await?;
        match self.wire.take() {
            Some(wire) => {
                let inbox = self.exchange.into_inbox(id);
                Ok(AsyncSubscription { inbox, wire, wait: None, asked })
            }
            None => Err(ClientError::protocol("the connection is gone")),
        }
    }

    /// What is told next of a subscription that was made here. After a timeout it may be asked again; after another error the
    /// connection is of no more use.
    pub(super) async fn notice(
        &mut self,
        subscription: &Value,
        deadline: Deadline,
    ) -> Result<Box<RawValue>, ClientError> {
        let gone = || ClientError::protocol("the connection is gone");
        loop {
            if let Some(told) = self.exchange.told(subscription) {
                return Ok(told);
            }
            // It stays where it is, so that nothing is lost when this is given up.
            let wire = self.wire.as_mut().ok_or_else(gone)?;
            let line = wire.receive(deadline).await?;
            let line = line.ok_or_else(|| wire.lost(std::io::ErrorKind::UnexpectedEof.into()))?;
            if self.exchange.hear(&line)?.transpose()?.is_some() {
                return Err(ClientError::protocol("an answer to no question came"));
            }
        }
    }

    pub(super) fn hang_up(&mut self) {
        self.wire = None;
        self.exchange = Exchange::default();
    }

    /// Tells the daemon something without hearing what it answers, as far as that goes at once.
    pub(super) fn tell<P: Serialize>(&mut self, method: &str, params: &P) {
        if let (Ok(line), Some(wire)) = (self.exchange.ask(method, params), &self.wire) {
            wire.send_at_once(&line);
        }
    }

    async fn answer_to(&mut self, request: Vec<u8>) -> Outcome {
        let deadline = Deadline::after(self.timeout);
        let mut wire = self.send(&request, deadline).await?;
        let outcome = self.await_reply(&mut wire, deadline).await?;
        self.wire = Some(wire);
        outcome
    }

    /// Sends over the connection there is, or a new one; gives the one that took it. A daemon that stops lets fail
    /// what it will not read any more, so such a question was heard by nobody, and the next daemon may be asked.
    async fn send(&mut self, request: &[u8], deadline: Deadline) -> Result<AsyncWire, ClientError> {
        if let Some(mut wire) = self.wire.take().filter(AsyncWire::is_quiet) {
            match wire.send(request, deadline).await {
                Ok(()) => return Ok(wire),
                Err(ClientError::Unreachable { source, .. })
                    if source.kind() == std::io::ErrorKind::BrokenPipe => {}
                Err(error) => return Err(error),
            }
        }
        let mut wire = AsyncWire::connect(&self.path, deadline).await?;
        match wire.send(request, deadline).await {
            Ok(()) => Ok(wire),
            Err(error) => {
                let said = wire.receive(deadline).await.ok().flatten();
                Err(said.and_then(|it| exchange::last_words(&it)).unwrap_or(error))
            }
        }
    }

    async fn await_reply(
        &mut self,
        wire: &mut AsyncWire,
        deadline: Deadline,
    ) -> Result<Outcome, ClientError> {
        loop {
            let line = wire.receive(deadline).await?;
            let line = line.ok_or_else(|| wire.lost(std::io::ErrorKind::UnexpectedEof.into()))?;
            if let Some(outcome) = self.exchange.hear(&line)? {
                return Ok(outcome);
            }
        }
    }
}

/// The present verdict, then one per change. Ends when the daemon closes the connection; dropping it closes the
/// connection from here.
#[derive(Debug)]
pub struct AsyncSubscription {
    inbox: Inbox,
    wire: AsyncWire,
    wait: Option<Duration>,
    /// Whose verdicts are followed.
    asked: Asked,
}

impl AsyncSubscription {
    /// How long [`Self::next`] waits for a change before it gives [`ClientError::Timeout`], after which it may be
    /// called again. `None`, the default, waits until there is one.
    pub fn set_wait(&mut self, wait: Option<Duration>) {
        self.wait = wait;
    }

    /// The next verdict exactly as it came; `None` when the daemon closed the connection. It may be given up at any
    /// time, as in `tokio::select!`: nothing that was told is lost.
    ///
    /// # Errors
    /// [`ClientError::Timeout`] after the wait; the others when the connection is of no more use.
    pub async fn next_raw(&mut self) -> Result<Option<Box<RawValue>>, ClientError> {
        if let Some(early) = self.inbox.early() {
            return Ok(Some(early));
        }
        let deadline = self.wait.map_or_else(Deadline::never, Deadline::after);
        while let Some(line) = self.wire.receive(deadline).await? {
            if let Some(told) = self.inbox.hear(&line)? {
                return Ok(Some(told));
            }
        }
        Ok(None)
    }

    /// The next verdict; `None` when the daemon closed the connection. It may be given up like [`Self::next_raw`].
    pub async fn next(&mut self) -> Option<Result<Verdict, ClientError>> {
        let raw = self.next_raw().await.transpose()?;
        Some(raw.and_then(|it| exchange::read_verdict(&it, &self.asked)))
    }
}
