//! Whose files products take, in the store.

use std::collections::BTreeMap;

use super::{audit, records};
use crate::store::Asked;
use crate::store::error::StoreError;
use crate::store::schema::{self, Table};
use crate::store::view::{Changes, View, prefixed, record};
use entitled_core::domain::audit::AuditAction;
use entitled_core::domain::ids::ProductId;
use entitled_core::domain::publisher::Pin;

/// Keeps whose files these products take from now on; `None`: anybody's again. Each that goes over to another key leaves
/// an audit entry.
///
/// # Errors
/// When the store fails.
pub fn keep(
    changes: &mut Changes<'_>,
    pins: &BTreeMap<ProductId, Option<Pin>>,
    asked: &Asked,
) -> Result<(), StoreError> {
    for (product, pin) in pins {
        let key = schema::publisher(product);
        let kept: Option<Pin> = record(changes, Table::Meta, &key, "publisher")?;
        if kept == *pin {
            continue;
        }
        match pin {
            Some(pin) => changes.put_record(Table::Meta, &key, pin)?,
            None => changes.remove(Table::Meta, &key)?,
        }
        let publisher = |it: &Option<Pin>| it.as_ref().map(|it| it.key.to_string());
        if publisher(&kept) != publisher(pin) {
            let publisher = publisher(pin).unwrap_or_else(|| "anybody".to_owned());
            let detail = format!("takes the files of {publisher}");
            let action = AuditAction::PublisherChanged;
            audit::note(changes, action, &product.to_string(), &detail, asked)?;
        }
    }
    Ok(())
}

/// Whose files each product takes; of those that were ever signed.
///
/// # Errors
/// When the store fails.
pub fn all(view: &impl View) -> Result<BTreeMap<ProductId, Pin>, StoreError> {
    let mut pins = BTreeMap::new();
    for row in prefixed(view, Table::Meta, schema::META_PUBLISHER)? {
        let (key, value) = row?;
        let product = schema::publisher_of(&key).ok_or(StoreError::Form { what: "publisher" })?;
        pins.insert(product, records::decode("publisher", &value)?);
    }
    Ok(pins)
}

#[cfg(test)]
mod tests;
