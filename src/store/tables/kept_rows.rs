//! The rows of sightings, and the record beside those of a wallet in a collection: where
//! [`entitled_core::domain::confirmed`] has them.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use alloy_primitives::{Address, U256};

use super::records;
use crate::store::error::StoreError;
use crate::store::schema::{self, Table};
use crate::store::view::{Changes, View, prefixed, record};
use entitled_core::domain::confirmed::{Confirmations, Holder};
use entitled_core::domain::ids::{Collection, Token};
use entitled_core::domain::kept::{KeptSighting, ReadRows, RowKey};

/// A wallet in a collection.
type Place = (Collection, Address);

/// What is kept of sightings in a view of the store.
pub(in crate::store) struct SightingRows<'a, V> {
    view: &'a V,
    /// The records that were read: many rows take their look from one.
    records: RefCell<HashMap<Place, Rc<Confirmations>>>,
}

impl<'a, V: View> SightingRows<'a, V> {
    pub(in crate::store) fn new(view: &'a V) -> Self {
        Self { view, records: RefCell::default() }
    }

    fn confirmations(&self, place: Place) -> Result<Rc<Confirmations>, StoreError> {
        if let Some(known) = self.records.borrow().get(&place) {
            return Ok(Rc::clone(known));
        }
        let found = Rc::new(confirmations(self.view, place)?);
        self.records.borrow_mut().insert(place, Rc::clone(&found));
        Ok(found)
    }

    fn with_prefix(&self, place: Place, prefix: &[u8]) -> Result<Vec<KeptSighting>, StoreError> {
        let confirmations = self.confirmations(place)?;
        let read = |bytes: &[u8]| {
            let row = records::decode_row(bytes)?;
            confirmations.read(place.1, row).ok_or(StoreError::Form { what: "sighting" })
        };
        prefixed(self.view, Table::Sightings, prefix)?.map(|row| read(&row?.1)).collect()
    }
}

impl<V: View> ReadRows for SightingRows<'_, V> {
    type Error = StoreError;

    fn of_wallet(
        &self,
        collection: Collection,
        wallet: Address,
    ) -> Result<Vec<KeptSighting>, StoreError> {
        self.with_prefix((collection, wallet), &schema::holder(collection, wallet))
    }

    fn rests(
        &self,
        collection: Collection,
        wallet: Address,
    ) -> Result<Vec<KeptSighting>, StoreError> {
        self.with_prefix((collection, wallet), &schema::rests(collection, wallet))
    }

    fn of_token(&self, wallet: Address, token: Token) -> Result<Vec<KeptSighting>, StoreError> {
        self.with_prefix((token.collection, wallet), &schema::own(wallet, token))
    }

    fn tokens(
        &self,
        collection: Collection,
        wallet: Address,
    ) -> Result<BTreeSet<Token>, StoreError> {
        let mut prefix = schema::holder(collection, wallet).to_vec();
        prefix.push(schema::OWN_TARGET);
        // The key alone says it: thousands of rows need not be read for what they are about.
        let token = |key: &[u8]| {
            let id = key.get(prefix.len()..).and_then(|it| it.first_chunk::<32>());
            let id = id.ok_or(StoreError::Form { what: "sighting" })?;
            Ok(collection.token(U256::from_be_bytes(*id)))
        };
        prefixed(self.view, Table::Sightings, &prefix)?.map(|row| token(&row?.0)).collect()
    }
}

/// The record beside the rows; an empty one where there is none.
pub(in crate::store) fn confirmations(
    view: &impl View,
    (collection, wallet): Place,
) -> Result<Confirmations, StoreError> {
    let key = schema::holder(collection, wallet);
    Ok(record(view, Table::Confirmations, &key, "confirmation")?.unwrap_or_default())
}

pub(in crate::store) fn put_confirmations(
    changes: &mut Changes<'_>,
    (collection, wallet): Place,
    record: &Confirmations,
) -> Result<(), StoreError> {
    changes.put_record(Table::Confirmations, &schema::holder(collection, wallet), record)
}

/// Everything that is kept of a wallet in a collection.
pub(in crate::store) fn holder(
    view: &impl View,
    (collection, wallet): Place,
    confirmations: Confirmations,
) -> Result<Holder, StoreError> {
    let rows = prefixed(view, Table::Sightings, &schema::holder(collection, wallet))?;
    let rows = rows.map(|row| records::decode_row(&row?.1)).collect::<Result<Vec<_>, _>>()?;
    let found = Holder::new((collection, wallet), confirmations, rows);
    found.ok_or(StoreError::Form { what: "sighting" })
}

/// Writes what a look has changed.
pub(in crate::store) fn put_holder(
    changes: &mut Changes<'_>,
    place: Place,
    holder: Holder,
) -> Result<(), StoreError> {
    let revision = holder.revision();
    for key in &revision.removed {
        changes.remove(Table::Sightings, &key_of(key))?;
    }
    for (key, row) in &revision.put {
        changes.put(Table::Sightings, &key_of(key), &records::encode_row(row)?)?;
    }
    put_confirmations(changes, place, &revision.confirmations)
}

fn key_of(key: &RowKey) -> Vec<u8> {
    let question = schema::sighting(key.wallet, &key.target, key.terms);
    schema::kept(&question, key.finality, key.proven)
}
