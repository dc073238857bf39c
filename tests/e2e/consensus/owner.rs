//! The machine's owner, who writes the configuration and product files, brings files, restores backups, and would like
//! to be entitled by a token that somebody else holds.

use std::time::Duration;

use alloy_primitives::Address;
use serde_json::{Value, json};

use super::forgery::{Forgery, YES, ground, settings};
use super::scene::{Ground, sync, wait_for_sync};
use crate::support::anvil::Anvil;
use crate::support::beacon::chain::BeaconChain;
use crate::support::beacon::schedule::{Form, Schedule};
use crate::support::contract::Contract;
use crate::support::daemon::Daemon;
use crate::support::faults::Fault;
use crate::support::settings::{ProductFile, Settings};
use crate::support::stage::{ACME, stranger};
use crate::support::{CHAIN, eventually};

const WATCHED: Duration = Duration::from_secs(1);
const PERMISSION_DENIED: i64 = -32001;
/// Accepts every signature, as ERC-1271 has it.
const YES_TO_ALL: &str = "0x631626ba7e60e01b5f5260205ff3";

fn short(genesis: u64) -> Schedule {
    Schedule::short(genesis, Form::Fulu)
}

/// Links an address whose contract accepts the signature.
fn link_contract(daemon: &Daemon, address: Address, sign: impl Fn(&str) -> String) -> Value {
    let challenge = daemon.call("wallet_challenge", json!({"address": address, "chain": CHAIN}));
    let message = challenge["message"].as_str().unwrap();
    let linking = json!({"message": message, "signature": sign(message)});
    eventually("the link", || {
        daemon.try_call("wallet_link", linking.clone()).map_err(|it| format!("{it:?}"))
    })
}

/// On a chain of the owner's own, a contract stands at the address of whoever holds the token, and says yes.
#[test]
fn an_address_that_only_the_owners_chain_calls_theirs_entitles_to_nothing() {
    let ground = ground(short);
    let genesis = ground.beacon.chain().schedule.genesis_time;
    let own = Anvil::with(&["--timestamp", &genesis.to_string()]);
    own.call("anvil_setCode", json!([stranger(), YES_TO_ALL]));
    own.mine(1);
    let easy = Settings::new([own.url()]);
    let mut daemon = Daemon::start(&easy.product(ground.product()));
    let linked = link_contract(&daemon, stranger(), |_| "0x".to_owned());
    assert_eq!(linked["chain"], CHAIN);

    assert!(daemon.stop().success());
    daemon.write_config(&ground.settings().text(daemon.home()));
    daemon.resume();
    daemon.never_answers(ACME, &YES, WATCHED);
    let verdict = daemon.wait_for_code(ACME, "TRUST_TOO_LOW");
    let detail = verdict["detail"].as_str().unwrap();
    assert!(detail.contains("link it again"), "{verdict}");
}

/// What the chain's validators signed for says as much of a contract's yes as of a token.
#[test]
fn a_contract_that_said_yes_where_validators_signed_is_a_wallet_like_any_other() {
    let ground = Ground::new();
    let owned = Contract::deploy(&ground.anvil, "OwnedWallet", Some(ground.wallet.address()));
    ground.licence.transfer(&ground.anvil, ground.wallet.address(), owned.address, 7);
    ground.finalize();
    let mut daemon = Daemon::start(&ground.settings().product(ground.product()));
    link_contract(&daemon, owned.address, |message| ground.wallet.sign(message));
    daemon.wait_for_code(ACME, "VALID");
    daemon.restart();
    daemon.wait_for_code(ACME, "VALID");
    let unvouched = ground.demanding().named("other");
    let unvouched = unvouched.checkpoint(&stranger_root(), &ground.spec_digest(), "");
    daemon.write_product(&unvouched);
    daemon.admin("system_reload", json!({}));
    daemon.wait_for_code("other", "TRUST_TOO_LOW");
}

fn stranger_root() -> String {
    format!("0x{}", "00".repeat(32))
}

