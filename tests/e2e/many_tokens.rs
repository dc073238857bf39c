//! Wallets with thousands of tokens: what it takes to prove them, and that one of them still counts.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::anvil::{Anvil, number};
use crate::support::contract::Contract;
use crate::support::daemon::Daemon;
use crate::support::proxy::Proxy;
use crate::support::settings::{ProductFile, Settings};
use crate::support::stage::{ACME, stranger};
use crate::support::wallet::Wallet;
use crate::support::{eventually, many};

/// A wallet with many tokens of one contract, and a daemon that reaches its chain through a proxy.
struct Hoard {
    daemon: Daemon,
    proxy: Proxy,
    licence: Contract,
    anvil: Anvil,
    wallet: Wallet,
}

impl Hoard {
    /// Tokens 1 to `count`. The daemon looks when it hears of something, and every `refresh`.
    fn of(count: u64, refresh: &str) -> Self {
        let anvil = Anvil::start();
        let licence = Contract::deploy(&anvil, "ManyLicences", None);
        let wallet = Wallet::numbered(1);
        many::mint(&anvil, &licence, wallet.address(), (1, count));
        let proxy = Proxy::start(&anvil.address());
        let product = ProductFile::new(ACME)
            .set("refresh", &format!("{refresh:?}"))
            .tier("pro", 20, "")
            .grant("pro", &licence.collection(), r#"tokens_of = "logs""#);
        let daemon = Daemon::start(&Settings::new([proxy.url()]).product(product));
        Self { daemon, proxy, licence, anvil, wallet }
    }

    /// Links the wallet and waits until all its tokens are proven.
    fn proven(self) -> Self {
        self.daemon.link(&self.wallet);
        self.daemon.wait_for_code(ACME, "VALID");
        // The daemon tries once, beside everything else, what the endpoint can do. That is not to be counted.
        eventually("the endpoint has been examined", || {
            let status = self.daemon.admin("chain_status", json!({}));
            match &status[0]["endpoints"][0]["abilities"]["synced"] {
                Value::Bool(_) => Ok(()),
                _ => Err(status.to_string()),
            }
        });
        self
    }

    fn named(&self, id: u64) {
        let token = self.licence.token(id);
        self.daemon.wait_for(ACME, &format!("by token {id}"), |it| it["token"] == token);
    }

    /// The ids of every active ownership, page by page.
    fn owned(&self) -> BTreeSet<u64> {
        let (mut ids, mut cursor) = (BTreeSet::new(), Value::Null);
        loop {
            let mut ask = json!({"active": true, "limit": 700});
            if !cursor.is_null() {
                ask["cursor"] = cursor;
            }
            let page = self.daemon.call("ownership_list", ask);
            for item in page["items"].as_array().unwrap() {
                let (_, id) = item["token"].as_str().unwrap().rsplit_once('/').unwrap();
                assert!(ids.insert(id.parse().unwrap()), "listed twice: {id}");
            }
            cursor = page["next_cursor"].clone();
            if cursor.is_null() {
                return ids;
            }
        }
    }

    fn proofs(&self) -> usize {
        self.proxy.calls("eth_getProof")
    }
}

#[test]
fn of_thousands_of_tokens_the_one_that_leaves_is_missed() {
    let count = 3_000;
    let hoard = Hoard::of(count, "10m").proven();
    let cold = hoard.proofs();
    assert!(cold <= 10, "{cold} requests for proofs of {count} tokens");
    hoard.named(1);
    let all: BTreeSet<u64> = (1..=count).collect();
    eventually("all are in the ledger", || {
        let owned = hoard.owned();
        if owned == all { Ok(()) } else { Err(format!("{} are", owned.len())) }
    });

    hoard.licence.transfer(&hoard.anvil, hoard.wallet.address(), stranger(), 1);
    hoard.named(2);
    let again = hoard.proofs() - cold;
    assert!(again <= 6, "{again} requests for proofs after one of {count} left");
    let rest: BTreeSet<u64> = (2..=count).collect();
    eventually("the others are in the ledger", || {
        let owned = hoard.owned();
        if owned == rest { Ok(()) } else { Err(format!("{} are", owned.len())) }
    });

    let explained = hoard.daemon.call("entitlement_explain", json!({"product": ACME}));
    let steps = explained["steps"].as_array().unwrap();
    assert!(steps.len() < 500, "{} steps are nobody's to read", steps.len());
    assert!(steps.iter().any(|it| it["subject"] == hoard.licence.token(2)), "what decided is told");
}

#[test]
fn what_has_not_changed_is_proven_again_with_one_proof() {
    let hoard = Hoard::of(300, "1s").proven();
    let newest = || number(&hoard.anvil.block("latest")["number"]);
    let proven_at = |block: u64| {
        hoard
            .daemon
            .wait_for(ACME, &format!("proven at {block}"), |it| it["anchor"]["number"] == block)
    };
    proven_at(newest());
    for _ in 0..3 {
        let before = hoard.proofs();
        hoard.anvil.mine(1);
        assert_eq!(proven_at(newest())["code"], "VALID");
        let proofs = hoard.proofs() - before;
        assert!(proofs <= 1, "{proofs} requests for proofs in a block that changed nothing");
    }
}

/// The events name them: the account, with a few slots of its trie, and then what the events named.
#[test]
fn a_few_that_changed_among_many_are_found_with_few_requests() {
    let hoard = Hoard::of(1_000, "10m").proven();
    hoard.named(1);
    let before = hoard.proofs();
    let whose = (hoard.wallet.address(), stranger());
    many::give(&hoard.anvil, &hoard.licence, whose, (1, 100, 10));
    hoard.named(2);
    let proofs = hoard.proofs() - before;
    assert!(proofs <= 2, "{proofs} requests for proofs");
    eventually("the ledger has the others", || match hoard.owned().len() {
        990 => Ok(()),
        other => Err(format!("{other}")),
    });
}

/// Counted in polls: the follower reads events once for each head it hears of.
#[test]
fn a_transfer_is_told_within_one_poll_of_its_block() {
    let hoard = Hoard::of(300, "10m");
    let config = std::fs::read_to_string(hoard.daemon.config()).unwrap();
    let Hoard { mut daemon, proxy, licence, anvil, wallet } = hoard;
    assert!(daemon.stop().success());
    // So seldom that a second poll would be noticed.
    let seldom = config.replace("poll = \"100ms\"", "poll = \"3s\"");
    assert_ne!(config, seldom);
    daemon.write_config(&seldom);
    daemon.resume();
    daemon.link(&wallet);
    let mut told = daemon.subscribe(ACME);
    told.until("VALID");
    // What the ledger knows is enough: no reading of events is left that is not the follower's.
    let polls = || proxy.calls("eth_getLogs");
    let before = polls();
    licence.transfer(&anvil, wallet.address(), stranger(), 1);
    let verdict = told.next();
    let during = polls() - before;
    assert_eq!(verdict["token"], json!(licence.token(2)), "{verdict}");
    assert!(during <= 1, "events were read {during} times before the subscriber was told");
}
