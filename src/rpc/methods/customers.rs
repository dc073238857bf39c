//! Customers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::api::{ACTOR_TIME, Api};
use super::paging::{after, page_by_key, page_size};
use crate::actors::ownership_ledger::{
    CreateCustomer, CustomerEdit, FindCustomer, ListCustomers, MetadataEdit, NewCustomer, UidsEdit,
    UpdateCustomer,
};
use crate::rpc::error::RpcError;
use crate::rpc::wire;
use entitled_core::domain::customer::Customer;
use entitled_core::domain::ids::CustomerId;
use entitled_core::domain::peer::Permit;

pub(super) async fn get(
    api: Arc<Api>,
    permit: Permit,
    _: wire::OfCustomer,
) -> Result<wire::Customer, RpcError> {
    let question = FindCustomer { id: permit.customer() };
    let found = api.ledger.send(question).timeout(ACTOR_TIME).await??;
    found
        .map(Into::into)
        .ok_or_else(|| RpcError::not_found("customer; it is made with its first wallet"))
}

pub(super) async fn create(
    api: Arc<Api>,
    permit: Permit,
    ask: wire::CustomerCreate,
) -> Result<wire::Customer, RpcError> {
    bounded(Some(&ask.name), ask.external_id.as_deref(), Some(&ask.metadata))?;
    let new = NewCustomer {
        name: ask.name,
        external_id: ask.external_id,
        uids: ask.uids,
        metadata: ask.metadata,
    };
    let order = CreateCustomer { new, asked: api.asked(&permit) };
    let customer = api.ledger.send(order).timeout(ACTOR_TIME).await??;
    Ok(customer.into())
}

pub(super) async fn update(
    api: Arc<Api>,
    permit: Permit,
    ask: wire::CustomerUpdate,
) -> Result<wire::Customer, RpcError> {
    bounded(ask.name.as_deref(), ask.external_id.as_deref(), ask.metadata.as_ref())?;
    let metadata = match (ask.metadata, ask.metadata_changes) {
        (Some(_), Some(_)) => {
            let detail = "`metadata` replaces all there is: give it or `metadata_changes`";
            return Err(RpcError::invalid_params(detail));
        }
        (Some(whole), None) => Some(MetadataEdit::Replace(whole)),
        (None, Some(changes)) => {
            let length = |it: &Option<String>| it.as_ref().map_or(0, |it| it.chars().count());
            pairs_fit("metadata_changes", changes.iter().map(|(key, it)| (key, length(it))))?;
            Some(MetadataEdit::Change(changes))
        }
        (None, None) => None,
    };
    let uids = edit_of_uids(ask.uids, ask.add_uids, ask.remove_uids)?;
    let edit = CustomerEdit {
        name: ask.name,
        external_id: ask.external_id.map(|it| Some(it).filter(|it| !it.is_empty())),
        uids,
        metadata,
        active: ask.active,
    };
    let order = UpdateCustomer { id: ask.customer, edit, asked: api.asked(&permit) };
    let customer = api.ledger.send(order).timeout(ACTOR_TIME).await??;
    Ok(customer.into())
}

fn edit_of_uids(
    all: Option<Vec<u32>>,
    add: Vec<u32>,
    remove: Vec<u32>,
) -> Result<Option<UidsEdit>, RpcError> {
    let changes = !add.is_empty() || !remove.is_empty();
    match all {
        Some(_) if changes => {
            let detail = "`uids` replaces all there are: give it, or `add_uids` and `remove_uids`";
            Err(RpcError::invalid_params(detail))
        }
        Some(all) => Ok(Some(UidsEdit::Replace(all))),
        None => {
            let leaving: BTreeSet<u32> = remove.iter().copied().collect();
            if let Some(both) = add.iter().find(|it| leaving.contains(it)) {
                let detail = format!(
                    "the user with uid {both} cannot be in `add_uids` and in `remove_uids`"
                );
                return Err(RpcError::invalid_params(detail));
            }
            Ok(changes.then_some(UidsEdit::Change { add, remove }))
        }
    }
}

pub(super) async fn deactivate(
    api: Arc<Api>,
    permit: Permit,
    ask: wire::CustomerDeactivate,
) -> Result<wire::Customer, RpcError> {
    let edit = CustomerEdit { active: Some(false), ..CustomerEdit::default() };
    let order = UpdateCustomer { id: ask.customer, edit, asked: api.asked(&permit) };
    let customer = api.ledger.send(order).timeout(ACTOR_TIME).await??;
    Ok(customer.into())
}

pub(super) async fn list(
    api: Arc<Api>,
    _: Permit,
    ask: wire::Page,
) -> Result<wire::Listed<wire::Customer>, RpcError> {
    let limit = page_size(ask.limit)?;
    let after: Option<CustomerId> = after(ask.cursor.as_deref())?;
    let question = ListCustomers { after, limit: limit + 1 };
    let found = api.ledger.send(question).timeout(ACTOR_TIME).await??;
    Ok(page_by_key(found, limit, |it: &Customer| it.id.to_string(), Into::into))
}

fn bounded(
    name: Option<&str>,
    external_id: Option<&str>,
    metadata: Option<&BTreeMap<String, String>>,
) -> Result<(), RpcError> {
    let fits = |text: &str, most: usize| text.chars().count() <= most;
    if name.is_some_and(|it| it.trim().is_empty() || !fits(it, 200)) {
        return Err(RpcError::invalid_params("`name` must have 1 to 200 characters"));
    }
    if external_id.is_some_and(|it| !fits(it, 200)) {
        return Err(RpcError::invalid_params("`external_id` must have at most 200 characters"));
    }
    let pairs = metadata.into_iter().flatten();
    pairs_fit("metadata", pairs.map(|(key, value)| (key, value.chars().count())))
}

/// Pairs of a name and how many characters its value has.
fn pairs_fit<'a>(
    parameter: &str,
    pairs: impl Iterator<Item = (&'a String, usize)>,
) -> Result<(), RpcError> {
    let fits = |(key, value): (&String, usize)| key.chars().count() <= 64 && value <= 1_000;
    let (mut count, mut all_fit) = (0, true);
    for pair in pairs {
        (count, all_fit) = (count + 1, all_fit && fits(pair));
    }
    if count <= 64 && all_fit {
        return Ok(());
    }
    let detail =
        format!("`{parameter}` may have 64 entries, names of 64 and values of 1000 characters");
    Err(RpcError::invalid_params(detail))
}

#[cfg(test)]
mod tests;