/// The owner's product names the owner's checkpoint, before or after the vendor's in time, and the vendor's is
/// installed later: in every order the agreement says nothing of what was signed before it. Nor does it after a
/// backup from the owner's time has taken the ledger's place.
fn the_owners_checkpoint_beside_the_vendors((owners, vendors): (u64, u64), max_age: &str) {
    let ground = ground(short);
    let forgery = Forgery::of(&ground, 2, &[]);
    forgery.beacon.advance_to(46);
    ground.proxy.lead_to(&forgery.anvil.address());
    let digest = ground.spec_digest();
    let named =
        |product: ProductFile, root: String, more: &str| product.checkpoint(&root, &digest, more);
    let own = named(ground.demanding().named("own"), forgery.root(owners).to_string(), max_age);
    let beacon = [forgery.beacon.url()];
    let keys = settings(&ground, &ground.spec(), &beacon, forgery.root(owners));
    let mut daemon = Daemon::start(&keys.product(own));
    daemon.link(&ground.wallet);
    daemon.wait_for_code("own", "VALID");
    wait_for_sync(&daemon, "the next committee is known", |it| it["wants_period"] == 3);
    let backup = daemon.home().join("state/planted");
    daemon.admin("store_backup", json!({"path": "planted"}));

    let real = ground.beacon.chain().clone();
    forgery.beacon.show(real);
    ground.proxy.lead_to("127.0.0.1:1");
    // Held against the committee of the owner's keys, the vendor's checkpoint would disagree for good.
    wait_for_sync(&daemon, "the real committee signs", |it| it["period"] == 3);
    let slot = format!("slot = {vendors}");
    daemon.write_product(&named(ground.demanding(), ground.root(vendors).to_string(), &slot));
    daemon.admin("system_reload", json!({}));
    for _ in 0..2 {
        wait_for_sync(&daemon, "they agree", |it| it["agreed"] == json!([ground.root(vendors)]));
        daemon.never_answers(ACME, &YES, WATCHED);
        daemon.restart();
    }
    ground.proxy.lead_to(&ground.anvil.address());
    daemon.wait_for_code(ACME, "NOT_HELD");

    assert!(daemon.stop().success());
    let mut restore = daemon.entitlectl();
    restore.args(["store", "restore", "--config"]).arg(daemon.config()).arg(backup);
    assert!(restore.output().unwrap().status.success());
    ground.proxy.lead_to("127.0.0.1:1");
    daemon.resume();
    daemon.never_answers(ACME, &YES, WATCHED);
    ground.proxy.lead_to(&ground.anvil.address());
    daemon.wait_for_code(ACME, "NOT_HELD");
}

#[test]
fn an_owners_checkpoint_that_is_later_than_the_vendors_serves_the_owner_alone() {
    the_owners_checkpoint_beside_the_vendors((33, 4), "slot = 33\nmax_age = \"90d\"");
}

#[test]
fn an_owners_checkpoint_that_is_earlier_than_the_vendors_serves_the_owner_alone() {
    the_owners_checkpoint_beside_the_vendors((20, 50), "slot = 20");
}

/// The state kept under another specification is gone on from under no other, though the two differ by a remark.
#[test]
fn what_was_kept_under_another_specification_is_begun_anew() {
    let ground = Ground::new();
    let mut daemon = ground.daemon();
    daemon.wait_for_code(ACME, "VALID");
    let before = sync(&daemon);
    daemon.admin("store_backup", json!({"path": "planted"}));
    for change in
        ["# a remark", "[[forks]]\nname = \"more\"\nepoch = 4000\nversion = \"0x7f000000\""]
    {
        assert!(daemon.stop().success());
        let text = std::fs::read_to_string(ground.spec()).unwrap();
        std::fs::write(ground.spec(), format!("{text}\n{change}\n")).unwrap();
        daemon.resume();
        let after = wait_for_sync(&daemon, "synced", |it| it["state"] == "synced");
        assert_ne!(after["specification"], before["specification"]);
        daemon.wait_for_code(ACME, "TRUST_TOO_LOW");
    }
    daemon.wait_for_log("belongs to another specification");
}

