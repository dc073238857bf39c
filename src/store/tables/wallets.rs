//! Wallets and their sealed keys in the store.

use alloy_primitives::Address;

use super::{audit, challenges, customers, quotas, receipts, records};
use crate::store::asked::Asked;
use crate::store::error::StoreError;
use crate::store::schema::{self, Table};
use crate::store::view::{Changes, View, prefixed, record};
use entitled_core::domain::audit::AuditAction;
use entitled_core::domain::customer::{Challenge, Custody, LinkProof, Wallet};
use entitled_core::domain::ids::{CustomerId, Timestamp};
use entitled_core::domain::label::Label;
use entitled_core::domain::ownership::Anchor;

const LONGEST_SEALED_KEY: usize = 64 * 1024;
/// Wallets read, at most, for each customer that is to be found.
const READ_FOR_EACH: usize = 8;
/// How long a customer is in a key.
const CUSTOMER: usize = 9;

/// A wallet to add, or to take up again.
#[derive(Debug, Clone)]
pub struct NewWallet {
    pub address: Address,
    pub customer: CustomerId,
    /// `None` leaves it as it was.
    pub label: Option<Label>,
    pub origin: Origin,
}

/// How a wallet comes. Where its key is, is for [`add`] to say. A sealed key is as `keys` made it; opaque here.
#[derive(Clone)]
pub enum Origin {
    /// Its key was made here.
    Created { sealed_key: Vec<u8> },
    /// Its key was made elsewhere and brought here.
    Imported { sealed_key: Vec<u8> },
    /// A signature proved control of it.
    Linked {
        /// The challenge this answers; spent in the same commit.
        nonce: Option<String>,
        /// The block at which a contract stood for it, if no key does.
        contract: Option<Anchor>,
        /// The signature itself, to be shown to others.
        proof: Option<Box<LinkProof>>,
    },
}

impl Origin {
    fn action(&self) -> AuditAction {
        match self {
            Self::Created { .. } => AuditAction::WalletCreated,
            Self::Imported { .. } => AuditAction::WalletImported,
            Self::Linked { .. } => AuditAction::WalletLinked,
        }
    }

    fn sealed_key(&self) -> Option<&[u8]> {
        match self {
            Self::Created { sealed_key } | Self::Imported { sealed_key } => Some(sealed_key),
            Self::Linked { .. } => None,
        }
    }
}

impl std::fmt::Debug for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.action().as_str())
    }
}

/// A wallet, and its sealed key if it is managed.
pub type WalletWithKey = (Wallet, Option<Vec<u8>>);

/// All wallets of a customer, unlinked ones too, oldest first.
///
/// # Errors
/// When the store fails.
pub fn of_customer(view: &impl View, id: CustomerId) -> Result<Vec<Wallet>, StoreError> {
    let mut found = Vec::new();
    for row in prefixed(view, Table::CustomerWallets, &schema::customer(id))? {
        let (key, _) = row?;
        let address = key.last_chunk::<20>().ok_or(StoreError::Form { what: "wallet" })?;
        found.extend(get(view, Address::from(*address), id)?);
    }
    found.sort_by_key(|it| (it.added_at, it.address));
    Ok(found)
}

/// A wallet by its address, with its sealed key if it is managed: the active one if there is one, else
/// the one unlinked last.
///
/// # Errors
/// When the store fails.
pub fn find(view: &impl View, address: Address) -> Result<Option<WalletWithKey>, StoreError> {
    let found = with_address(view, address)?;
    let Some(wallet) = found.into_iter().max_by_key(|it| (it.active, it.removed_at, it.customer))
    else {
        return Ok(None);
    };
    let key = match wallet.custody {
        Custody::Managed => sealed_key(view, address, wallet.customer)?,
        Custody::Linked => None,
    };
    Ok(Some((wallet, key)))
}

