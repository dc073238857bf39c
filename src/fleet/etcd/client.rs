//! Asking the gateway: one endpoint after another, until one answers.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::{Certificate, Identity, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::strange;
use super::wire::{Event, Fault, Login, Watched};
use crate::fleet::engine::FleetError;
use crate::fleet::settings::FleetSettings;
use crate::json_values;
use crate::regular_file;
use entitled_core::fleet::Term;

/// A PEM file of certificates.
const LONGEST_FILE: usize = 256 * 1024;
/// One answer; a fleet of ten thousand places has a few MiB.
const LONGEST_ANSWER: usize = 16 * 1024 * 1024;
/// Values of one answer: so many bytes of places have fewer, each of which names its key, its value and five numbers.
const VALUES: usize = 1 << 19;
/// Characters of a text that is told on.
const LONGEST_TEXT: usize = 200;
/// Of gRPC: who asks is not known, or its token is too old.
const UNAUTHENTICATED: u32 = 16;
const INVALID_ARGUMENT: u32 = 3;

pub(super) struct Client {
    http: reqwest::Client,
    endpoints: Vec<String>,
    /// The one that answered last.
    at: AtomicUsize,
    patience: Duration,
    login: Option<(String, Zeroizing<String>)>,
    token: Mutex<Option<String>>,
}

impl Client {
    pub(super) fn new(settings: &FleetSettings) -> Result<Self, FleetError> {
        // Refused when the process already has one, which then serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let tls = |source| FleetError::Tls { source };
        let patience = Term(settings.ttl).patience();
        let mut builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(patience / 2)
            .tls_backend_rustls()
            // What is in the environment is meant for the way out of the site.
            .no_proxy()
            .user_agent(concat!("entitled/", env!("CARGO_PKG_VERSION")));
        if let Some(path) = &settings.ca {
            let pem = read(path)?;
            builder =
                builder.tls_certs_only(Certificate::from_pem_bundle(pem.as_bytes()).map_err(tls)?);
        }
        if let (Some(certificate), Some(key)) = (&settings.certificate, &settings.key) {
            let pem = Zeroizing::new(format!("{}\n{}", *read(certificate)?, *read(key)?));
            builder = builder.identity(Identity::from_pem(pem.as_bytes()).map_err(tls)?);
        }
        let login = match (&settings.user, &settings.password_file) {
            (Some(user), Some(path)) => {
                let password =
                    Zeroizing::new(read(path)?.trim_end_matches(['\r', '\n']).to_owned());
                Some((user.clone(), password))
            }
            _ => None,
        };
        Ok(Self {
            http: builder.build().map_err(tls)?,
            endpoints: settings.endpoints.clone(),
            at: AtomicUsize::new(0),
            patience,
            login,
            token: Mutex::default(),
        })
    }

    /// Asks, of the endpoint that answered last, or else of the others. Asked again, a question may be answered twice.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &Value,
    ) -> Result<T, FleetError> {
        let asked = tokio::time::timeout(self.patience, async {
            let response = self.send(path, body).await?;
            text(response).await
        });
        let text = asked.await.map_err(|_| {
            self.turn(self.at.load(Ordering::Relaxed));
            FleetError::Unreachable { why: "no answer in time".to_owned() }
        })??;
        parse(&text)
    }

    /// Begins what has no end.
    pub(super) async fn stream(&self, path: &str, body: &Value) -> Result<Stream, FleetError> {
        let begun = tokio::time::timeout(self.patience, self.send(path, body)).await;
        let begun = begun
            .map_err(|_| FleetError::Unreachable { why: "no answer in time".to_owned() })??;
        Ok(Stream { response: begun, rest: Vec::new(), searched: 0 })
    }

    async fn send(&self, path: &str, body: &Value) -> Result<Response, FleetError> {
        match self.send_once(path, body).await {
            Err(FleetError::Refused { why })
                if self.login.is_some() && why.contains("auth token") =>
            {
                self.token.lock().unwrap_or_else(PoisonError::into_inner).take();
                self.send_once(path, body).await
            }
            done => done,
        }
    }

    async fn send_once(&self, path: &str, body: &Value) -> Result<Response, FleetError> {
        let token = self.token().await?;
        self.round(path, body, token).await
    }

    /// What tells etcd who asks.
    async fn token(&self) -> Result<Option<String>, FleetError> {
        let Some((name, password)) = &self.login else { return Ok(None) };
        if let Some(token) = self.token.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            return Ok(Some(token));
        }
        let body = json!({"name": name, "password": **password});
        let answer = self.round("auth/authenticate", &body, None).await?;
        let login: Login = parse(&text(answer).await?)?;
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(login.token.clone());
        Ok(Some(login.token))
    }

    async fn round(
        &self,
        path: &str,
        body: &Value,
        token: Option<String>,
    ) -> Result<Response, FleetError> {
        let unreachable = |why: &str| FleetError::Unreachable { why: why.to_owned() };
        let mut last = unreachable("no endpoint is configured");
        // Once more than there are: a connection that was kept may have ended meanwhile.
        for _ in 0..=self.endpoints.len() {
            let at = self.at.load(Ordering::Relaxed);
            let Some(endpoint) = self.endpoints.get(at % self.endpoints.len()) else { break };
            let request = self.http.post(format!("{endpoint}/v3/{path}")).json_body(body);
            let request = match &token {
                Some(token) => request.header("authorization", token),
                None => request,
            };
            // Not longer than half of it, so that another one has its turn where this one hangs.
            let sent = tokio::time::timeout(self.patience / 2, request.send()).await;
            match sent {
                Ok(Ok(response)) if response.status().is_success() => return Ok(response),
                Ok(Ok(response)) => match refusal(response).await {
                    (refused, Of::Cluster) => return Err(refused),
                    (refused, Of::Member) => last = refused,
                },
                // Without the address, which may be a secret.
                Ok(Err(error)) => last = unreachable(&chain_of(&error.without_url())),
                Err(_) => last = unreachable("no answer in time"),
            }
            self.turn(at);
        }
        Err(last)
    }

    /// The next one from now on, unless somebody has turned already.
    fn turn(&self, from: usize) {
        let next = from.wrapping_add(1);
        let _ = self.at.compare_exchange(from, next, Ordering::Relaxed, Ordering::Relaxed);
    }
}

