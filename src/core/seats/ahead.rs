//! Whose turn is before: what is waited for in another pool by who asked earlier is left to them.

use std::collections::{BTreeMap, BTreeSet};

use super::fair_share::{Division, HeldUp};
use super::ids::{BootTime, Owner, PoolId};
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

/// Pools are divided once for all who wait in them.
type Divisions = BTreeMap<PoolId, Division>;

impl Seats {
    /// Who is before this turn in pools that may share a token with this one. The same for each token.
    pub(super) fn ahead(&self, id: PoolId, turn: Turn) -> Ahead {
        let shares = self.pools.get(&id).is_some_and(|it| !it.common.is_empty());
        let Some((now, turn, user)) = turn.filter(|_| shares) else { return Ahead::default() };
        let (mut found, mut divisions) = (BTreeSet::new(), Divisions::new());
        for (_, request) in self.requests.range(..turn) {
            if request.pools.contains(&id) {
                continue;
            }
            for other in &request.pools {
                let asked = (*other, request);
                if !found.contains(other)
                    && self.waits_for_places((now, user), asked, &mut divisions)
                {
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

    /// Whether places are what a request waits for, and keeps from that user: not what the policy, or the customer's own
    /// seats, keep from it.
    fn waits_for_places(
        &self,
        (now, user): (BootTime, Owner),
        (id, request): (PoolId, &Request),
        divisions: &mut Divisions,
    ) -> bool {
        let Some(pool) = self.pools.get(&id) else { return false };
        let wish = Wish { turn: None, ..self.wish(id, request) };
        let leaves_room =
            pool.limit(now).is_none_or(|most| pool.used + u64::from(wish.count) <= most);
        if pool.policy.express || pool.draining > 0 || !leaves_room {
            return false;
        }
        let lacks = match self.pass(now, id, wish) {
            Ok(passed) if passed.reserved == 0 => true,
            passed => {
                let shortage = passed.and_then(|_| self.fit(now, id, wish)).err();
                shortage.is_none_or(|it| it.holds_up && it.refusal != Refusal::NotKnown)
            }
        };
        let mut held_up = HeldUp::dividing(divisions.remove(&id));
        if lacks {
            held_up.add(self, now, (id, wish), Some(user));
        }
        let is_kept = held_up.has(user);
        divisions.extend(held_up.into_division().map(|it| (id, it)));
        is_kept
    }
}
