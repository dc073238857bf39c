use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;

use super::*;
use crate::domain::ids::ChainId;

const DOMAIN: &str = "entitled-0123456789ab.localhost";

fn signer() -> PrivateKeySigner {
    PrivateKeySigner::from_slice(&[7; 32]).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn set() -> Challenge {
    let wallet = Account { chain: ChainId(10), address: signer().address() };
    let now = at("2026-11-22T10:00:00.75Z");
    challenge(DOMAIN, "abcdefgh12345678".into(), wallet, CustomerId::Uid(1000), now)
}

fn signed(text: &str) -> String {
    signer().sign_message_sync(text.as_bytes()).unwrap().to_string()
}

#[test]
fn the_text_says_what_it_does_for_whom_and_until_when() {
    let text = set().message;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0],
        "entitled-0123456789ab.localhost wants you to sign in with your Ethereum account:"
    );
    assert!(lines[3].contains("Link this wallet to entitled on this machine, for uid:1000."));
    assert_eq!(lines[7], "Chain ID: 10");
    assert_eq!(lines[9], "Issued At: 2026-11-22T10:00:00Z");
    assert_eq!(lines[10], "Expiration Time: 2026-11-22T10:10:00Z");
}

#[test]
fn every_customer_gives_a_message_that_reads_back() {
    for customer in [CustomerId::Machine, CustomerId::Uid(0), CustomerId::Numbered(u64::MAX)] {
        let wallet = Account { chain: ChainId(u64::MAX), address: Address::repeat_byte(0xAB) };
        let set = challenge(DOMAIN, "a".repeat(22), wallet, customer, Timestamp::UNIX_EPOCH);
        let read: SignInMessage = set.message.parse().unwrap();
        assert_eq!(read.to_string(), set.message);
    }
}

#[test]
fn the_right_answer_proves_the_address() {
    let set = set();
    let now = at("2026-11-22T10:09:59Z");
    let proven = answer(&set, DOMAIN, &set.message, &signed(&set.message), now);
    assert_eq!(proven, Ok(signer().address()));
}

#[test]
fn a_text_of_ones_own_is_no_answer_though_signed() {
    let set = set();
    let own = set.message.replace("10:10:00Z", "10:10:00.0Z");
    let now = at("2026-11-22T10:05:00Z");
    assert_eq!(answer(&set, DOMAIN, &own, &signed(&own), now), Err(ProofFault::OtherText));
}

#[test]
fn a_late_answer_is_none() {
    let set = set();
    let now = set.expires_at;
    let late = answer(&set, DOMAIN, &set.message, &signed(&set.message), now);
    assert_eq!(late, Err(ProofFault::Expired { at: now }));
}

#[test]
fn an_answer_for_another_machine_is_none() {
    let set = set();
    let now = at("2026-11-22T10:05:00Z");
    let other = "entitled-ffffffffffff.localhost";
    let foreign = answer(&set, other, &set.message, &signed(&set.message), now);
    assert!(matches!(foreign, Err(ProofFault::Domain { .. })), "{foreign:?}");
}

#[test]
fn a_text_that_was_set_is_read_on_any_machine_and_no_other_is() {
    let set = set();
    let link = read(&set.message).unwrap();
    assert_eq!(link.wallet, Account { chain: ChainId(10), address: signer().address() });
    assert_eq!(link.customer, CustomerId::Uid(1000));
    assert_eq!(link.issued_at, at("2026-11-22T10:00:00Z"));
    for (from, to) in [
        ("entitled:link", "https://bank.example/login"),
        (DOMAIN, "bank.example"),
        (DOMAIN, "localhost"),
        (DOMAIN, "entitled-0123456789ab.localhost.example"),
        (DOMAIN, "entitled-0123456789abc.localhost"),
        (DOMAIN, "entitled-0123456789AB.localhost"),
        ("Link this", "Take this"),
        ("uid:1000", "uid:01000"),
        ("costs nothing.", "costs nothing. Much."),
        ("10:10:00Z", "10:11:00Z"),
        ("10:00:00Z", "10:00:00.5Z"),
    ] {
        let other = set.message.replace(from, to);
        assert_ne!(other, set.message);
        assert_eq!(read(&other), None, "{to}");
    }
}
