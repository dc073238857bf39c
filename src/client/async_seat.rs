//! A floating seat for programs that run on tokio.

use std::time::Duration;

use serde_json::Value;

use crate::async_client::AsyncClient;
use crate::deadline::Deadline;
use crate::error::ClientError;
use crate::seat::{AT_ONCE, CHANGES_MAX, Holding, Said, SeatError, SeatRequest, SeatState};
use crate::socket_path::SocketPath;

/// [`Seat`](crate::Seat) for programs that run on tokio. Dropping it tells the daemon without waiting for its answer, and
/// [`release`](Self::release) waits for it.
#[derive(Debug)]
pub struct AsyncSeat {
    client: AsyncClient,
    holding: Holding,
}

impl AsyncSeat {
    /// Takes a seat, or waits for one. Given up while it waits, it leaves the queue.
    ///
    /// # Errors
    /// As [`Seat::acquire`](crate::Seat::acquire).
    pub async fn acquire(path: &SocketPath, request: SeatRequest) -> Result<Self, SeatError> {
        let client = AsyncClient::unconnected(path, request.limit());
        let mut seat = Self { client, holding: Holding::new(request) };
        // Until it is taken up there is nothing to give back.
        seat.holding.end(String::new());
        seat.take().await?;
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

    /// As [`Seat::check`](crate::Seat::check). It may be given up at any time.
    pub async fn check(&mut self, wait: Duration) -> SeatState {
        if self.holding.has_ended() {
            return self.holding.state();
        }
        if !self.holding.is_away && self.holding.is_ours() && self.hear(wait).await.is_ok() {
            return self.holding.state();
        }
        tokio::time::sleep(self.holding.pause(wait)).await;
        self.client.hang_up();
        match self.take().await {
            Ok(()) => self.holding.state(),
            Err(error) => self.holding.fail(error),
        }
    }

    /// Gives it back. Once it has ended, this does nothing.
    ///
    /// # Errors
    /// When the daemon could not be told.
    pub async fn release(mut self) -> Result<(), ClientError> {
        if self.holding.has_ended() || !self.holding.is_ours() {
            return Ok(());
        }
        self.client.set_timeout(self.holding.request.timeout);
        let released: Result<Value, _> =
            self.client.call("seat_release", &self.holding.release_params()).await;
        self.holding.end("released".to_owned());
        released.map(drop)
    }

    async fn take(&mut self) -> Result<(), SeatError> {
        self.client.set_timeout(self.holding.request.limit());
        let said: Said = self.client.call("seat_acquire", &self.holding.request).await?;
        self.holding.take_up(said)?;
        let params = self.holding.subscribe_params();
        self.holding.subscription = self.client.call("seat_subscribe", &params).await?;
        Ok(())
    }

    async fn hear(&mut self, wait: Duration) -> Result<(), ClientError> {
        let mut wait = wait.max(AT_ONCE);
        for _ in 0..CHANGES_MAX {
            let told = self.client.notice(&self.holding.subscription, Deadline::after(wait)).await;
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
}

impl Drop for AsyncSeat {
    fn drop(&mut self) {
        if !self.holding.has_ended() && self.holding.is_ours() {
            self.client.tell("seat_release", &self.holding.release_params());
        }
    }
}
