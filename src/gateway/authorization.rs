//! What a request shows of who sent it; and, of what lasts longer than a request, for how long that holds.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};
use tokio::time::Instant;

use super::certificate::Certificate;
use super::clients::Client;
use super::credentials::{Credentials, Unknown};

/// How often it is looked at again.
const AGAIN: Duration = Duration::from_secs(5);
/// For how long nobody may be able to say whether it holds: a stream that was let in outlives so much of an outage.
const SILENCE: Duration = Duration::from_secs(120);

/// What a request shows.
#[derive(Clone)]
pub(super) struct Shown {
    /// `Authorization`, as it was given.
    pub(super) header: Option<HeaderValue>,
    pub(super) certificate: Option<Arc<Certificate>>,
    /// Of whoever has connected; of IPv6, its network.
    pub(super) address: IpAddr,
}

impl Shown {
    /// # Errors
    /// Who shows two tokens is nobody.
    pub(super) fn of(
        headers: &HeaderMap,
        certificate: Option<&Arc<Certificate>>,
        address: IpAddr,
    ) -> Result<Self, Unknown> {
        let mut given = headers.get_all(header::AUTHORIZATION).iter();
        match (given.next(), given.next()) {
            (header, None) => Ok(Self {
                header: header.cloned(),
                certificate: certificate.map(Arc::clone),
                address,
            }),
            _ => Err(Unknown::Nobody),
        }
    }
}

/// Why a client may do what it does: as whom it was let in, and by what.
pub(super) struct Authorization {
    pub(super) client: Arc<Client>,
    pub(super) shown: Shown,
    pub(super) credentials: Arc<Credentials>,
}

impl Authorization {
    /// # Errors
    /// When who shows the same would not be let in as this client now.
    pub(super) async fn check(&self) -> Result<(), Unknown> {
        let found = self.credentials.find(&self.shown).await?;
        if Arc::ptr_eq(&found, &self.client) { Ok(()) } else { Err(Unknown::Nobody) }
    }

    /// Comes back when who shows the same would not be let in as this client any more. Everything is asked again that was
    /// asked for the first request, so that a stream ends by whatever ends requests.
    pub(super) async fn ended(&self) {
        let mut heard = Instant::now();
        loop {
            tokio::time::sleep(AGAIN).await;
            match self.check().await {
                Ok(()) => heard = Instant::now(),
                Err(Unknown::NotNow) if heard.elapsed() < SILENCE => {}
                Err(_) => {
                    tracing::debug!(client = %self.client.name, "what let a stream in holds no more");
                    return;
                }
            }
        }
    }
}
