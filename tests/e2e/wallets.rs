//! Wallets: linking by signature, and every way to cheat at it; managed keys.

use serde_json::{Value, json};

use crate::support::anvil::Anvil;
use crate::support::daemon::Daemon;
use crate::support::settings::Settings;
use crate::support::socket::Refused;
use crate::support::wallet::Wallet;

const SIGNATURE_INVALID: i64 = -32008;
const INVALID_PARAMS: i64 = -32602;

/// A daemon whose chain nobody can reach: wallets need none.
fn offline() -> Daemon {
    Daemon::start(&Settings::new(["http://127.0.0.1:9".to_owned()]))
}

/// That no contract accepts a signature either is for the chain to say.
fn online(anvil: &Anvil) -> Daemon {
    anvil.mine(1); // the node's first block does not have the state it gives out for it
    Daemon::start(&Settings::new([anvil.url()]))
}

fn link(daemon: &Daemon, message: &str, signature: &str) -> Result<Value, Refused> {
    daemon.try_call("wallet_link", json!({"message": message, "signature": signature}))
}

fn message_for(daemon: &Daemon, wallet: &Wallet) -> String {
    daemon.challenge(wallet)["message"].as_str().unwrap().to_owned()
}

fn wallets(daemon: &Daemon) -> Vec<Value> {
    daemon.call("wallet_list", json!({}))["items"].as_array().unwrap().clone()
}

#[test]
fn a_signed_challenge_links_its_wallet() {
    let (daemon, wallet) = (offline(), Wallet::numbered(1));
    let linked = daemon.link(&wallet);
    assert_eq!(linked["address"], json!(wallet.address().to_string()), "EIP-55: {linked}");
    assert_eq!((&linked["custody"], &linked["active"]), (&json!("linked"), &json!(true)));
    assert_eq!(wallets(&daemon).len(), 1);
}

#[test]
fn the_challenge_is_an_eip_4361_message() {
    let (daemon, wallet) = (offline(), Wallet::numbered(1));
    let challenge = daemon.challenge(&wallet);
    let message = challenge["message"].as_str().unwrap();
    let mut lines = message.lines();
    assert!(lines.next().unwrap().ends_with(" wants you to sign in with your Ethereum account:"));
    assert_eq!(lines.next().unwrap(), wallet.address().to_string());
    for field in
        ["URI: ", "Version: 1", "Chain ID: 31337", "Nonce: ", "Issued At: ", "Expiration Time: "]
    {
        assert!(message.lines().any(|line| line.starts_with(field)), "{field} in {message}");
    }
    assert!(message.contains(challenge["nonce"].as_str().unwrap()));
}

#[test]
fn a_challenge_survives_a_restart() {
    let (mut daemon, wallet) = (offline(), Wallet::numbered(1));
    let message = message_for(&daemon, &wallet);
    daemon.restart();
    link(&daemon, &message, &wallet.sign(&message)).unwrap();
}

#[test]
fn a_challenge_serves_once_also_after_a_restart() {
    let (mut daemon, wallet) = (offline(), Wallet::numbered(1));
    let message = message_for(&daemon, &wallet);
    let signature = wallet.sign(&message);
    link(&daemon, &message, &signature).unwrap();
    assert!(link(&daemon, &message, &signature).is_err());
    daemon.restart();
    assert!(link(&daemon, &message, &signature).is_err());
}

#[test]
fn a_used_challenge_does_not_link_again_what_was_unlinked() {
    let (daemon, wallet) = (offline(), Wallet::numbered(1));
    let message = message_for(&daemon, &wallet);
    let signature = wallet.sign(&message);
    link(&daemon, &message, &signature).unwrap();
    let params = json!({"address": wallet.address()});
    assert_eq!(daemon.call("wallet_unlink", params)["active"], json!(false));
    assert!(link(&daemon, &message, &signature).is_err());
    assert!(wallets(&daemon).iter().all(|it| it["active"] == false));
}

#[test]
fn of_many_at_once_one_link_wins() {
    let (daemon, wallet) = (offline(), Wallet::numbered(1));
    let message = message_for(&daemon, &wallet);
    let signature = wallet.sign(&message);
    let won = std::thread::scope(|scope| {
        let tries: Vec<_> =
            (0..8).map(|_| scope.spawn(|| link(&daemon, &message, &signature).is_ok())).collect();
        tries.into_iter().map(|it| it.join().unwrap()).filter(|it| *it).count()
    });
    assert_eq!(won, 1);
}

