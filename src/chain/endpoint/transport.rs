//! How bytes get to an endpoint and back: HTTP, WebSocket or a local IPC socket, each with bounds.
//!
//! Owns: connections. Asked by: `endpoint`, through `alloy-rpc-client`. Never: judges an answer, repeats
//! a request, or puts a URL, a credential or a body into an error.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use alloy_json_rpc::{RequestPacket, ResponsePacket};
use alloy_transport::{TransportError, TransportErrorKind, TransportFut};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use self::ipc::Ipc;
use super::http_client::{CONNECT, http_client, install_crypto};
use crate::endpoint::{Address, EndpointSettings};
use crate::json_values;

mod ipc;

/// No longer than this for one request, from connecting to the last byte.
const TOTAL: Duration = Duration::from_secs(8);
/// No body above this, counted after decompression.
pub(in crate::chain) const BODY: usize = 8 * 1024 * 1024;
/// Values of one answer; so many bytes of events have fewer.
const VALUES: usize = 1 << 18;
/// An error page above this is not worth reading.
const ERROR_BODY: usize = 64 * 1024;
/// Messages over a WebSocket before the answer, which say nothing: pings and the like.
const ASIDES: usize = 64;
/// Idle connections kept for WebSocket and IPC.
const IDLE: usize = 4;

/// Why no answer came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::chain) enum WireError {
    #[error("cannot connect")]
    Connect,
    #[error("no answer within {} seconds", TOTAL.as_secs())]
    Timeout,
    #[error("the connection broke")]
    Broken,
    #[error("the answer is larger than {BODY} bytes, or has too many parts")]
    TooLarge,
    #[error("HTTP status {status}")]
    Status { status: u16 },
    #[error("too many requests")]
    RateLimited { retry_after: Option<Duration> },
    #[error("the answer is not JSON-RPC")]
    Garbled,
    #[error("another user (uid {uid}) listens there, in a directory that everybody may write in")]
    Stranger { uid: u32 },
    #[error("whoever listens there sends descriptors")]
    Descriptors,
}

/// What went over the wire since start.
#[derive(Debug, Default)]
pub(in crate::chain) struct Meter {
    pub(in crate::chain) requests: AtomicU64,
    /// How often it was asked because another was silent.
    pub(in crate::chain) beside: AtomicU64,
    /// Compute units they cost.
    pub(in crate::chain) units: AtomicU64,
    /// Received, after decompression.
    pub(in crate::chain) bytes: AtomicU64,
}

pub(in crate::chain) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

enum Way {
    Http {
        client: reqwest::Client,
        url: url::Url,
        headers: http::HeaderMap,
    },
    /// Idle connections wait in the list; one in use is owned by its request, so that a request given
    /// up half-way takes its connection with it and no later one can read the wrong answer.
    WebSocket {
        url: url::Url,
        idle: Mutex<Vec<Socket>>,
    },
    Ipc(Ipc),
}

/// The one transport of an endpoint, as a service for `alloy-rpc-client`.
#[derive(Clone)]
pub(in crate::chain) struct Wire {
    way: Arc<Way>,
    meter: Arc<Meter>,
}

impl Wire {
    /// # Errors
    /// When the TLS machinery cannot be set up.
    pub(in crate::chain) fn new(
        settings: &EndpointSettings,
        meter: Arc<Meter>,
    ) -> Result<Self, reqwest::Error> {
        install_crypto();
        let address = settings.address();
        let way = match address {
            Address::Http(url) => {
                let client = http_client(address.is_loopback(), TOTAL)?;
                let headers = settings.headers().iter().map(|it| {
                    let (name, value) = it.expose();
                    (name.clone(), value.clone())
                });
                Way::Http { client, url: url.clone(), headers: headers.collect() }
            }
            Address::WebSocket(url) => Way::WebSocket { url: url.clone(), idle: Mutex::default() },
            Address::Path(path) => Way::Ipc(Ipc::at(path.clone())),
        };
        Ok(Self { way: Arc::new(way), meter })
    }

    async fn exchange(&self, body: Vec<u8>, ids: usize) -> Result<ResponsePacket, WireError> {
        self.meter.requests.fetch_add(ids as u64, Ordering::Relaxed);
        let answer = tokio::time::timeout(TOTAL, async {
            match &*self.way {
                Way::Http { client, url, headers } => {
                    over_http(client.post(url.clone()).headers(headers.clone()), body).await
                }
                Way::WebSocket { url, idle } => over_websocket(url, idle, body).await,
                Way::Ipc(ipc) => ipc.ask(&body).await,
            }
        })
        .await
        .map_err(|_| WireError::Timeout)??;
        self.meter.bytes.fetch_add(answer.len() as u64, Ordering::Relaxed);
        if json_values::has_more_than(VALUES, &answer) {
            return Err(WireError::TooLarge);
        }
        serde_json::from_slice(&answer).map_err(|_| WireError::Garbled)
    }
}

