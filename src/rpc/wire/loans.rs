//! Seats that are lent, for a time or by one machine to another, as they are asked for and told.

use alloy_primitives::{Address, B256};
use jsonrpsee::Extensions;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::params::{Params, name_nobody, requests};
use super::replies::Verdict;
use super::seats::meet_caller;
use super::sets;
use crate::actors::seat_keeper::Presence;
use entitled_core::domain::ids::{CustomerId, ProductId, TierName};

requests! {
    SeatBorrow {
        #[schemars(with = "String")]
        product: ProductId,
        /// For how long, in milliseconds: from a minute to 30 days, and no longer than the administrator's policy allows.
        for_ms: u64,
        /// A seat of a tier that includes this feature.
        #[serde(default)]
        feature: Option<String>,
        /// A seat of this tier; the best that there is if absent.
        #[serde(default)] #[schemars(with = "Option<String>")]
        tier: Option<TierName>,
        #[serde(default)] #[schemars(with = "Option<String>")]
        customer: Option<CustomerId>,
        #[serde(skip)] #[schemars(skip)]
        presence: Option<Presence>,
    }
    SeatRequest {
        #[schemars(with = "String")]
        product: ProductId,
        /// For how long, in milliseconds: from a minute to 30 days. Whole seconds count.
        for_ms: u64,
        /// For people: for whom or what it is. 1 to 64 characters.
        #[serde(default)]
        label: Option<String>,
    }
    SeatLend {
        /// What `seat_request` answered on the other machine.
        request: String,
        /// For how long, in milliseconds: from a minute to 30 days; as long as it asks for, if absent.
        #[serde(default)]
        for_ms: Option<u64>,
        #[serde(default)] #[schemars(with = "Option<String>")]
        customer: Option<CustomerId>,
        #[serde(skip)] #[schemars(skip)]
        presence: Option<Presence>,
    }
    SeatImport {
        /// The loan that `seat_lend` answered, or what `seat_return` did.
        file: String,
        /// The wallet whose loan it has to be. Has to be named where nothing but the lender's word proves that it holds the licence.
        #[serde(default)] #[schemars(with = "Option<String>")]
        lender: Option<Address>,
    }
    SeatReturn {
        /// `loan` of the pool, as `seat_list` tells it.
        #[schemars(with = "String")]
        loan: B256,
    }
}

meet_caller!(SeatBorrow, SeatLend);
name_nobody!(SeatRequest, SeatImport, SeatReturn);

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct SeatRequested {
    /// The file, for the machine that is to lend.
    pub request: String,
    /// This machine, by the address of its key.
    pub machine: String,
    pub nonce: String,
}

/// The answer to `seat_lend`.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct SeatLoan {
    pub granted: bool,
    /// As that of `seat_borrow`.
    #[schemars(with = "sets::SeatCode")]
    pub code: &'static str,
    /// For people.
    pub detail: String,
    /// The file, for the machine that has asked.
    pub loan: Option<String>,
    /// Whether the same request was answered before: this is the same loan.
    pub again: bool,
    pub seat: Option<String>,
    pub product: String,
    pub machine: String,
    /// Until when the machine has it: as long as it was asked for, and no longer than what proves the licence holds.
    pub until: Option<String>,
    /// Places used of the pool, this one among them.
    pub used: Option<u64>,
    /// `null`: as many as anybody wants, or not known.
    pub capacity: Option<u64>,
    pub verdict: Option<Verdict>,
}

/// What was brought.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct SeatImported {
    /// `loan`: there is one place more here until `until`; `return`: the seat that was lent is free.
    #[schemars(with = "sets::SeatFile")]
    pub kind: &'static str,
    pub product: String,
    /// The nonce of its request.
    pub loan: String,
    /// The wallet whose licence it is of.
    pub lender: String,
    pub until: String,
    /// Of a loan: what it entitles to.
    pub verdict: Option<Verdict>,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct SeatReturned {
    /// The file, for the machine that has lent it.
    pub returned: String,
    pub product: String,
    /// The wallet whose licence it was of.
    pub lender: String,
}
