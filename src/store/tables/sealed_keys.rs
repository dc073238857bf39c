//! All sealed keys at once, for going over to another key-encryption key.

use alloy_primitives::Address;

use super::{audit, records};
use crate::store::asked::Asked;
use crate::store::error::StoreError;
use crate::store::schema::{self, Table};
use crate::store::view::{Changes, View, prefixed};
use entitled_core::domain::audit::AuditAction;
use entitled_core::domain::ids::CustomerId;

/// A sealed key, as `keys` made it; opaque here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedKey {
    pub address: Address,
    pub customer: CustomerId,
    pub record: Vec<u8>,
}

/// Another record in the place of one.
#[derive(Debug, Clone)]
pub struct Replacement {
    pub before: SealedKey,
    pub record: Vec<u8>,
}

/// Every sealed key, of unlinked wallets too; no destroyed ones.
///
/// # Errors
/// When the store fails.
pub fn all(view: &impl View) -> Result<Vec<SealedKey>, StoreError> {
    let mut found = Vec::new();
    for row in prefixed(view, Table::SealedKeys, &[])? {
        let (key, bytes) = row?;
        let Some(record) = records::decode_sealed(&bytes)? else { continue };
        let parts = key.split_first_chunk::<20>();
        let (address, customer) = parts
            .and_then(|(address, rest)| Some((*address, schema::customer_of(rest)?)))
            .ok_or(StoreError::Form { what: "sealed key" })?;
        found.push(SealedKey { address: Address::from(address), customer, record });
    }
    Ok(found)
}

/// Puts all replacements in their places, or none, with one audit entry. A key that is not as it was read,
/// because it was destroyed since, is left as it is. Says how many were replaced.
///
/// # Errors
/// When the store fails.
pub fn replace(
    changes: &mut Changes<'_>,
    replacements: &[Replacement],
    detail: &str,
    asked: &Asked,
) -> Result<u64, StoreError> {
    let mut fitting = Vec::with_capacity(replacements.len());
    for it in replacements {
        let key = schema::wallet(it.before.address, it.before.customer);
        let now = changes.get(Table::SealedKeys, &key)?;
        if now == Some(records::encode_sealed(&it.before.record)) {
            fitting.push((key, records::encode_sealed(&it.record)));
        }
    }
    for (key, sealed) in &fitting {
        changes.put(Table::SealedKeys, key, sealed)?;
    }
    let count = u64::try_from(fitting.len()).unwrap_or(u64::MAX);
    let detail = format!("{count} wallets, {detail}");
    audit::append(changes, asked, AuditAction::KeysRotated, &"key-encryption key", detail)?;
    Ok(count)
}

#[cfg(test)]
mod tests;
