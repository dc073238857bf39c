//! From a chain specification's text to a [`Specification`].
//!
//! Owns: the keys of the file, their bounds and what may be left out. Asked by: `specification`. Never:
//! fills in what differs between chains. Every mistake is found in one go, with its line and key.
//!
//! A fork's row takes over the layout of the row before it where it says nothing else, so that a fork which
//! moves nothing needs only its name, epoch and version.

use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::{B256, FixedBytes};

use super::merkle::GeneralizedIndex;
use super::specification::{Checkpoint, Fork, HeaderFormat, Layout, PinnedBlock, Specification};
use crate::domain::evm_fork::EvmFork;
use crate::domain::product::document::{Flaw, Node, Place};
use crate::domain::product::section::{Flaws, Section};
use crate::domain::product::{document, section};

/// Rows of one table.
const MOST_ROWS: usize = 64;
const LONGEST_NAME: usize = 32;
const DAY: Duration = Duration::from_secs(86_400);
/// Weak subjectivity allows mainnet about this much; a vendor that ships checkpoints rarely says more.
const CHECKPOINT_LIFETIME: Duration = Duration::from_secs(14 * 86_400);

const HEADER_FORMATS: [(&str, Option<HeaderFormat>); 4] = [
    ("none", None),
    ("capella", Some(HeaderFormat::Capella)),
    ("deneb", Some(HeaderFormat::Deneb)),
    ("block_hash", Some(HeaderFormat::BlockHash)),
];

pub(super) fn read(text: &str) -> Result<Specification, Vec<Flaw>> {
    let table = document::read(&Arc::from(""), text)?;
    let flaws = Flaws::default();
    match specification(Section::root(&table, Place::default(), &flaws)) {
        Some(specification) if flaws.is_empty() => Ok(specification),
        _ => Err(flaws.into_sorted()),
    }
}

/// `None` only together with a noted mistake.
fn specification(mut file: Section<'_>) -> Option<Specification> {
    let name = file.required("name", section::words(LONGEST_NAME));
    let chain = file.required("chain", section::parsed);
    let genesis_time = file.required("genesis_time", section::whole(0, u64::from(u32::MAX)));
    let genesis_validators_root = file.required("genesis_validators_root", hash);
    let genesis_block = file.required("genesis_block", hash);
    let seconds_per_slot = file.or("seconds_per_slot", 12, section::whole(1, 3_600));
    let slots_per_epoch = file.or("slots_per_epoch", 32, section::whole(1, 1_024));
    let epochs_per_period = file.or("epochs_per_period", 256, section::whole(1, 65_536));
    let committee_size = file.or("committee_size", 512, committee_size);
    let lifetime = section::duration(DAY / 24, DAY * 3_660);
    let checkpoint_lifetime = file.or("checkpoint_lifetime", CHECKPOINT_LIFETIME, lifetime);
    let checkpoints = rows(&mut file, "checkpoints", |row| {
        Some(Checkpoint {
            root: row.required("root", hash)?,
            slot: row.optional("slot", section::whole(0, u64::from(u32::MAX))),
        })
    });
    let blocks = rows(&mut file, "blocks", |row| {
        let number = row.required("number", section::whole(0, u64::from(u32::MAX)));
        let hash = row.required("hash", hash);
        Some(PinnedBlock { number: number?, hash: hash? })
    });
    let forks = forks(&mut file);
    let evm_forks = evm_forks(&mut file);
    file.finish();
    let (first_fork, later_forks) = forks?;
    Some(Specification {
        name: name?,
        chain: chain?,
        genesis_time: genesis_time?,
        genesis_validators_root: genesis_validators_root?,
        genesis_block: genesis_block?,
        seconds_per_slot,
        slots_per_epoch,
        epochs_per_period,
        committee_size,
        checkpoint_lifetime,
        checkpoints,
        blocks,
        first_fork,
        later_forks,
        evm_forks,
    })
}

