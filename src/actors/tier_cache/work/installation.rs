//! Changes of the installed products: read again, installed, removed.
//!
//! Files are read and judged beside the actor, which serves everybody, and one change after the other: a change
//! that read the files before another wrote them must not be taken up after it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;

use crate::actors::ownership_ledger::{Asked, AuditAction, KeepPins, NoteAudit, OwnershipLedger};
use crate::actors::tier_cache::TierCache;
use crate::actors::tier_cache::messages::{
    Install, InstallError, Reload, Reloaded, Remove, TrustPublisher,
};
use crate::products::{Catalogue, Loaded};
use entitled_core::domain::ids::{ProductId, Timestamp};
use entitled_core::domain::publisher::Pin;

const LEDGER_TIME: Duration = Duration::from_secs(10);

type Answer<T> = ResponseActFuture<TierCache, T>;

impl Handler<Reload> for TierCache {
    type Result = Answer<Reloaded>;

    fn handle(&mut self, order: Reload, _: &mut Self::Context) -> Self::Result {
        let Reload { catalogue, refresh, asked } = order;
        let changed = self.change((catalogue, None), asked.clone(), |_, _| Ok(()));
        Box::pin(changed.then(move |changed, cache, _| {
            if let Some(refresh) = refresh {
                cache.parts.settings.refresh = refresh;
            }
            let Changed { loaded, .. } = changed;
            let (products, faults) = (loaded.products.len(), loaded.faults.clone());
            let subject = format!("{products} products");
            let reloaded = Reloaded { products, faults };
            let noted = cache.note(AuditAction::ProductsReloaded, subject, asked);
            noted.map(move |(), _, _| reloaded)
        }))
    }
}

impl Handler<Install> for TierCache {
    type Result = Answer<Result<ProductId, InstallError>>;

    fn handle(&mut self, order: Install, _: &mut Self::Context) -> Self::Result {
        let Install { text, signature, asked } = order;
        let changed = self.change((None, None), asked.clone(), move |catalogue, before| {
            catalogue.install(&text, signature.as_deref(), before)
        });
        Box::pin(changed.then(move |changed, cache, _| {
            let product = match installed(changed) {
                Ok(product) => product,
                Err(error) => return Box::pin(actix::fut::err(error)) as Self::Result,
            };
            let noted = cache.note(AuditAction::ProductInstalled, product.to_string(), asked);
            Box::pin(noted.map(move |(), _, _| Ok(product)))
        }))
    }
}

impl Handler<Remove> for TierCache {
    type Result = Answer<Result<(), InstallError>>;

    fn handle(&mut self, order: Remove, _: &mut Self::Context) -> Self::Result {
        let Remove { product, asked } = order;
        let id = product.clone();
        let changed = self.change((None, None), asked.clone(), move |catalogue, before| {
            catalogue.remove(&id, before).map(drop)
        });
        Box::pin(changed.then(move |changed, cache, _| {
            if let Err(error) = changed.outcome {
                return Box::pin(actix::fut::err(error)) as Self::Result;
            }
            let noted = cache.note(AuditAction::ProductRemoved, product.to_string(), asked);
            Box::pin(noted.map(|(), _, _| Ok(())))
        }))
    }
}

impl Handler<TrustPublisher> for TierCache {
    type Result = Answer<Result<(), InstallError>>;

    fn handle(&mut self, order: TrustPublisher, _: &mut Self::Context) -> Self::Result {
        let TrustPublisher { product, publisher, asked } = order;
        let since = self.parts.clock.now();
        let pin = publisher.map(|key| Pin { key, version: 0, taken: None, since });
        let trust = (None, Some((product, pin)));
        let changed = self.change(trust, asked, |_, _| Ok(()));
        Box::pin(changed.map(|changed, _, _| changed.outcome))
    }
}

struct Changed<T> {
    outcome: Result<T, InstallError>,
    /// What holds now.
    loaded: Arc<Loaded>,
}

