//! What a light client may begin from, and go on from. Pure.
//!
//! Asked by: `sync`. A checkpoint is a promise whose worth fades: those who could sign then may have left
//! since, with nothing to lose by signing another history (weak subjectivity). So one that is too old is
//! refused, and so is a light client of our own that has rested for too long.

use std::time::Duration;

use alloy_primitives::B256;

use super::descent::Descent;
use entitled_core::domain::ids::Timestamp;
use entitled_core::light_client::{LightClient, Specification};

/// How what is kept is written. A file of another form is not gone on from.
const FORM: u8 = 2;

/// Who vouches for a checkpoint. Ordered: who is asked first is less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::chain) enum Voucher {
    Product,
    Program,
    Administrator,
}

/// A checkpoint to begin from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::chain) struct Offer {
    pub(in crate::chain) root: B256,
    pub(in crate::chain) slot: Option<u64>,
    pub(in crate::chain) max_age: Duration,
    pub(in crate::chain) by: Voucher,
}

/// What the administrator and the specification offer.
pub(in crate::chain) fn own(specification: &Specification, named: Option<B256>) -> Vec<Offer> {
    let max_age = specification.checkpoint_lifetime();
    let program = specification.checkpoints().iter().map(|it| Offer {
        root: it.root,
        slot: it.slot,
        max_age,
        by: Voucher::Program,
    });
    let administrator =
        named.map(|root| Offer { root, slot: None, max_age, by: Voucher::Administrator });
    program.chain(administrator).collect()
}

/// Those young enough, as far as their slots are known: what a product vouches for first, and of that the
/// newest, because the way from there is the shortest.
pub(in crate::chain) fn in_order<'a>(
    offers: &'a [Offer],
    specification: &Specification,
    now: Timestamp,
) -> impl Iterator<Item = &'a Offer> + use<'a> {
    let young = |it: &&Offer| {
        it.slot.is_none_or(|slot| is_young(specification.time_of(slot), it.max_age, now))
    };
    let mut young: Vec<&Offer> = offers.iter().filter(young).collect();
    young.sort_by_key(|it| (it.by, std::cmp::Reverse(it.slot)));
    young.into_iter()
}

pub(in crate::chain) fn is_young(since: Timestamp, max_age: Duration, now: Timestamp) -> bool {
    // Before 1970 and after now are both no age to speak of.
    Duration::try_from(now.duration_since(since)).map_or(true, |age| age <= max_age)
}

/// Whether a light client is to be gone on from no more: its newest finalized block is older than whoever
/// vouches for its beginning allows.
pub(in crate::chain) fn has_rested_too_long(
    client: &LightClient,
    offers: &[Offer],
    specification: &Specification,
    now: Timestamp,
) -> bool {
    let root = client.start().root;
    let named = offers.iter().filter(|it| it.root == root).map(|it| it.max_age);
    let max_age = named.max().unwrap_or(specification.checkpoint_lifetime());
    !is_young(specification.time_of(settled_slot(client)), max_age, now)
}

/// How old a block of this slot is; none at all where the clock is behind it.
pub(in crate::chain) fn age_of(
    specification: &Specification,
    slot: u64,
    now: Timestamp,
) -> Duration {
    Duration::try_from(now.duration_since(specification.time_of(slot))).unwrap_or_default()
}

/// The newest slot a light client holds to be final.
pub(in crate::chain) fn settled_slot(client: &LightClient) -> u64 {
    let start = client.start().slot.unwrap_or_default();
    client.finalized().map_or(start, |it| it.slot)
}

/// What is to be kept: form, specification's digest, what the light client descends from, the light client.
pub(in crate::chain) fn save(
    specification: &Specification,
    digest: Option<B256>,
    (client, descent): (&LightClient, &Descent),
) -> Vec<u8> {
    let mut bytes = vec![FORM];
    bytes.extend(digest.unwrap_or_default());
    bytes.extend(descent.save());
    bytes.extend(client.save(specification));
    bytes
}

/// Reads what [`save`] wrote.
///
/// # Errors
/// Why it cannot be gone on from.
pub(in crate::chain) fn restore(
    specification: &Specification,
    digest: Option<B256>,
    bytes: &[u8],
) -> Result<(LightClient, Descent), String> {
    let fields = || {
        let (form, rest) = bytes.split_first()?;
        let (kept_digest, rest) = rest.split_first_chunk::<32>()?;
        let (descent, rest) = Descent::restore(rest)?;
        (*form == FORM).then_some((B256::from(kept_digest), descent, rest))
    };
    let (kept_digest, descent, rest) = fields().ok_or("what was kept is in another form")?;
    if kept_digest != digest.unwrap_or_default() {
        return Err("what was kept belongs to another specification".to_owned());
    }
    let client = LightClient::restore(specification, rest).map_err(|error| error.to_string())?;
    if descent.began_from(client.start().root) {
        Ok((client, descent))
    } else {
        Err("what was kept contradicts itself".to_owned())
    }
}

#[cfg(test)]
mod tests;
