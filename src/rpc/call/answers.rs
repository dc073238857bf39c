//! What stands behind the socket: the one trait between how people ask and what is answered.
//!
//! The socket side calls it and knows nothing else of the daemon. `rpc/methods` implements it.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde_json::value::RawValue;

use crate::clock::Moment;
use entitled_core::domain::ids::ProductId;
use entitled_core::domain::peer::Peer;
use entitled_core::domain::product::FeatureKinds;

/// What answers, behind the socket.
pub trait Answers: Send + Sync + 'static {
    /// All methods and the subscription. Handlers find the caller's [`Peer`] in the extensions.
    /// Asked for once, when serving begins.
    fn methods(&self) -> jsonrpsee::Methods;

    /// Whether a method does something that is done also when nobody hears of it. Its reply is told whatever there is room for:
    /// what was done is not said to be refused.
    fn changes(&self, method: &str) -> bool;

    /// The hot path: appends the JSON of `result` to `out` and returns true, or returns false and leaves the
    /// request to [`methods`](Self::methods); what it had appended by then is thrown away. Never waits.
    fn answer_at_once(
        &self,
        peer: &Peer,
        method: &str,
        params: Option<&RawValue>,
        out: &mut Vec<u8>,
    ) -> bool;

    /// What answers warm checks of one connection, of `peer`.
    fn warm(&self, _: &Peer) -> Box<dyn Warm> {
        Box::new(Cold)
    }

    /// The features of a product over all its tiers; `None` when it is not installed. Asked for with each flag, so that
    /// they are to be at hand. Never waits.
    fn features(&self, _: &ProductId) -> Option<Arc<FeatureKinds>> {
        None
    }

    /// What `GET path` shows: `/healthz`, `/metrics`, `/openrpc.json`. `None` is 404. `accept` is what the request
    /// says it wants to read (RFC 9110, 12.5.1); empty for anything.
    fn page(&self, path: &str, accept: &str) -> BoxFuture<'static, Option<Page>>;
}

/// The shortest way to an answer: `entitlement_check` of a product and nothing else asked, by one connection.
pub trait Warm: Send {
    /// Appends the JSON of `result` to `out` and returns true, or returns false and leaves the request to
    /// [`Answers`], as it does where `product` is no name of a product; what it had appended by then is thrown away. Never waits.
    fn check(&mut self, product: &[u8], batch: &mut Batch, out: &mut Vec<u8>) -> bool;
}

/// Requests of one connection that were read together. They are answered as of one moment, which is found out for the first
/// of them, into one buffer that only grows meanwhile.
#[derive(Debug, Default)]
pub struct Batch {
    pub moment: Option<Moment>,
    /// Where in the buffer the result of the last check stands.
    pub result: Option<Range<usize>>,
}

/// Leaves every check to [`Answers::answer_at_once`].
struct Cold;

impl Warm for Cold {
    fn check(&mut self, _: &[u8], _: &mut Batch, _: &mut Vec<u8>) -> bool {
        false
    }
}

/// The answer to a GET.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The HTTP status, such as 200 or 503.
    pub status: u16,
    pub content_type: &'static str,
    pub body: Bytes,
}
