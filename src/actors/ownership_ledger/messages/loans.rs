//! What OwnershipLedger can be ordered and asked about seats that machines lend each other.

use actix::prelude::*;
use alloy_primitives::{Address, B256};

use super::Reply;
use crate::store::Asked;
use entitled_core::domain::ids::Timestamp;
use entitled_core::loan::{GivenLoan, SeatReturn, TakenLoan};

/// Keep a loan before it is handed out, unless its request has one. Returns the one that stands.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<GivenLoan>")]
pub struct KeepGivenLoan {
    pub loan: GivenLoan,
    pub asked: Asked,
}

/// Take back what a machine has given back.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<GivenLoan>")]
pub struct GiveLoanBack {
    pub returned: SeatReturn,
    pub asked: Asked,
}

/// Keep a loan that was brought, unless this machine had one by the same request. Returns the one that stands.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<TakenLoan>")]
pub struct TakeLoan {
    pub loan: TakenLoan,
    pub asked: Asked,
}

/// Have a loan be of no use any more, for good. Returns it with what it was given back with, now or before.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<TakenLoan>")]
pub struct SpendLoan {
    pub nonce: B256,
    pub text: String,
    pub asked: Asked,
}

/// Note how late it is, while a loan is open. Leaves no audit entry.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<()>")]
pub struct NoteLoanTime {
    pub now: Timestamp,
}

/// Keep the key that stands for this machine, sealed, unless there is one. Returns the one that stands.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<(Address, Vec<u8>)>")]
pub struct KeepMachineKey {
    pub address: Address,
    pub sealed: Vec<u8>,
}

#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<Option<(Address, Vec<u8>)>>")]
pub struct FindMachineKey;

/// What became of a request, on the side of the lender.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<Option<GivenLoan>>")]
pub struct FindGivenLoan {
    pub nonce: B256,
}

/// What this machine had by a request of its own.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<Option<TakenLoan>>")]
pub struct FindTakenLoan {
    pub nonce: B256,
}

/// Loans of both kinds that are not known to be over.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<(Vec<GivenLoan>, Vec<TakenLoan>)>")]
pub struct FindLoans;
