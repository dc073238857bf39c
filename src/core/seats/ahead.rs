//! Whose turn is before: what is waited for in another pool by who asked earlier is left to them.

use std::collections::BTreeSet;

use super::ids::{BootTime, PoolId};
use super::machine::Seats;
use super::places::TokenKey;
use super::pool::{Pool, Wish};
use super::queue::Request;
use super::seat::Refusal;
use super::shares::Turn;

/// Tokens that one question passes over because they are left to others. Everybody waits while it looks.
pub(super) const PASSED_OVER: usize = 1_024;

/// Pools in which somebody waits whose turn is before.
#[derive(Debug, Default)]
pub(super) struct Ahead(BTreeSet<PoolId>);

impl Seats {
    /// Who is before this turn in pools that may share a token with this one. The same for each token.
    pub(super) fn ahead(&self, id: PoolId, turn: Turn) -> Ahead {
        let shares = self.pools.get(&id).is_some_and(|it| !it.common.is_empty());
        let Some((now, turn)) = turn.filter(|_| shares) else { return Ahead::default() };
        let mut found = BTreeSet::new();
        for (_, request) in self.requests.range(..turn) {
            if request.pools.contains(&id) {
                continue;
            }
            for other in &request.pools {
                if !found.contains(other) && self.waits_for_places(now, *other, request) {
                    found.insert(*other);
                }
            }
        }
        Ahead(found)
    }

    /// Whether a token of a pool is left to one of these.
    pub(super) fn is_left(&self, key: &TokenKey, pool: &Pool, ahead: &Ahead) -> bool {
        pool.common.contains(key) && ahead.0.iter().any(|it| self.offered(*it, key) > 0)
    }

    /// Whether places are what a request waits for: not what the policy, or the customer's own seats, keep from it.
    fn waits_for_places(&self, now: BootTime, id: PoolId, request: &Request) -> bool {
        let Some(pool) = self.pools.get(&id) else { return false };
        let count = u64::from(request.count);
        let leaves_room = pool.limit(now).is_none_or(|most| pool.used + count <= most);
        if pool.policy.express || pool.draining > 0 || !leaves_room {
            return false;
        }
        let wish = Wish { turn: None, ..Wish::of(request) };
        let holds_up = match self.pass(now, id, wish) {
            Ok(passed) if passed.reserved == 0 => return true,
            Ok(_) => self.fit(now, id, wish).err(),
            Err(shortage) => Some(shortage),
        };
        holds_up.is_none_or(|it| it.holds_up && it.refusal != Refusal::NotKnown)
    }
}
