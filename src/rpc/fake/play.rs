//! How far each course of a scenario has come, and what is so at a moment. Pure: time is an argument.
//!
//! A course begins when its product is first asked about, so that a program meets each state however late it asks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::scenario::{Begins, Course, Scenario, State};
use crate::clock::Moment;
use entitled_core::domain::entitlement::{Code, Freshness, Question, Verdict, evaluate};
use entitled_core::domain::ids::{CustomerId, ProductId, Timestamp};
use entitled_core::domain::ownership::{Anchor, Finality, Trust};

/// So many states may have passed since the last time somebody looked; then the present one counts from now.
const MOST_AT_ONCE: usize = 10_000;
/// How long what was proven stays fresh.
const FRESH_FOR: Duration = Duration::from_secs(600);

/// Whose course it is: a customer's own, or everybody's.
type Key = (ProductId, Option<CustomerId>);

/// The state of a course that has begun.
#[derive(Debug, Clone, Copy)]
struct Progress {
    /// 0 is the first state; `n` is `then[n - 1]`.
    at: usize,
    began: Moment,
    /// Checks answered by this state.
    checks: u32,
}

/// A scenario as it is played.
#[derive(Debug)]
pub(super) struct Play {
    scenario: Arc<Scenario>,
    courses: BTreeMap<Key, Progress>,
    /// Grows with every state that begins.
    revision: u64,
    /// For how long the daemon is to be away.
    restart: Option<Duration>,
}

/// What is so about a product at a moment.
#[derive(Debug, Clone)]
pub(super) struct Scene {
    pub(super) state: Arc<State>,
    began: Moment,
}

impl Play {
    pub(super) fn new(scenario: Scenario) -> Self {
        let scenario = Arc::new(scenario);
        Self { scenario, courses: BTreeMap::new(), revision: 0, restart: None }
    }

    pub(super) fn scenario(&self) -> &Arc<Scenario> {
        &self.scenario
    }

    /// Grows with every state that begins.
    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    /// For how long the daemon is to be away, once.
    pub(super) fn take_restart(&mut self) -> Option<Duration> {
        self.restart.take()
    }

    /// Begins with another scenario.
    pub(super) fn exchange(&mut self, scenario: Scenario) {
        let revision = self.revision + 1;
        *self = Self { revision, ..Self::new(scenario) };
    }

    /// What is so at `now`; `None` when there is no such product. Asking begins the course.
    pub(super) fn look(
        &mut self,
        product: &ProductId,
        customer: CustomerId,
        now: Moment,
    ) -> Option<Scene> {
        let key = self.key(product, customer)?;
        self.begin(&key, now);
        self.advance(now);
        let progress = *self.courses.get(&key)?;
        let state = state_of(course_of(&self.scenario, &key)?, progress.at)?;
        Some(Scene { state: Arc::clone(state), began: progress.began })
    }

    /// Counts a check that was answered by what is so now.
    pub(super) fn count(&mut self, product: &ProductId, customer: CustomerId, now: Moment) {
        let Some(key) = self.key(product, customer) else { return };
        self.begin(&key, now);
        let Some(progress) = self.courses.get_mut(&key) else { return };
        progress.checks = progress.checks.saturating_add(1);
        self.advance(now);
    }

    /// Brings every course that has begun to where it is at `now`.
    pub(super) fn advance(&mut self, now: Moment) {
        let mut begun = 0;
        for (key, progress) in &mut self.courses {
            let Some(course) = course_of(&self.scenario, key) else { continue };
            for passed in 0.. {
                let Some((next, began)) = following(course, progress, now) else { break };
                let began = if passed < MOST_AT_ONCE { began } else { now };
                *progress = Progress { at: next, began, checks: 0 };
                begun += 1;
                let state = state_of(course, next);
                self.restart = state.and_then(|it| it.restart).or(self.restart);
                if passed >= MOST_AT_ONCE {
                    break;
                }
            }
        }
        self.revision += begun;
    }

    /// The monotonic time at which something changes by time alone.
    pub(super) fn next_change(&self, now: Moment) -> Option<Duration> {
        let of = |(key, progress): (&Key, &Progress)| {
            let course = course_of(&self.scenario, key)?;
            let over = ends(state_of(course, progress.at)?);
            let over = over.and_then(|it| progress.began.monotonic.checked_add(it));
            let over = over.filter(|it| *it > now.monotonic);
            let next = wait_of(course, progress.at)
                .and_then(|it| progress.began.monotonic.checked_add(it));
            [over, next].into_iter().flatten().min()
        };
        self.courses.iter().filter_map(of).min()
    }

    fn key(&self, product: &ProductId, customer: CustomerId) -> Option<Key> {
        let found = self.scenario.products.get(product)?;
        let own = found.customers.contains_key(&customer);
        Some((product.clone(), own.then_some(customer)))
    }

    fn begin(&mut self, key: &Key, now: Moment) {
        if !self.courses.contains_key(key) {
            self.courses.insert(key.clone(), Progress { at: 0, began: now, checks: 0 });
            self.revision += 1;
        }
    }
}

