//! Asking for a seat, giving it back, taking it over.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use actix::prelude::*;
use tokio::sync::oneshot;

use crate::actors::seat_keeper::messages::{
    Acquire, Adopt, Answer, Bind, Granted, Pending, Presence, Refused, Release, SeatError,
};
use crate::actors::seat_keeper::work::control_group::control_group;
use crate::actors::seat_keeper::work::fleet::Patience;
use crate::actors::seat_keeper::work::house::Pool;
use crate::actors::seat_keeper::work::watching::{Begun, has_exited};
use crate::actors::seat_keeper::{Asked, SeatKeeper};
use crate::actors::tier_cache::Key;
use crate::keys::fill_random;
use entitled_core::domain::ids::{CustomerId, ProductId};
use entitled_core::domain::product::SeatUnit;
use entitled_core::seats::{
    AdoptToken, Binding, Claimant, ConnectionId, Owner, PoolId, ProcessId, Refusal, Request,
    RequestId, Seat, Standing, UnitKey,
};

/// Requests of one account that wait.
const MOST_WAITING: usize = 64;
/// Seats of one's own that a refusal names.
const HOLDERS_TOLD: usize = 64;

/// Who asks, and what they hold a seat by.
pub(super) struct Claim {
    pub(super) claimant: Claimant,
    /// `None` where it cannot be watched: for want of a descriptor, or because it has ended and left the connection to
    /// another.
    process: Option<ProcessId>,
    has_ended: bool,
    connection: ConnectionId,
    cgroup: Option<u64>,
}

impl Claim {
    pub(super) fn key(&self, unit: SeatUnit) -> Option<UnitKey> {
        // One uid, group and machine for everybody who is elsewhere would make them one unit, with one seat.
        Some(match unit {
            _ if self.claimant.on_behalf.is_some() => UnitKey::Connection(self.connection),
            SeatUnit::Uid => UnitKey::Uid(self.claimant.uid),
            SeatUnit::Machine => UnitKey::Machine,
            SeatUnit::Cgroup => UnitKey::Cgroup(self.cgroup?),
            SeatUnit::Process => match self.process {
                Some(process) => UnitKey::Process(process),
                None => UnitKey::Connection(self.connection),
            },
        })
    }

    /// # Errors
    /// [`SeatError::Ended`] where the process is to hold the seat, and is not there any more.
    fn bindings(&self, bind: Bind) -> Result<Vec<Binding>, SeatError> {
        let connection = Binding::Connection(self.connection);
        match (self.process.map(Binding::Process), bind) {
            (_, Bind::Process | Bind::Session) if self.has_ended => Err(SeatError::Ended),
            (Some(process), Bind::Process) => Ok(vec![process]),
            (Some(process), Bind::Session) => Ok(vec![process, connection]),
            (_, Bind::Connection) | (None, _) => Ok(vec![connection]),
        }
    }

    /// The process that is watched on its behalf.
    pub(super) fn watched(&self) -> Option<Binding> {
        self.process.map(Binding::Process)
    }
}

impl SeatKeeper {
    /// The pools of the customer, and then those of the machine.
    pub(super) fn pools_for(&self, acquire: &Acquire) -> Vec<PoolId> {
        let machine = Key { customer: CustomerId::Machine, product: acquire.key.product.clone() };
        let own = self.house.pools_of(&acquire.key);
        let shared = self.house.pools_of(&machine).filter(|_| machine != acquire.key);
        let serves = |it: &&Pool| it.serves(acquire.tier.as_ref(), acquire.feature.as_deref());
        let mut pools: Vec<_> = own.chain(shared).filter(serves).collect();
        pools.sort_by_key(|it| std::cmp::Reverse(it.rank));
        pools.into_iter().map(|it| it.id).collect()
    }

    /// Whether what is known gives nothing, so that it is worth counting again.
    pub(in crate::actors::seat_keeper) fn wants_count(&self, acquire: &Acquire) -> bool {
        let figures = |it: &PoolId| self.house.seats.figures(*it);
        let has_seats = |it: &PoolId| {
            figures(it).is_some_and(|it| it.known && it.capacity.is_none_or(|it| it > 0))
        };
        !self.pools_for(acquire).iter().any(has_seats)
    }

