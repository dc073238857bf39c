//! Epochs: whether what was gathered a while ago is still so.
//!
//! Owns: one number that grows with every change of what verdicts rest on, and for whom it last changed.
//! Raised by: `VerdictReader::forget` alone, after a change and before it is acknowledged. Asked by: whoever gives an
//! answer. Never: counts what was seen of a chain.
//!
//! Whoever gathers something takes the epoch first and compares it when it is used. Invariant: what holds at an
//! epoch rests on no state from before a change that was acknowledged.

use std::collections::HashMap;

use super::ids::CustomerId;

/// Whose entitlements a change concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    Everybody,
    Customer(CustomerId),
    /// The customer's, and it may stand for other users than before.
    Users(CustomerId),
}

impl Whose {
    /// The one customer concerned. The machine's wallets count for everybody, so for it there is none.
    pub fn customer(self) -> Option<CustomerId> {
        match self {
            Self::Everybody
            | Self::Customer(CustomerId::Machine)
            | Self::Users(CustomerId::Machine) => None,
            Self::Customer(customer) | Self::Users(customer) => Some(customer),
        }
    }
}

/// A moment between two changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(u64);

impl Epoch {
    /// The later, the greater.
    pub fn number(self) -> u64 {
        self.0
    }
}

/// Customers remembered one by one; of more, a change of one counts as one of all.
const REMEMBERED: usize = 4_096;

/// When what verdicts rest on last changed, and for whom.
#[derive(Debug, Default)]
pub struct Epochs {
    now: Epoch,
    everybody: Epoch,
    /// Which customer a user stands for.
    users: Epoch,
    customers: HashMap<CustomerId, Epoch>,
}

impl Epochs {
    /// The epoch to note before something is gathered.
    pub fn now(&self) -> Epoch {
        self.now
    }

    /// Begins the next epoch, in which nothing from before holds of whom the change concerns.
    pub fn raise(&mut self, whose: Whose) {
        self.now = Epoch(self.now.0 + 1);
        if matches!(whose, Whose::Everybody | Whose::Users(_)) {
            self.users = self.now;
        }
        match whose.customer() {
            Some(customer) if self.customers.len() < REMEMBERED => {
                self.customers.insert(customer, self.now);
            }
            _ => {
                self.everybody = self.now;
                self.customers.clear();
            }
        }
    }

    /// Whether what was gathered of `customer` at `since` is still so.
    pub fn holds(&self, since: Epoch, customer: CustomerId) -> bool {
        let own = self.customers.get(&customer).copied().unwrap_or_default();
        since >= self.everybody.max(own)
    }

    /// Whether every user still stands for the same customer as at `since`.
    pub fn same_users(&self, since: Epoch) -> bool {
        since >= self.users
    }
}

#[cfg(test)]
mod tests;
