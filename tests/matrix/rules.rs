//! One licence for each rule: what a product file says of it, how somebody gets it and loses it.

use alloy_primitives::Address;

use crate::support::anvil::Anvil;
use crate::support::contract::Contract;
use crate::support::wallet::Wallet;

/// A licence somebody has.
pub struct Licence {
    /// The token or the collection, in CAIP-19.
    pub token: String,
    /// The other keys of the grant.
    pub grant: &'static str,
    /// Takes it away.
    pub take: Box<dyn Fn(&Anvil)>,
    /// The verdict once it is gone.
    pub gone: &'static str,
}

/// A rule, and a licence by it for somebody.
pub struct Rule {
    pub name: &'static str,
    pub issue: fn(&Anvil, Address) -> Licence,
}

pub const RULES: &[Rule] = &[
    Rule { name: "owner", issue: owner },
    Rule { name: "owner-by-events", issue: owner_by_events },
    Rule { name: "owner-by-id", issue: owner_by_id },
];

fn somebody_else() -> Address {
    Wallet::numbered(98).address()
}

/// A token of ERC-721, which is given to somebody else.
fn token(anvil: &Anvil, to: Address, contract: &str, grant: &'static str) -> Licence {
    let licence = Contract::deploy(anvil, contract, None);
    licence.mint(anvil, to, 7);
    let take = move |anvil: &Anvil| {
        licence.transfer(anvil, to, somebody_else(), 7);
    };
    Licence { token: licence.collection(), grant, take: Box::new(take), gone: "NOT_HELD" }
}

fn owner(anvil: &Anvil, to: Address) -> Licence {
    token(anvil, to, "Licence", r#"tokens_of = "enumerable""#)
}

fn owner_by_events(anvil: &Anvil, to: Address) -> Licence {
    token(anvil, to, "PlainLicence", r#"tokens_of = "logs""#)
}

fn owner_by_id(anvil: &Anvil, to: Address) -> Licence {
    token(anvil, to, "PlainLicence", "tokens_of = \"ids\"\nids = [\"7\"]")
}
