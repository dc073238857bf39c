//! Claims: somebody says that a wallet holds a token, and the chain has proven it.
//!
//! Never: records anew what is recorded already, or more than one customer may claim.

use alloy_primitives::{Address, B256};

use super::{ownerships, quotas};
use crate::store::asked::Asked;
use crate::store::error::StoreError;
use crate::store::view::{Changes, View};
use entitled_core::domain::ids::Token;
use entitled_core::domain::kept::Look;
use entitled_core::domain::ownership::{Ownership, Sighting, Target, Terms};

/// Intervals of one token that are gone through for the one that is not over.
const INTERVALS: usize = 1_000;

/// Records the look that proves a claim, unless the store says as much already. `wallets` are all of the claimant, whose
/// claims together have a quota. Returns the holding that is recorded and not over; `None` where something newer says that
/// there is none.
///
/// # Errors
/// A conflict when the look names no token or cannot be recorded, [`StoreError::Full`] when the quota is used up.
pub fn record(
    changes: &mut Changes<'_>,
    (look, wallets): (&Look, &[Address]),
    asked: &Asked,
) -> Result<Option<Ownership>, StoreError> {
    let claimed = look.sightings.first().and_then(|it| match &it.target {
        Target::Token(token) => Some((*token, it)),
        Target::Rest { .. } => None,
    });
    let (token, sighting) = claimed.ok_or_else(|| StoreError::conflict("a claim names a token"))?;
    let known = holding(changes, token, sighting.wallet)?;
    if let Some(known) = known.filter(|it| says_as_much(it, sighting, look.transaction)) {
        return Ok(Some(known));
    }
    quotas::check_claims(changes, wallets)?;
    ownerships::record_look(changes, look, asked)?;
    holding(changes, token, sighting.wallet)
}

/// The wallet's holding of a token that is recorded and not over.
fn holding(
    view: &impl View,
    token: Token,
    wallet: Address,
) -> Result<Option<Ownership>, StoreError> {
    let intervals = ownerships::history(view, token, None, None, INTERVALS)?;
    Ok(intervals.into_iter().find(|it| it.wallet == wallet && it.is_active()))
}

/// Whether recording a sighting would only say again what is recorded.
fn says_as_much(kept: &Ownership, sighting: &Sighting, transaction: Option<B256>) -> bool {
    let evidence = &kept.evidence;
    Terms { rule: evidence.rule, reach: evidence.reach } == sighting.terms()
        && (transaction.is_none() || transaction == evidence.transaction)
}

#[cfg(test)]
mod tests;
