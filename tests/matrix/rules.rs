//! One licence for each rule: what a product file says of it, how somebody gets it and loses it.

use std::time::Duration;

use alloy_primitives::{Address, B256};

use crate::support::anvil::Anvil;
use crate::support::contract::Contract;
use crate::support::licences::{
    Accounts, Delegations, Editions, Expirables, Lock, Rentals, Subscriptions,
};
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
    Rule { name: "balance", issue: balance },
    Rule { name: "user", issue: user },
    Rule { name: "subscription", issue: subscription },
    Rule { name: "expiry", issue: expiry },
    Rule { name: "unlock", issue: unlock },
    Rule { name: "delegation", issue: delegation },
    Rule { name: "token-bound", issue: token_bound },
];

/// Later than any test.
const LATER: u64 = 4_000_000_000;
/// The one token of each collection.
const TOKEN: u64 = 7;

fn somebody_else() -> Address {
    Wallet::numbered(98).address()
}

/// A token of ERC-721, which is given to somebody else.
fn token(anvil: &Anvil, to: Address, contract: &str, grant: &'static str) -> Licence {
    let licence = Contract::deploy(anvil, contract, None);
    licence.mint(anvil, to, TOKEN);
    let take = move |anvil: &Anvil| {
        licence.transfer(anvil, to, somebody_else(), TOKEN);
    };
    Licence { token: licence.collection(), grant, take: Box::new(take), gone: "NOT_HELD" }
}

fn owner(anvil: &Anvil, to: Address) -> Licence {
    token(anvil, to, "Licence", r#"tokens_of = "enumerable""#)
}

fn owner_by_events(anvil: &Anvil, to: Address) -> Licence {
    token(anvil, to, "PlainLicence", r#"tokens_of = "logs""#)
}

/// Lent by somebody else, who takes it back.
fn user(anvil: &Anvil, to: Address) -> Licence {
    let rentals = Rentals::deploy(anvil);
    rentals.0.mint(anvil, somebody_else(), TOKEN);
    rentals.rent(anvil, TOKEN, to, LATER);
    let take = move |anvil: &Anvil| drop(rentals.take_back(anvil, TOKEN));
    let grant = "rule = \"user\"";
    Licence { token: rentals.0.collection(), grant, take: Box::new(take), gone: "NOT_HELD" }
}

fn balance(anvil: &Anvil, to: Address) -> Licence {
    let editions = Editions::deploy(anvil);
    editions.issue(anvil, to, TOKEN, 2);
    let take = move |anvil: &Anvil| drop(editions.take_back(anvil, to, TOKEN, 1));
    let grant = "rule = \"balance\"\nmin = 2";
    Licence { token: editions.token(TOKEN), grant, take: Box::new(take), gone: "NOT_HELD" }
}

/// Paid for, and cancelled.
fn subscription(anvil: &Anvil, to: Address) -> Licence {
    let subscriptions = Subscriptions::deploy(anvil);
    subscriptions.0.mint(anvil, to, TOKEN);
    subscriptions.renew(anvil, TOKEN, Duration::from_secs(86_400));
    let take = move |anvil: &Anvil| drop(subscriptions.cancel(anvil, TOKEN));
    let grant = "rule = \"subscription\"";
    Licence { token: subscriptions.0.collection(), grant, take: Box::new(take), gone: "EXPIRED" }
}

/// Has a term, and gets another that is over.
fn expiry(anvil: &Anvil, to: Address) -> Licence {
    let expirables = Expirables::by_time(anvil);
    expirables.0.mint(anvil, to, TOKEN);
    expirables.set_term(anvil, TOKEN, 1, LATER);
    let take = move |anvil: &Anvil| drop(expirables.set_term(anvil, TOKEN, 1, 2));
    let grant = "rule = \"expiry\"";
    Licence { token: expirables.0.collection(), grant, take: Box::new(take), gone: "EXPIRED" }
}

/// A key, and the lock's manager ends it.
fn unlock(anvil: &Anvil, to: Address) -> Licence {
    let lock = Lock::deploy(anvil, *Lock::VERSIONS.end(), Duration::from_secs(86_400));
    lock.buy(anvil, to);
    let key = lock.key_of(anvil, to);
    let take = move |anvil: &Anvil| drop(lock.cancel(anvil, to, key));
    let grant = "rule = \"unlock\"";
    Licence { token: lock.contract.collection(), grant, take: Box::new(take), gone: "EXPIRED" }
}

/// In a vault that lets somebody stand for it, and no longer.
fn delegation(anvil: &Anvil, to: Address) -> Licence {
    let (licence, vault) = (Contract::licence(anvil), Wallet::numbered(50).address());
    licence.mint(anvil, vault, TOKEN);
    let delegations = Delegations::install(anvil);
    let delegate = move |anvil: &Anvil, enable: bool| {
        delegations.contract(anvil, (vault, to), licence.address, B256::ZERO, enable);
    };
    delegate(anvil, true);
    let take = move |anvil: &Anvil| delegate(anvil, false);
    let grant = "delegation = true";
    Licence { token: licence.collection(), grant, take: Box::new(take), gone: "NOT_HELD" }
}

/// Held by the account of a token, which changes hands with all that is in it.
fn token_bound(anvil: &Anvil, to: Address) -> Licence {
    let (licence, character) = (Contract::licence(anvil), Contract::licence(anvil));
    character.mint(anvil, to, TOKEN);
    let account = Accounts::install(anvil).create(anvil, character.address, TOKEN);
    licence.mint(anvil, account, TOKEN);
    let take = move |anvil: &Anvil| {
        character.transfer(anvil, to, somebody_else(), TOKEN);
    };
    let grant = "token_bound = true\ntokens_of = \"ids\"\nids = [7]";
    Licence { token: licence.collection(), grant, take: Box::new(take), gone: "NOT_HELD" }
}
