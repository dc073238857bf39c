//! A specification with one value altered, each in turn, by whatever an owner of a machine may think of: it is refused with
//! line and key, or taken, and then nothing that follows from it breaks down or goes on for ever.

use alloy_primitives::B256;

use super::forks::network as across_forks;
use super::*;
use crate::domain::ids::Timestamp;
use crate::light_client::path::{Path, TipUpdate};

/// What a value is replaced by.
const VALUES: [&str; 24] = [
    "-1",
    "0",
    "1",
    "2",
    "3",
    "7",
    "31",
    "64",
    "511",
    "1000",
    "65_536",
    "1_000_000_000",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "1e400",
    "nan",
    "true",
    "\"\"",
    "\"0x\"",
    "[]",
    "{}",
];

/// The text with one value replaced, for each of its values, and with each line left out or written twice.
pub(crate) fn alterations(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let with = |at: usize, line: &str| {
        let mut altered = lines.clone();
        altered[at] = line;
        altered.join("\n")
    };
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        found.push(with(at, ""));
        found.push(with(at, &format!("{line}\n{line}")));
        let Some((key, value)) = line.split_once(" = ") else { continue };
        let values = VALUES.iter().filter(|it| **it != value);
        found.extend(values.map(|it| with(at, &format!("{key} = {it}"))));
    }
    found
}

/// What sources give and was signed by the right committees, under the right specification.
struct Given {
    checkpoint: Checkpoint,
    begin: Bootstrap,
    updates: Vec<Update>,
    tip: FinalityUpdate,
    head: OptimisticUpdate,
}

impl Given {
    fn by(network: &Network) -> Self {
        let (root, begin) = network.bootstrap(34);
        let update = |period| {
            let first = network.slot_of_period(period);
            Update::from_json(&bytes(&network.update(all(network, first + 4, first + 17))))
        };
        let tip = network.finality_update(all(network, 165, 175));
        let head = network.optimistic_update(all(network, 165, 180));
        Self {
            checkpoint: Checkpoint { root, slot: None },
            begin: Bootstrap::from_json(&bytes(&begin)).unwrap(),
            updates: (1..6).map(|period| update(period).unwrap()).collect(),
            tip: FinalityUpdate::from_json(&bytes(&tip)).unwrap(),
            head: OptimisticUpdate::from_json(&bytes(&head)).unwrap(),
        }
    }

    /// Everything that is done under a specification. How far that leads: the newest slot that is final.
    fn go(&self, spec: &Specification) -> Option<u64> {
        for slot in [0, 1, 34, NOW, u64::MAX - 1, u64::MAX] {
            for now in [0, 34, u64::MAX] {
                let _ = spec.is_too_old(slot, now);
            }
            let _ = (spec.period_of(slot), spec.epoch_of(slot), spec.fork_of(slot));
            let _ = (spec.slot_at(spec.time_of(slot)), spec.signing_root(B256::ZERO, slot));
            let _ = spec.evm_fork_at(spec.time_of(slot));
        }
        for time in [Timestamp::MIN, Timestamp::UNIX_EPOCH, Timestamp::MAX] {
            let _ = spec.slot_at(time);
        }
        for tip in [TipUpdate::Finality(&self.tip), TipUpdate::Optimistic(&self.head)] {
            if let Ok(path) = Path::build(spec, &self.begin, &self.updates, tip) {
                let _ = path.walk(spec, &self.checkpoint, NOW);
            }
        }
        let mut client = LightClient::bootstrap(spec, &self.checkpoint, &self.begin).ok()?;
        for update in &self.updates {
            let _ = client.apply_update(spec, update, NOW);
            let _ = client.wants(spec, u64::MAX);
        }
        let _ = client.apply_finality(spec, &self.tip, NOW);
        let _ = client.apply_optimistic(spec, &self.head, NOW);
        let saved = client.save(spec);
        assert_eq!(LightClient::restore(spec, &saved).unwrap().save(spec), saved);
        client.finalized().map(|it| it.slot)
    }
}

#[test]
fn no_altered_value_breaks_what_rests_on_it() {
    let network = across_forks();
    let (text, given) = (network.specification(), Given::by(&network));
    assert_eq!(given.go(&specification(&network)), Some(165));
    let (mut taken, mut refused) = (0, 0);
    for altered in alterations(&text) {
        match Specification::parse(&altered) {
            Ok(spec) => {
                taken += 1;
                given.go(&spec);
            }
            Err(fault) => {
                refused += 1;
                assert!(!fault.flaws.is_empty(), "{altered}");
            }
        }
    }
    assert!(taken > 100 && refused > 500, "{taken} taken, {refused} refused");
}

/// Mainnet's, with everything that can stand in such a file.
#[test]
fn no_altered_value_of_mainnets_breaks_what_is_reckoned_by_it() {
    let text = include_str!("../specifications/mainnet.toml");
    assert!(Specification::parse(text).is_ok());
    let given = Given::by(&across_forks());
    for altered in alterations(text) {
        if let Ok(spec) = Specification::parse(&altered) {
            given.go(&spec);
        }
    }
}

/// Very many rows, or one that stands for very much, are refused before room is made for them.
#[test]
fn a_file_of_rows_without_end_is_refused() {
    let text = Network::small().specification();
    let row = "[[forks]]\nname = \"more\"\nepoch = 9\nversion = \"0x00000001\"\n";
    for rows in [64, 4_000, 5_000] {
        let fault = Specification::parse(&format!("{text}{}", row.repeat(rows))).unwrap_err();
        assert!(fault.flaws.len() < 10, "{} mistakes", fault.flaws.len());
    }
    let block = "[[blocks]]\nnumber = 1\nhash = \"0x00\"\n".repeat(1_000);
    let fault = Specification::parse(&format!("{text}{block}")).unwrap_err();
    assert!(fault.flaws.len() < 100, "{} mistakes", fault.flaws.len());
}
