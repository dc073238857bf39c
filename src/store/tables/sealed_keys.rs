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
mod tests {
    use super::*;
    use crate::store::tables::wallets::{self, NewWallet, Origin};
    use crate::store::testing::{Bench, asked};

    const OWNER: CustomerId = CustomerId::Uid(1000);

    fn add(bench: &Bench, byte: u8) {
        let new = NewWallet {
            address: Address::repeat_byte(byte),
            customer: OWNER,
            label: None,
            origin: Origin::Created { sealed_key: vec![byte; 9] },
        };
        bench.change(move |it| wallets::add(it, new, &asked(0))).unwrap();
    }

    fn records(bench: &Bench) -> Vec<Vec<u8>> {
        bench.store.read(all).unwrap().into_iter().map(|it| it.record).collect()
    }

    fn replace_all(bench: &Bench, found: Vec<SealedKey>) -> u64 {
        let replacements: Vec<_> = found
            .into_iter()
            .map(|before| Replacement { record: [before.record.clone(), vec![0]].concat(), before })
            .collect();
        bench.change(move |it| replace(it, &replacements, "from a to b", &asked(1))).unwrap()
    }

    #[test]
    fn every_key_is_found_and_replaced_in_one_change_with_one_entry() {
        let bench = Bench::new();
        (1..=3).for_each(|it| add(&bench, it));
        let found = bench.store.read(all).unwrap();
        assert_eq!((found[0].address, found[0].customer), (Address::repeat_byte(1), OWNER));
        assert_eq!(replace_all(&bench, found), 3);
        assert!(records(&bench).iter().all(|it| it.len() == 10));
        assert_eq!(bench.actions().iter().filter(|it| *it == "keys_rotated").count(), 1);
    }

    #[test]
    fn a_key_destroyed_meanwhile_does_not_come_back() {
        let bench = Bench::new();
        (1..=2).for_each(|it| add(&bench, it));
        let found = bench.store.read(all).unwrap();
        let gone = Address::repeat_byte(1);
        bench.change(move |it| wallets::remove(it, gone, OWNER, true, &asked(0))).unwrap();
        assert_eq!(replace_all(&bench, found), 1);
        assert_eq!(records(&bench).len(), 1);
    }
}
