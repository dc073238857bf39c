//! Specifications: the built-in ones, and what is said of a mistake in one.

use std::time::Duration;

use alloy_primitives::B256;

use super::*;
use crate::domain::evm_fork::EvmFork;
use crate::domain::ids::{ChainId, Timestamp};
use crate::light_client::specification::HeaderFormat;

const BUILT_IN: [(&str, u64); 3] = [("mainnet", 1), ("sepolia", 11_155_111), ("hoodi", 560_048)];

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

#[test]
fn three_are_built_in() {
    for (name, chain) in BUILT_IN {
        let spec = Specification::named(name).unwrap();
        assert_eq!((spec.name(), spec.chain()), (name, ChainId(chain)));
        assert_eq!(spec.seconds_per_slot(), 12);
        assert_eq!(spec.checkpoint_lifetime(), Duration::from_secs(14 * 86_400));
    }
    assert_eq!(Specification::named("Mainnet"), None);
}

/// Both fork tables come from different places, and forks happen on both layers at once.
#[test]
fn the_evms_forks_begin_with_the_beacon_chains() {
    let pairs = [
        ("capella", EvmFork::Shanghai),
        ("deneb", EvmFork::Cancun),
        ("electra", EvmFork::Prague),
        ("fulu", EvmFork::Osaka),
        ("gloas", EvmFork::Amsterdam),
    ];
    for (name, _) in BUILT_IN {
        let spec = Specification::named(name).unwrap();
        let mut compared = 0;
        for (fork, evm) in pairs {
            let row = spec.later_forks.iter().find(|it| &*it.name == fork);
            let rules = spec.evm_forks.iter().find(|it| it.1 == evm);
            assert_eq!(row.is_some(), rules.is_some(), "{name}: {fork}");
            let (Some(row), Some((time, _))) = (row, rules) else { continue };
            // What was there from genesis is at time 0 in one table and at epoch 0 in the other.
            if row.epoch > 0 {
                let begins = spec.time_of(row.epoch * 32).as_second();
                assert_eq!(u64::try_from(begins).unwrap(), *time, "{name}: {fork}");
                compared += 1;
            }
        }
        assert!(compared >= 2, "{name}");
    }
}

#[test]
fn mainnets_slots_epochs_periods_and_times() {
    let spec = mainnet::mainnet();
    for (time, slot) in [
        (0, 0),
        (1_606_824_022, 0),
        (1_606_824_023, 0),
        (1_606_824_034, 0),
        (1_606_824_035, 1),
        (1_721_633_495, 9_567_456),
    ] {
        assert_eq!(spec.slot_at(at(time)), slot, "{time}");
    }
    assert_eq!(spec.slot_at(Timestamp::MIN), 0);
    assert_eq!(spec.time_of(9_567_456), at(1_721_633_495));
    assert_eq!(spec.time_of(u64::MAX), Timestamp::MAX);
    assert_eq!(spec.genesis_time(), at(1_606_824_023));
    for (slot, epoch, period) in [
        (0, 0, 0),
        (31, 0, 0),
        (32, 1, 0),
        (8_191, 255, 0),
        (8_192, 256, 1),
        (9_567_456, 298_983, 1_167),
    ] {
        assert_eq!((spec.epoch_of(slot), spec.period_of(slot)), (epoch, period), "{slot}");
    }
}

#[test]
fn mainnets_forks_by_slot() {
    let spec = mainnet::mainnet();
    for (slot, fork, format) in [
        (0, "phase0", None),
        (194_048 * 32 - 1, "bellatrix", None),
        (194_048 * 32, "capella", Some(HeaderFormat::Capella)),
        (269_568 * 32 - 1, "capella", Some(HeaderFormat::Capella)),
        (269_568 * 32, "deneb", Some(HeaderFormat::Deneb)),
        (364_032 * 32, "electra", Some(HeaderFormat::Deneb)),
        (411_392 * 32, "fulu", Some(HeaderFormat::Deneb)),
        (u64::MAX, "fulu", Some(HeaderFormat::Deneb)),
    ] {
        let row = spec.fork_of(slot);
        assert_eq!((&*row.name, row.layout.map(|it| it.format)), (fork, format), "{slot}");
    }
    let layout = |slot| spec.fork_of(slot).layout.unwrap();
    assert_eq!(layout(411_392 * 32), layout(364_032 * 32), "Fulu moved nothing");
    assert_ne!(layout(364_032 * 32), layout(269_568 * 32));
}

#[test]
fn the_rules_of_the_evm_by_time() {
    let spec = mainnet::mainnet();
    for (time, fork) in [
        (0, None),
        (1_681_338_454, None),
        (1_681_338_455, Some(EvmFork::Shanghai)),
        (1_746_612_311, Some(EvmFork::Prague)),
        (1_764_798_550, Some(EvmFork::Prague)),
        (1_764_798_551, Some(EvmFork::Osaka)),
    ] {
        assert_eq!(spec.evm_fork_at(at(time)), fork, "{time}");
    }
}

#[test]
fn a_checkpoint_grows_too_old() {
    let spec = mainnet::mainnet();
    let slots = 14 * 86_400 / 12;
    assert!(!spec.is_too_old(1_000, 1_000 + slots));
    assert!(spec.is_too_old(1_000, 1_000 + slots + 1));
    assert!(!spec.is_too_old(1_000, 0));
    for checkpoint in spec.checkpoints() {
        let now = spec.slot_at(at(1_764_798_551));
        assert!(spec.is_too_old(checkpoint.slot.unwrap(), now));
    }
}

