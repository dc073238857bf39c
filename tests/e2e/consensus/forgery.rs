//! The machine's owner brings a chain of their own, signed by 512 keys of their own, on which they hold the licence,
//! and has its checkpoint found to agree with the vendor's: what was signed before that stays the owner's word.

use std::path::Path;
use std::time::Duration;

use alloy_primitives::{B256, hex};
use serde_json::json;

use super::scene::{Ground, sync, wait_for_sync};
use crate::support::anvil::Anvil;
use crate::support::beacon::committee::Committee;
use crate::support::beacon::node::{BeaconFault, BeaconNode};
use crate::support::beacon::schedule::{Form, Schedule};
use crate::support::contract::Contract;
use crate::support::daemon::Daemon;
use crate::support::settings::Settings;
use crate::support::stage::{ACME, stranger};

/// What the owner would like to hear.
pub const YES: [&str; 2] = ["VALID", "GRACE"];
const WATCHED: Duration = Duration::from_secs(2);
/// The slot of the vendor's checkpoint in the second forgery, and that of the owner's: of one period.
const VENDORS: u64 = 33;
const OWNERS: u64 = 41;
/// A place in the state of which the vendor's specification says nothing.
const ELSEWHERE: u64 = 88;

/// The owner's chain: of the vendor's calendar, with the same licence on it, and the wallet holds token 7.
pub struct Forgery {
    pub beacon: BeaconNode,
    pub anvil: Anvil,
}

impl Forgery {
    /// Keys of the owner's sign in all periods up to and with `last`.
    pub fn of(ground: &Ground, last: u64, smuggled: &[(u64, B256)]) -> Self {
        let schedule = ground.beacon.chain().schedule.clone();
        let anvil = Anvil::with(&["--timestamp", &schedule.genesis_time.to_string()]);
        assert_eq!(anvil.block("0x0")["hash"], ground.anvil.block("0x0")["hash"]);
        let beacon = BeaconNode::over(&anvil.address(), |_| schedule);
        {
            let mut chain = beacon.chain();
            chain.conduct.usurpers = (0..=last).map(|it| (it, 1_000 + it)).collect();
            chain.conduct.smuggled = smuggled.to_vec();
        }
        let licence = Contract::licence(&anvil);
        assert_eq!(licence.address, ground.licence.address, "it looks the same");
        licence.mint(&anvil, ground.wallet.address(), 7);
        Self { beacon, anvil }
    }

    pub fn root(&self, slot: u64) -> B256 {
        self.beacon.chain().block_at(slot).unwrap().root
    }
}

/// A chain on which somebody else holds the token, and that is final.
pub fn ground(schedule: impl FnOnce(u64) -> Schedule) -> Ground {
    let ground = Ground::with(schedule, 10);
    ground.licence.transfer(&ground.anvil, ground.wallet.address(), stranger(), 7);
    ground.beacon.advance_to(62);
    ground
}

/// A daemon's settings: the owner's beacon nodes, and the owner's checkpoint.
pub fn settings(ground: &Ground, spec: &Path, beacon: &[String], checkpoint: B256) -> Settings {
    let keys = format!("beacon = {beacon:?}\nsilence = \"1h\"\ncheckpoint = \"{checkpoint}\"");
    Settings::new([ground.proxy.url()]).consensus(&format!("spec = {spec:?}\n{keys}"))
}

fn digest(text: &str) -> String {
    hex::encode(ring::digest::digest(&ring::digest::SHA256, text.as_bytes()))
}