/// What the owner finds to bring: of other chains, other times and other hands.
fn brought(ground: &Ground, forgery: &Forgery) -> Vec<(&'static str, Value)> {
    let real = ground.beacon.chain().clone();
    let foreign = {
        let schedule = Schedule {
            genesis_validators_root: alloy_primitives::B256::repeat_byte(9),
            ..real.schedule.clone()
        };
        BeaconChain::made_up(schedule, 50)
    };
    let own = forgery.beacon.chain().clone();
    let mut later = real.clone();
    later.grow_to_slot_alone(5_000);
    let chain = |key: &str, value: Value| json!({"chain": CHAIN, key: value});
    let (finality, update) = ("finality_update", "updates");
    let mut cut = real.finality_update().unwrap();
    cut["data"].as_object_mut().unwrap().remove("sync_aggregate");
    let mut short = real.update(0).unwrap();
    short["data"]["next_sync_committee"]["pubkeys"].as_array_mut().unwrap().pop();
    let mut long = real.finality_update().unwrap();
    long["data"]["finality_branch"] = json!(vec!["0x00"; 10_000]);
    let deep = (0..40).fold(json!(1), |inner, _| json!([inner]));
    let begin = |chain: &BeaconChain, slot: u64| {
        let root = chain.block_at(slot).unwrap().root;
        json!({"chain": CHAIN, "checkpoint": root, "bootstrap": chain.bootstrap(root)})
    };
    vec![
        ("the owner's committee", chain(finality, own.finality_update().unwrap())),
        ("the owner's updates", chain(update, json!(own.updates(0, 9)))),
        ("the owner's checkpoint", begin(&own, 20)),
        ("another chain's head", chain("optimistic_update", foreign.optimistic_update().unwrap())),
        ("another chain's updates", chain(update, json!(foreign.updates(0, 9)))),
        ("another chain's checkpoint", begin(&foreign, 20)),
        ("an old period", chain(update, json!(real.updates(0, 1)))),
        ("the same once more", chain(finality, real.finality_update().unwrap())),
        ("the future", chain("optimistic_update", later.optimistic_update().unwrap())),
        ("a part", chain(finality, cut)),
        ("a committee too small", chain(update, json!([short]))),
        ("a branch too long", chain(finality, long)),
        ("depth", chain(update, deep)),
        ("what is no message", chain(finality, json!("x".repeat(100_000)))),
    ]
}

#[test]
fn what_no_committee_signed_changes_nothing_whoever_brings_it() {
    let ground = ground(short);
    let forgery = Forgery::of(&ground, 9, &[]);
    forgery.beacon.advance_to(46);
    let daemon = ground.daemon();
    daemon.wait_for_code(ACME, "NOT_HELD");
    let known = |it: &Value| {
        ["checkpoint", "period", "finalized_slot", "optimistic_slot", "agreed", "participation"]
            .map(|key| it[key].clone())
    };
    let before = known(&wait_for_sync(&daemon, "synced", |it| it["state"] == "synced"));
    let hurrying = daemon.refused("chain_sync", json!({"chain": CHAIN}));
    assert_eq!(hurrying.code, PERMISSION_DENIED, "it is an administrator's: {hurrying:?}");
    for (what, params) in brought(&ground, &forgery) {
        let learned = daemon.try_admin("chain_sync", params).map(|it| it["learned"].clone());
        assert!(learned.as_ref().map_or(true, |it| it == false), "{what}: {learned:?}");
        assert_eq!(known(&sync(&daemon)), before, "{what}");
    }
    assert_eq!(daemon.code(ACME), "NOT_HELD");
}

/// The owner edits the vendor's file, is entitled by a chain of their own, and puts the file back while the daemon is
/// looking: what was found under the owner's checkpoint is not the vendor's.
#[test]
fn a_product_file_that_is_put_back_during_a_look_keeps_nothing_of_the_owners_word() {
    let ground = ground(short);
    let forgery = Forgery::of(&ground, 9, &[]);
    forgery.beacon.advance_to(46);
    ground.proxy.lead_to(&forgery.anvil.address());
    let digest = ground.spec_digest();
    let owners = forgery.root(20).to_string();
    let edited = ground.demanding().checkpoint(&owners, &digest, "");
    let beacon = [forgery.beacon.url()];
    let keys = settings(&ground, &ground.spec(), &beacon, forgery.root(20));
    let daemon = Daemon::start(&keys.product(edited));
    daemon.link(&ground.wallet);
    daemon.wait_for_code(ACME, "VALID");
    ground.proxy.fault(Fault::Delay(Duration::from_millis(200)));
    let asked = ground.proxy.all_calls();
    eventually("it looks again", || match ground.proxy.all_calls() > asked {
        true => Ok(()),
        false => Err(daemon.code(ACME)),
    });
    daemon.write_product(&ground.product());
    daemon.admin("system_reload", json!({}));
    daemon.never_answers(ACME, &YES, WATCHED);
    ground.proxy.heal();
    daemon.never_answers(ACME, &YES, WATCHED);
    assert_eq!(daemon.code(ACME), "TRUST_TOO_LOW");
}