    pub(in crate::actors::seat_keeper) fn acquire(
        &mut self,
        acquire: &Acquire,
        keeper: &Addr<Self>,
    ) -> Result<Pending, SeatError> {
        let now = self.now();
        self.wake(now);
        let product = acquire.key.product.clone();
        let pools = self.pools_for(acquire);
        let unit = pools.first().and_then(|it| self.house.pools.get(it)).map(|it| it.terms.unit);
        let unit = unit.unwrap_or_default();
        let claim = self.claim(&acquire.presence, (&product, unit), keeper)?;
        let wait = self.wait_of(&acquire.presence, acquire.wait);
        let adopt = match acquire.bind {
            Bind::Session => Some(adopt_token()?),
            Bind::Process | Bind::Connection => None,
        };
        let id = self.next_request();
        let patience = Patience {
            until: (!wait.is_zero()).then(|| now.after(wait)),
            trying: self.to_be_claimed(&pools),
        };
        let request = Request {
            id,
            pools,
            key: claim.key(unit).ok_or(SeatError::NoUnit)?,
            bindings: claim.bindings(acquire.bind)?,
            claimant: claim.claimant,
            adopt,
            count: acquire.count,
            wait_until: self.wait_until(now, &patience),
        };
        let pending = self.expect(&request, &acquire.presence, Some(acquire.key.customer));
        if let Some(asked) = self.asked.get_mut(&id) {
            asked.patience = patience;
        }
        self.house.seats.acquire(now, request);
        Ok(pending)
    }

    pub(in crate::actors::seat_keeper) fn adopt(
        &mut self,
        adopt: &Adopt,
        keeper: &Addr<Self>,
    ) -> Result<Pending, SeatError> {
        let now = self.now();
        self.wake(now);
        let mut seats = self.house.seats.seats();
        let owner = adopt.presence.owner();
        let own = seats.find(|it| it.adopt == Some(adopt.token) && it.claimant.owner() == owner);
        // Who stands for another customer now has nothing of the one before.
        let customer = adopt.presence.standing.map(Standing::customer);
        let is_theirs = |it: &&Seat| match it.claimant.standing {
            Some(Standing::User(own)) => Some(own) == customer,
            Some(Standing::Named(_)) | None => true,
        };
        let own = own.filter(is_theirs).ok_or(SeatError::NotFound)?;
        let standing = own.claimant.standing.or(adopt.presence.standing);
        let pool = self.house.pools.get(&own.pool).ok_or(SeatError::NotFound)?;
        let (pool, unit, product) = (pool.id, pool.terms.unit, pool.key.product.clone());
        drop(seats);
        let claim = self.claim(&adopt.presence, (&product, unit), keeper)?;
        let id = self.next_request();
        let request = Request {
            id,
            pools: vec![pool],
            key: claim.key(unit).ok_or(SeatError::NoUnit)?,
            bindings: claim.bindings(Bind::Process)?,
            claimant: Claimant { standing, ..claim.claimant },
            adopt: None,
            count: 1,
            wait_until: None,
        };
        let customer = standing.map(Standing::customer);
        let pending = self.expect(&request, &adopt.presence, customer);
        self.house.seats.adopt(now, adopt.token, &request);
        Ok(pending)
    }

    pub(in crate::actors::seat_keeper) fn release(
        &mut self,
        release: &Release,
    ) -> Result<bool, SeatError> {
        let now = self.now();
        let pool =
            self.house.seats.seat(release.seat).and_then(|it| self.house.pools.get(&it.pool));
        let is_of = |product: &ProductId| pool.is_some_and(|it| it.key.product == *product);
        if !release.product.as_ref().is_none_or(is_of) {
            return Ok(false);
        }
        // By one of those that share it, a seat is given back for that one alone.
        let binding = release.presence.as_ref().map(|it| match &it.process {
            Some(process) => Binding::Process(process.id(it.connection)),
            None => Binding::Connection(ConnectionId(it.connection)),
        });
        let released = self.house.seats.release(now, release.seat, release.owner, binding);
        self.let_go(binding.as_slice());
        match released {
            Err(Refusal::LentAway { until }) => Err(SeatError::LentAway { left: until.since(now) }),
            released => Ok(released.is_ok()),
        }
    }

    /// Watches who asks, and finds out what the policy and the product want to know of them.
    pub(super) fn claim(
        &mut self,
        presence: &Presence,
        (product, unit): (&ProductId, SeatUnit),
        keeper: &Addr<Self>,
    ) -> Result<Claim, SeatError> {
        let by_group = unit == SeatUnit::Cgroup && presence.on_behalf.is_none();
        let wants_unit = by_group || self.house.policies.names_units(product);
        let group = presence.process.as_ref().filter(|_| wants_unit).and_then(control_group);
        let has_ended = presence.process.as_ref().is_some_and(|it| has_exited(&it.fd));
        if wants_unit && group.is_none() {
            if has_ended {
                return Err(SeatError::Ended);
            }
            // A rule that cannot be applied may be one that keeps them out.
            return Err(SeatError::NoUnit);
        }
        self.house.watches.connection(presence, keeper);
        let mut process = None;
        if let Some(watched) = presence.process.as_ref().filter(|_| !has_ended) {
            let id = watched.id(presence.connection);
            let begun = self.house.watches.process(id, watched, presence.account, keeper);
            match begun.map_err(|_| SeatError::TooManyProcesses)? {
                Begun::Already | Begun::Anew => {}
                Begun::InPlaceOf => self.house.seats.exited(self.now(), id),
            }
            process = Some(id);
        }
        let claimant = Claimant {
            uid: presence.uid,
            account: Some(presence.account).filter(|it| *it != presence.uid),
            on_behalf: presence.on_behalf,
            gids: presence.gids.clone(),
            unit: group.as_ref().map(|it| it.units.unit.clone()),
            user_unit: group.as_ref().and_then(|it| it.units.user_unit.clone()),
            standing: presence.standing,
        };
        let connection = ConnectionId(presence.connection);
        Ok(Claim { claimant, process, has_ended, connection, cgroup: group.map(|it| it.inode) })
    }

