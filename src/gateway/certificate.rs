//! The certificate that the other end of a connection has shown.
//!
//! A handshake is one moment, a connection lasts, and a session can be gone on with for days without another look: so it is
//! found out again by whoever asks, whether the certificate holds.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustls::pki_types::CertificateDer;

use super::tls::{Terms, Tls, names};

/// For how long what was found out is not asked again.
const FRESH: Duration = Duration::from_secs(1);

pub(super) struct Certificate {
    tls: Arc<Tls>,
    /// The client's own first.
    chain: Vec<CertificateDer<'static>>,
    names: Vec<String>,
    /// By which terms it was found to hold, and when.
    held: Mutex<Option<(Arc<Terms>, Instant)>>,
}

impl Certificate {
    /// `None` where none was shown.
    pub(super) fn of(
        chain: Option<&[CertificateDer<'static>]>,
        tls: &Arc<Tls>,
    ) -> Option<Arc<Self>> {
        let chain = chain?;
        let names = names(chain.first()?);
        let (tls, chain, held) = (Arc::clone(tls), chain.to_vec(), Mutex::default());
        Some(Arc::new(Self { tls, chain, names, held }))
    }

    /// The names by which it may be known: none where it has ended, was revoked, or is of nobody who is believed now.
    pub(super) fn names(&self) -> &[String] {
        if self.holds() { &self.names } else { &[] }
    }

    fn holds(&self) -> bool {
        let terms = self.tls.terms();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let is_fresh =
            |(by, at): &(Arc<Terms>, Instant)| Arc::ptr_eq(by, &terms) && at.elapsed() < FRESH;
        if !held.as_ref().is_some_and(is_fresh) {
            *held = terms.believe(&self.chain).then(|| (terms, Instant::now()));
        }
        held.is_some()
    }
}
