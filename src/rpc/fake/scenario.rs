//! What a fake daemon answers: for each product and customer a course of states, and terms for methods.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;

use crate::rpc::error;
use entitled_core::domain::entitlement::Code;
use entitled_core::domain::ids::{Account, CustomerId, ProductId, TierName, Token};
use entitled_core::domain::product::{Feature, Tier};
use entitled_core::domain::publisher::PublisherKey;

/// Everything that a fake daemon has been told to answer.
#[derive(Debug, Default)]
pub struct Scenario {
    pub products: BTreeMap<ProductId, Product>,
    pub methods: BTreeMap<String, MethodTerms>,
}

/// What is answered about one product.
#[derive(Debug)]
pub struct Product {
    /// To everybody who has no course of their own.
    pub everybody: Course,
    pub customers: BTreeMap<CustomerId, Course>,
}

impl Product {
    /// What each of its states gives, as a tier.
    pub fn given(&self) -> impl Iterator<Item = Tier> {
        let courses = std::iter::once(&self.everybody).chain(self.customers.values());
        courses.flat_map(Course::states).filter_map(|it| {
            let (name, features, seats) = (it.tier.clone()?, it.features.clone(), it.seats);
            Some(Tier { name, rank: it.rank, price: None, features, seats, expires_at: None })
        })
    }

    /// The tiers that its states name, lowest rank first. A tier is as the first state says that names it.
    pub fn tiers(&self) -> Vec<Tier> {
        let mut tiers: Vec<Tier> = Vec::new();
        for tier in self.given() {
            if tiers.iter().all(|it| it.name != tier.name) {
                tiers.push(tier);
            }
        }
        tiers.sort_by_key(|it| it.rank);
        tiers
    }
}

impl Course {
    fn states(&self) -> impl Iterator<Item = &State> {
        std::iter::once(&*self.first).chain(self.then.iter().map(|it| &*it.state))
    }
}

/// States that follow each other.
#[derive(Debug)]
pub struct Course {
    pub first: Arc<State>,
    pub then: Vec<Step>,
    /// How long after the last state begins the first one begins again.
    pub repeat: Option<Duration>,
}

#[derive(Debug)]
pub struct Step {
    pub begins: Begins,
    pub state: Arc<State>,
}

/// When a state takes the place of the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begins {
    /// So long after that one began.
    After(Duration),
    /// Once so many checks were answered by it.
    AfterChecks(u32),
}

/// What is answered about a product for as long as this lasts.
#[derive(Debug, Clone)]
pub struct State {
    pub code: Code,
    /// Answered in the place of a verdict.
    pub error: Option<error::Code>,
    pub detail: Option<String>,
    pub tier: Option<TierName>,
    pub rank: u32,
    pub features: Arc<BTreeMap<String, Feature>>,
    pub seats: Option<u32>,
    pub publisher: Option<PublisherKey>,
    pub token: Token,
    pub wallet: Account,
    pub provisional: bool,
    pub stale: bool,
    /// A `VALID` becomes `EXPIRED` after this.
    pub expires_in: Option<Duration>,
    /// A `GRACE` becomes `UNDETERMINED` after this.
    pub grace_for: Duration,
    /// Each answer takes so long.
    pub delay: Duration,
    /// The daemon is away for so long when this state begins.
    pub restart: Option<Duration>,
}

/// How a method is answered, whatever the products say.
#[derive(Debug, Clone, Default)]
pub struct MethodTerms {
    pub delay: Duration,
    pub error: Option<error::Code>,
    /// For methods that are about no product.
    pub result: Option<Box<RawValue>>,
}