const GOOD: &str = r#"name = "test"
chain = "eip155:7"
genesis_time = 5
genesis_validators_root = "0x0101010101010101010101010101010101010101010101010101010101010101"
genesis_block = "0x0202020202020202020202020202020202020202020202020202020202020202"

[[forks]]
name = "deneb"
epoch = 0
version = "0x01020304"
execution_header = "deneb"
execution_gindex = 25
finalized_root_gindex = 105
current_sync_committee_gindex = 54
next_sync_committee_gindex = 55
"#;

#[test]
fn what_is_left_out_is_mainnets() {
    let spec = Specification::parse(GOOD).unwrap();
    assert_eq!(
        (spec.seconds_per_slot, spec.slots_per_epoch, spec.epochs_per_period),
        (12, 32, 256)
    );
    assert_eq!(spec.committee_size, 512);
    assert_eq!((spec.checkpoints(), spec.pinned_blocks()), (&[][..], &[][..]));
    assert_eq!(spec.evm_fork_at(at(99)), None);
}

fn says(text: &str, flaw: &str) {
    let fault = Specification::parse(text).unwrap_err();
    assert!(fault.to_string().contains(flaw), "{flaw}\n{fault}");
}

#[test]
fn each_mistake_has_its_line_and_key() {
    for (text, flaw) in [
        (String::new(), "`name`: is missing"),
        (GOOD.replace("eip155:7", "7"), "line 2: `chain`: `7` is not a chain"),
        (GOOD.replace("= 5", "= -1"), "line 3: `genesis_time`: must be from 0 to"),
        (
            GOOD.replace("0x0101", "0x01"),
            "line 4: `genesis_validators_root`: must be 0x and 64 hex",
        ),
        (GOOD.replace("0x0202", "0202"), "line 5: `genesis_block`: must be 0x and 64 hex"),
        (
            GOOD.replace("epoch = 0", "epoch = 1"),
            "line 7: `forks`: must begin with a fork at epoch 0",
        ),
        (
            GOOD.replace("0x01020304", "0x010203"),
            "line 10: `forks[0].version`: must be 0x and 8 hex",
        ),
        (
            GOOD.replace("\"deneb\"\nexec", "\"denab\"\nexec"),
            "line 11: `forks[0].execution_header`: must be",
        ),
        (GOOD.replace("= 25", "= 1"), "line 12: `forks[0].execution_gindex`: must be from 2 to"),
        (
            GOOD.replace("next_sync_committee_gindex = 55\n", ""),
            "`forks[0].next_sync_committee_gindex`: is m",
        ),
        (
            GOOD.replace("execution_header = \"deneb\"\n", ""),
            "`forks[0].execution_header`: must say",
        ),
        (
            GOOD.replace("genesis_time", "genesis_tine"),
            "line 3: `genesis_tine`: unknown key; did you mean",
        ),
        (format!("slots_per_epoch = 0\n{GOOD}"), "line 1: `slots_per_epoch`: must be from 1 to"),
        (
            format!("committee_size = 100\n{GOOD}"),
            "line 1: `committee_size`: must be a power of two",
        ),
        (
            format!("checkpoint_lifetime = 3\n{GOOD}"),
            "line 1: `checkpoint_lifetime`: must be a duration",
        ),
    ] {
        says(&text, flaw);
    }
}

#[test]
fn each_mistake_in_a_row_has_its_line_and_key() {
    let with = |more: &str| format!("{GOOD}{more}");
    let gloas = "[[forks]]\nname = \"gloas\"\nepoch = 1\nversion = \"0x01020305\"\n";
    for (text, flaw) in [
        (with(&gloas.replace("0x01020305", "5")), "line 19: `forks[1].version`: must be"),
        (
            with(&format!("{gloas}execution_header = \"block_hash\"\n")),
            "`forks[1].execution_gindex`: is missing",
        ),
        (
            with(&format!("{gloas}{}", gloas.replace("= 1", "= 0"))),
            "`forks[2].epoch`: must not be below 1",
        ),
        (with("[[checkpoints]]\nslot = 3\n"), "line 16: `checkpoints[0].root`: is missing"),
        (with("[[blocks]]\nnumber = 3\n"), "line 16: `blocks[0].hash`: is missing"),
        (
            with("[[evm_forks]]\nname = \"berlin\"\ntime = 3\n"),
            "line 17: `evm_forks[0].name`: must be one of",
        ),
        (
            with(
                "[[evm_forks]]\nname = \"cancun\"\ntime = 3\n[[evm_forks]]\nname = \"paris\"\ntime = 4\n",
            ),
            "line 20: `evm_forks[1].name`: must be a later fork",
        ),
        (with("[forks"), "line 16: not TOML"),
    ] {
        says(&text, flaw);
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let text = GOOD.replace("eip155:7", "7").replace("0x0202", "0202").replace("= 25", "= 1");
    assert_eq!(Specification::parse(&text).unwrap_err().flaws.len(), 3);
}

#[test]
fn a_fork_that_moves_nothing_needs_no_indices() {
    let text = format!("{GOOD}[[forks]]\nname = \"next\"\nepoch = 9\nversion = \"0x01020305\"\n");
    let spec = Specification::parse(&text).unwrap();
    assert_eq!(spec.fork_of(9 * 32).layout, spec.fork_of(0).layout);
    assert_ne!(spec.signing_root(B256::ZERO, 9 * 32 + 1), spec.signing_root(B256::ZERO, 9 * 32));
}
