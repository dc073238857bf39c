//! Who asks: by a bearer token, by a certificate, or by being on this machine. What cannot be found out is neither.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::authorization::Shown;
use super::certificate::Certificate;
use super::clients::{Client, Clients};
use super::oidc::Oidc;
use super::problem::Problem;
use super::settings::{self, Settings, Voucher};
use super::tls;
use super::token_review::TokenReview;
use crate::clock::Clock;

/// A longer token is nobody's.
const LONGEST_TOKEN: usize = 8 * 1024;
const PATIENCE: Duration = Duration::from_secs(5);

/// Why nobody is known by a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unknown {
    Nobody,
    /// Whoever vouches for it gave no answer.
    NotNow,
}

pub(super) struct Credentials {
    clients: Clients,
    oidc: Option<Arc<Oidc>>,
    review: Option<TokenReview>,
    clock: Clock,
}

impl Credentials {
    pub(super) fn new(settings: &Settings, clock: Clock) -> anyhow::Result<Self> {
        let reviewed =
            |it: &&settings::Client| settings.voucher_of(it) == Some(Voucher::TokenReview);
        let subjects = settings.clients.iter().filter(reviewed);
        let subjects = subjects.filter_map(|it| it.subject.clone()).collect();
        let review = settings.token_review.clone().map(|it| TokenReview::new(it, subjects));
        Ok(Self {
            clients: Clients::new(settings),
            oidc: settings.oidc.clone().map(Oidc::new).transpose()?.map(Arc::new),
            review: review.transpose()?,
            clock,
        })
    }

    /// The client that shows this. A token that is shown counts, and nothing beside it.
    pub(super) async fn find(&self, shown: &Shown) -> Result<Arc<Client>, Unknown> {
        match &shown.header {
            Some(header) => match header.to_str().ok().and_then(bearer) {
                Some(token) => self.of_token(token, shown.address).await,
                None => Err(Unknown::Nobody),
            },
            None => {
                let names = shown.certificate.as_ref().map(|it| Certificate::names(it));
                let known = names.and_then(|it| self.clients.of_certificate(it));
                known.or_else(|| self.clients.anonymous.clone()).ok_or(Unknown::Nobody)
            }
        }
    }

    async fn of_token(&self, token: &str, from: IpAddr) -> Result<Arc<Client>, Unknown> {
        if let Some(client) = self.clients.of_token(token) {
            return Ok(client);
        }
        let mut why = Unknown::Nobody;
        if token.split('.').count() == 3 {
            let now = self.clock.now().as_second();
            if let Some(oidc) = &self.oidc {
                let client = oidc.subject(token, now).await;
                match client.and_then(|it| self.of_subject(Voucher::Oidc, &it)) {
                    Err(unknown) => why = unknown,
                    found => return found,
                }
            }
            if let Some(review) = &self.review {
                let client = review.subject(token, from, now).await;
                match client.and_then(|it| self.of_subject(Voucher::TokenReview, &it)) {
                    // That the other could not be asked is not taken back by a no of this one.
                    Err(Unknown::Nobody) => {}
                    Err(Unknown::NotNow) => why = Unknown::NotNow,
                    found => return found,
                }
            }
        }
        Err(why)
    }

    fn of_subject(&self, by: Voucher, subject: &str) -> Result<Arc<Client>, Unknown> {
        self.clients.of_subject(by, subject).ok_or(Unknown::Nobody)
    }
}

impl From<Unknown> for Problem {
    fn from(unknown: Unknown) -> Self {
        match unknown {
            Unknown::Nobody => Self::unauthenticated(),
            Unknown::NotNow => Self::busy("whoever vouches for the token gave no answer"),
        }
    }
}

/// The token of `Authorization: Bearer` (RFC 6750); the name of the scheme is written in any case.
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    let token = token.trim_matches(' ');
    let fits = !token.is_empty() && token.len() <= LONGEST_TOKEN;
    (scheme.eq_ignore_ascii_case("bearer") && fits).then_some(token)
}

/// A client for whoever vouches for tokens, which believes `ca` and nobody else where that is given.
pub(super) fn client(ca: Option<&Path>) -> anyhow::Result<reqwest::Client> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(PATIENCE)
        .no_proxy()
        .tls_backend_rustls()
        .user_agent(concat!("entitled-gateway/", env!("CARGO_PKG_VERSION")));
    let Some(path) = ca else { return Ok(builder.build()?) };
    let roots = tls::certificates(path)?;
    let roots = roots.iter().map(|it| reqwest::Certificate::from_der(it));
    Ok(builder.tls_certs_only(roots.collect::<Result<Vec<_>, _>>()?).build()?)
}

/// The body of a reply, if it is no longer than `most`.
pub(super) async fn body(mut reply: reqwest::Response, most: usize) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(chunk) = reply.chunk().await? {
        bytes.extend_from_slice(&chunk);
        anyhow::ensure!(bytes.len() <= most, "the reply is longer than {most} bytes");
    }
    Ok(bytes)
}
