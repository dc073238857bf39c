//! One call of a method through jsonrpsee's callbacks, with whatever may go wrong in it kept inside.
//!
//! Made by `caller`, after its checks; run in a task of the framing.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use jsonrpsee::core::id_providers::RandomIntegerIdProvider;
use jsonrpsee::types::{Id, Params};
use jsonrpsee::{
    ConnectionId, Extensions, MethodCallback, MethodResponse, MethodSink, SubscriptionState,
};
use serde_json::value::RawValue;
use tokio::sync::OwnedSemaphorePermit;

use super::envelope::{self, Fault};
use super::refusal::{panicked, refuse};
use crate::rpc::error::Code;
use crate::rpc::figures::SocketFigures;
use crate::rpc::socket::census::Taken;
use crate::rpc::socket::reply::Flight;

/// The id as jsonrpsee knows ids: null, a whole number or a string. JSON-RPC knows more numbers.
pub(in crate::rpc) fn known_id(id: &RawValue) -> Option<Id<'static>> {
    serde_json::from_str::<Id<'_>>(id.get()).ok().map(Id::into_owned)
}

/// `{"subscription": ID}` as jsonrpsee takes it, which is by position only.
fn subscription_by_position(params: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct ByName<'a> {
        #[serde(borrow)]
        subscription: &'a RawValue,
    }
    // A list would be read as a struct too, and is right as it is.
    let named = params.trim_start().starts_with('{');
    let params: ByName<'_> = named.then(|| serde_json::from_str(params).ok()).flatten()?;
    Some(format!("[{}]", params.subscription))
}

/// One call of a method, ready to run.
pub(in crate::rpc) struct Work {
    pub(in crate::rpc) method: &'static str,
    pub(in crate::rpc) callback: MethodCallback,
    pub(in crate::rpc) id: Box<RawValue>,
    pub(in crate::rpc) params: Option<Box<RawValue>>,
    pub(in crate::rpc) subscriber: Option<(MethodSink, OwnedSemaphorePermit)>,
    pub(in crate::rpc) connection: ConnectionId,
    /// What the method finds out about the caller.
    pub(in crate::rpc) extensions: Extensions,
    /// The longest reply to a question. What a change came to is told whole.
    pub(in crate::rpc) response_bytes: usize,
    /// For the reply of a change.
    pub(in crate::rpc) reserved: Option<Taken>,
    pub(in crate::rpc) figures: Arc<SocketFigures>,
}

impl Work {
    pub(in crate::rpc) async fn run(self, flight: &Arc<Flight>) -> Vec<u8> {
        let (figures, method, id) = (Arc::clone(&self.figures), self.method, self.id.clone());
        let fault = match AssertUnwindSafe(self.call(flight)).catch_unwind().await {
            Ok(Ok(reply)) => return reply,
            Ok(Err(fault)) => fault,
            Err(_) => {
                panicked(&figures, method);
                Fault::internal()
            }
        };
        let mut reply = Vec::new();
        refuse(&figures, Some(&id), &fault, &mut reply);
        reply
    }

    async fn call(self, flight: &Arc<Flight>) -> Result<Vec<u8>, Fault> {
        let Self { callback, id, params, subscriber, connection, mut extensions, .. } = self;
        let known = known_id(&id);
        let as_written = known.is_some();
        let id_given = known.unwrap_or(Id::Null);
        let given = params.as_deref().map(RawValue::get);
        let by_position = match callback {
            MethodCallback::Unsubscription(_) => given.and_then(subscription_by_position),
            _ => None,
        };
        let params = Params::new(by_position.as_deref().or(given)).into_owned();
        // A subscription is in flight until it is accepted, and not for as long as it tells.
        if subscriber.is_none() {
            extensions.insert(Arc::clone(flight));
        }
        // Replies are measured below: jsonrpsee's own error for a long one has a code that means something else here.
        let unlimited = usize::MAX;
        let response = match (callback, subscriber) {
            (MethodCallback::Sync(method), _) => method(id_given, params, unlimited, extensions),
            (MethodCallback::Async(method), _) => {
                method(id_given, params, connection, unlimited, extensions).await
            }
            (MethodCallback::Unsubscription(method), _) => {
                method(id_given, params, connection, unlimited, extensions)
            }
            (MethodCallback::Subscription(method), Some((sink, subscription_permit))) => {
                let id_provider = &RandomIntegerIdProvider;
                let state =
                    SubscriptionState { conn_id: connection, id_provider, subscription_permit };
                method(id_given, params, sink, state, extensions).await
            }
            (MethodCallback::Subscription(_), None) => return Err(Fault::internal()),
        };
        // Accepting and rejecting a subscription send the reply through the sink, before any notification.
        if response.is_subscription() {
            return Ok(Vec::new());
        }
        if response.as_error_code() == Some(Code::LimitExceeded.number()) {
            self.figures.requests_limited.one_more();
        }
        let reply = finished(response);
        if reply.len() > self.response_bytes {
            return Err(Fault::too_long_a_reply(self.response_bytes));
        }
        if as_written {
            return Ok(reply.into_bytes());
        }
        envelope::with_id(&reply, &id).ok_or_else(Fault::internal)
    }
}

fn finished(response: MethodResponse) -> String {
    let is_success = response.is_success();
    let (json, on_close, _) = response.into_parts();
    if let Some(waiting) = on_close {
        waiting.notify(is_success);
    }
    Box::<str>::from(json).into_string()
}
