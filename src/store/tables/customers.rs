//! Customers in the store, and which Unix user belongs to which.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::{audit, records};
use crate::store::asked::Asked;
use crate::store::error::StoreError;
use crate::store::schema::{self, Table};
use crate::store::view::{Changes, View, prefixed, record};
use entitled_core::domain::audit::AuditAction;
use entitled_core::domain::customer::Customer;
use entitled_core::domain::ids::CustomerId;

const LONGEST_NAME: usize = 256;
const MOST_UIDS: usize = 1_024;
const MOST_METADATA: usize = 64;
const LONGEST_METADATA: usize = 1_024;

/// A customer to make.
#[derive(Debug, Clone, Default)]
pub struct NewCustomer {
    pub name: String,
    pub external_id: Option<String>,
    pub uids: Vec<u32>,
    pub metadata: BTreeMap<String, String>,
}

/// What to change of a customer; the rest stays.
#[derive(Debug, Clone, Default)]
pub struct CustomerEdit {
    pub name: Option<String>,
    pub external_id: Option<Option<String>>,
    pub uids: Option<UidsEdit>,
    pub metadata: Option<MetadataEdit>,
    pub active: Option<bool>,
}

/// What becomes of the users that a customer stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UidsEdit {
    /// These take the place of all.
    Replace(Vec<u32>),
    /// Some come and some go; those that others have brought meanwhile stay.
    Change { add: Vec<u32>, remove: Vec<u32> },
}

impl UidsEdit {
    /// Each once, in their order.
    fn apply(self, before: &[u32]) -> Vec<u32> {
        let (add, remove) = match self {
            Self::Replace(uids) => return sorted(uids),
            Self::Change { add, remove } => (add, remove),
        };
        let remove: BTreeSet<u32> = remove.into_iter().collect();
        let stay = before.iter().copied().filter(|it| !remove.contains(it));
        sorted(stay.chain(add))
    }
}

/// What becomes of a customer's metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetadataEdit {
    /// These take the place of all.
    Replace(BTreeMap<String, String>),
    /// These are set, or taken away where there is no value; what others have noted meanwhile stays.
    Change(BTreeMap<String, Option<String>>),
}

impl MetadataEdit {
    fn apply(self, mut before: BTreeMap<String, String>) -> BTreeMap<String, String> {
        let changes = match self {
            Self::Replace(metadata) => return metadata,
            Self::Change(changes) => changes,
        };
        for (key, value) in changes {
            match value {
                Some(value) => drop(before.insert(key, value)),
                None => drop(before.remove(&key)),
            }
        }
        before
    }
}

/// # Errors
/// When the store fails.
pub fn find(view: &impl View, id: CustomerId) -> Result<Option<Customer>, StoreError> {
    record(view, Table::Customers, &schema::customer(id), "customer")
}

/// The customer that claims `uid`, else `uid:N`.
///
/// # Errors
/// When the store fails.
pub fn of_uid(view: &impl View, uid: u32) -> Result<CustomerId, StoreError> {
    Ok(claimer(view, uid)?.unwrap_or(CustomerId::Uid(uid)))
}

/// Customers in the order of their ids, after `after`.
///
/// # Errors
/// When the store fails.
pub fn list(
    view: &impl View,
    after: Option<CustomerId>,
    limit: usize,
) -> Result<Vec<Customer>, StoreError> {
    let after = after.map(schema::customer);
    let from = after.as_ref().map_or(Bound::Unbounded, |it| Bound::Excluded(it.as_slice()));
    view.range(Table::Customers, from, Bound::Unbounded)?
        .take(limit)
        .map(|row| records::decode("customer", &row?.1))
        .collect()
}

/// Makes a customer with the next free number.
///
/// # Errors
/// A conflict when a uid or the external id belongs to another customer, or a value is out of bounds.
pub fn create(
    changes: &mut Changes<'_>,
    new: NewCustomer,
    asked: &Asked,
) -> Result<Customer, StoreError> {
    let last = prefixed(changes, Table::Customers, &schema::NUMBERED_CUSTOMERS)?.next_back();
    let last = last.transpose()?.and_then(|(key, _)| schema::number_of(&key)).unwrap_or(0);
    let number =
        last.checked_add(1).ok_or_else(|| StoreError::conflict("there are no numbers left"))?;
    insert(changes, CustomerId::Numbered(number), new, asked)
}

/// The customer with this id, made if it is `machine` or `uid:N` and not there yet.
pub(in crate::store) fn find_or_make(
    changes: &mut Changes<'_>,
    id: CustomerId,
    asked: &Asked,
) -> Result<Customer, StoreError> {
    if let Some(found) = find(changes, id)? {
        return Ok(found);
    }
    insert(changes, id, made_on_demand(id)?, asked)
}

/// Whether [`find_or_make`] would succeed, without writing anything.
pub(in crate::store) fn check_find_or_make(
    view: &impl View,
    id: CustomerId,
) -> Result<(), StoreError> {
    match find(view, id)? {
        Some(found) if found.active => Ok(()),
        Some(_) => Err(StoreError::conflict("the customer is deactivated")),
        None => check(view, id, &made_on_demand(id)?),
    }
}

fn made_on_demand(id: CustomerId) -> Result<NewCustomer, StoreError> {
    match id {
        CustomerId::Machine => Ok(NewCustomer { name: "machine".into(), ..Default::default() }),
        CustomerId::Uid(uid) => {
            Ok(NewCustomer { name: format!("uid {uid}"), uids: vec![uid], ..Default::default() })
        }
        CustomerId::Numbered(_) => Err(StoreError::NotFound { what: "customer" }),
    }
}

