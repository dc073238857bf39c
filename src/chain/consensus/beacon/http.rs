//! A beacon node, or a web server with a mirror of its files.
//!
//! Owns: the connection. Asked by: `beacon`. Never: follows a redirect, or puts an address into an error.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use url::Url;

use super::{BODY, FOLDER, Query, SourceFault, UPDATES};
use crate::chain::endpoint::http_client::http_client;

/// No longer than this for one request: updates of many periods are megabytes.
const TOTAL: Duration = Duration::from_secs(20);

pub(in crate::chain) struct Remote {
    client: reqwest::Client,
    base: Url,
    /// Found to be a mirror: asked for files, until it has none.
    is_mirror: AtomicBool,
}

impl Remote {
    /// # Errors
    /// When TLS cannot be set up.
    pub(in crate::chain) fn new(base: Url, is_loopback: bool) -> Result<Self, reqwest::Error> {
        let client = http_client(is_loopback, TOTAL)?;
        Ok(Self { client, base, is_mirror: AtomicBool::new(false) })
    }

    /// As a beacon node is asked; and where the answer is that there is no such thing, as a mirror is.
    pub(in crate::chain) async fn ask(&self, query: Query) -> Result<Vec<Vec<u8>>, SourceFault> {
        if self.is_mirror.load(Ordering::Relaxed) {
            return self.ask_mirror(query).await;
        }
        let asked = self.get(self.question(query)).await;
        let Err(SourceFault::Absent | SourceFault::Status { .. }) = asked else {
            return asked.map(|it| vec![it]);
        };
        match self.files(query).await {
            Ok(pieces) => {
                self.is_mirror.store(true, Ordering::Relaxed);
                Ok(pieces)
            }
            Err(_) => asked.map(|it| vec![it]),
        }
    }

    /// As a mirror. Where that has not even what every mirror has, it may be a node after all: whoever answered as a mirror
    /// once perhaps only stood before it.
    async fn ask_mirror(&self, query: Query) -> Result<Vec<Vec<u8>>, SourceFault> {
        let found = self.files(query).await;
        let lacks = matches!(found, Err(SourceFault::Absent | SourceFault::Status { .. }));
        if !(lacks && matches!(query, Query::Finality | Query::Optimistic)) {
            return found;
        }
        let Ok(answer) = self.get(self.question(query)).await else { return found };
        self.is_mirror.store(false, Ordering::Relaxed);
        Ok(vec![answer])
    }

    async fn files(&self, query: Query) -> Result<Vec<Vec<u8>>, SourceFault> {
        let mut pieces = Vec::new();
        let mut left = BODY;
        for name in query.files() {
            match self.get(self.below(&name)).await {
                Ok(piece) if piece.len() <= left => {
                    left -= piece.len();
                    pieces.push(piece);
                }
                // What came already is enough for now.
                _ if !pieces.is_empty() => break,
                Ok(_) => return Err(SourceFault::TooLarge),
                Err(fault) => return Err(fault),
            }
        }
        Ok(pieces)
    }

    /// The address by which a beacon node is asked.
    fn question(&self, query: Query) -> Url {
        match query {
            Query::Bootstrap(root) => self.below(&format!("bootstrap/{root}")),
            Query::Finality => self.below("finality_update"),
            Query::Optimistic => self.below("optimistic_update"),
            Query::Updates { from, count } => {
                let mut url = self.below("updates");
                url.query_pairs_mut()
                    .append_pair("start_period", &from.to_string())
                    .append_pair("count", &count.min(UPDATES).to_string());
                url
            }
        }
    }

    /// An address below the base; path and query of the base may hold a key and stay.
    fn below(&self, name: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}/{FOLDER}/{name}", self.base.path().trim_end_matches('/')));
        url
    }

    async fn get(&self, url: Url) -> Result<Vec<u8>, SourceFault> {
        let request = self.client.get(url).header(::http::header::ACCEPT, "application/json");
        let mut response = request.send().await.map_err(|error| named(&error))?;
        let status = response.status().as_u16();
        if status == 404 {
            return Err(SourceFault::Absent);
        }
        if !(200..300).contains(&status) {
            return Err(SourceFault::Status { status });
        }
        let mut read = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| named(&error))? {
            if read.len() + chunk.len() > BODY {
                return Err(SourceFault::TooLarge);
            }
            read.extend_from_slice(&chunk);
        }
        Ok(read)
    }
}

/// Only the kind of failure: `reqwest` would name the address, which may hold a key.
fn named(error: &reqwest::Error) -> SourceFault {
    if error.is_timeout() {
        SourceFault::Timeout
    } else if error.is_connect() {
        SourceFault::Connect
    } else {
        SourceFault::Broken
    }
}

#[cfg(test)]
mod tests;
