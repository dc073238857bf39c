//! Rules that end: `user` (ERC-4907), `subscription` (ERC-5643) and `expiry` (ERC-7858).

use std::time::Duration;

use serde_json::json;

use crate::rules::{HOUR, Scene, address_word, word};
use crate::support::anvil::Anvil;
use crate::support::licences::{Expirables, Rentals, Scripted, Subscriptions};
use crate::support::stage::{ACME, stranger};

const USER_OF: [u8; 4] = [0xc2, 0xf1, 0xf1, 0x4a];
const USER_EXPIRES: [u8; 4] = [0x8f, 0xc8, 0x8c, 0x48];
const OWNER_OF: [u8; 4] = [0x63, 0x52, 0x21, 0x1e];
const BALANCE_OF: [u8; 4] = [0x70, 0xa0, 0x82, 0x31];
const EXPIRES_AT: [u8; 4] = [0x17, 0xc9, 0x57, 0x09];

/// Token 7 is a stranger's, who lends it.
fn rented(more: &str) -> (Scene, Rentals) {
    let anvil = Anvil::start();
    let rentals = Rentals::deploy(&anvil);
    rentals.0.mint(&anvil, stranger(), 7);
    let more = format!("rule = \"user\"\n{more}");
    let scene = Scene::new(anvil, &rentals.0.collection(), &more);
    scene.wait_for("NOT_HELD");
    (scene, rentals)
}

#[test]
fn a_rental_lasts_until_its_end_and_then_has_expired() {
    for more in ["ids = [\"1-9\"]", "tokens_of = \"enumerable\""] {
        let (scene, rentals) = rented(more);
        let end = scene.in_time(HOUR);
        rentals.rent(&scene.anvil, 7, scene.holder(), end);
        scene.wait_for_end(end);
        scene.pass(HOUR * 2);
        let verdict = scene.wait_for("EXPIRED");
        assert_eq!(verdict["token"], json!(rentals.0.token(7)), "{verdict}");
        // Looked at again, the contract knows no user; it is still this one's time that ended.
        scene.daemon.never_answers(ACME, &["VALID", "NOT_HELD"], Duration::from_secs(2));
    }
}

#[test]
fn a_rental_taken_back_is_not_held() {
    let (scene, rentals) = rented("ids = [7]");
    rentals.rent(&scene.anvil, 7, scene.holder(), scene.in_time(HOUR));
    scene.wait_for("VALID");
    rentals.take_back(&scene.anvil, 7);
    scene.wait_for("NOT_HELD");
}

#[test]
fn an_expired_rental_given_to_somebody_else_is_not_held() {
    let (scene, rentals) = rented("ids = [7]");
    rentals.rent(&scene.anvil, 7, scene.holder(), scene.in_time(HOUR));
    scene.wait_for("VALID");
    scene.pass(HOUR * 2);
    scene.wait_for("EXPIRED");
    rentals.rent(&scene.anvil, 7, stranger(), scene.in_time(HOUR));
    scene.wait_for("NOT_HELD");
}

#[test]
fn who_owns_what_is_lent_does_not_use_it() {
    let (scene, rentals) = rented("ids = [8]");
    rentals.0.mint(&scene.anvil, scene.holder(), 8);
    scene.daemon.never_answers(ACME, &["VALID"], Duration::from_secs(2));
    assert_eq!(scene.code(), "NOT_HELD");
}

#[test]
fn a_user_until_an_unreadable_time_is_unknown() {
    let anvil = Anvil::start();
    let scripted = Scripted::deploy(&anvil);
    let wallet = crate::support::wallet::Wallet::numbered(1).address();
    scripted.say(&anvil, USER_OF, &address_word(wallet));
    // Even a revert that would mean "nobody" of an owner says nothing of a time.
    scripted.refuse(&anvil, USER_EXPIRES, &[0xdf, 0x2d, 0x9b, 0x42]);
    let token = scripted.0.token(7);
    let scene = Scene::new(anvil, &token, "rule = \"user\"");
    scene.stays_undetermined();
    scripted.say(&scene.anvil, USER_EXPIRES, &word(scene.in_time(HOUR)));
    scene.wait_for("VALID");
    scripted.say(&scene.anvil, USER_OF, &[0xff; 32]);
    scene.pass(HOUR * 2);
    scene.daemon.never_answers(ACME, &["NOT_HELD"], Duration::from_secs(2));
}

fn subscribed(more: &str) -> (Scene, Subscriptions) {
    let anvil = Anvil::start();
    let subscriptions = Subscriptions::deploy(&anvil);
    let more = format!("rule = \"subscription\"\n{more}");
    let scene = Scene::new(anvil, &subscriptions.0.collection(), &more);
    scene.wait_for("NOT_HELD");
    (scene, subscriptions)
}

#[test]
fn a_subscription_lasts_as_long_as_it_is_paid_for() {
    for more in ["", "tokens_of = \"logs\""] {
        let (scene, subscriptions) = subscribed(more);
        subscriptions.0.mint(&scene.anvil, scene.holder(), 7);
        assert_eq!(scene.wait_for("EXPIRED")["expires_at"], json!(null), "nothing is paid yet");
        subscriptions.renew(&scene.anvil, 7, HOUR);
        scene.wait_for("VALID");
        scene.pass(HOUR * 2);
        scene.wait_for("EXPIRED");
        subscriptions.renew(&scene.anvil, 7, HOUR);
        scene.wait_for("VALID");
    }
}