fn insert(
    changes: &mut Changes<'_>,
    id: CustomerId,
    new: NewCustomer,
    asked: &Asked,
) -> Result<Customer, StoreError> {
    let new = NewCustomer { uids: sorted(new.uids), ..new };
    check(changes, id, &new)?;
    let customer = Customer {
        id,
        name: new.name,
        external_id: new.external_id,
        uids: new.uids,
        metadata: new.metadata,
        active: true,
        created_at: asked.at,
    };
    index(changes, &customer)?;
    changes.put_record(Table::Customers, &schema::customer(id), &customer)?;
    audit::append(changes, asked, AuditAction::CustomerCreated, &id, customer.name.clone())?;
    Ok(customer)
}

/// Changes what is given.
///
/// # Errors
/// Not found, or a conflict as with [`create`].
pub fn update(
    changes: &mut Changes<'_>,
    id: CustomerId,
    edit: CustomerEdit,
    asked: &Asked,
) -> Result<Customer, StoreError> {
    let before = find(changes, id)?.ok_or(StoreError::NotFound { what: "customer" })?;
    let fields = changed_fields(&edit);
    let wanted = NewCustomer {
        name: edit.name.unwrap_or_else(|| before.name.clone()),
        external_id: edit.external_id.unwrap_or_else(|| before.external_id.clone()),
        uids: match edit.uids {
            Some(edit) => edit.apply(&before.uids),
            None => before.uids.clone(),
        },
        metadata: match edit.metadata {
            Some(edit) => edit.apply(before.metadata.clone()),
            None => before.metadata.clone(),
        },
    };
    check(changes, id, &wanted)?;
    let after = Customer {
        name: wanted.name,
        external_id: wanted.external_id,
        uids: wanted.uids,
        metadata: wanted.metadata,
        active: edit.active.unwrap_or(before.active),
        ..before.clone()
    };
    for uid in &before.uids {
        changes.remove(Table::CustomerUids, &uid.to_be_bytes())?;
    }
    if let Some(text) = &before.external_id {
        changes.remove(Table::ExternalIds, text.as_bytes())?;
    }
    index(changes, &after)?;
    changes.put_record(Table::Customers, &schema::customer(id), &after)?;
    let action = match (before.active, after.active) {
        (true, false) => AuditAction::CustomerDeactivated,
        (false, true) => AuditAction::CustomerReactivated,
        _ => AuditAction::CustomerUpdated,
    };
    audit::append(changes, asked, action, &id, fields)?;
    Ok(after)
}

fn changed_fields(edit: &CustomerEdit) -> String {
    let given = [
        ("name", edit.name.is_some()),
        ("external_id", edit.external_id.is_some()),
        ("uids", edit.uids.is_some()),
        ("metadata", edit.metadata.is_some()),
        ("active", edit.active.is_some()),
    ];
    let names: Vec<_> = given.into_iter().filter(|it| it.1).map(|it| it.0).collect();
    names.join(", ")
}

fn index(changes: &mut Changes<'_>, customer: &Customer) -> Result<(), StoreError> {
    let key = schema::customer(customer.id);
    for uid in &customer.uids {
        changes.put(Table::CustomerUids, &uid.to_be_bytes(), &key)?;
    }
    if let Some(text) = &customer.external_id {
        changes.put(Table::ExternalIds, text.as_bytes(), &key)?;
    }
    Ok(())
}

fn claimer(view: &impl View, uid: u32) -> Result<Option<CustomerId>, StoreError> {
    named_by(view, Table::CustomerUids, &uid.to_be_bytes())
}

fn named_by(view: &impl View, table: Table, key: &[u8]) -> Result<Option<CustomerId>, StoreError> {
    let found = view.get(table, key)?;
    let wrong = StoreError::Form { what: "customer id" };
    found.map(|it| schema::customer_of(&it).ok_or(wrong)).transpose()
}

/// Whether `id` may have these values. Names nobody else in its errors.
fn check(view: &impl View, id: CustomerId, wanted: &NewCustomer) -> Result<(), StoreError> {
    check_bounds(wanted)?;
    for uid in &wanted.uids {
        if claimer(view, *uid)?.is_some_and(|it| it != id) {
            let why = format!("the user with uid {uid} belongs to another customer");
            return Err(StoreError::conflict(why));
        }
    }
    if let Some(text) = &wanted.external_id {
        let other = named_by(view, Table::ExternalIds, text.as_bytes())?;
        if other.is_some_and(|it| it != id) {
            return Err(StoreError::conflict("the external id belongs to another customer"));
        }
    }
    Ok(())
}

fn check_bounds(wanted: &NewCustomer) -> Result<(), StoreError> {
    let no = |why: String| Err(StoreError::conflict(why));
    if wanted.name.is_empty() || wanted.name.len() > LONGEST_NAME {
        return no(format!("a name has 1 to {LONGEST_NAME} bytes"));
    }
    if wanted.external_id.as_ref().is_some_and(|it| it.is_empty() || it.len() > LONGEST_NAME) {
        return no(format!("an external id has 1 to {LONGEST_NAME} bytes"));
    }
    if wanted.uids.len() > MOST_UIDS {
        return no(format!("a customer has at most {MOST_UIDS} users"));
    }
    let too_long = |(key, value): (&String, &String)| {
        key.len() > LONGEST_NAME || value.len() > LONGEST_METADATA
    };
    if wanted.metadata.len() > MOST_METADATA || wanted.metadata.iter().any(too_long) {
        return no(format!(
            "metadata has at most {MOST_METADATA} entries, with keys of at most {LONGEST_NAME} and \
             values of at most {LONGEST_METADATA} bytes"
        ));
    }
    Ok(())
}

fn sorted(uids: impl IntoIterator<Item = u32>) -> Vec<u32> {
    uids.into_iter().collect::<BTreeSet<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests;