/// The first customers that have an active wallet, `limit` of them. Of many that have none left, not all are passed over.
///
/// # Errors
/// When the store fails.
pub fn customers_with_wallets(
    view: &impl View,
    limit: usize,
) -> Result<Vec<CustomerId>, StoreError> {
    let mut found = Vec::new();
    for row in
        prefixed(view, Table::CustomerWallets, &[])?.take(limit.saturating_mul(READ_FOR_EACH))
    {
        let wrong = || StoreError::Form { what: "wallet" };
        let key = row?.0;
        let (customer, address) = key.split_at_checked(CUSTOMER).ok_or_else(wrong)?;
        let customer = schema::customer_of(customer).ok_or_else(wrong)?;
        let address = Address::try_from(address).map_err(|_| wrong())?;
        if found.len() >= limit {
            break;
        }
        if found.last() != Some(&customer)
            && get(view, address, customer)?.is_some_and(|it| it.active)
        {
            found.push(customer);
        }
    }
    Ok(found)
}

fn with_address(view: &impl View, address: Address) -> Result<Vec<Wallet>, StoreError> {
    prefixed(view, Table::Wallets, address.as_slice())?
        .map(|row| records::decode("wallet", &row?.1))
        .collect()
}

fn get(view: &impl View, address: Address, id: CustomerId) -> Result<Option<Wallet>, StoreError> {
    record(view, Table::Wallets, &schema::wallet(address, id), "wallet")
}

fn sealed_key(
    view: &impl View,
    address: Address,
    id: CustomerId,
) -> Result<Option<Vec<u8>>, StoreError> {
    match view.get(Table::SealedKeys, &schema::wallet(address, id))? {
        None => Ok(None),
        Some(bytes) => records::decode_sealed(&bytes),
    }
}

/// Adds a wallet, or takes one of the same customer up again: active, with the label and key replaced
/// where given. One that was linked by its contract to somebody else is unlinked there, when its contract speaks for the new
/// customer. A wallet whose key is kept here stays managed, however it comes back.
///
/// # Errors
/// A conflict when the address is active for another customer, the customer is deactivated or a value is
/// out of bounds; not found for a numbered customer that does not exist; the challenge spent.
pub fn add(changes: &mut Changes<'_>, new: NewWallet, asked: &Asked) -> Result<Wallet, StoreError> {
    let challenge = check(changes, &new, asked)?;
    for other in giving_way(with_address(changes, new.address)?, &new, asked.at) {
        remove(changes, new.address, other.customer, false, asked)?;
    }
    let before = get(changes, new.address, new.customer)?;
    let kept = sealed_key(changes, new.address, new.customer)?.is_some();
    let (custody, accepted) = match &new.origin {
        Origin::Linked { contract, .. } if !kept => (Custody::Linked, contract.clone()),
        _ => (Custody::Managed, None),
    };
    let wallet = Wallet {
        address: new.address,
        customer: new.customer,
        custody,
        label: new.label.or_else(|| before.as_ref().and_then(|it| it.label.clone())),
        active: true,
        added_at: before.as_ref().map_or(asked.at, |it| it.added_at),
        removed_at: None,
        chain: accepted.as_ref().map(|it| it.chain),
        accepted_at: accepted.as_ref().map(|_| asked.at),
        accepted,
    };

    customers::find_or_make(changes, new.customer, asked)?;
    if let Some(challenge) = challenge {
        challenges::spend(changes, &challenge)?;
    }
    put(changes, &wallet)?;
    let index = schema::customer_wallet(new.customer, new.address);
    changes.put(Table::CustomerWallets, &index, &[])?;
    if let Some(sealed) = new.origin.sealed_key() {
        let key = schema::wallet(new.address, new.customer);
        changes.put(Table::SealedKeys, &key, &records::encode_sealed(sealed))?;
    }
    if let Origin::Linked { proof: Some(proof), .. } = &new.origin {
        let key = schema::wallet(new.address, new.customer);
        changes.put_record(Table::LinkProofs, &key, proof)?;
    }
    let place = wallet.chain.map(|it| format!(", a contract on {it}")).unwrap_or_default();
    let detail = format!("for {}{place}", wallet.customer);
    audit::append(changes, asked, new.origin.action(), &wallet.address, detail)?;
    Ok(wallet)
}

