//! How values are written: one byte that names the form, then the content.
//!
//! Form 1 is the serde form of the type as JSON. A sighting may have form 2: without its look, which is recorded beside. A change of a domain type that would alter what stands
//! in existing files fails a test here, and then needs a new form byte and a migration.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::store::error::StoreError;
use entitled_core::domain::confirmed::Row;
use entitled_core::domain::ownership::Scan;

const FORM_JSON: u8 = 1;
const FORM_CONFIRMED: u8 = 2;

/// How far events were read, and in which look that was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::store) struct KeptScan {
    pub look: u64,
    pub scan: Scan,
}

pub(in crate::store) fn encode<T: Serialize>(
    what: &'static str,
    value: &T,
) -> Result<Vec<u8>, StoreError> {
    encode_as(FORM_JSON, what, value)
}

fn encode_as<T: Serialize>(form: u8, what: &'static str, value: &T) -> Result<Vec<u8>, StoreError> {
    let mut bytes = vec![form];
    serde_json::to_writer(&mut bytes, value)
        .map_err(|source| StoreError::Record { what, source: Arc::new(source) })?;
    Ok(bytes)
}

pub(in crate::store) fn decode<T: DeserializeOwned>(
    what: &'static str,
    bytes: &[u8],
) -> Result<T, StoreError> {
    match bytes.split_first() {
        Some((&FORM_JSON, json)) => decode_json(what, json),
        _ => Err(StoreError::Form { what }),
    }
}

fn decode_json<T: DeserializeOwned>(what: &'static str, json: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(json)
        .map_err(|source| StoreError::Record { what, source: Arc::new(source) })
}

pub(in crate::store) fn encode_row(row: &Row) -> Result<Vec<u8>, StoreError> {
    match row {
        Row::Whole(kept) => encode_as(FORM_JSON, "sighting", kept),
        Row::Confirmed(row) => encode_as(FORM_CONFIRMED, "sighting", row),
    }
}

pub(in crate::store) fn decode_row(bytes: &[u8]) -> Result<Row, StoreError> {
    match bytes.split_first() {
        Some((&FORM_CONFIRMED, json)) => {
            decode_json("sighting", json).map(|it| Row::Confirmed(Box::new(it)))
        }
        _ => decode("sighting", bytes).map(|it| Row::Whole(Box::new(it))),
    }
}

/// A sealed key: form 1 and the bytes as `keys` made them, or form 0 and zeros once destroyed.
pub(in crate::store) fn encode_sealed(sealed: &[u8]) -> Vec<u8> {
    [&[1], sealed].concat()
}

pub(in crate::store) fn destroyed(sealed: &[u8]) -> Vec<u8> {
    vec![0; sealed.len()]
}

/// `None` when the key was destroyed.
pub(in crate::store) fn decode_sealed(bytes: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
    match bytes.split_first() {
        Some((1, sealed)) => Ok(Some(sealed.to_vec())),
        Some((0, _)) => Ok(None),
        _ => Err(StoreError::Form { what: "sealed key" }),
    }
}

#[cfg(test)]
mod tests;