fn course_of<'s>(scenario: &'s Scenario, (product, customer): &Key) -> Option<&'s Course> {
    let product = scenario.products.get(product)?;
    match customer {
        None => Some(&product.everybody),
        Some(customer) => product.customers.get(customer),
    }
}

fn state_of(course: &Course, at: usize) -> Option<&Arc<State>> {
    match at.checked_sub(1) {
        None => Some(&course.first),
        Some(at) => course.then.get(at).map(|it| &it.state),
    }
}

/// How long the state at `at` lasts, where time ends it.
fn wait_of(course: &Course, at: usize) -> Option<Duration> {
    match course.then.get(at).map(|it| it.begins) {
        Some(Begins::After(wait)) => Some(wait),
        Some(Begins::AfterChecks(_)) => None,
        None => course.repeat,
    }
}

/// The state that has taken the place of the one at hand, and since when.
fn following(course: &Course, progress: &Progress, now: Moment) -> Option<(usize, Moment)> {
    let next = if progress.at < course.then.len() { progress.at + 1 } else { 0 };
    if let Some(Begins::AfterChecks(checks)) = course.then.get(progress.at).map(|it| it.begins) {
        return (progress.checks >= checks).then_some((next, now));
    }
    let wait = wait_of(course, progress.at)?;
    let monotonic = progress.began.monotonic.checked_add(wait)?;
    let is_over = monotonic <= now.monotonic;
    let began = progress.began.now.checked_add(wait).unwrap_or(now.now);
    is_over.then_some((next, Moment { now: began, monotonic }))
}

/// When a state's verdict becomes another by itself.
fn ends(state: &State) -> Option<Duration> {
    match state.code {
        Code::Valid => state.expires_in,
        Code::Grace => Some(state.grace_for),
        _ => None,
    }
}

impl Scene {
    /// The verdict as it reads at `now`. Its trust is not told: see [`told`](super::marked::told).
    pub(super) fn verdict(
        &self,
        product: &ProductId,
        customer: CustomerId,
        now: Moment,
    ) -> Verdict {
        let Self { state, began: Moment { now: began, monotonic } } = self;
        let later = |wait: Duration| began.checked_add(wait).unwrap_or(Timestamp::MAX);
        let age = now.monotonic.saturating_sub(*monotonic);
        // By the clock that the next change is waited for with, so that whoever is woken by it sees it.
        let is_over = ends(state).is_some_and(|it| it <= age);
        let ends_at = ends(state).map(later);
        let code = match state.code {
            Code::Valid if is_over => Code::Expired,
            Code::Grace if is_over => Code::Undetermined,
            code => code,
        };
        let proven = has_token(code) || code == Code::NotHeld;
        let anchor = Anchor {
            chain: state.token.collection.chain,
            number: 1,
            hash: alloy_primitives::B256::ZERO,
            time: *began,
            finality: if state.provisional { Finality::Latest } else { Finality::Finalized },
            trust: Trust::Single,
            attestation: None,
        };
        let is_valid = code.is_valid();
        Verdict {
            product: product.clone(),
            code,
            detail: state
                .detail
                .clone()
                .unwrap_or_else(|| format!("{code} by a fake daemon's file")),
            tier: state.tier.clone().filter(|_| is_valid),
            rank: is_valid.then_some(state.rank),
            features: if is_valid { Arc::clone(&state.features) } else { Arc::default() },
            seats: state.seats.filter(|_| is_valid),
            publisher: state.publisher.clone().filter(|_| code != Code::NoProduct),
            customer,
            wallet: has_token(code).then_some(state.wallet),
            token: has_token(code).then_some(state.token),
            provisional: is_valid && state.provisional,
            freshness: match code {
                Code::Grace => Freshness::Grace,
                Code::Undetermined => Freshness::Stale,
                _ if state.stale => Freshness::Stale,
                _ => Freshness::Fresh,
            },
            trust: proven.then_some(Trust::Single),
            anchor: Some(anchor).filter(|_| proven),
            verified_at: proven.then_some(*began),
            stale_after: proven.then(|| if state.stale { *began } else { later(FRESH_FOR) }),
            grace_until: has_token(code).then(|| later(state.grace_for)),
            expires_at: ends_at.filter(|_| matches!(code, Code::Valid | Code::Expired)),
            changes_at: ends_at.filter(|_| !is_over),
        }
    }
}

/// Whether an answer of this kind rests on a token.
fn has_token(code: Code) -> bool {
    matches!(
        code,
        Code::Valid
            | Code::Grace
            | Code::Expired
            | Code::FeatureMissing
            | Code::Suspended
            | Code::TrustTooLow
    )
}

/// What a real daemon says of a product that it does not have.
pub(super) fn no_product(product: &ProductId, customer: CustomerId, now: Timestamp) -> Verdict {
    let question = Question {
        product,
        definition: None,
        publisher: None,
        customer,
        holders: &[],
        sightings: &[],
        suspended: &BTreeSet::new(),
    };
    evaluate(&question, now)
}

#[cfg(test)]
mod tests;
