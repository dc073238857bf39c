//! Changes of the installed products: read again, installed, removed.
//!
//! Files are read and judged beside the actor, which serves everybody, and one change after the other: a change
//! that read the files before another wrote them must not be taken up after it.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;

use crate::actors::ownership_ledger::{Asked, AuditAction, NoteAudit};
use crate::actors::tier_cache::TierCache;
use crate::actors::tier_cache::messages::{Install, InstallError, Reload, Reloaded, Remove};
use crate::products::{Catalogue, Loaded};
use entitled_core::domain::ids::ProductId;

type Answer<T> = ResponseActFuture<TierCache, T>;

impl Handler<Reload> for TierCache {
    type Result = Answer<Reloaded>;

    fn handle(&mut self, order: Reload, _: &mut Self::Context) -> Self::Result {
        let Reload { catalogue, refresh, asked } = order;
        let changed = self.change(catalogue, |_| Ok(()));
        Box::pin(changed.map(move |changed, cache, _| {
            if let Some(refresh) = refresh {
                cache.parts.settings.refresh = refresh;
            }
            let Changed { loaded, .. } = changed;
            cache.note(
                AuditAction::ProductsReloaded,
                format!("{} products", loaded.products.len()),
                asked,
            );
            Reloaded { products: loaded.products.len(), faults: loaded.faults.clone() }
        }))
    }
}

impl Handler<Install> for TierCache {
    type Result = Answer<Result<ProductId, InstallError>>;

    fn handle(&mut self, order: Install, _: &mut Self::Context) -> Self::Result {
        let Install { text, asked } = order;
        let changed = self.change(None, move |catalogue| catalogue.install(&text));
        Box::pin(changed.map(move |changed, cache, _| {
            let Changed { loaded, outcome } = changed;
            let path = outcome?;
            let installed = loaded.products.values().find(|it| it.source == path);
            let product = installed.map(|it| it.product.id.clone()).ok_or_else(|| {
                let why = "was written, but another file defines the same product".to_owned();
                InstallError::Refused { path, why }
            })?;
            cache.note(AuditAction::ProductInstalled, product.to_string(), asked);
            Ok(product)
        }))
    }
}

impl Handler<Remove> for TierCache {
    type Result = Answer<Result<(), InstallError>>;

    fn handle(&mut self, order: Remove, _: &mut Self::Context) -> Self::Result {
        let Remove { product, asked } = order;
        let id = product.clone();
        let changed = self.change(None, move |catalogue| catalogue.remove(&id).map(drop));
        Box::pin(changed.map(move |changed, cache, _| {
            changed.outcome?;
            cache.note(AuditAction::ProductRemoved, product.to_string(), asked);
            Ok(())
        }))
    }
}

struct Changed<T> {
    outcome: Result<T, InstallError>,
    /// What holds now.
    loaded: Arc<Loaded>,
}

impl TierCache {
    /// Waits for its turn, has the files changed and read again, and takes up what they say. What was refused changes
    /// nothing. `catalogue`: from now on, the files of these directories.
    fn change<T: Send + 'static>(
        &self,
        catalogue: Option<Catalogue>,
        change: impl FnOnce(&Catalogue) -> Result<T, InstallError> + Send + 'static,
    ) -> Answer<Changed<T>> {
        let turn = Arc::clone(&self.parts.turn).lock_owned();
        let prepared = turn.into_actor(self).map(move |turn, cache: &mut Self, _: &mut _| {
            if let Some(catalogue) = catalogue {
                cache.parts.catalogue = catalogue;
            }
            let (catalogue, before) =
                (cache.parts.catalogue.clone(), cache.parts.reader.products());
            (turn, beside(move || read(&catalogue, &before, change)))
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

    /// A note in the audit. That it could not be written does not undo what was done.
    fn note(&self, action: AuditAction, subject: String, asked: Asked) {
        let note = NoteAudit { action, subject, detail: String::new(), asked };
        let ledger = self.parts.ledger.clone();
        actix_rt::spawn(async move {
            let noted = ledger.send(note).timeout(Duration::from_secs(10)).await;
            if !matches!(noted, Ok(Ok(_))) {
                tracing::error!(action = action.as_str(), "the audit did not take a note");
            }
        });
    }
}

fn read<T>(
    catalogue: &Catalogue,
    before: &Loaded,
    change: impl FnOnce(&Catalogue) -> Result<T, InstallError>,
) -> (Result<T, InstallError>, Option<Loaded>) {
    match change(catalogue) {
        Ok(done) => (Ok(done), Some(catalogue.load(before))),
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
