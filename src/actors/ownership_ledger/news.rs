//! What OwnershipLedger tells: whose entitlements a change concerns.

use std::sync::Arc;

use super::work::{Change, answer};
use super::{OwnershipLedger, Whose};
use crate::store::{Changes, StoreError};

/// Told of each change that entitlements rest on, once it can be read and before it is acknowledged.
pub type OnChange = Arc<dyn Fn(Whose) + Send + Sync>;

impl OwnershipLedger {
    /// A change that entitlements rest on: `whose` says of what has changed whom it concerns.
    pub(super) fn revise<T: Send + 'static>(
        &self,
        doing: &'static str,
        whose: impl Fn(&T) -> Whose + 'static,
        operation: impl FnOnce(&mut Changes<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Change<T> {
        self.tell(doing, whose, self.store.write(operation))
    }

    /// The same of a change that was ordered already.
    pub(super) fn tell<T: Send + 'static>(
        &self,
        doing: &'static str,
        whose: impl Fn(&T) -> Whose + 'static,
        outcome: impl Future<Output = Result<T, StoreError>> + 'static,
    ) -> Change<T> {
        let on_change = Arc::clone(&self.on_change);
        // In a task of its own: what was ordered is written though this actor be restarted meanwhile, and then
        // it must be told all the same.
        let told = actix_rt::spawn(async move {
            let outcome = outcome.await;
            match &outcome {
                Ok(changed) => on_change(whose(changed)),
                Err(refused) if refused.is_refusal() => {}
                // It may be in the file or not: nobody rests on either.
                Err(_) => on_change(Whose::Everybody),
            }
            outcome
        });
        answer(doing, async move { told.await.unwrap_or(Err(StoreError::Closed)) })
    }
}