/// The rows of a table of tables. What is wrong with a row is noted by `read`, which then gives `None`.
fn rows<T>(
    file: &mut Section<'_>,
    key: &'static str,
    mut read: impl FnMut(&mut Section<'_>) -> Option<T>,
) -> Vec<T> {
    let sections = file.sections(key);
    if sections.len() > MOST_ROWS {
        file.flaw(key, format!("may have at most {MOST_ROWS} rows"));
    }
    let mut found = Vec::new();
    for mut row in sections.into_iter().take(MOST_ROWS) {
        found.extend(read(&mut row));
        row.finish();
    }
    found
}

fn forks(file: &mut Section<'_>) -> Option<(Fork, Vec<Fork>)> {
    let mut before: Option<Fork> = None;
    let mut mistaken = false;
    let mut forks = rows(file, "forks", |row| {
        let fork = fork(row, before.as_ref());
        mistaken |= fork.is_none();
        before = fork.clone().or(before.take());
        fork
    });
    // Of a row with a mistake in it, it is not known where it begins.
    if !mistaken && forks.first().is_none_or(|it| it.epoch != 0) {
        file.flaw("forks", "must begin with a fork at epoch 0");
    }
    if forks.is_empty() {
        return None;
    }
    let later = forks.split_off(1);
    forks.pop().map(|first| (first, later))
}

fn fork(row: &mut Section<'_>, before: Option<&Fork>) -> Option<Fork> {
    let name = row.required("name", section::words(LONGEST_NAME));
    let epoch = row.required("epoch", section::whole(0, u64::from(u32::MAX)));
    let version = row.required("version", fixed::<4>);
    if let (Some(epoch), Some(before)) = (epoch, before)
        && epoch < before.epoch
    {
        row.flaw("epoch", format!("must not be below {}, the fork's before it", before.epoch));
    }
    let layout = layout(row, before.and_then(|it| it.layout));
    Some(Fork { name: name?.into(), epoch: epoch?, version: version?.0, layout: layout? })
}

/// `None` together with a noted mistake, `Some(None)` for a fork before Capella.
fn layout(row: &mut Section<'_>, before: Option<Layout>) -> Option<Option<Layout>> {
    let format =
        row.or("execution_header", before.map(|it| it.format), section::one_of(&HEADER_FORMATS));
    let moved = format != before.map(|it| it.format);
    let finalized_root = row.optional("finalized_root_gindex", index);
    let current_committee = row.optional("current_sync_committee_gindex", index);
    let next_committee = row.optional("next_sync_committee_gindex", index);
    let execution = row.optional("execution_gindex", index);
    let Some(format) = format else {
        let said = [finalized_root, current_committee, next_committee, execution];
        if said.iter().any(Option::is_some) {
            row.flaw("execution_header", "must say the header's form where indices are given");
        }
        return Some(None);
    };
    // The trees moved whenever the header's format did, except that Deneb's is Capella's: to say so costs the
    // file four lines, to forget it would cost the chain its light client.
    let needed = |key: &'static str, said: Option<_>, before: Option<_>| match said.or(before) {
        Some(index) if said.is_some() || !moved => Some(index),
        _ => {
            if !row.has(key) {
                row.flaw(key, "is missing; it is needed where the header has a new form");
            }
            None
        }
    };
    let finalized_root =
        needed("finalized_root_gindex", finalized_root, before.map(|it| it.finalized_root));
    let current_committee = needed(
        "current_sync_committee_gindex",
        current_committee,
        before.map(|it| it.current_committee),
    );
    let next_committee =
        needed("next_sync_committee_gindex", next_committee, before.map(|it| it.next_committee));
    let execution = needed("execution_gindex", execution, before.map(|it| it.execution));
    Some(Some(Layout {
        format,
        finalized_root: finalized_root?,
        current_committee: current_committee?,
        next_committee: next_committee?,
        execution: execution?,
    }))
}

fn evm_forks(file: &mut Section<'_>) -> Vec<(u64, EvmFork)> {
    let mut before: Option<(u64, EvmFork)> = None;
    rows(file, "evm_forks", |row| {
        let fork = row.required("name", section::one_of(&EvmFork::NAMES));
        let time = row.required("time", section::whole(0, u64::from(u32::MAX)));
        let (time, fork) = (time?, fork?);
        if before.is_some_and(|it| time < it.0 || fork <= it.1) {
            row.flaw("name", "must be a later fork than the one before it, at no earlier time");
        }
        before = Some((time, fork));
        Some((time, fork))
    })
}

fn hash(node: &Node) -> Result<B256, String> {
    fixed::<32>(node)
}

/// `0x` and two hexadecimal digits for each byte.
fn fixed<const N: usize>(node: &Node) -> Result<FixedBytes<N>, String> {
    let wrong = || format!("must be 0x and {} hexadecimal digits", 2 * N);
    let text = section::text(node)?;
    let digits = text.strip_prefix("0x").ok_or_else(wrong)?;
    digits.parse().map_err(|_| wrong())
}

fn index(node: &Node) -> Result<GeneralizedIndex, String> {
    let number = section::whole(2, GeneralizedIndex::MOST)(node)?;
    GeneralizedIndex::new(number)
        .ok_or_else(|| format!("must be from 2 to {}", GeneralizedIndex::MOST))
}

fn committee_size(node: &Node) -> Result<usize, String> {
    let size: usize = section::whole(8, 512)(node)?;
    if size.is_power_of_two() { Ok(size) } else { Err("must be a power of two".to_owned()) }
}