#[test]
fn somebody_elses_signature_links_nothing() {
    let anvil = Anvil::start();
    let (daemon, wallet) = (online(&anvil), Wallet::numbered(1));
    let message = message_for(&daemon, &wallet);
    let refused = link(&daemon, &message, &Wallet::numbered(2).sign(&message)).unwrap_err();
    assert_eq!(refused.code, SIGNATURE_INVALID, "{refused:?}");
    assert_eq!(wallets(&daemon).len(), 0);
    link(&daemon, &message, &wallet.sign(&message))
        .expect("the failure has not spent the challenge");
}

#[test]
fn an_altered_message_links_nothing() {
    let (daemon, wallet) = (offline(), Wallet::numbered(1));
    let message = message_for(&daemon, &wallet);
    let domain = message.split(' ').next().unwrap().to_owned();
    let other = Wallet::numbered(2).address().to_string();
    for altered in [
        message.replace(&domain, "evil.example"),
        message.replace("Chain ID: 31337", "Chain ID: 1"),
        message.replace("Version: 1", "Version: 2"),
        message.replace(&wallet.address().to_string(), &other),
        format!("{message}\n"),
        format!(" {message}"),
        message.replace('\n', "\r\n"),
        String::new(),
        "hello".to_owned(),
    ] {
        assert_ne!(altered, message);
        let refused = link(&daemon, &altered, &wallet.sign(&altered));
        assert!(refused.is_err(), "{altered:?} linked {refused:?}");
    }
    assert_eq!(wallets(&daemon).len(), 0);
}

#[test]
fn a_challenge_of_another_daemon_links_nothing_here() {
    let (daemon, foreign, wallet) = (offline(), offline(), Wallet::numbered(1));
    let message = message_for(&foreign, &wallet);
    assert!(link(&daemon, &message, &wallet.sign(&message)).is_err());
}

#[test]
fn a_malleable_signature_is_refused() {
    let (daemon, wallet) = (offline(), Wallet::numbered(1));
    let message = message_for(&daemon, &wallet);
    let refused = link(&daemon, &message, &wallet.sign_malleably(&message)).unwrap_err();
    assert_eq!(refused.code, SIGNATURE_INVALID, "{refused:?}");
}

#[test]
fn malformed_signatures_are_refused() {
    let anvil = Anvil::start();
    let (daemon, wallet) = (online(&anvil), Wallet::numbered(1));
    let message = message_for(&daemon, &wallet);
    let good = wallet.sign(&message);
    for bad in [
        String::new(),
        "0x".to_owned(),
        good[..good.len() - 2].to_owned(),
        format!("{good}00"),
        format!("{}ff", &good[..good.len() - 2]),
        format!("0x{}1b", "00".repeat(64)),
        good.replace("0x", "0y"),
        "0x".to_owned() + &"zz".repeat(65),
    ] {
        let refused = link(&daemon, &message, &bad).expect_err(&bad);
        assert!([SIGNATURE_INVALID, INVALID_PARAMS].contains(&refused.code), "{bad}: {refused:?}");
    }
}

#[test]
fn a_managed_wallet_signs_and_its_signature_verifies() {
    let mut daemon = offline();
    let made = daemon.call("wallet_create", json!({"label": "this machine"}));
    assert_eq!((&made["custody"], &made["label"]), (&json!("managed"), &json!("this machine")));
    let address = made["address"].clone();
    daemon.restart();

    let params = json!({"address": address, "message": "hello"});
    let signature = daemon.call("wallet_sign", params)["signature"].clone();
    let parsed: alloy_primitives::Signature = signature.as_str().unwrap().parse().unwrap();
    let signer = parsed.recover_address_from_msg("hello").unwrap();
    assert_eq!(json!(signer.to_string()), address, "an EIP-191 signature like any other");

    let verify = |message: &str| {
        let params = json!({"address": address, "message": message, "signature": signature});
        daemon.call("wallet_verify", params)["valid"].clone()
    };
    assert_eq!((verify("hello"), verify("hello!")), (json!(true), json!(false)));
}

#[test]
fn a_linked_wallet_has_no_key_here_to_sign_with() {
    let (daemon, wallet) = (offline(), Wallet::numbered(1));
    daemon.link(&wallet);
    let params = json!({"address": wallet.address(), "message": "hello"});
    assert!(daemon.try_call("wallet_sign", params).is_err());
}

#[test]
fn secrets_are_neither_logged_nor_readable() {
    use std::os::unix::fs::PermissionsExt as _;
    let daemon = offline();
    daemon.call("wallet_create", json!({}));
    let key = daemon.home().join("state/kek");
    let mode = std::fs::metadata(&key).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let secret = alloy_primitives::hex::encode(std::fs::read(&key).unwrap());
    assert!(!daemon.log().contains(&secret));
}
