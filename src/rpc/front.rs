//! Puts the methods, the hot path and the pages behind the socket.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jsonrpsee::Methods;
use jsonrpsee::core::RegisterMethodError;
use serde_json::value::RawValue;

use super::call::answers::{Answers, Page, Warm};
use super::figures::SocketFigures;
use super::methods::{self, Api, WarmChecks};
use super::{metrics, openrpc};
use crate::actors::chain_verifier::ChainStates;
use crate::actors::ownership_ledger::FindFigures;
use crate::actors::seat_keeper::FindSeatFigures;
use entitled_core::domain::ids::ProductId;
use entitled_core::domain::peer::Peer;
use entitled_core::domain::product::FeatureKinds;

/// The one implementation of [`Answers`].
pub struct Front {
    api: Arc<Api>,
    methods: Methods,
    figures: Arc<SocketFigures>,
}

impl Front {
    /// # Errors
    /// When two methods have the same name.
    pub fn new(api: Api, figures: Arc<SocketFigures>) -> Result<Self, RegisterMethodError> {
        let api = Arc::new(api);
        let methods = methods::module(Arc::clone(&api))?.into();
        Ok(Self { api, methods, figures })
    }
}

impl Answers for Front {
    fn methods(&self) -> Methods {
        self.methods.clone()
    }

    fn changes(&self, method: &str) -> bool {
        methods::changes(method)
    }

    fn answer_at_once(
        &self,
        peer: &Peer,
        method: &str,
        params: Option<&RawValue>,
        out: &mut Vec<u8>,
    ) -> bool {
        method == "entitlement_check" && self.api.check_at_once(peer, params, out)
    }

    fn warm(&self, peer: &Peer) -> Box<dyn Warm> {
        Box::new(WarmChecks::new(Arc::clone(&self.api), peer))
    }

    fn features(&self, product: &ProductId) -> Option<Arc<FeatureKinds>> {
        let products = self.api.reader.products();
        products.products.get(product).map(|it| Arc::clone(&it.features))
    }

    fn page(&self, path: &str, accept: &str) -> BoxFuture<'static, Option<Page>> {
        let api = Arc::clone(&self.api);
        match path {
            "/healthz" => health(api).map(Some).boxed(),
            "/metrics" => figures(api, Arc::clone(&self.figures), metrics::Format::of(accept))
                .map(Some)
                .boxed(),
            "/openrpc.json" => {
                let body = openrpc::text();
                let page = Page { status: 200, content_type: "application/json", body };
                std::future::ready(Some(page)).boxed()
            }
            _ => std::future::ready(None).boxed(),
        }
    }
}

async fn health(api: Arc<Api>) -> Page {
    let health = api.health().await;
    let status = if health.status == "ok" { 200 } else { 503 };
    let body = serde_json::to_vec(&health).unwrap_or_default().into();
    Page { status, content_type: "application/json", body }
}

async fn figures(api: Arc<Api>, socket: Arc<SocketFigures>, format: metrics::Format) -> Page {
    let asked = metrics::Asked {
        store: api.ledger.send(FindFigures).await.ok().and_then(Result::ok),
        chains: api.verifier.send(ChainStates).await.ok(),
        seats: api.seats.send(FindSeatFigures).await.ok(),
    };
    match metrics::text(&api, &socket, &asked) {
        Ok(text) => Page {
            status: 200,
            content_type: format.content_type(),
            body: format.write(text).into(),
        },
        Err(_) => Page { status: 500, content_type: "text/plain", body: Bytes::new() },
    }
}
