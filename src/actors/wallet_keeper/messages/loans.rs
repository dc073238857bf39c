//! What WalletKeeper can be ordered about seats that machines lend each other.

use std::time::Duration;

use actix::prelude::*;
use alloy_primitives::Address;

use super::Reply;
use crate::actors::tier_cache::Draft;
use entitled_core::domain::ids::{ProductId, Timestamp};
use entitled_core::domain::label::Label;
use entitled_core::loan::{LoanTerms, SeatRequest, TakenLoan};
use entitled_core::receipt::Verified;

/// Write a request of this machine for a seat. Makes the machine's key if there is none.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<SignedRequest>")]
pub struct SignRequest {
    pub product: ProductId,
    pub time: Duration,
    pub label: Option<Label>,
    /// On whose share of the CPU pool.
    pub uid: u32,
    pub now: Timestamp,
}

#[derive(Debug, Clone)]
pub struct SignedRequest {
    pub request: SeatRequest,
    pub text: String,
}

/// Sign a loan with the key of the wallet that holds the licence, and hold it against everything that the other machine will.
/// It lasts no longer than what proves it.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<SignedLoan>")]
pub struct SignLoan {
    pub draft: Draft,
    pub request: SeatRequest,
    pub time: Duration,
    pub fence: u64,
    /// On whose share of the CPU pool.
    pub uid: u32,
    /// On the chain's time.
    pub now: Timestamp,
}

#[derive(Debug, Clone)]
pub struct SignedLoan {
    pub text: String,
    pub taken: TakenLoan,
    pub verified: Verified,
}

impl SignedLoan {
    pub fn terms(&self) -> &LoanTerms {
        &self.taken.terms
    }
}

/// Write that this machine gives a loan back.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<String>")]
pub struct SignReturn {
    pub loan: TakenLoan,
    /// On whose share of the CPU pool.
    pub uid: u32,
    pub now: Timestamp,
}

/// The address of the machine's key, which opens here.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Reply<Address>")]
pub struct OpenMachineKey {
    /// On whose share of the CPU pool.
    pub uid: u32,
}
