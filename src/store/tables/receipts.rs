//! What receipts are made of: how control of a linked wallet was shown, and the evidence made last, so that a receipt can be
//! given without the chain.

use alloy_primitives::Address;

use crate::store::error::StoreError;
use crate::store::schema::{self, Table};
use crate::store::view::{Changes, View, prefixed, record};
use entitled_core::domain::customer::LinkProof;
use entitled_core::domain::ids::{CustomerId, ProductId, Timestamp};

const FORM: u8 = 2;
/// Without the wallet. What was kept so is no evidence of any wallet.
const FORM_BEFORE: u8 = 1;

/// What is kept for the receipt of one product.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReceiptParts {
    /// None for a wallet that was linked before its signature was kept.
    pub link: Option<LinkProof>,
    pub evidence: Option<KeptEvidence>,
}

/// Evidence as it was made. The bytes are for `receipt` to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptEvidence {
    pub made_at: Timestamp,
    /// Which wallet it proves something of: several may hold the same id.
    pub wallet: Address,
    pub bytes: Vec<u8>,
}

/// What is kept for a customer's wallet and product.
///
/// # Errors
/// When the store fails.
pub fn parts(
    view: &impl View,
    (address, id): (Address, CustomerId),
    product: &ProductId,
) -> Result<ReceiptParts, StoreError> {
    let link = record(view, Table::LinkProofs, &schema::wallet(address, id), "how it was linked")?;
    let evidence = view.get(Table::Evidence, &schema::evidence(id, product))?;
    Ok(ReceiptParts { link, evidence: evidence.map(|it| decode(&it)).transpose()?.flatten() })
}

/// Keeps evidence, in the place of what was kept of the same customer and product.
///
/// # Errors
/// When the store fails.
pub fn keep(
    changes: &mut Changes<'_>,
    (id, product): (CustomerId, &ProductId),
    evidence: &KeptEvidence,
) -> Result<(), StoreError> {
    let made_at = schema::time(evidence.made_at);
    let wallet = evidence.wallet.as_slice();
    let value = [&[FORM], made_at.as_slice(), wallet, &evidence.bytes].concat();
    changes.put(Table::Evidence, &schema::evidence(id, product), &value)
}

/// Forgets how a wallet was linked, and what its customer could show.
pub(in crate::store) fn forget(
    changes: &mut Changes<'_>,
    address: Address,
    id: CustomerId,
) -> Result<(), StoreError> {
    changes.remove(Table::LinkProofs, &schema::wallet(address, id))?;
    let rows: Vec<_> =
        prefixed(changes, Table::Evidence, &schema::customer(id))?.collect::<Result<_, _>>()?;
    for (key, _) in rows {
        changes.remove(Table::Evidence, &key)?;
    }
    Ok(())
}

fn decode(value: &[u8]) -> Result<Option<KeptEvidence>, StoreError> {
    if value.first() == Some(&FORM_BEFORE) {
        return Ok(None);
    }
    let parts = || {
        let (form, rest) = value.split_first()?;
        let (made_at, rest) = rest.split_at_checked(16)?;
        let (wallet, bytes) = rest.split_at_checked(Address::len_bytes())?;
        let (made_at, wallet) = (schema::time_of(made_at)?, Address::from_slice(wallet));
        (*form == FORM).then(|| KeptEvidence { made_at, wallet, bytes: bytes.to_vec() })
    };
    parts().map(Some).ok_or(StoreError::Form { what: "evidence" })
}

#[cfg(test)]
mod tests;
