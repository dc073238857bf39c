//! What is brought with one digit altered, anywhere in it; and what a true receipt does not bring back.

use std::time::Duration;

use serde_json::{Value, json};

use super::scene::{Ground, chain_id, sync, wait_for_sync};
use crate::publishers::{Vendor, install_signed};
use crate::receipts::make;
use crate::support::daemon::Daemon;
use crate::support::eventually;
use crate::support::settings::Settings;
use crate::support::stage::ACME;

const WATCHED: Duration = Duration::from_secs(1);
const PERMISSION_DENIED: i64 = -32001;
/// Of a message with very many fields, so many are altered.
const MOST: usize = 48;

/// The places of all texts in a message. In which slot a message was signed is signed by nobody: another one is as true.
fn leaves(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, it) in members.iter().filter(|(name, _)| *name != "signature_slot") {
                leaves(it, &format!("{at}/{name}"), found);
            }
        }
        Value::Array(items) => {
            for (number, it) in items.iter().enumerate() {
                leaves(it, &format!("{at}/{number}"), found);
            }
        }
        _ => found.push(at.to_owned()),
    }
}

/// The message with the last digit of one text exchanged, of each text in turn.
fn altered(message: &Value) -> Vec<(String, Value)> {
    let mut places = Vec::new();
    leaves(&message["data"], "/data", &mut places);
    let step = places.len().div_ceil(MOST);
    let one = |place: &String| {
        let mut altered = message.clone();
        let text = altered.pointer_mut(place).unwrap();
        let mut digits = text.as_str().unwrap().to_owned();
        let last = if digits.pop() == Some('1') { '2' } else { '1' };
        *text = json!(format!("{digits}{last}"));
        (place.clone(), altered)
    };
    places.iter().step_by(step).map(one).filter(|(_, it)| it != message).collect()
}

fn known(daemon: &Daemon) -> [Value; 5] {
    let sync = sync(daemon);
    ["checkpoint", "period", "finalized_slot", "optimistic_slot", "participation"]
        .map(|key| sync[key].clone())
}

fn bring(daemon: &Daemon, key: &str, message: &Value) -> Result<bool, String> {
    let brought = daemon.try_admin("chain_sync", json!({"chain": chain_id(), key: message}));
    brought.map(|it| it["learned"] == true).map_err(|it| it.message)
}

#[test]
fn no_digit_of_what_is_brought_can_be_another() {
    let ground = Ground::new();
    let old = ground.beacon.chain().clone();
    let settings = ground.settings_with("silence = \"1h\"").product(ground.product());
    let daemon = Daemon::start(&settings);
    let root = ground.root(4);
    let bootstrap = old.bootstrap(root).unwrap();
    let begin = |it: &Value| {
        let begin = json!({"chain": chain_id(), "checkpoint": root, "bootstrap": it});
        daemon.try_admin("chain_sync", begin)
    };
    for (place, forged) in altered(&bootstrap) {
        assert!(begin(&forged).is_err(), "{place}");
    }
    wait_for_sync(&daemon, "it has not begun", |it| it["state"] == "beginning");
    begin(&bootstrap).unwrap();
    assert_eq!(bring(&daemon, "updates", &json!(old.updates(0, 128))), Ok(true));
    assert_eq!(bring(&daemon, "finality_update", &old.finality_update().unwrap()), Ok(true));
    let before = known(&daemon);

    ground.finalize();
    let new = ground.beacon.chain().clone();
    let messages = [
        ("finality_update", new.finality_update().unwrap()),
        ("optimistic_update", new.optimistic_update().unwrap()),
        ("updates", new.updates(0, 128).last().unwrap().clone()),
    ];
    let mut tried = 0;
    for (key, message) in &messages {
        for (place, forged) in altered(message) {
            assert_ne!(bring(&daemon, key, &forged), Ok(true), "{key}{place}");
            assert_eq!(known(&daemon), before, "{key}{place}");
            tried += 1;
        }
    }
    assert!(tried > 60, "{tried}");
    assert_eq!(
        bring(&daemon, "finality_update", &messages[0].1),
        Ok(true),
        "the true one is taken"
    );
    // What was known before takes nothing back.
    let after = known(&daemon);
    assert_ne!(bring(&daemon, "finality_update", &old.finality_update().unwrap()), Ok(true));
    assert_ne!(bring(&daemon, "updates", &json!(old.updates(0, 128))), Ok(true));
    assert_eq!(known(&daemon), after);
}

/// A daemon without a way to anybody, to which the wallet is linked, and a newer and an older receipt.
fn on_a_stick(ground: &Ground, vendor: &Vendor) -> (Daemon, [String; 2]) {
    let maker = Daemon::start(&ground.settings());
    install_signed(&maker, vendor, &ground.product());
    maker.link(&ground.wallet);
    maker.wait_for_code(ACME, "VALID");
    let old = make(&maker, None);
    ground.finalize();
    let young = eventually("a newer block is final", || {
        let young = make(&maker, None);
        if young == old { Err("not yet".to_owned()) } else { Ok(young) }
    });
    let spec = format!("spec = {:?}\nsilence = \"1h\"", ground.spec());
    let nowhere = ["http://127.0.0.1:9".to_owned()];
    let daemon = Daemon::start(&Settings::new(nowhere).consensus(&spec));
    install_signed(&daemon, vendor, &ground.product());
    daemon.link(&ground.wallet);
    (daemon, [old, young])
}

#[test]
fn a_true_receipt_brings_nothing_back_that_was_taken_away_here() {
    let (ground, vendor) = (Ground::new(), Vendor::new());
    let (daemon, [old, young]) = on_a_stick(&ground, &vendor);
    let import = |receipt: &str| daemon.try_admin("receipt_import", json!({"receipt": receipt}));
    let denied = daemon.refused("receipt_import", json!({"receipt": old}));
    assert_eq!(denied.code, PERMISSION_DENIED, "it is an administrator's: {denied:?}");
    import(&old).unwrap();
    daemon.wait_for(ACME, "a yes", |it| it["valid"] == true);
    let token = json!({"token": ground.licence.token(7), "reason": "stolen"});
    daemon.admin("ownership_suspend", token);
    let is_over = |it: &Value| it["valid"] == false;
    daemon.wait_for(ACME, "no yes any more", is_over);
    import(&young).unwrap();
    daemon.never_answers(ACME, &["VALID", "GRACE"], WATCHED);
    daemon.call("wallet_unlink", json!({"address": ground.wallet.address()}));
    let nobodys = import(&young).unwrap_err();
    assert!(nobodys.message.contains("belongs to nobody here"), "{nobodys:?}");
    assert_ne!(daemon.check(ACME)["valid"], json!(true));
    let names = json!({"limit": 1_000});
    let audit = daemon.admin("audit_list", names);
    let imported = audit["items"].as_array().unwrap().iter();
    assert_eq!(imported.filter(|it| it["action"] == "receipt_imported").count(), 2, "{audit}");
}