impl TierCache {
    /// Waits for its turn, has the files changed and read again, and takes up what they say. What was refused changes
    /// nothing. `catalogue`: from now on, the files of these directories. `trust`: from now on this product takes the
    /// files of this publisher, or of anybody.
    fn change<T: Send + 'static>(
        &self,
        (catalogue, trust): (Option<Catalogue>, Option<(ProductId, Option<Pin>)>),
        asked: Asked,
        change: impl FnOnce(&Catalogue, (&Loaded, Timestamp)) -> Result<T, InstallError>
        + Send
        + 'static,
    ) -> Answer<Changed<T>> {
        let turn = Arc::clone(&self.parts.turns.products).lock_owned();
        let prepared = turn.into_actor(self).map(move |turn, cache: &mut Self, _: &mut _| {
            if let Some(catalogue) = catalogue {
                cache.parts.catalogue = catalogue;
            }
            let (catalogue, before) =
                (cache.parts.catalogue.clone(), cache.parts.reader.products());
            let (ledger, now) = (cache.parts.ledger.clone(), cache.parts.clock.now());
            let read = async move {
                let pins = before.pins.clone();
                let mut from = (*before).clone();
                match trust {
                    Some((product, Some(pin))) => drop(from.pins.insert(product, pin)),
                    Some((product, None)) => drop(from.pins.remove(&product)),
                    None => {}
                }
                let (outcome, loaded) =
                    beside(move || read(&catalogue, (&from, now), change)).await;
                let Some(loaded) = loaded else { return (outcome, None) };
                match keep_pins(&ledger, &pins, (&loaded, asked)).await {
                    Ok(()) => (outcome, Some(loaded)),
                    Err(error) => (outcome.and(Err(error)), None),
                }
            };
            (turn, read)
        });
        Box::pin(prepared.then(|(turn, read), cache, _| {
            read.into_actor(cache).map(move |(outcome, loaded), cache, context| {
                let loaded = match loaded {
                    Some(loaded) => cache.take_up(loaded, context),
                    None => cache.parts.reader.products(),
                };
                drop(turn);
                Changed { outcome, loaded }
            })
        }))
    }

    fn take_up(&mut self, loaded: Loaded, context: &mut Context<Self>) -> Arc<Loaded> {
        let loaded = Arc::new(loaded);
        for fault in &loaded.faults {
            tracing::warn!(event = "product_refused", %fault, "a product file is refused");
        }
        self.parts.reader.adopt(Arc::clone(&loaded));
        self.adopt_products(context);
        loaded
    }

    /// A note in the audit, for which whoever asked waits: what was answered is there after a crash. That it could not be
    /// written does not undo what was done.
    pub(super) fn note(
        &self,
        action: AuditAction,
        subject: String,
        asked: Asked,
    ) -> ResponseActFuture<Self, ()> {
        let note = NoteAudit { action, subject, detail: String::new(), asked };
        let noting = self.parts.ledger.send(note).timeout(LEDGER_TIME);
        Box::pin(noting.into_actor(self).map(move |noted, _, _| {
            if !matches!(noted, Ok(Ok(_))) {
                tracing::error!(action = action.as_str(), "the audit did not take a note");
            }
        }))
    }
}

/// The product of the file that was written.
fn installed(changed: Changed<PathBuf>) -> Result<ProductId, InstallError> {
    let Changed { loaded, outcome } = changed;
    let path = outcome?;
    let installed = loaded.products.values().find(|it| it.source == path);
    installed.map(|it| it.product.id.clone()).ok_or_else(|| {
        let why = "was written, but another file defines the same product".to_owned();
        InstallError::Refused { path, why }
    })
}

/// Has the ledger keep whose files products take, before a file is taken up that rests on it. Where that fails nothing is
/// taken up: a product must not be signed today and take anybody's file after a restart.
async fn keep_pins(
    ledger: &Addr<OwnershipLedger>,
    before: &BTreeMap<ProductId, Pin>,
    (loaded, asked): (&Loaded, Asked),
) -> Result<(), InstallError> {
    let pins = loaded.pins_since(before);
    if pins.is_empty() {
        return Ok(());
    }
    let kept = ledger.send(KeepPins { pins, asked }).timeout(LEDGER_TIME).await;
    if matches!(kept, Ok(Ok(()))) {
        return Ok(());
    }
    tracing::error!(
        "who publishes the products could not be kept: none of their files is taken up"
    );
    Err(InstallError::NotKept)
}

fn read<T>(
    catalogue: &Catalogue,
    before: (&Loaded, Timestamp),
    change: impl FnOnce(&Catalogue, (&Loaded, Timestamp)) -> Result<T, InstallError>,
) -> (Result<T, InstallError>, Option<Loaded>) {
    match change(catalogue, before) {
        Ok(done) => (Ok(done), Some(catalogue.load(before.0, before.1))),
        Err(error) => (Err(error), None),
    }
}

/// Runs what takes its time beside the actor. A panic in it is one of the actor's.
async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await.map_err(tokio::task::JoinError::try_into_panic) {
        Ok(done) => done,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        // The runtime ends, and nobody waits any more.
        Err(Err(_)) => std::future::pending().await,
    }
}
