//! Who asks, and what they may ask.
//!
//! Identity is the kernel's word about the process that connected, never what a caller says of itself.
//! A [`Permit`] can only be made here: a function that takes one cannot be reached without the check.

use super::ids::CustomerId;

/// The socket a caller came in by. The way in decides what can be asked at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Door {
    Public,
    /// The public one, used by a user whom the configuration lets speak for customers: the gateway.
    Delegate,
    Admin,
}

/// The process at the other end, as the kernel reported it when it connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    pub uid: u32,
    pub gid: u32,
    /// Never says who somebody else is: process ids are reused, and 0 in a foreign namespace. For people to read,
    /// and to know ourselves by.
    pub pid: Option<i32>,
    pub door: Door,
    /// Whose limits it uses up: the uid itself, or the owner of the subordinate uids it is one of. Says nothing of who
    /// it is.
    pub account: u32,
    /// Whether `gid` is one of somebody's subordinate gids: whoever may map it has chosen it, and it is no group's.
    pub chose_gid: bool,
    /// Whether others have that uid as well, for all that the kernel says here: in a user namespace it names all who are not
    /// mapped by one number.
    pub shares_uid: bool,
}

impl Peer {
    /// The group that it runs in, where that is not of its own choice.
    pub fn group(&self) -> Option<u32> {
        (!self.chose_gid).then_some(self.gid)
    }
}

/// Who may ask a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Any local process, whoever it is: it is told nothing that others of its uid may not know, and changes nothing.
    Anybody,
    /// Any local process, for the customer of its own uid.
    SelfService,
    /// The same, and never a delegate: what it gives out or takes away is a key.
    Owner,
    /// Only who came in by the admin socket.
    Admin,
}

/// The right to act for one customer. Made only by [`permit`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permit {
    customer: CustomerId,
    uid: u32,
    account: u32,
    door: Door,
    by_name: bool,
}

impl Permit {
    /// For whom the caller acts.
    pub fn customer(&self) -> CustomerId {
        self.customer
    }

    /// Whether the customer was named by somebody who may name others: it does not follow from whose user the caller is.
    pub fn is_by_name(&self) -> bool {
        self.by_name
    }

    /// Who asked, for the audit: `uid:1000`, `delegate uid:990` or `admin uid:0`.
    pub fn asker(&self) -> String {
        match self.door {
            Door::Public => format!("uid:{}", self.uid),
            Door::Delegate => format!("delegate uid:{}", self.uid),
            Door::Admin => format!("admin uid:{}", self.uid),
        }
    }

    /// The user that the kernel named.
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// Whose limits the caller uses up.
    pub fn account(&self) -> u32 {
        self.account
    }

    /// Whether the caller speaks for others, and is no administrator.
    pub fn is_delegate(&self) -> bool {
        self.door == Door::Delegate
    }

    /// Whether it was given at the door of administrators.
    pub fn is_admin(&self) -> bool {
        self.door == Door::Admin
    }
}

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("this method is answered on the admin socket only")]
    AdminOnly,
    #[error("`customer` may be named on the admin socket only")]
    ForeignCustomer,
    #[error("a delegate may not ask for this: it is about a key")]
    OwnerOnly,
    #[error(
        "the daemon cannot tell who you are: it is in a user namespace in which your user is not mapped, and is the same as all \
         others that are not. Run it where your user is mapped"
    )]
    NotTold,
    #[error(
        "a delegate may name a customer that an administrator made, such as `customer:1`, and no other"
    )]
    NotDelegated,
}

/// Whether `peer` may use a method with `access`, and for whom. `own` is the customer of the peer's uid,
/// `named` the customer it asks to act for.
///
/// # Errors
/// [`Refusal`], naming nobody else's data.
pub fn permit(
    peer: &Peer,
    access: Access,
    own: CustomerId,
    named: Option<CustomerId>,
) -> Result<Permit, Refusal> {
    if peer.shares_uid && access != Access::Anybody {
        return Err(Refusal::NotTold);
    }
    let customer = match (peer.door, access, named) {
        (Door::Public | Door::Delegate, Access::Admin, _) => return Err(Refusal::AdminOnly),
        (Door::Delegate, Access::Owner, _) => return Err(Refusal::OwnerOnly),
        // The machine's wallets count for everybody, and those of a user for programs on this machine.
        (Door::Delegate, _, Some(named @ (CustomerId::Machine | CustomerId::Uid(_))))
            if named != own =>
        {
            return Err(Refusal::NotDelegated);
        }
        (Door::Public, _, Some(named)) if named != own => return Err(Refusal::ForeignCustomer),
        (_, _, named) => named.unwrap_or(own),
    };
    let by_name = peer.door != Door::Public && named.is_some();
    Ok(Permit { customer, uid: peer.uid, account: peer.account, door: peer.door, by_name })
}

#[cfg(test)]
mod tests;
