//! A client of the daemon: one question at a time, and its answer.

use std::io::{self, Read as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::asked::Asked;
use crate::deadline::Deadline;
use crate::error::ClientError;
use crate::exchange::{self, Exchange, Outcome, ProductParams};
use crate::socket_path::SocketPath;
use crate::subscription::Subscription;
use crate::verdict::{Explanation, Verdict};
use crate::wire::{Receive, Wire};

/// How long a question may take altogether, unless said otherwise. A check that is not known yet waits
/// for the chain for 2 s by default.
pub(super) const TIMEOUT_DEFAULT: Duration = Duration::from_secs(5);

/// A connection to the daemon that mends itself: a question after the daemon was restarted, or after a
/// timeout, goes over a new connection. A question is never asked twice.
#[derive(Debug)]
pub struct Client {
    path: SocketPath,
    timeout: Duration,
    /// `None` after anything went wrong on it: what would still arrive belongs to a question given up.
    wire: Option<Wire>,
    exchange: Exchange,
}

impl Client {
    /// # Errors
    /// [`ClientError::Unreachable`], [`ClientError::Untrusted`] or [`ClientError::Timeout`].
    pub fn connect(path: &SocketPath) -> Result<Self, ClientError> {
        Self::connect_within(path, TIMEOUT_DEFAULT)
    }

    /// Connects with another limit than 5 s, for connecting and for each question.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub fn connect_within(path: &SocketPath, timeout: Duration) -> Result<Self, ClientError> {
        let wire = Wire::connect(path, Deadline::after(timeout))?;
        Ok(Self { path: path.clone(), timeout, wire: Some(wire), exchange: Exchange::default() })
    }

    /// A client that connects when it is asked something for the first time: for programs that may start before the daemon
    /// does. `timeout` is the limit of each question, connecting included.
    pub fn unconnected(path: &SocketPath, timeout: Duration) -> Self {
        Self { path: path.clone(), timeout, wire: None, exchange: Exchange::default() }
    }

    /// Sets how long each question may take from now on.
    pub fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    /// What the caller is entitled to of `product`.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn check(&mut self, product: &str) -> Result<Verdict, ClientError> {
        self.check_with(&ProductParams { product })
    }

    /// The same with other parameters of `entitlement_check`, such as the publisher and a feature. An answer about
    /// something else than they name is none.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn check_with<P>(&mut self, params: &P) -> Result<Verdict, ClientError>
    where
        P: Serialize + ?Sized,
    {
        let asked = Asked::in_params(params);
        let verdict: Verdict = self.call("entitlement_check", params)?;
        asked.require(&verdict)?;
        Ok(verdict)
    }

    /// The same, and how the daemon came to it.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn explain(&mut self, product: &str) -> Result<Explanation, ClientError> {
        let params = ProductParams { product };
        let explanation: Explanation = self.call("entitlement_explain", &params)?;
        Asked::product(product).require(&explanation.verdict)?;
        Ok(explanation)
    }

    /// Asks any method. `params` is a struct or map of named parameters, or `&()` for none.
    ///
    /// # Errors
    /// [`ClientError::Refused`] when the daemon declines; the others when it could not be asked or
    /// understood.
    pub fn call<P, R>(&mut self, method: &str, params: &P) -> Result<R, ClientError>
    where
        P: Serialize + ?Sized,
        R: DeserializeOwned,
    {
        exchange::read_result(&self.call_raw(method, params)?)
    }

    /// Asks any method, and gives the result exactly as it came.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn call_raw<P>(&mut self, method: &str, params: &P) -> Result<Box<RawValue>, ClientError>
    where
        P: Serialize + ?Sized,
    {
        self.exchange_raw(method, params, &mut |mut stream, chunk| stream.read(chunk))
    }

    /// Asks a method whose reply has more with it than bytes: `receive` reads from the connection, and keeps what else
    /// there is, such as a descriptor. It takes as many bytes as it can, as `read` does, and waits as long as that.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn call_receiving<P, R>(
        &mut self,
        method: &str,
        params: &P,
        mut receive: impl FnMut(&UnixStream, &mut [u8]) -> io::Result<usize>,
    ) -> Result<R, ClientError>
    where
        P: Serialize + ?Sized,
        R: DeserializeOwned,
    {
        exchange::read_result(&self.exchange_raw(method, params, &mut receive)?)
    }

    fn exchange_raw<P>(
        &mut self,
        method: &str,
        params: &P,
        receive: Receive<'_>,
    ) -> Result<Box<RawValue>, ClientError>
    where
        P: Serialize + ?Sized,
    {
        let deadline = Deadline::after(self.timeout);
        let request = self.exchange.ask(method, params)?;
        let mut wire = self.send(&request, deadline)?;
        let outcome = self.await_reply(&mut wire, deadline, receive)?;
        self.wire = Some(wire);
        outcome
    }

    /// Follows the verdict about `product`: the present one first, then one per change.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn subscribe(self, product: &str) -> Result<Subscription, ClientError> {
        self.subscribe_with(&ProductParams { product })
    }

    /// The same with other parameters of `entitlement_subscribe`.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn subscribe_with<P>(mut self, params: &P) -> Result<Subscription, ClientError>
    where
        P: Serialize + ?Sized,
    {
        let asked = Asked::in_params(params);
        let id: Value = self.call("entitlement_subscribe", params)?;
        match self.wire.take() {
            Some(wire) => Ok(Subscription::new(self.exchange.into_inbox(id), wire, asked)),
            None => Err(ClientError::protocol("the connection is gone")),
        }
    }

    /// What is told next of a subscription that was made here. After a timeout it may be asked again; after another error the
    /// connection is gone.
    pub(super) fn notice(
        &mut self,
        subscription: &Value,
        deadline: Deadline,
    ) -> Result<Box<RawValue>, ClientError> {
        let gone = || ClientError::protocol("the connection is gone");
        loop {
            if let Some(told) = self.exchange.told(subscription) {
                return Ok(told);
            }
            let mut wire = self.wire.take().ok_or_else(gone)?;
            let line = match wire.receive(deadline) {
                Ok(line) => {
                    line.ok_or_else(|| wire.lost(std::io::ErrorKind::UnexpectedEof.into()))?
                }
                Err(error) => {
                    if matches!(error, ClientError::Timeout { .. }) {
                        self.wire = Some(wire);
                    }
                    return Err(error);
                }
            };
            if self.exchange.hear(&line)?.transpose()?.is_some() {
                return Err(ClientError::protocol("an answer to no question came"));
            }
            self.wire = Some(wire);
        }
    }

    pub(super) fn hang_up(&mut self) {
        self.wire = None;
        self.exchange = Exchange::default();
    }

    /// Sends over the connection there is, or a new one; gives the one that took it. A daemon that stops lets fail
    /// what it will not read any more, so such a question was heard by nobody, and the next daemon may be asked.
    fn send(&mut self, request: &[u8], deadline: Deadline) -> Result<Wire, ClientError> {
        if let Some(mut wire) = self.wire.take().filter(Wire::is_quiet) {
            match wire.send(request, deadline) {
                Ok(()) => return Ok(wire),
                Err(ClientError::Unreachable { source, .. })
                    if source.kind() == std::io::ErrorKind::BrokenPipe => {}
                Err(error) => return Err(error),
            }
        }
        let mut wire = Wire::connect(&self.path, deadline)?;
        match wire.send(request, deadline) {
            Ok(()) => Ok(wire),
            Err(error) => Err(last_words(&mut wire, deadline).unwrap_or(error)),
        }
    }

    fn await_reply(
        &mut self,
        wire: &mut Wire,
        deadline: Deadline,
        receive: Receive<'_>,
    ) -> Result<Outcome, ClientError> {
        loop {
            let line = wire.receive_by(deadline, receive)?;
            let line = line.ok_or_else(|| wire.lost(std::io::ErrorKind::UnexpectedEof.into()))?;
            if let Some(outcome) = self.exchange.hear(&line)? {
                return Ok(outcome);
            }
        }
    }
}

/// What a daemon said that closed a fresh connection before it took a request.
pub(super) fn last_words(wire: &mut Wire, deadline: Deadline) -> Option<ClientError> {
    exchange::last_words(&wire.receive(deadline).ok().flatten()?)
}

#[cfg(test)]
impl Client {
    pub(super) fn is_connected_for_test(&self) -> bool {
        self.wire.as_ref().is_some_and(Wire::is_quiet)
    }
}
