//! Rule `unlock`: keys of Unlock's locks, of every version npm has.

use std::time::Duration;

use alloy_primitives::U256;
use serde_json::json;

use crate::rules::{HOUR, Scene, address_word, word};
use crate::support::anvil::Anvil;
use crate::support::licences::{Lock, Scripted};
use crate::support::stage::{ACME, stranger};

const VERSION: [u8; 4] = [0xd1, 0xbb, 0xd4, 0x9c];
const OWNER_OF: [u8; 4] = [0x63, 0x52, 0x21, 0x1e];
const IS_VALID_KEY: [u8; 4] = [0xa9, 0x8d, 0x36, 0x23];
const EXPIRATION: [u8; 4] = [0x54, 0xb2, 0x49, 0xfb];

fn scene(version: u16, more: &str) -> (Scene, Lock) {
    let anvil = Anvil::start();
    let lock = Lock::deploy(&anvil, version, HOUR);
    let more = format!("rule = \"unlock\"\n{more}");
    let scene = Scene::new(anvil, &lock.contract.collection(), &more);
    scene.wait_for("NOT_HELD");
    (scene, lock)
}

/// Bought, expired, and for those who can be given several, another.
fn a_key_lasts_for_its_time(version: u16) {
    let (scene, lock) = scene(version, "");
    lock.buy(&scene.anvil, scene.holder());
    let verdict = scene.wait_for("VALID");
    let key = lock.key_of(&scene.anvil, scene.holder());
    assert_eq!(verdict["token"], json!(lock.contract.token(key)), "{verdict}");
    assert!(verdict["expires_at"].is_string(), "{verdict}");
    scene.pass(HOUR * 2);
    scene.wait_for("EXPIRED");
    scene.daemon.never_answers(ACME, &["VALID", "NOT_HELD"], Duration::from_secs(2));
    if version >= 10 {
        lock.extend(&scene.anvil, key);
        scene.wait_for("VALID");
    }
}

fn a_key_given_away_is_not_held(version: u16) {
    let (scene, lock) = scene(version, "");
    lock.grant(&scene.anvil, scene.holder(), None);
    assert_eq!(scene.wait_for("VALID")["expires_at"], json!(null), "for ever");
    let key = lock.key_of(&scene.anvil, scene.holder());
    lock.contract.transfer(&scene.anvil, scene.holder(), stranger(), key);
    scene.wait_for("NOT_HELD");
}

/// Some versions leave the owner of a key that was taken back, some do not. Either way it says no.
fn a_key_taken_back_entitles_no_more(version: u16) {
    let (scene, lock) = scene(version, "");
    lock.buy(&scene.anvil, scene.holder());
    scene.wait_for("VALID");
    let key = lock.key_of(&scene.anvil, scene.holder());
    lock.cancel(&scene.anvil, scene.holder(), key);
    let ended = |code: &serde_json::Value| *code == "EXPIRED" || *code == "NOT_HELD";
    scene.daemon.wait_for(ACME, "a proven no", |it| ended(&it["code"]));
    scene.daemon.never_answers(ACME, &["VALID", "UNDETERMINED"], Duration::from_secs(2));
}

fn a_listed_key_is_asked_by_its_id(version: u16) {
    let (scene, lock) = scene(version, "ids = [\"2-3\"]");
    lock.buy(&scene.anvil, scene.holder());
    scene.daemon.never_answers(ACME, &["VALID"], Duration::from_secs(1));
    lock.buy(&scene.anvil, stranger());
    scene.daemon.never_answers(ACME, &["VALID"], Duration::from_secs(1));
    assert_eq!(scene.code(), "NOT_HELD");
    lock.contract.transfer(&scene.anvil, stranger(), crate::support::licences::ACCOUNT_REGISTRY, 2);
    assert_eq!(scene.code(), "NOT_HELD");
}

macro_rules! of_each_version {
    ($($what:ident: $($name:ident = $version:literal),*;)*) => {$($(
        #[test]
        fn $name() {
            assert!(Lock::VERSIONS.contains(&$version));
            $what($version);
        }
    )*)*};
}

of_each_version! {
    a_key_lasts_for_its_time: lasts_9 = 9, lasts_10 = 10, lasts_11 = 11, lasts_12 = 12, lasts_13 = 13,
        lasts_14 = 14, lasts_15 = 15;
    a_key_given_away_is_not_held: given_away_9 = 9, given_away_10 = 10, given_away_11 = 11,
        given_away_15 = 15;
    a_key_taken_back_entitles_no_more: taken_back_9 = 9, taken_back_11 = 11, taken_back_12 = 12,
        taken_back_15 = 15;
    a_listed_key_is_asked_by_its_id: listed_9 = 9, listed_15 = 15;
}

#[test]
fn a_lock_of_unknown_words_or_answers_is_unknown() {
    let anvil = Anvil::start();
    let scripted = Scripted::deploy(&anvil);
    let wallet = crate::support::wallet::Wallet::numbered(1).address();
    scripted.say(&anvil, OWNER_OF, &address_word(wallet));
    scripted.say(&anvil, EXPIRATION, &U256::MAX.to_be_bytes::<32>());
    scripted.say(&anvil, VERSION, &word(8));
    let scene = Scene::new(anvil, &scripted.0.token(7), "rule = \"unlock\"");
    scene.stays_undetermined();
    scripted.say(&scene.anvil, VERSION, &word(15));
    scripted.say(&scene.anvil, IS_VALID_KEY, &word(2));
    scene.stays_undetermined();
    scripted.say(&scene.anvil, IS_VALID_KEY, &word(1));
    scene.wait_for("VALID");
}
