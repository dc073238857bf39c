//! Receipts of trust `consensus`: validators vouch for the block, from the vendor's own checkpoint, to whoever is given one.

use serde_json::{Value, json};

use super::scene::Ground;
use crate::publishers::{Vendor, install_signed};
use crate::receipts::{judge, make};
use crate::support::beacon::node::BeaconFault;
use crate::support::beacon::tamper;
use crate::support::daemon::Daemon;
use crate::support::document::commands;
use crate::support::eventually;
use crate::support::settings::Settings;
use crate::support::stage::ACME;
use entitled_core::receipt::{Verified, Vouched};

const CONFLICT: i64 = -32003;

/// A daemon that follows the validators, with the product under a vendor's name.
fn following(ground: &Ground, vendor: &Vendor) -> Daemon {
    let daemon = Daemon::start(&ground.settings());
    install_signed(&daemon, vendor, &ground.product());
    daemon.link(&ground.wallet);
    daemon.wait_for_code(ACME, "VALID");
    daemon
}

/// One without a way to anybody.
fn cut_off(ground: &Ground, vendor: &Vendor) -> Daemon {
    let spec = format!("spec = {:?}\nsilence = \"1h\"", ground.spec());
    let nowhere = ["http://127.0.0.1:9".to_owned()];
    let daemon = Daemon::start(&Settings::new(nowhere).consensus(&spec));
    install_signed(&daemon, vendor, &ground.product());
    daemon
}

fn is_valid(verdict: &Value) -> bool {
    verdict["valid"] == true
}

#[test]
fn validators_vouch_for_the_block_from_the_vendors_checkpoint() {
    let (ground, vendor) = (Ground::new(), Vendor::new());
    let daemon = following(&ground, &vendor);
    let receipt = make(&daemon, None);
    let Verified { verdict, vouched, .. } = judge(&receipt, &vendor, None).unwrap();
    assert_eq!(
        (vouched, verdict.trust.map(|it| it.as_str())),
        (Vouched::Validators, Some("consensus"))
    );
    let attestation = verdict.anchor.unwrap().attestation.unwrap();
    assert_eq!(attestation.checkpoint.to_string(), ground.checkpoint());
    assert_eq!((attestation.participation, attestation.of), (503, 512));
    assert!(receipt.len() < 48 * 1024, "{} bytes", receipt.len());

    // A byte here and there; the tests of the core alter each.
    for at in (40..receipt.len() - 40).step_by(997) {
        let mut altered = receipt.clone().into_bytes();
        altered[at] ^= 1;
        let altered = String::from_utf8(altered).unwrap();
        assert!(judge(&altered, &vendor, None).is_err(), "character {at}");
    }
}

#[test]
fn a_machine_without_a_network_gets_its_evidence_on_a_stick() {
    let (ground, vendor) = (Ground::new(), Vendor::new());
    let maker = following(&ground, &vendor);
    let old = make(&maker, None);
    ground.finalize();
    let number = |it: &str| judge(it, &vendor, None).unwrap().verdict.anchor.unwrap().number;
    let young = eventually("a newer block is final", || {
        let young = make(&maker, None);
        if number(&young) > number(&old) { Ok(young) } else { Err(number(&young).to_string()) }
    });

    let daemon = cut_off(&ground, &vendor);
    let nobody = daemon.try_admin("receipt_import", json!({"receipt": young})).unwrap_err();
    assert!(nobody.message.contains("belongs to nobody here"), "{nobody:?}");
    daemon.link(&ground.wallet);
    assert!(!is_valid(&daemon.check(ACME)));
    let stick = daemon.home().join("stick");
    std::fs::write(&stick, &young).unwrap();
    let test = "a_machine_without_a_network_gets_its_evidence_on_a_stick";
    let import = commands("docs/receipts.md", test).remove(0);
    let import = import.with("acme.receipt", stick.to_str().unwrap());
    import.run(&daemon.entitlectl(), daemon.home());
    let verdict = daemon.wait_for(ACME, "a yes", is_valid);
    assert_eq!(
        (&verdict["trust"], &verdict["token"]),
        (&json!("consensus"), &json!(ground.licence.token(7)))
    );
    assert_eq!(verdict["anchor"]["number"], number(&young));

    // Older evidence changes nothing, and neither does the same once more.
    for again in [&old, &young] {
        let refused = daemon.try_admin("receipt_import", json!({"receipt": again})).unwrap_err();
        assert!(
            refused.code == CONFLICT && refused.message.contains("known already"),
            "{refused:?}"
        );
    }
    let audit = daemon.admin("audit_list", json!({"limit": 1000}));
    let imported = |it: &&Value| it["action"] == "receipt_imported";
    assert_eq!(audit["items"].as_array().unwrap().iter().filter(imported).count(), 1, "{audit}");

    // Another vendor's key, or none, and it is no evidence.
    let other = Vendor::new();
    let foreign = cut_off(&ground, &other);
    foreign.link(&ground.wallet);
    let refused = foreign.try_admin("receipt_import", json!({"receipt": young})).unwrap_err();
    assert!(refused.message.contains("not the publisher's"), "{refused:?}");
}

/// A source tells of a signature that is made at the end of all time, and has updates for every period until then. The light
/// client, which hears of them too, takes them for early and not for lies.
#[test]
fn a_way_into_the_future_is_not_gone() {
    let (ground, vendor) = (Ground::new(), Vendor::new());
    let daemon = following(&ground, &vendor);
    let late =
        |it: &Value| tamper::replaced(it, "/data/signature_slot", json!(u64::MAX.to_string()));
    let (update, per_period) = {
        let chain = ground.beacon.chain();
        (late(&chain.updates(1, 1).remove(0)), chain.schedule.slots_per_period())
    };
    ground.beacon.fault_in("finality_update", BeaconFault::alter(late));
    let any = move |target: &str| {
        let (_, from) = target.split_once("start_period=").unwrap();
        let digits: String = from.chars().take_while(char::is_ascii_digit).collect();
        let slot = digits.parse::<u64>().unwrap() * per_period + per_period - 1;
        let place = "/data/attested_header/beacon/slot";
        json!([tamper::replaced(&update, place, json!(slot.to_string()))])
    };
    ground.beacon.fault_in("updates", BeaconFault::made(any));
    let before = ground.beacon.requests("updates").len();
    let refused = daemon.refused("entitlement_receipt", json!({"product": ACME}));
    let asked = ground.beacon.requests("updates").len() - before;
    assert!(refused.message.contains("is signed in period"), "{refused:?}");
    assert!(asked < 100, "{asked} requests");
}
