//! What the tests of the rules have in common: one product with one grant, a linked wallet, and time moved.

use std::time::Duration;

use alloy_primitives::{Address, U256};
use serde_json::{Value, json};

use crate::support::anvil::Anvil;
use crate::support::daemon::Daemon;
use crate::support::licences::chain_time;
use crate::support::settings::{ProductFile, Settings};
use crate::support::stage::ACME;
use crate::support::wallet::Wallet;

/// An hour, as chains count it.
pub const HOUR: Duration = Duration::from_secs(3_600);

/// A daemon that grants tier `pro` in one way, and a linked wallet.
pub struct Scene {
    // Dropped in this order: the daemon before its chain.
    pub daemon: Daemon,
    pub anvil: Anvil,
    pub wallet: Wallet,
}

impl Scene {
    /// On a chain prepared before; `more` are the other keys of the grant.
    pub fn new(anvil: Anvil, token: &str, more: &str) -> Self {
        let product = ProductFile::new(ACME).tier("pro", 20, "").grant("pro", token, more);
        let daemon = Daemon::start(&Settings::new([anvil.url()]).product(product));
        let wallet = Wallet::numbered(1);
        daemon.link(&wallet);
        Self { daemon, anvil, wallet }
    }

    pub fn holder(&self) -> Address {
        self.wallet.address()
    }

    pub fn wait_for(&self, code: &str) -> Value {
        self.daemon.wait_for_code(ACME, code)
    }

    pub fn code(&self) -> String {
        self.daemon.code(ACME)
    }

    /// The whole explanation, as one text.
    pub fn why(&self) -> String {
        self.daemon.call("entitlement_explain", json!({"product": ACME})).to_string()
    }

    /// The end of the answer is at this second of chain time.
    pub fn wait_for_end(&self, second: u64) {
        let end = written(second);
        self.daemon.wait_for(ACME, &format!("valid until {end}"), |it| {
            it["code"] == "VALID" && it["expires_at"] == json!(end)
        });
    }

    /// Lets so much time pass on the chain.
    pub fn pass(&self, time: Duration) {
        self.anvil.increase_time(time);
    }

    /// So much later on the chain.
    pub fn in_time(&self, time: Duration) -> u64 {
        chain_time(&self.anvil) + time.as_secs()
    }

    /// Never says yes or that nothing is held, but that it does not know.
    pub fn stays_undetermined(&self) {
        let never = ["VALID", "GRACE", "NOT_HELD", "EXPIRED"];
        self.daemon.never_answers(ACME, &never, Duration::from_secs(1));
        assert_eq!(self.code(), "UNDETERMINED");
    }
}

/// As the socket writes a time.
pub fn written(second: u64) -> String {
    jiff::Timestamp::from_second(i64::try_from(second).unwrap()).unwrap().to_string()
}

/// One word of an answer.
pub fn word(number: u64) -> Vec<u8> {
    U256::from(number).to_be_bytes::<32>().to_vec()
}

/// An address as an answer.
pub fn address_word(address: Address) -> Vec<u8> {
    address.into_word().to_vec()
}
