//! What SeatKeeper can be ordered about seats that are lent: for a time, and by one machine to another.

use std::fmt;
use std::time::Duration;

use actix::prelude::*;
use alloy_primitives::{Address, B256};

use super::{Answer, Granted, Presence, Refused, SeatError};
use crate::actors::ownership_ledger::Asked;
use crate::actors::tier_cache::Key;
use entitled_core::domain::ids::{CustomerId, ProductId, TierName};
use entitled_core::domain::label::Label;
use entitled_core::domain::product::GrantName;
use entitled_core::loan::{GivenLoan, LoanTerms, TakenLoan};
use entitled_core::seats::{BootTime, SeatId};

/// Take a seat out of its pool for a time. It stands in the audit.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Answer, SeatError>")]
pub struct Borrow {
    pub key: Key,
    pub presence: Presence,
    pub tier: Option<TierName>,
    pub feature: Option<String>,
    pub time: Duration,
    pub asked: Asked,
}

/// A number for a seat that is to be lent.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "SeatId")]
pub struct ReserveSeat;

/// Take a seat out of its pool for another machine, by a loan that is signed already. It is kept, and stands in the audit,
/// before this is answered.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Lent, SeatError>")]
pub struct Lend {
    /// Whose entitlement was checked.
    pub key: Key,
    pub presence: Presence,
    pub is_admin: bool,
    /// Whose licence it is of, and by which grant.
    pub holder: CustomerId,
    pub grant: GrantName,
    pub seat: SeatId,
    pub time: Duration,
    pub loan: TakenLoan,
    pub text: String,
    pub asked: Asked,
}

#[derive(Debug, Clone)]
pub enum Lent {
    /// By this loan, or by one that was made for the same request meanwhile; and the pool then.
    Granted(Box<(GivenLoan, Option<Granted>)>),
    Refused(Refused),
}

/// A seat that was lent was given back.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct ComeBack {
    pub seat: SeatId,
}

/// A place was lent to this machine: count it.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct LoanArrived {
    pub product: ProductId,
}

/// A place that was lent to this machine was given back: whoever has it has it no more.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct EndLoan {
    pub nonce: B256,
}

/// To which machine a seat was lent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LentTo {
    pub machine: Address,
    pub label: Option<Label>,
}

impl From<&LoanTerms> for LentTo {
    fn from(it: &LoanTerms) -> Self {
        Self { machine: it.machine, label: it.label.clone() }
    }
}

impl fmt::Display for LentTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.label {
            Some(label) => write!(f, "{} ({label})", self.machine),
            None => self.machine.fmt(f),
        }
    }
}

/// By which loan a pool has its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoanOf {
    pub nonce: B256,
    /// The wallet whose licence it is of.
    pub lender: Address,
    pub until: BootTime,
}