    /// As long as it wants to wait, unless as many of its account do already.
    fn wait_of(&self, presence: &Presence, wait: Duration) -> Duration {
        let is_own = |it: &&Asked| {
            it.account == presence.account && it.owner.on_behalf == presence.on_behalf
        };
        let waiting = self.asked.values().filter(is_own).count();
        if waiting >= MOST_WAITING { Duration::ZERO } else { wait }
    }

    /// Those of which somebody has a seat, or waits for one.
    pub(in crate::actors::seat_keeper) fn in_use(&self) -> BTreeSet<Key> {
        let mut keys = self.house.in_use();
        for asked in self.asked.values() {
            for pool in asked.pools.iter().filter_map(|it| self.house.pools.get(it)) {
                let product = || pool.key.product.clone();
                keys.extend(asked.customer.map(|it| Key { customer: it, product: product() }));
                keys.insert(pool.key.clone());
            }
        }
        keys
    }

    pub(super) fn next_request(&mut self) -> RequestId {
        self.house.last_request += 1;
        RequestId(self.house.last_request)
    }

    pub(super) fn expect(
        &mut self,
        request: &Request,
        presence: &Presence,
        customer: Option<CustomerId>,
    ) -> Pending {
        let (answer, pending) = oneshot::channel();
        let asked = Asked {
            answer,
            connection: presence.connection,
            account: presence.account,
            owner: presence.owner(),
            since: self.now(),
            pools: request.pools.clone(),
            bindings: request.bindings.clone(),
            customer,
            patience: Patience::default(),
        };
        self.asked.insert(request.id, asked);
        pending
    }

    /// Whoever waits on a connection that has ended waits no more.
    pub(in crate::actors::seat_keeper) fn hang_up(&mut self, connection: u64) {
        let now = self.now();
        self.withdraw(|it| it.connection == connection);
        self.house.watches.forget_connection(connection);
        self.house.seats.disconnected(now, ConnectionId(connection));
    }

    /// Requests of which `which` says so wait no more, and are not answered.
    pub(in crate::actors::seat_keeper) fn withdraw(&mut self, which: impl Fn(&Asked) -> bool) {
        let now = self.now();
        let gone: HashMap<RequestId, Asked> = self.asked.extract_if(|_, it| which(it)).collect();
        self.house.seats.withdraw_all(now, |it| gone.contains_key(&it.id));
        gone.values().for_each(|it| self.let_go(&it.bindings));
    }

    /// The answer to a request that has its seat.
    pub(in crate::actors::seat_keeper) fn granted(
        &self,
        (seat, again): (&Seat, bool),
        owner: Owner,
    ) -> Option<Answer> {
        // The process may have had it as another user before.
        let part = seat.part_of(owner).unwrap_or_else(|| Seat { adopt: None, ..seat.clone() });
        let (seat, pool) = (self.seat_view(&part)?, self.pool_view(part.pool)?);
        let customer = part.claimant.standing.map(Standing::customer);
        Some(Answer::Granted(Box::new(Granted { seat, pool, adopt: part.adopt, customer, again })))
    }

    /// The answer to a request that has none.
    pub(in crate::actors::seat_keeper) fn refused(
        &self,
        asked: &Asked,
        refusal: Refusal,
    ) -> Answer {
        let pools = asked.pools.iter().filter_map(|it| self.pool_view(*it)).collect();
        let all = self.house.seats.seats().filter(|it| asked.pools.contains(&it.pool));
        let own = all.filter_map(|it| it.part_of(asked.owner));
        let holders = own.filter_map(|it| self.seat_view(&it)).take(HOLDERS_TOLD).collect();
        Answer::Refused(Refused { refusal, pools, holders })
    }
}

fn adopt_token() -> Result<AdoptToken, SeatError> {
    let mut token = [0; 16];
    fill_random(&mut token).map_err(|_| SeatError::NoRandomness)?;
    Ok(AdoptToken(token))
}
