//! The closed sets of words in replies, for the schema.
//!
//! Words of the domain come from there; the others stand here and nowhere else. The examples, which a test executes,
//! hold replies against them.

use std::borrow::Cow;

use alloy_primitives::U256;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::actors::seat_keeper::SeatState as SeatStates;
use entitled_core::domain::{entitlement as entitlements, ownership as ownerships};
use entitled_core::seats::EndReason;

/// The trust of whatever a fake daemon says.
pub const FAKE: &str = "fake";

macro_rules! closed_sets {
    ($($(#[$note:meta])* $name:ident = $words:expr;)*) => {$(
        $(#[$note])*
        pub(super) struct $name;

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "enum": $words })
            }
        }
    )*};
}

closed_sets! {
    VerdictCode = entitlements::Code::ALL.map(entitlements::Code::as_str);
    Freshness = {
        use entitlements::Freshness::{Fresh, Grace, Stale};
        [Fresh, Stale, Grace].map(entitlements::Freshness::as_str)
    };
    Trust = {
        use ownerships::Trust::{Consensus, Quorum, Single};
        let [single, quorum, consensus] = [Single, Quorum, Consensus].map(ownerships::Trust::as_str);
        // The last is no trust at all: nothing that is proven says it.
        [single, quorum, consensus, FAKE]
    };
    Finality = {
        use ownerships::Finality::{Finalized, Latest, Safe};
        [Latest, Safe, Finalized].map(ownerships::Finality::as_str)
    };
    Rule = {
        use ownerships::Rule::{Balance, Expiry, Owner, Subscription, Unlock, User};
        let min = U256::ZERO;
        [Owner, Balance { min }, User, Subscription, Expiry, Unlock].map(ownerships::Rule::as_str)
    };
    StepKind = {
        use entitlements::StepKind::{
            Anchor, Block, Checkpoint, Committee, Grant, Loan, Ownership, Token, Wallet,
        };
        [Grant, Token, Wallet, Loan, Ownership, Block, Anchor, Committee, Checkpoint]
            .map(entitlements::StepKind::as_str)
    };
    Outcome = {
        use entitlements::Outcome::{No, Unknown, Yes};
        [Yes, No, Unknown].map(entitlements::Outcome::as_str)
    };
    SeatCode = [
        "GRANTED", "SEATS_FULL", "NOT_ENTITLED", "UNDETERMINED", "EXCLUDED", "DRAINING",
        "LOW_WATER", "TOO_LONG", "FLEET_UNREACHABLE",
    ];
    SeatUnit = {
        use entitled_core::domain::product::SeatUnit::{Cgroup, Machine, Process, Uid};
        [Process, Uid, Cgroup, Machine].map(super::seats::unit)
    };
    SeatBind = {
        use crate::actors::seat_keeper::Bind::{Connection, Process, Session};
        [Process, Connection, Session].map(super::seats::bind)
    };
    SeatState = SeatStates::ALL.map(SeatStates::as_str);
    FleetStanding = ["in", "cut_off", "refused"];
    SeatFile = ["loan", "return"];
    SeatEvent = ["granted", "warned", "reprieved", "ended"];
    SeatEnd = EndReason::ALL.map(EndReason::name);
    Custody = ["managed", "linked"];
    SignatureMethod = ["eip191", "eip712", "eip1271", "erc6492"];
    Holding = ["held", "ended", "not_held", "unknown"];
    TokensOf = ["enumerable", "logs", "ids"];
    DaemonState = ["ok", "degraded"];
    ActorState = ["running", "stopped"];
    StoreState = ["ok", "unavailable"];
    SeatsState = ["ok", "unavailable"];
    ChainState = ["ok", "degraded", "down", "untried"];
    EndpointState = [
        "ok", "untried", "down", "stale", "syncing", "wrong_chain", "unreadable", "rate_limited",
        "unsupported", "quarantined",
    ];
    BreakerState = ["closed", "open", "half_open"];
    FaultKind = [
        "down", "garbled", "rate_limited", "unsupported", "pruned", "refused", "behind",
        "disagreeing", "wrong_chain", "unreadable", "lying",
    ];
    KeysState = ["OPEN", "LOCKED"];
    RotationState = ["under_way", "done", "failed"];
}