impl tower::Service<RequestPacket> for Wire {
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, packet: RequestPacket) -> TransportFut<'static> {
        let wire = self.clone();
        Box::pin(async move {
            let asked = match &packet {
                RequestPacket::Single(request) => Some(request.id().clone()),
                RequestPacket::Batch(_) => None,
            };
            let ids = packet.method_names().count();
            let body = packet.serialize().map_err(TransportError::ser_err)?;
            let body = body.get().as_bytes().to_vec();
            let answer = wire.exchange(body, ids).await.map_err(TransportErrorKind::custom)?;
            match (&asked, &answer) {
                // An error may come without an id; a result must be the answer to this question.
                (Some(id), ResponsePacket::Single(one)) if one.is_error() || one.id == *id => {
                    Ok(answer)
                }
                (Some(_), _) => Err(TransportErrorKind::custom(WireError::Garbled)),
                (None, _) => Ok(answer),
            }
        })
    }
}

async fn over_http(request: reqwest::RequestBuilder, body: Vec<u8>) -> Result<Vec<u8>, WireError> {
    let request = request.header(http::header::CONTENT_TYPE, "application/json");
    let mut response = request.body(body).send().await.map_err(|error| named(&error))?;
    let status = response.status().as_u16();
    let retry_after = retry_after(response.headers());
    if status == 429 || (status == 503 && retry_after.is_some()) {
        return Err(WireError::RateLimited { retry_after });
    }
    let ok = (200..300).contains(&status);
    let limit = if ok { BODY } else { ERROR_BODY };
    let mut read = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| named(&error))? {
        if read.len() + chunk.len() > limit {
            return Err(if ok { WireError::TooLarge } else { WireError::Status { status } });
        }
        read.extend_from_slice(&chunk);
    }
    // Some nodes send a JSON-RPC error along with a status such as 400: that says more than the number.
    if ok || serde_json::from_slice::<ResponsePacket>(&read).is_ok_and(|it| it.is_error()) {
        return Ok(read);
    }
    Err(WireError::Status { status })
}

/// Only the kind of failure: `reqwest` would name the URL, which may hold a key.
fn named(error: &reqwest::Error) -> WireError {
    if error.is_connect() {
        WireError::Connect
    } else if error.is_timeout() {
        WireError::Timeout
    } else {
        WireError::Broken
    }
}

/// `Retry-After` in seconds (RFC 9110 §10.2.3). The form with a date is not read: it needs a clock.
fn retry_after(headers: &http::HeaderMap) -> Option<Duration> {
    let text = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

fn take<T>(idle: &Mutex<Vec<T>>) -> Option<T> {
    idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
}

fn give_back<T>(idle: &Mutex<Vec<T>>, connection: T) {
    let mut idle = idle.lock().unwrap_or_else(PoisonError::into_inner);
    if idle.len() < IDLE {
        idle.push(connection);
    }
}

async fn over_websocket(
    url: &url::Url,
    idle: &Mutex<Vec<Socket>>,
    body: Vec<u8>,
) -> Result<Vec<u8>, WireError> {
    let text = String::from_utf8(body).map_err(|_| WireError::Garbled)?;
    // An idle connection may have died unnoticed: then a new one is tried, once.
    if let Some(socket) = take(idle)
        && let Ok((socket, answer)) = ask_websocket(socket, text.clone()).await
    {
        give_back(idle, socket);
        return Ok(answer);
    }
    let socket = connect_websocket(url).await?;
    let (socket, answer) = ask_websocket(socket, text).await?;
    give_back(idle, socket);
    Ok(answer)
}

/// A new connection.
///
/// # Errors
/// [`WireError::Connect`].
pub(in crate::chain) async fn connect_websocket(url: &url::Url) -> Result<Socket, WireError> {
    let config = WebSocketConfig::default().max_message_size(Some(BODY)).max_frame_size(Some(BODY));
    let connect = async {
        let (host, port) = url.host_str().zip(url.port_or_known_default())?;
        // Brackets around an IPv6 address belong to the URL, not to the address.
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((host, port)).await.ok()?;
        let _ = stream.set_nodelay(true);
        let request = url.as_str();
        let shaken =
            tokio_tungstenite::client_async_tls_with_config(request, stream, Some(config), None);
        shaken.await.ok().map(|(socket, _)| socket)
    };
    let connected = tokio::time::timeout(CONNECT, connect).await;
    connected.ok().flatten().ok_or(WireError::Connect)
}

async fn ask_websocket(mut socket: Socket, text: String) -> Result<(Socket, Vec<u8>), WireError> {
    use tokio_tungstenite::tungstenite::Error;
    socket.send(Message::text(text)).await.map_err(|_| WireError::Broken)?;
    for _ in 0..=ASIDES {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => return Ok((socket, text.as_bytes().to_vec())),
            Some(Ok(Message::Binary(bytes))) => return Ok((socket, bytes.to_vec())),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Err(Error::Capacity(_))) => return Err(WireError::TooLarge),
            Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(WireError::Broken),
        }
    }
    Err(WireError::Broken)
}

#[cfg(test)]
mod tests;
