//! How the part that keeps floating seats is brought up: with what an earlier run has left, and with the fleet.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use actix::Addr;
use anyhow::Context as _;

use crate::actors::ownership_ledger::{FindLoans, OwnershipLedger};
use crate::actors::seat_keeper::{self, FleetParts, Kept, SeatKeeper, TakeBack};
use crate::actors::supervisor::Tree;
use crate::actors::tier_cache::{TierCache, VerdictReader};
use crate::clock::Clock;
use crate::config::{Config, SEATS};
use crate::descriptor_store::DescriptorStore;
use crate::fleet::state::StateFile;
use crate::seat_policies::Policies;

/// How long the start waits until those of before it are counted.
const TAKE_BACK_TIME: Duration = Duration::from_secs(10);

/// Begins with the seats that an earlier run has left.
pub(super) async fn start_seats(
    (policies, stored): (Policies, Vec<(String, OwnedFd)>),
    config: &Config,
    (tree, cache, ledger, fleet): (
        &Tree,
        &Addr<TierCache>,
        &Addr<OwnershipLedger>,
        Option<FleetParts>,
    ),
    (clock, reader): (&Clock, &VerdictReader),
) -> anyhow::Result<(Addr<SeatKeeper>, DescriptorStore)> {
    let file = config.store.path.with_file_name(SEATS);
    // Without what others have, it would be given here as well.
    let (given, taken) = ledger.send(FindLoans).await?.context("the store cannot be read")?;
    let kept = Kept::open(file, stored, clock).with_loans((&given, &taken), clock);
    let descriptors = kept.descriptors();
    let parts = seat_keeper::Parts {
        cache: cache.clone(),
        ledger: ledger.clone(),
        reader: reader.clone(),
        clock: clock.clone(),
        dirs: config.seats.dirs.clone(),
        fleet,
    };
    let seats = tree.start("seat_keeper", SeatKeeper::new(parts, policies, kept));
    if seats.send(TakeBack).timeout(TAKE_BACK_TIME).await.is_err() {
        tracing::warn!(
            "seats of before the start are taken back later: they cannot be counted yet"
        );
    }
    Ok((seats, descriptors))
}

/// The machines that seats are shared with.
pub(super) fn fleet(config: &Config, clock: &Clock) -> anyhow::Result<Option<FleetParts>> {
    let Some(settings) = config.fleet.clone() else { return Ok(None) };
    if clock.monotonic().is_zero() {
        anyhow::bail!("no clock of the boot tells how long a place of a fleet lasts");
    }
    let engine = crate::fleet::open(&settings, clock).context("the fleet cannot be used")?;
    let file = StateFile::new(settings.state.clone());
    let remembered = file.read().with_context(|| {
        format!("what the machine was in its fleet cannot be read from {}", file.path().display())
    })?;
    Ok(Some(FleetParts { engine, settings, remembered }))
}

/// Whether what the fleet is asked with could be read, and what the machine was in it. What may not be looked at is not judged:
/// whoever checks may be another user than the daemon's.
pub(super) fn check_fleet(config: &Config) -> anyhow::Result<()> {
    let is_denied = |it: &(dyn std::error::Error + 'static)| {
        let kind = it.downcast_ref::<io::Error>().map(io::Error::kind);
        kind == Some(io::ErrorKind::PermissionDenied)
    };
    match fleet(config, &Clock::system()) {
        Err(error) if !error.chain().any(is_denied) => Err(error),
        _ => Ok(()),
    }
}
