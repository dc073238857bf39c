//! What light clients know, so that they go on where they were: and never behind it.

use crate::store::error::StoreError;
use crate::store::schema::{self, Table};
use crate::store::view::{Changes, View, prefixed};
use entitled_core::domain::consensus::Synced;
use entitled_core::domain::ids::ChainId;

const FORM: u8 = 1;

/// Keeps what a light client knows, if it is not behind what is kept by the same calendar. `false` when it was, and
/// nothing of it was kept.
///
/// # Errors
/// When the store fails.
pub fn keep(
    changes: &mut Changes<'_>,
    synced: &Synced,
    seconds_per_slot: u64,
) -> Result<bool, StoreError> {
    let kept = find(changes, synced.chain)?;
    let same = kept.as_ref().filter(|it| it.has_calendar_of(synced, seconds_per_slot));
    let behind = same.is_some_and(|it| synced.slot < it.slot);
    if !behind && kept.as_ref() != Some(synced) {
        let key = schema::light_client(synced.chain);
        changes.put(Table::LightClients, &key, &encode(synced))?;
    }
    Ok(!behind)
}

/// What is kept of every chain.
///
/// # Errors
/// When the store fails.
pub fn all(view: &impl View) -> Result<Vec<Synced>, StoreError> {
    let mut found = Vec::new();
    for row in prefixed(view, Table::LightClients, &schema::CLIENTS)? {
        let (key, value) = row?;
        let chain = schema::light_client_of(&key);
        found.push(decode(chain.ok_or(StoreError::Form { what: "a light client" })?, &value)?);
    }
    Ok(found)
}

fn find(view: &impl View, chain: ChainId) -> Result<Option<Synced>, StoreError> {
    let kept = view.get(Table::LightClients, &schema::light_client(chain))?;
    kept.map(|it| decode(chain, &it)).transpose()
}

fn encode(synced: &Synced) -> Vec<u8> {
    let parts: [&[u8]; 4] =
        [&[FORM], &synced.slot.to_be_bytes(), &schema::time(synced.time), &synced.bytes];
    parts.concat()
}

fn decode(chain: ChainId, value: &[u8]) -> Result<Synced, StoreError> {
    let wrong = StoreError::Form { what: "a light client" };
    let parts = || {
        let (form, rest) = value.split_first()?;
        let (slot, rest) = rest.split_at_checked(8)?;
        let (time, bytes) = rest.split_at_checked(16)?;
        let (slot, time) = (schema::u64_of(slot)?, schema::time_of(time)?);
        (*form == FORM).then(|| Synced { chain, slot, time, bytes: bytes.to_vec() })
    };
    parts().ok_or(wrong)
}

#[cfg(test)]
mod tests;
