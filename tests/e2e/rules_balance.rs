//! Rule `balance`: so many of an id of ERC-1155.

use serde_json::json;

use crate::rules::{Scene, word};
use crate::support::CHAIN;
use crate::support::anvil::Anvil;
use crate::support::licences::{Editions, Scripted};
use crate::support::stage::{ACME, stranger};

fn scene(more: &str) -> (Scene, Editions) {
    let anvil = Anvil::start();
    let editions = Editions::deploy(&anvil);
    let scene = Scene::new(anvil, &editions.collection(), &format!("rule = \"balance\"\n{more}"));
    scene.wait_for("NOT_HELD");
    (scene, editions)
}

#[test]
fn one_is_enough_until_it_is_taken_back() {
    let (scene, editions) = scene("ids = [7]");
    editions.issue(&scene.anvil, scene.holder(), 7, 1);
    let verdict = scene.wait_for("VALID");
    assert_eq!(verdict["token"], json!(editions.token(7)));
    editions.take_back(&scene.anvil, scene.holder(), 7, 1);
    scene.wait_for("NOT_HELD");
}

#[test]
fn as_many_as_the_grant_asks_for_are_needed() {
    let (scene, editions) = scene("ids = [7]\nmin = 3");
    editions.issue(&scene.anvil, scene.holder(), 7, 2);
    scene.daemon.never_answers(ACME, &["VALID"], std::time::Duration::from_secs(2));
    // Who holds two is told so, and not that they hold none.
    let holds = format!("wallet {} holds 2 of 3", scene.holder());
    let verdict = scene.wait_for("NOT_HELD");
    let detail = verdict["detail"].as_str().unwrap();
    assert!(detail.ends_with(&format!("; {holds} of token 7 for tier pro")), "{verdict}");
    let why = scene.daemon.call("entitlement_explain", json!({"product": ACME}));
    let steps = why["steps"].as_array().unwrap();
    let token = steps.iter().find(|it| it["step"] == "token").unwrap();
    let said = json!({
        "step": "token", "subject": editions.token(7), "outcome": "no", "reason": holds,
        "held": "2", "min": "3",
    });
    assert_eq!(token, &said, "{why}");
    let others =
        format!("wallet {} was proven to hold fewer than 3 of any other id", scene.holder());
    assert!(why.to_string().contains(&others), "{why}");
    let told = scene.daemon.entitlectl().args(["why", ACME]).output().unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.contains(&format!("{holds} of token 7")), "{told}");
    editions.issue(&scene.anvil, scene.holder(), 7, 2);
    scene.wait_for("VALID");
    let why = scene.daemon.call("entitlement_explain", json!({"product": ACME}));
    let steps = why["steps"].as_array().unwrap();
    let held = steps.iter().find(|it| it["held"].is_string()).unwrap();
    assert_eq!(
        (&held["step"], &held["held"], &held["min"]),
        (&json!("ownership"), &json!("4"), &json!("3"))
    );
    let ownerships = scene.daemon.call("ownership_list", json!({}));
    assert_eq!(ownerships["items"][0]["held"], "4", "{ownerships}");
}

#[test]
fn who_holds_none_is_told_so() {
    let (scene, editions) = scene("ids = [7]\nmin = 3");
    let fewer = format!("wallet {} was proven to hold fewer than 3 of any id", scene.holder());
    assert!(scene.why().contains(&fewer), "{}", scene.why());
    editions.issue(&scene.anvil, scene.holder(), 7, 2);
    scene
        .daemon
        .wait_for(ACME, "two are counted", |it| it["detail"].to_string().contains("2 of 3"));
    editions.take_back(&scene.anvil, scene.holder(), 7, 2);
    scene.daemon.wait_for(ACME, "none is counted", |it| !it["detail"].to_string().contains("of 3"));
    assert!(scene.why().contains(&fewer), "{}", scene.why());
}

#[test]
fn of_several_ids_each_counts_by_itself_and_others_do_not() {
    let (scene, editions) = scene("ids = [\"1-3\", 9]\nmin = 2");
    for id in [1, 2, 4] {
        editions.issue(&scene.anvil, scene.holder(), id, if id == 4 { 5 } else { 1 });
    }
    editions.issue(&scene.anvil, stranger(), 3, 5);
    scene.daemon.never_answers(ACME, &["VALID"], std::time::Duration::from_secs(2));
    editions.issue(&scene.anvil, scene.holder(), 9, 2);
    assert_eq!(scene.wait_for("VALID")["token"], json!(editions.token(9)));
}

#[test]
fn a_token_can_be_verified_by_itself() {
    let (scene, editions) = scene("ids = [7]\nmin = 2");
    editions.issue(&scene.anvil, scene.holder(), 7, 1);
    let ask = |wallet: Option<String>, id: u64| {
        let mut params = json!({"token": editions.token(id)});
        if let Some(wallet) = wallet {
            params["wallet"] = json!(wallet);
        }
        scene.daemon.try_call("token_verify", params)
    };
    let holder = Some(scene.holder().to_string());
    let sighting = ask(holder.clone(), 7).unwrap();
    let said = (&sighting["holding"], &sighting["rule"]);
    assert_eq!(said, (&json!("not_held"), &json!("balance")), "the product wants two");
    assert_eq!((&sighting["held"], &sighting["min"]), (&json!("1"), &json!("2")), "{sighting}");
    editions.issue(&scene.anvil, scene.holder(), 8, 1);
    assert_eq!(ask(holder, 8).unwrap()["holding"], "held", "no product asks for more than one");
    let refused = ask(None, 7).unwrap_err();
    assert_eq!(refused.code, -32602, "many may hold it: {refused:?}");
}

#[test]
fn an_edition_can_be_recorded_by_the_transaction_that_brought_it() {
    let (scene, editions) = scene("ids = [7]");
    let elsewhere = editions.issue(&scene.anvil, stranger(), 7, 1);
    let claim = |transaction: &str| {
        let token = editions.token(7);
        json!({"token": token, "wallet": scene.holder(), "transaction": transaction})
    };
    let refused = scene.daemon.refused("ownership_record", claim(&elsewhere));
    assert_eq!(refused.code, -32003, "it is not held: {refused:?}");
    let here = editions.issue(&scene.anvil, scene.holder(), 7, 1);
    let refused = scene.daemon.refused("ownership_record", claim(&elsewhere));
    assert_eq!(refused.code, -32003, "another's: {refused:?}");
    let ownership = scene.daemon.call("ownership_record", claim(&here));
    assert_eq!((&ownership["transaction"], &ownership["rule"]), (&json!(here), &json!("balance")));
}

#[test]
fn what_is_no_number_is_no_answer() {
    for answer in [&[][..], &[0; 31], &[0; 64]] {
        let anvil = Anvil::start();
        let scripted = Scripted::deploy(&anvil);
        scripted.say(&anvil, [0x00, 0xfd, 0xd5, 0x8e], answer);
        let token = format!("{CHAIN}/erc1155:{}/7", scripted.0.address);
        let scene = Scene::new(anvil, &token, "rule = \"balance\"");
        scene.stays_undetermined();
        scripted.say(&scene.anvil, [0x00, 0xfd, 0xd5, 0x8e], &word(1));
        scene.wait_for("VALID");
    }
}
