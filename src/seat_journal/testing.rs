//! A product and seats of it, for tests of what is kept of seats.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use super::KeptSeat;
use entitled_core::domain::ids::CustomerId;
use entitled_core::domain::product::{self, GrantName, Product};
use entitled_core::seats::{BootTime, Claimant, Hold, PoolId, Seat, SeatId, UnitKey};

pub(crate) const OWNER: CustomerId = CustomerId::Uid(1000);

/// `acme-cad`, of whose only grant each token is good for two seats.
pub(crate) fn product() -> Product {
    let text = r#"
product = "acme-cad"
name = "Acme CAD"
[tiers.pro]
rank = 20
seats = 2
[[grants]]
tier = "pro"
token = "eip155:1/erc721:0x00000000000000000000000000000000000000cc"
tokens_of = "enumerable"
"#;
    product::parse(text).unwrap()
}

pub(crate) fn claimant() -> Claimant {
    Claimant {
        uid: 1000,
        account: None,
        on_behalf: None,
        gids: Vec::new(),
        unit: None,
        user_unit: None,
        standing: None,
    }
}

/// A seat of the product that is so held, for one unit.
pub(crate) fn kept(number: u64, key: UnitKey, hold: Hold) -> KeptSeat {
    let product = product();
    let own = (claimant(), key);
    let seat = Seat::new((SeatId(number), PoolId(1)), own, BootTime(5), hold);
    KeptSeat {
        seat,
        grant: GrantName::from(&product.grants[0]),
        product: product.id,
        holder: OWNER,
        entitled: Some(OWNER),
        account: Some(1000),
        fence: None,
        borrowed: None,
        loan: None,
        proven_until: None,
        processes: Vec::new(),
    }
}