/// The owner's committee signs the owner's block, and hands over to the public committee of the next period, to which
/// the vendor's checkpoint leads as well.
#[test]
fn a_committee_of_the_owners_that_hands_over_to_the_real_one_proves_nothing() {
    let ground = ground(|genesis| Schedule::short(genesis, Form::Fulu));
    let forgery = Forgery::of(&ground, 2, &[]);
    forgery.beacon.advance_to(46);
    ground.proxy.lead_to(&forgery.anvil.address());
    let easy = ground.demanding().named("easy").set("trust", r#""quorum""#);
    let beacon = [forgery.beacon.url()];
    let settings = settings(&ground, &ground.spec(), &beacon, forgery.root(4));
    let mut daemon = Daemon::start(&settings.product(ground.product()).product(easy));
    daemon.link(&ground.wallet);
    daemon.wait_for_code("easy", "VALID");
    daemon.wait_for_code(ACME, "TRUST_TOO_LOW");
    wait_for_sync(&daemon, "the next committee is known", |it| it["wants_period"] == 3);

    ground.proxy.lead_to("127.0.0.1:1");
    let real = ground.beacon.chain().clone();
    forgery.beacon.show(real);
    daemon.restart();
    wait_for_sync(&daemon, "they agree", |it| it["agreed"] == json!([ground.checkpoint()]));
    daemon.never_answers(ACME, &YES, WATCHED);
    daemon.restart();
    daemon.never_answers(ACME, &YES, WATCHED);
    ground.proxy.lead_to(&ground.anvil.address());
    daemon.wait_for_code(ACME, "NOT_HELD");
}

/// Under a specification of the owner's own, the real committee is found at another place of the owner's block: so the
/// two checkpoints agree, without a signature. Then the vendor's specification is put back.
#[test]
fn what_agreed_under_another_specification_does_not_agree() {
    let forks = |genesis| Schedule::short(genesis, Form::Electra).fork(Form::Fulu, 10);
    let ground = ground(forks);
    let real = Committee::numbered(2);
    let forgery = Forgery::of(&ground, 9, &[(ELSEWHERE, real.root())]);
    forgery.beacon.advance_to(62);
    ground.proxy.lead_to(&forgery.anvil.address());

    let text = std::fs::read_to_string(ground.spec()).unwrap();
    let (before, fulu) = text.rsplit_once("current_sync_committee_gindex = 86").unwrap();
    let text = format!("{before}current_sync_committee_gindex = {ELSEWHERE}{fulu}");
    let other = ground.folder.path().join("other.toml");
    std::fs::write(&other, &text).unwrap();
    let (branch, committee) = {
        let chain = forgery.beacon.chain();
        (chain.block_at(OWNERS).unwrap().state.branch(ELSEWHERE), real.json())
    };
    let found_elsewhere = BeaconFault::alter(move |message| {
        let mut message = message.clone();
        message["data"]["current_sync_committee"] = committee.clone();
        message["data"]["current_sync_committee_branch"] = json!(branch);
        message
    });
    forgery.beacon.fault_in("bootstrap", found_elsewhere);
    let (owners, vendors) = (forgery.root(OWNERS), ground.root(VENDORS));
    let planting = ground
        .demanding()
        .named("planting")
        .checkpoint(&owners.to_string(), &digest(&text), "slot = 41")
        .checkpoint(&vendors.to_string(), &digest(&text), "slot = 33");
    let both = [forgery.beacon.url(), ground.beacon.url()];
    let mut daemon = Daemon::start(&settings(&ground, &other, &both, owners).product(planting));
    wait_for_sync(&daemon, "they agree", |it| it["agreed"] == json!([vendors]));

    assert!(daemon.stop().success());
    forgery.beacon.heal();
    let beacon = [forgery.beacon.url()];
    let settings = settings(&ground, &ground.spec(), &beacon, owners);
    daemon.write_config(&settings.text(daemon.home()));
    let vendors = vendors.to_string();
    daemon.write_product(&ground.demanding().checkpoint(&vendors, &ground.spec_digest(), ""));
    let easy = ground.demanding().named("easy").set("trust", r#""quorum""#);
    daemon.write_product(&easy);
    daemon.resume();
    daemon.link(&ground.wallet);
    daemon.wait_for_code("easy", "VALID");
    daemon.never_answers(ACME, &YES, WATCHED);
    assert_eq!(sync(&daemon)["agreed"], json!([]));
    assert_eq!(daemon.code(ACME), "TRUST_TOO_LOW");
}