/// Of those active for others: whose contract now speaks for the new customer, or whose key does.
fn giving_way(
    same_address: Vec<Wallet>,
    new: &NewWallet,
    at: Timestamp,
) -> impl Iterator<Item = Wallet> + '_ {
    let gives_way = move |it: &Wallet| match &new.origin {
        Origin::Linked { contract, .. } => {
            let spoke_at = contract.as_ref().map(|it| (it, at));
            it.active && it.gives_way(new.customer, spoke_at)
        }
        _ => false,
    };
    same_address.into_iter().filter(gives_way)
}

fn put(changes: &mut Changes<'_>, wallet: &Wallet) -> Result<(), StoreError> {
    changes.put_record(Table::Wallets, &schema::wallet(wallet.address, wallet.customer), wallet)
}

fn check(
    view: &impl View,
    new: &NewWallet,
    asked: &Asked,
) -> Result<Option<Challenge>, StoreError> {
    if new.origin.sealed_key().is_some_and(|it| it.is_empty() || it.len() > LONGEST_SEALED_KEY) {
        return Err(StoreError::conflict("the sealed key is out of bounds"));
    }
    customers::check_find_or_make(view, new.customer)?;
    let same_address = with_address(view, new.address)?;
    let giving_way = giving_way(same_address.clone(), new, asked.at).count();
    let others = same_address.iter().filter(|it| it.active && it.customer != new.customer);
    if others.count() > giving_way {
        return Err(StoreError::conflict("the wallet belongs to another customer"));
    }
    if !same_address.iter().any(|it| it.customer == new.customer) {
        quotas::check_wallets(view, new.customer)?;
    }
    let Origin::Linked { nonce: Some(nonce), .. } = &new.origin else { return Ok(None) };
    let challenge = challenges::spendable(view, nonce, asked)?;
    if challenge.address != new.address || challenge.customer != new.customer {
        return Err(StoreError::ChallengeSpent);
    }
    Ok(Some(challenge))
}

/// Unlinks a wallet. With `destroy_key` its sealed key is overwritten, to be removed by [`forget_key`] in
/// a commit of its own; that also works on a wallet unlinked earlier.
///
/// # Errors
/// Not found when there is nothing to unlink or destroy.
pub fn remove(
    changes: &mut Changes<'_>,
    address: Address,
    id: CustomerId,
    destroy_key: bool,
    asked: &Asked,
) -> Result<Wallet, StoreError> {
    let not_found = StoreError::NotFound { what: "wallet" };
    let mut wallet = get(changes, address, id)?.ok_or(not_found.clone())?;
    let destroying = destroy_key && sealed_key(changes, address, id)?.is_some();
    if !wallet.active && !destroying {
        return Err(not_found);
    }
    let detail = format!("of {id}");
    receipts::forget(changes, address, id)?;
    if wallet.active {
        wallet.active = false;
        wallet.removed_at = Some(asked.at);
        put(changes, &wallet)?;
        audit::append(changes, asked, AuditAction::WalletUnlinked, &address, detail.clone())?;
    }
    if destroying {
        let key = schema::wallet(address, id);
        let sealed = changes.get(Table::SealedKeys, &key)?.unwrap_or_default();
        changes.put(Table::SealedKeys, &key, &records::destroyed(&sealed))?;
        audit::append(changes, asked, AuditAction::WalletKeyDestroyed, &address, detail)?;
    }
    Ok(wallet)
}

/// Removes what [`remove`] left of a destroyed key. Leaves a key alone that is not destroyed.
///
/// # Errors
/// When the store fails.
pub fn forget_key(
    changes: &mut Changes<'_>,
    address: Address,
    id: CustomerId,
) -> Result<(), StoreError> {
    let key = schema::wallet(address, id);
    match changes.get(Table::SealedKeys, &key)? {
        Some(bytes) if records::decode_sealed(&bytes)?.is_none() => {
            changes.remove(Table::SealedKeys, &key)
        }
        _ => Ok(()),
    }
}

/// Removes all destroyed keys that a crash kept [`forget_key`] from removing.
pub(in crate::store) fn forget_destroyed(changes: &mut Changes<'_>) -> Result<(), StoreError> {
    let rows: Vec<_> = prefixed(changes, Table::SealedKeys, &[])?.collect::<Result<_, _>>()?;
    for (key, bytes) in rows {
        if records::decode_sealed(&bytes)?.is_none() {
            changes.remove(Table::SealedKeys, &key)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
