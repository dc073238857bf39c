//! A floating seat that is held by a value: dropping it gives the seat back.

use std::time::Duration;

use serde_json::Value;

use crate::connection::Client;
use crate::deadline::Deadline;
use crate::error::ClientError;
use crate::seat::{
    AT_ONCE, CHANGES_MAX, DROP_TIME, Holding, Said, SeatError, SeatRequest, SeatState,
};
use crate::socket_path::SocketPath;

/// A seat, held on a connection of its own until it is dropped or the process ends.
///
/// ```no_run
/// # use std::time::Duration;
/// # fn work() {}
/// use entitled_client::{Seat, SeatRequest, default_path};
///
/// let request = SeatRequest::new("acme-cad").wait(Duration::from_secs(600));
/// let seat = Seat::acquire(&default_path(), request)?;
/// work();
/// drop(seat);
/// # Ok::<(), entitled_client::SeatError>(())
/// ```
#[derive(Debug)]
pub struct Seat {
    client: Client,
    holding: Holding,
}

impl Seat {
    /// Takes a seat, or waits for one.
    ///
    /// # Errors
    /// [`SeatError::Refused`] when there is none; [`SeatError::NotAnswered`] when the daemon could not be asked.
    pub fn acquire(path: &SocketPath, request: SeatRequest) -> Result<Self, SeatError> {
        let client = Client::unconnected(path, request.limit());
        let mut seat = Self { client, holding: Holding::new(request) };
        // Until it is taken up there is nothing to give back.
        seat.holding.end(String::new());
        seat.take()?;
        Ok(seat)
    }

    /// What the daemon calls it.
    pub fn id(&self) -> &str {
        &self.holding.seat
    }

    pub fn tier(&self) -> &str {
        &self.holding.tier
    }

    /// When it ends, if it has lost its capacity.
    pub fn ends_at(&self) -> Option<&str> {
        self.holding.ends_at.as_deref()
    }

    /// Whether it is still held: how it stands after its next change, or after `wait`. A daemon that was restarted is asked
    /// for it again, so this is to be called from time to time.
    pub fn check(&mut self, wait: Duration) -> SeatState {
        if self.holding.has_ended() {
            return self.holding.state();
        }
        if !self.holding.is_away && self.holding.is_ours() && self.hear(wait).is_ok() {
            return self.holding.state();
        }
        let pause = self.holding.pause(wait);
        if !pause.is_zero() {
            std::thread::park_timeout(pause);
        }
        self.client.hang_up();
        match self.take() {
            Ok(()) => self.holding.state(),
            Err(error) => self.holding.fail(error),
        }
    }

    /// Gives it back. Once it has ended, this does nothing.
    ///
    /// # Errors
    /// When the daemon could not be told.
    pub fn release(mut self) -> Result<(), ClientError> {
        self.give_back(self.holding.request.timeout)
    }

    fn take(&mut self) -> Result<(), SeatError> {
        self.client.set_timeout(self.holding.request.limit());
        let said: Said = self.client.call("seat_acquire", &self.holding.request)?;
        self.holding.take_up(said)?;
        let subscription = self.client.call("seat_subscribe", &self.holding.subscribe_params());
        self.holding.subscription = subscription?;
        Ok(())
    }

    /// Takes up what is told, waiting for it unless something was.
    fn hear(&mut self, wait: Duration) -> Result<(), ClientError> {
        let mut wait = wait.max(AT_ONCE);
        for _ in 0..CHANGES_MAX {
            let told = self.client.notice(&self.holding.subscription, Deadline::after(wait));
            match told {
                Err(ClientError::Timeout { .. }) => return Ok(()),
                Err(error) => return Err(error),
                Ok(told) => match self.holding.hear(&told)? {
                    true => wait = AT_ONCE,
                    false => return Ok(()),
                },
            }
        }
        Ok(())
    }

    fn give_back(&mut self, limit: Duration) -> Result<(), ClientError> {
        if self.holding.has_ended() || !self.holding.is_ours() {
            return Ok(());
        }
        self.holding.end("released".to_owned());
        self.client.set_timeout(limit);
        self.client.call::<_, Value>("seat_release", &self.holding.release_params()).map(drop)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        // What the daemon does not hear of ends with the process.
        let _ = self.give_back(DROP_TIME.min(self.holding.request.timeout));
    }
}