trait JsonBody {
    fn json_body(self, body: &Value) -> Self;
}

impl JsonBody for reqwest::RequestBuilder {
    fn json_body(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }
}

/// Who has refused: another member may answer, or each would say the same.
enum Of {
    Member,
    Cluster,
}

/// What an answer that is none says.
async fn refusal(response: Response) -> (FleetError, Of) {
    let status = response.status();
    let body = text(response).await.unwrap_or_default();
    let fault: Fault = parse(&body).unwrap_or_default();
    let said = match (&fault.error, &fault.message) {
        // What the gateway itself has against it, it says in plain text.
        (error, message) if error.is_empty() && message.is_empty() => plain(&body),
        (error, message) => if error.is_empty() { message } else { error }.clone(),
    };
    let why = format!("{status} {said}");
    let is_of_the_question =
        [StatusCode::NOT_FOUND, StatusCode::FORBIDDEN, StatusCode::UNAUTHORIZED].contains(&status)
            || [UNAUTHENTICATED, INVALID_ARGUMENT].contains(&fault.code);
    match status {
        _ if is_of_the_question => (FleetError::Refused { why }, Of::Cluster),
        StatusCode::BAD_REQUEST => (FleetError::Refused { why }, Of::Member),
        _ => (FleetError::Unreachable { why }, Of::Member),
    }
}

/// The first line of a text that is meant for people.
fn plain(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let line = text.lines().next().unwrap_or_default();
    line.chars().filter(|it| !it.is_control()).take(LONGEST_TEXT).collect()
}

async fn text(mut response: Response) -> Result<Vec<u8>, FleetError> {
    let mut text = Vec::new();
    while let Some(chunk) = next_chunk(&mut response).await? {
        text.extend_from_slice(&chunk);
        if text.len() > LONGEST_ANSWER {
            return Err(strange("it is too long"));
        }
        // A stream of one answer, which stays open: it is one line. Looked for in what is new, and not read to find out.
        if chunk.contains(&b'\n') {
            break;
        }
    }
    Ok(text)
}

/// Reads an answer, unless it has more values than are worth the memory.
fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, FleetError> {
    if json_values::has_more_than(VALUES, text) {
        return Err(strange("it has too many parts"));
    }
    serde_json::from_slice(text).map_err(|error| strange(&error.to_string()))
}

async fn next_chunk(response: &mut Response) -> Result<Option<bytes::Bytes>, FleetError> {
    let chunk = response.chunk().await;
    chunk.map_err(|error| FleetError::Unreachable { why: chain_of(&error.without_url()) })
}

fn chain_of(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |it| it.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// What is told as it happens.
pub(super) struct Stream {
    response: Response,
    /// What came, from the beginning of a line.
    rest: Vec<u8>,
    /// So many of its bytes have no end of a line.
    searched: usize,
}

impl Stream {
    /// The next events; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Event>>, FleetError> {
        loop {
            let new = self.rest.get(self.searched..).unwrap_or_default();
            if let Some(end) = new.iter().position(|it| *it == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=self.searched + end).collect();
                self.searched = 0;
                let told: Watched = parse(&line)?;
                return Ok(told.result.filter(|it| !it.canceled).map(|it| it.events));
            }
            self.searched = self.rest.len();
            match next_chunk(&mut self.response).await? {
                Some(chunk) if self.rest.len() + chunk.len() <= LONGEST_ANSWER => {
                    self.rest.extend_from_slice(&chunk);
                }
                _ => return Ok(None),
            }
        }
    }
}

fn read(path: &Path) -> Result<Zeroizing<String>, FleetError> {
    let read = regular_file::read_text(path, LONGEST_FILE).map(Zeroizing::new);
    read.map_err(|source| FleetError::File { path: path.to_owned(), source })
}
