//! A connection to the daemon on which HTTP is spoken, one request after the other.

use bytes::Bytes;
use http::response::Parts;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::task::AbortHandle;

use super::problem::{Problem, tell_unreachable};

const LONGEST: usize = 1 << 20;

pub(super) struct Exchange {
    sender: SendRequest<Full<Bytes>>,
    driving: AbortHandle,
}

impl Exchange {
    pub(super) async fn new(stream: UnixStream) -> Result<Self, Problem> {
        let (sender, connection) =
            handshake(TokioIo::new(stream)).await.map_err(|it| failed(&it))?;
        let driving = tokio::spawn(connection).abort_handle();
        Ok(Self { sender, driving })
    }

    /// Asks. After anything but an answer it is of no use any more.
    pub(super) async fn ask(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<(Parts, Bytes), Problem> {
        self.sender.ready().await.map_err(|it| failed(&it))?;
        let reply = self.sender.send_request(request).await.map_err(|it| failed(&it))?;
        let (parts, body) = reply.into_parts();
        let body = Limited::new(body, LONGEST).collect().await.map_err(|it| failed(&it))?;
        Ok((parts, body.to_bytes()))
    }

    /// Whether it can be asked on, as far as is known.
    pub(super) fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.driving.abort();
    }
}

pub(super) fn failed(error: &dyn std::fmt::Display) -> Problem {
    tell_unreachable(error);
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "DAEMON_UNREACHABLE", "the daemon gave no answer")
}