#[test]
fn a_subscription_cancelled_has_expired_and_given_away_is_not_held() {
    let (scene, subscriptions) = subscribed("");
    subscriptions.0.mint(&scene.anvil, scene.holder(), 7);
    subscriptions.renew(&scene.anvil, 7, HOUR);
    scene.wait_for("VALID");
    let verify = || scene.daemon.call("token_verify", json!({"token": subscriptions.0.token(7)}));
    assert_eq!(verify()["holding"], "held");
    subscriptions.cancel(&scene.anvil, 7);
    scene.wait_for("EXPIRED");
    let sighting = verify();
    assert_eq!((&sighting["holding"], &sighting["until"]), (&json!("ended"), &json!(null)));
    subscriptions.0.transfer(&scene.anvil, scene.holder(), stranger(), 7);
    scene.wait_for("NOT_HELD");
}

#[test]
fn of_several_subscriptions_the_one_that_lasts_longest_counts() {
    let (scene, subscriptions) = subscribed("");
    for (id, hours) in [(1, 1), (2, 3), (3, 2)] {
        subscriptions.0.mint(&scene.anvil, scene.holder(), id);
        subscriptions.renew(&scene.anvil, id, HOUR * hours);
    }
    scene.daemon.wait_for(ACME, "by token 2", |it| it["token"] == subscriptions.0.token(2));
    subscriptions.0.transfer(&scene.anvil, scene.holder(), stranger(), 2);
    scene.daemon.wait_for(ACME, "by token 3", |it| it["token"] == subscriptions.0.token(3));
}

#[test]
fn a_subscription_of_more_than_64_bits_is_unknown() {
    let anvil = Anvil::start();
    let scripted = Scripted::deploy(&anvil);
    let wallet = crate::support::wallet::Wallet::numbered(1).address();
    scripted.say(&anvil, OWNER_OF, &address_word(wallet));
    scripted.say(&anvil, BALANCE_OF, &word(1));
    scripted.say(&anvil, EXPIRES_AT, &[0xff; 32]);
    let scene = Scene::new(anvil, &scripted.0.token(7), "rule = \"subscription\"");
    scene.stays_undetermined();
    scripted.say(&scene.anvil, EXPIRES_AT, &word(u64::MAX));
    let verdict = scene.wait_for("VALID");
    assert_eq!(verdict["expires_at"], json!(null), "beyond any calendar is for ever");
}

fn expiring(expirables: impl FnOnce(&Anvil) -> Expirables) -> (Scene, Expirables) {
    let anvil = Anvil::start();
    let expirables = expirables(&anvil);
    let scene = Scene::new(anvil, &expirables.0.collection(), "rule = \"expiry\"");
    expirables.0.mint(&scene.anvil, scene.holder(), 7);
    // Without a term it has no end, the opposite of a subscription.
    assert_eq!(scene.wait_for("VALID")["expires_at"], json!(null));
    (scene, expirables)
}

#[test]
fn a_term_in_seconds_begins_and_ends() {
    let (scene, expirables) = expiring(Expirables::by_time);
    let (start, end) = (scene.in_time(HOUR), scene.in_time(HOUR * 3));
    expirables.set_term(&scene.anvil, 7, start, end);
    scene.wait_for("NOT_HELD");
    scene.pass(HOUR + Duration::from_secs(60));
    scene.wait_for_end(end);
    scene.pass(HOUR * 3);
    scene.wait_for("EXPIRED");
    expirables.set_term(&scene.anvil, 7, start, 0);
    scene.wait_for("VALID");
    expirables.0.burn(&scene.anvil, 7);
    scene.wait_for("NOT_HELD");
}

#[test]
fn a_term_in_blocks_ends_with_its_block() {
    let (scene, expirables) = expiring(Expirables::by_block);
    let end = scene.anvil.block_number() + 20;
    expirables.set_term(&scene.anvil, 7, 0, end);
    let verdict = scene.wait_for("VALID");
    assert_eq!(verdict["expires_at"], json!(null), "nobody knows when block {end} will be");
    scene.anvil.mine(30);
    assert_eq!(scene.wait_for("EXPIRED")["expires_at"], json!(null));
    scene.daemon.never_answers(ACME, &["VALID", "NOT_HELD"], Duration::from_secs(2));
}

#[test]
fn a_contract_that_counts_in_neither_is_unknown() {
    let anvil = Anvil::start();
    let scripted = Scripted::deploy(&anvil);
    let wallet = crate::support::wallet::Wallet::numbered(1).address();
    scripted.say(&anvil, OWNER_OF, &address_word(wallet));
    scripted.say(&anvil, BALANCE_OF, &word(1));
    let scene = Scene::new(anvil, &scripted.0.token(7), "rule = \"expiry\"");
    scene.stays_undetermined();
}
