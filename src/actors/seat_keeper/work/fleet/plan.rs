//! One time that the store is asked: to be renewed, or to be let in. What it says of itself is judged before it is believed.

use std::io;
use std::sync::Arc;

use super::Member;
use crate::clock::Clock;
use crate::fleet::engine::{Engine, FleetError};
use crate::fleet::state::{Remembered, StateFile};
use crate::keys::fill_random;
use entitled_core::fleet::{
    BeatFault, Belief, Doubt, FleetId, Found, Joined, Known, LeaseId, Listing, MachineId, Meta,
    Naming, Record, Revision, Term, believe,
};
use entitled_core::seats::BootTime;

/// So often it is tried to put an epoch back, where others write there at the same time.
const MOST_ATTEMPTS: usize = 4;

/// How a machine came into the fleet, or was renewed in it.
pub(super) struct Kept {
    /// Before the store was asked.
    pub(super) sent: BootTime,
    pub(super) found: Found,
    pub(super) joined: Joined,
    pub(super) record: Record,
    pub(super) listing: Listing,
}

pub(super) enum Upkeep {
    Renewed(Kept),
    Joined(Kept),
    Fault(BeatFault),
    /// It is not believed; and whether it is seen to have gone back.
    Refused(Doubt, bool),
    Failed(FleetError),
}

impl From<FleetError> for Upkeep {
    fn from(error: FleetError) -> Self {
        match error {
            FleetError::WentBack => Self::Fault(BeatFault::Restored),
            FleetError::Meta { .. } => Self::Refused(Doubt::Unreadable, false),
            error => Self::Failed(error),
        }
    }
}

/// All that upkeep needs, so that it can go on while the keeper does other things.
pub(super) struct Plan {
    engine: Arc<dyn Engine>,
    clock: Clock,
    term: Term,
    file: StateFile,
    memory: Remembered,
    left_behind: Option<LeaseId>,
    known: Known,
    record: Record,
}

impl Member {
    pub(super) fn plan(&self, clock: &Clock) -> Plan {
        let memory = self.memory();
        let now = BootTime(u64::try_from(clock.monotonic().as_millis()).unwrap_or(u64::MAX));
        let known = Known {
            fleet: self.fleet(),
            epoch: memory.epoch,
            written: memory.written.map(Revision),
            naming: None,
            went_back: self.went_back.is_some(),
            credit: self.credit.left(now),
        };
        Plan {
            engine: self.engine.clone(),
            clock: clock.clone(),
            term: self.term,
            file: self.file.clone(),
            memory,
            left_behind: self.left_behind,
            known,
            record: Record { draining: self.remembered.draining, ..self.last.clone() },
        }
    }
}

impl Plan {
    fn now(&self) -> BootTime {
        BootTime(u64::try_from(self.clock.monotonic().as_millis()).unwrap_or(u64::MAX))
    }

    /// Before a renewal, so that who is started again after it knows its own record. It waits for no disk that hangs.
    pub(super) async fn remember(&self) -> io::Result<()> {
        self.file.write(self.memory.clone(), self.term.patience()).await
    }

    /// What is believed of that, after the epoch was put back that somebody has lowered.
    async fn judge(&self, known: &Known, found: Found) -> Result<Result<Found, Doubt>, FleetError> {
        let mut found = found;
        for _ in 0..MOST_ATTEMPTS {
            match believe(known, &found) {
                Belief::Believed => return Ok(Ok(found)),
                Belief::Doubted(doubt) => return Ok(Err(doubt)),
                Belief::PutBack => {}
            }
            let meta = Meta { epoch: known.epoch, ..found.meta };
            if let Some(written) = self.engine.raise(Some(found.written), meta).await? {
                let (lowered, epoch) = (found.meta.epoch, meta.epoch);
                tracing::warn!(
                    event = "fleet_epoch_put_back",
                    lowered,
                    epoch,
                    "somebody has written an earlier epoch into the store, where no machine does"
                );
                return Ok(Ok(Found { meta, written }));
            }
            // Another machine was first, as a rule.
            match self.engine.open(None).await?.0 {
                Some(it) => found = it,
                None => return Ok(Err(Doubt::Emptied)),
            }
        }
        let why = "others write into the key `meta` at the same time".to_owned();
        Err(FleetError::Unreachable { why })
    }

    pub(super) async fn renew(
        self,
        joined: Joined,
        last: Record,
        next: Record,
    ) -> Result<Upkeep, FleetError> {
        let sent = self.now();
        let found = match self.engine.renew(joined, last, next.clone()).await? {
            Ok(found) => found,
            Err(fault) => return Ok(Upkeep::Fault(fault)),
        };
        // The record was written nevertheless, and is known again when the next renewal tries the same.
        let Some(found) = found else { return Ok(Upkeep::Refused(Doubt::Emptied, false)) };
        // Places are named anew only where nobody is, and this machine is there.
        let known = Known { naming: self.memory.naming, ..self.known };
        match self.judge(&known, found).await? {
            Ok(found) => {
                let listing = self.engine.list().await?;
                Ok(Upkeep::Renewed(Kept { sent, found, joined, record: next, listing }))
            }
            Err(doubt) => Ok(Upkeep::Refused(doubt, false)),
        }
    }

    pub(super) async fn join(self) -> Result<Upkeep, FleetError> {
        let or = match self.known.fleet {
            Some(_) => None,
            None => {
                let fleet = FleetId(drawn()?);
                Some(Meta { fleet, epoch: 0, naming: Naming::ByShare })
            }
        };
        let (found, revision) = self.engine.open(or).await?;
        let seen = self.engine.seen().max(Revision(self.memory.revision));
        let known = Known { went_back: self.known.went_back || revision < seen, ..self.known };
        let judged = match found {
            Some(found) => self.judge(&known, found).await?,
            None => Err(Doubt::Emptied),
        };
        let mut found = match judged {
            Ok(found) => found,
            Err(doubt) => return Ok(Upkeep::Refused(doubt, known.went_back)),
        };
        self.engine.begin_from(revision);
        if let Some(lease) = self.left_behind {
            self.engine.revoke(lease).await?;
        }
        if found.meta.naming == Naming::ByToken {
            match self.engine.rename(found).await? {
                Some(written) => {
                    found.written = written;
                    found.meta.naming = Naming::ByShare;
                }
                // Only a restored store goes by names of before again.
                None if self.memory.naming == Some(Naming::ByShare)
                    && found.meta.epoch == self.memory.epoch =>
                {
                    return Ok(Upkeep::Refused(Doubt::Renamed, known.went_back));
                }
                None => {}
            }
        }
        let machine = MachineId(drawn()?);
        let record = self.record.next(random_text()?);
        let sent = self.now();
        let joined = self.engine.join(machine, record.clone(), self.term.0).await?;
        let joined = joined.ok_or_else(|| FleetError::Unreachable {
            why: "there is a machine of the same name".to_owned(),
        })?;
        let listing = self.engine.list().await?;
        Ok(Upkeep::Joined(Kept { sent, found, joined, record, listing }))
    }
}

fn drawn<const N: usize>() -> Result<[u8; N], FleetError> {
    let mut bytes = [0; N];
    let drawn = fill_random(&mut bytes);
    drawn.map_err(|_| FleetError::Unreachable { why: "there is no randomness".to_owned() })?;
    Ok(bytes)
}

pub(super) fn random_text() -> Result<String, FleetError> {
    Ok(alloy_primitives::hex::encode(drawn::<8>()?))
}
